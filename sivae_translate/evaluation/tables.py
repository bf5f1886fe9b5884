"""A report's figures as tables, for the terminal and for the page alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MEASURES = {
    "psnr": ("PSNR dB", 2), "ssim": ("SSIM", 3), "lpips": ("LPIPS", 4),
    "perceptual_random_vgg16": ("perceptual (random VGG-16)", 4),
    "fid": ("FID", 2), "kid": ("KID", 4), "kid_random_vgg16": ("KID (random VGG-16)", 4),
}  # fmt: skip
PROBES = {
    "domain_from_content": "domain from content",
    "domain_from_sampled_content": "domain from sampled content",
    "label_from_style": "content label from style",
    "label_from_sampled_style": "content label from sampled style",
    "label_from_content": "content label from content",
}


@dataclass(frozen=True)
class Table:
    """Rows of text beneath a head; the first cell of each is its label.

    Attributes:
        title: also the first cell of the head.
        note: what the figures are, for those who have not met them.
    """

    title: str
    head: list[str]
    rows: list[list[str]]
    note: str = ""


def tables(report: dict[str, Any]) -> list[Table]:
    """The tables of what a report holds."""
    makers = {
        "output_psnr": pairs_table, "retrieval": retrieval_table, "sharpness": sharpness_table,
        "probes": probes_table, "classifier": classifier_table, "directions": directions_table,
        "diversity": diversity_table,
    }  # fmt: skip
    return [maker(report) for key, maker in makers.items() if report.get(key)]


def as_text(table: Table) -> str:
    """A table as lines for a terminal: labels on the left, figures on the right of their columns."""
    rows = [[table.title, *table.head], *([f"  {label}", *cells] for label, *cells in table.rows)]
    first = max(30, *(len(row[0]) for row in rows))
    widths = [max(len(row[i]) for row in rows if len(row) > i) for i in range(1, len(table.head) + 1)]
    lines = (
        row[0].ljust(first) + "".join(f"  {c:>{w}}" for c, w in zip(row[1:], widths, strict=False)) for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def measured(row: dict[str, Any], names: Sequence[str]) -> list[str]:
    return [figure(row.get(name), MEASURES[name][1]) for name in names]


def set_measures(row: dict[str, Any]) -> list[str]:
    return [name for name in ("fid", "kid", "kid_random_vgg16") if name in row]


def pairs_table(report: dict[str, Any]) -> Table:
    names = [name for name in ("psnr", "ssim", "lpips", "perceptual_random_vgg16") if f"output_{name}" in report]
    labels = {
        "output": "translation",
        "copy_content": "copying the content image",
        "copy_style": "copying the style image",
    }
    rows = [
        [label, *measured({name: report[f"{key}_{name}"] for name in names}, names)] for key, label in labels.items()
    ]
    note = (
        "Distance to the known truth, mean over pairs, beside what copying an input scores. Higher PSNR and SSIM are "
        "better, lower perceptual distances."
    )
    if "perceptual_random_vgg16" in names:
        note += " The perceptual distance is taken in a network that nobody trained: it compares with the like alone."
    return Table(f"{report['n']} pairs at {report['size']} px", [MEASURES[name][0] for name in names], rows, note)


def retrieval_table(report: dict[str, Any]) -> Table:
    found = report["retrieval"]
    rows = [
        [name, share(found[f"{key}_pixels"]), share(found[f"{key}_correlation"])]
        for key, name in {"output": "translation", "copy_content": "copying the content image"}.items()
    ]
    rows.append(["chance", share(found["chance"]), share(found["chance"])])
    note = (
        f"How often the truth is the nearest to its translation among the {found['candidates']:g} distinct truths (on "
        f"average) in its domain's folder: whether content came through, in n = {found['n']:,} translations. By pixels "
        "nearest is the least squared error; by correlation, brightness and contrast do not count, nor does what all "
        "of the folder's truths, or its translations, have in common."
    )
    return Table("truth is nearest", ["by pixels", "by correlation"], rows, note)


def sharpness_table(report: dict[str, Any]) -> Table:
    found = report["sharpness"]
    rows = [["mean gradient, of the truths'", f"{found['n']:,}", share(found["gradient"]), share(1)]]
    for name in set_measures(found):
        rows.append(
            [MEASURES[name][0], f"{found['n']:,}", *(measured(row, [name])[0] for row in (found, found["floor"]))]
        )
    if "real_or_translated" in found:
        told = found["real_or_translated"]
        n = f"{told['n']:,}"
        rows.append(["told from the truths", n, share(told["balanced_accuracy"]), share(told["chance"])])
    note = (
        "Translations against their truths as sets. Ideal is the truths' own gradient; the distance between two halves "
        "of the truths; and for a classifier that tells translations from truths, chance (balanced accuracy, "
        "cross-validated)."
    )
    return Table("sharpness", ["n", "translations", "ideal"], rows, note)


def probes_table(report: dict[str, Any]) -> Table:
    rows, circle = list[list[str]](), any("chance_within_one" in found for found in report["probes"].values())
    for name, label in PROBES.items():
        if name not in report["probes"]:
            continue
        found = report["probes"][name]
        n, cells = (
            f"{found['n_train'] + found['n_test']:,}",
            [share(found[key]) for key in ("logistic", "mlp", "chance")],
        )
        rows.append([label, n, f"{found['labels']:,}", *cells])
        if "chance_within_one" in found:
            cells = [share(found[f"{key}_within_one"]) for key in ("logistic", "mlp")]
            rows.append(["  within one step", n, f"{found['labels']:,}", *cells, share(found["chance_within_one"])])
    note = (
        "What can be read from a code, on a fifth of the images kept from training. Domain from content and content "
        "label from style are leaks: the nearer to chance the better. Content label from content should be high. "
        "Sampled content has the noise through which the decoder learns."
    )
    if circle:
        note += " Within one step counts neighbours on the circle of labels too."
    return Table("probes", ["n", "labels", "logistic", "MLP", "chance"], rows, note)


def classifier_table(report: dict[str, Any]) -> Table:
    found = report["classifier"]
    rows = [["real images", f"{found['n_test']:,}", share(found["accuracy"]), share(found["chance"])]]
    shares = {
        "translations of pairs": found.get("pairs"),
        "translations by direction": report.get("directions", {}).get("mean"),
    }
    for label, row in shares.items():
        if row:
            cells = [share(row[name]) for name in ("called_target", "called_target_untranslated")]
            rows.append([label, f"{row['n']:,}", *cells])
    note = (
        f"Logistic regression on features ({found['extractor']}) names the domain: {found['domains']:,} domains, "
        f"{found['n_train']:,} real images to learn from. Of real images kept from it, how many it gets right, beside "
        "chance; of translations, how many it calls the target domain, beside the same of the untranslated images."
    )
    return Table("called the domain meant", ["n", "share", "chance or untranslated"], rows, note)


def directions_table(report: dict[str, Any]) -> Table:
    found = report["directions"]
    names = set_measures(found["mean"])
    head = ["n", "called target", "untranslated"]
    for name in names:
        head += [MEASURES[name][0], "untranslated", "half to half"]
    rows = []
    for row in [*found["each"], {"mean": True, **found["mean"]}]:
        cells = [f"{row['n']:,}", share(row["called_target"]), share(row["called_target_untranslated"])]
        for name in names:
            cells += [measured(each, [name])[0] for each in (row, row.get("copy", {}), row.get("halves", {}))]
        rows.append(["mean" if "mean" in row else f"{row['from']} to {row['to']}", *cells])
    note = (
        "Real images of one domain in the mean style of another. Called target: the share that a classifier takes for "
        "the target domain, beside the same of the untranslated images."
    )
    if names:
        note += (
            " Then the distance to real images of the target (lower is better), that of the untranslated images, and "
            "that between two halves of the target, which a perfect translator would score."
        )
    return Table("directions", head, rows, note)


def diversity_table(report: dict[str, Any]) -> Table:
    found, digits = report["diversity"], MEASURES[report["diversity"]["measure"]][1]
    rows = [
        [label, f"{row['n']:,}", figure(row["translations"], digits), figure(row["real"], digits)]
        for label, row in [*((f"to {each['to']}", each) for each in found["each"]), ("mean", found)]
    ]
    note = (
        f"Mean distance ({MEASURES[found['measure']][0]}) between {found['styles']} translations of one image under "
        "styles drawn from the domain's prior, over n images; higher is more diverse. Beside it, between real images "
        "of the domain, which differ in content too. Not to be mixed with the distance to the truth."
    )
    return Table("diversity", ["n", "translations", "real images"], rows, note)

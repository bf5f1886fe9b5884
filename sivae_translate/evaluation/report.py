"""`evaluate`: one report on a model, from pairs of known truth, from real images of several domains, or from both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from sivae_translate.console import shows_progress
from sivae_translate.data.domains import Domains
from sivae_translate.data.listing import LeftOut
from sivae_translate.errors import UsageError
from sivae_translate.evaluation.content_labels import compile_label
from sivae_translate.evaluation.domains import (
    choose_domain_pairs,
    choose_images,
    draw_domain_pairs,
    encode_domains,
    to_show,
    translate_domain_pairs,
    vary_styles,
)
from sivae_translate.evaluation.extractors import load_reader
from sivae_translate.evaluation.metrics import METRICS
from sivae_translate.evaluation.metrics.metric import Figure
from sivae_translate.evaluation.page import page
from sivae_translate.evaluation.pairs import Pair, copies, draw_pairs, read_pairs, refuse_among, translate_pairs
from sivae_translate.evaluation.perceptual import load_perceptual
from sivae_translate.evaluation.sets import FEWEST, EvaluationSet, NotMeasuredError
from sivae_translate.evaluation.translation import Translation
from sivae_translate.extras import require
from sivae_translate.host import own_state
from sivae_translate.inference.codec import require_style
from sivae_translate.inference.style_correction import ROUNDS, rounds_for
from sivae_translate.inference.translator import Translator
from sivae_translate.progress import Display, Silent, counting
from sivae_translate.reports import begin_report, report_folder, write_report

OUTPUTS = "outputs"  # folder of the translations, beside the report


@shows_progress
@own_state()
def evaluate(
    translator: Translator,
    *,
    out: str | Path,
    pairs: str | Path | None = None,
    root: str | Path | None = None,
    domains: str | Path | None = None,
    content_label: str | None = None,
    count: int = 2000,
    lpips: str | Path | None = None,
    inception: str | Path | None = None,
    inversion_steps: int = 0,
    style_correction: int = ROUNDS,
    seed: int = 0,
    batch: int = 64,
    name: str = "model",
    display: Display | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Compute every metric of `METRICS` that the given images allow.

    Args:
        out: folder for the report and its pictures, and for the translations of pairs, `outputs/000000.png`, ...
        pairs: CSV file with columns content,style,target, whose paths start from the folder `root`.
        domains: folder with a sub-folder of real images per domain, of which at most `count` are used.
        content_label: regular expression whose first group, in the names of the domains' files, is the content label.
            Without it the whole name is.
        lpips: file of AlexNet's published weights, for LPIPS; see `load_perceptual`.
        inception: file of Inception's published weights, for FID and KID; see `load_reader`.
        inversion_steps: steps of Adam on each reference's code, for the style of a pair.
        style_correction: rounds of iterative style correction for references, where content has a layout.
        seed: of splits, subsets and random styles.
        batch: images at a time.
        name: of the model, in the report.
        display: shows the progress, in place of a line on stderr or in the notebook.
        quiet: whether no progress is shown.

    Returns, and writes to `out/report.json` (with the mark of `reports`) and `out/index.html`:
        model, size in pixels, seed, inversion_steps, style_correction, extractor and perceptual (the networks);
        pairs: {n} or None; domains: {n, counts} or None; metrics: `Figure.as_json` by name;
        left_out: reasons by unreadable file; notes: metrics that could not be computed, with the reason.

    Raises:
        UsageError: nothing to evaluate on, images or weights that cannot be found, a model with a single latent, `out`
            among the images, or domains without the extra `evaluation`. Nothing has been written.
        SivaeError: an image of a pair cannot be read.
    """
    out, display = Path(out), display or Silent()
    require_style(translator.model)
    rows, images = given_pairs(pairs, root, out), given_domains(domains, content_label, count, out)
    if not rows and images is None:
        raise UsageError("nothing to evaluate on: expected --pairs CSV --root DIR, --domains DIR, or both")
    perceptual = load_perceptual(lpips, translator.frame.size, translator.device)
    extractor = load_reader(inception)
    report_folder(out, "evaluate")
    rounds = rounds_for(translator.model, style_correction)
    translation = Translation(translator, inversion_steps, rounds, batch)

    s = EvaluationSet(extractor, perceptual, seed, content_label=compile_label(content_label))
    left_out, notes = list[LeftOut](), list[str]()
    if images is not None:  # first, as it may fail and writes nothing
        s = with_domains(s, translation, images, left_out, notes, display)
    begin_report(out, "evaluate")
    if rows:
        s = replace(s, pairs=translate_pairs(translation, rows, out / OUTPUTS, counting(display, "pairs translated")))
    figures = measure(s, notes, display)
    report: dict[str, Any] = {
        "model": name, "size": translator.frame.size, "seed": seed,
        "inversion_steps": inversion_steps, "style_correction": rounds,
        "extractor": extractor.name, "perceptual": perceptual.name,
        "pairs": {"n": len(rows)} if rows else None,
        "domains": {"n": len(s.domains.labels), "counts": s.domains.counts()} if s.domains else None,
        "metrics": {metric: figure.as_json() for metric, figure in figures.items()},
        "left_out": {str(bad.path): bad.reason for bad in left_out},
        "notes": notes,
    }  # fmt: skip
    pictures = draw(s, translation, out)
    write_report(out, "evaluate", report)
    (out / "index.html").write_text(page(report, pictures), encoding="utf-8", errors="backslashreplace")
    return report


def given_pairs(pairs: str | Path | None, root: str | Path | None, out: Path) -> list[Pair]:
    """The pairs of a CSV file; none where no file is given. Raises UsageError, see `evaluate`."""
    if pairs is None:
        if root is not None:
            raise UsageError(f"--root {root} without --pairs: expected --pairs CSV too")
        return []
    if root is None:
        raise UsageError(f"--pairs {pairs} without --root: expected the folder its paths start from, --root DIR")
    rows = read_pairs(pairs, root)
    refuse_among(rows, out)
    return rows


def given_domains(domains: str | Path | None, content_label: str | None, count: int, out: Path) -> Domains | None:
    """Images of a folder of domains; None where no folder is given. Raises UsageError, see `evaluate`."""
    if domains is None:
        if content_label is not None:
            raise UsageError(f"--content-label {content_label!r} without --domains: expected --domains DIR too")
        return None
    pattern = compile_label(content_label)
    for module in ("sklearn", "torchmetrics"):
        require(module, "evaluation")
    return choose_images(Path(domains), count, pattern, out)


def with_domains(
    s: EvaluationSet, translation: Translation, images: Domains, bad: list[LeftOut], notes: list[str], display: Display
) -> EvaluationSet:
    """The evaluation set with real images, and with translations of them between domains of the model."""
    translator = translation.translator
    notes += images.notes
    real = encode_domains(
        translator, images, s.extractor, bad, batch=translation.batch, progress=counting(display, "images encoded")
    )
    large = real.of_at_least(FEWEST)
    if len(large.names) < len(real.names):
        notes.append(
            f"{len(real.names) - len(large.names)} of {len(real.names)} domains have fewer than {FEWEST} images: "
            "only probes of content labels use them"
        )
    chosen, possible = choose_domain_pairs(large, translator.domains)
    if len(chosen) < possible:
        notes.append(f"{len(chosen)} of {possible:,} domain pairs, evenly spread")
    translated = translate_domain_pairs(translation, large, chosen, s.extractor, counting(display, "images translated"))
    varied = vary_styles(translation, large, s.seed, counting(display, "domains in several styles"))
    return replace(s, domains=real, domain_pairs=tuple(translated), variations=tuple(varied))


def measure(s: EvaluationSet, notes: list[str], display: Display) -> dict[str, Figure]:
    """Every metric whose needs are met. The reason why one cannot be computed becomes a note."""
    figures, missing = dict[str, Figure](), dict[str, list[str]]()
    metrics = [metric for metric in METRICS.values() if set(metric.needs) <= s.offers]
    for done, metric in enumerate(metrics):
        display.step(done / len(metrics), metric.title)
        try:
            for module in metric.modules:
                require(module, "evaluation")
            figures[metric.name] = metric.compute(s)
        except (NotMeasuredError, UsageError) as error:
            missing.setdefault(str(error), []).append(metric.name)
    if s.pairs is not None:
        notes += copies(s.pairs)
    if s.domains is not None and "label_from_style" in figures and s.labels.note:
        notes.append(s.labels.note)
    notes += [f"no {', '.join(names)}: {reason}" for reason, names in missing.items()]
    return figures


def draw(s: EvaluationSet, translation: Translation, out: Path) -> dict[str, str]:
    """Write pictures of pairs and of domain pairs, where there are any: captions by file name."""
    pictures = draw_pairs(s.pairs, out) if s.pairs is not None else {}
    if s.domains is not None and (shown := to_show(s.domain_pairs)):
        draw_domain_pairs(translation, s.domains, shown).save(out / "domain_pairs.png")
        listed = ", ".join(f"{source} to {target}" for source, target in shown)
        pictures["domain_pairs.png"] = f"Real images, and beneath them their translations: {listed}"
    return pictures

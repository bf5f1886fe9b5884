"""One report on a model: pairs whose truth is known, domains whose images are real, or both.

It is written as `report.json` and as a page for people, `index.html`, with its pictures beside it. Every figure stands
with its n, with the network it was taken in, with its seed, and with what chance or copying would score.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sivae_translate.data.domains import Bad, Domains
from sivae_translate.errors import UsageError
from sivae_translate.evaluation import directions, sharpness
from sivae_translate.evaluation.encoded import FEWEST, Encoded, choose_sources, encode_domains, name_of
from sivae_translate.evaluation.extractors import Extractor, load_reader
from sivae_translate.evaluation.fidelity import MINIMUM
from sivae_translate.evaluation.page import page
from sivae_translate.evaluation.pairs import SHOWN, Measured, Pair, load, measure_pairs, read_pairs, refuse_among
from sivae_translate.evaluation.perceptual import Perceptual, load_perceptual
from sivae_translate.evaluation.probes import (
    Classifier,
    compile_label,
    content_labels,
    find_labels,
    probe,
    train_classifier,
)
from sivae_translate.evaluation.retrieval import Rows, retrieval
from sivae_translate.extras import require
from sivae_translate.inference.style_correction import ROUNDS, rounds_for
from sivae_translate.inference.translator import Translator, require_style
from sivae_translate.types import Gaussian

EXTREMES = 6  # pairs in each of the pictures of the best, the median and the worst
NEEDED = ("sklearn", "torchmetrics")  # of the extra `evaluation`

Steps = Callable[[str], Callable[[int, int], None]]
"""Gives a progress callback for steps of this name."""


@dataclass(frozen=True)
class Question:
    """What a report is asked about: pairs, domains or both.

    Attributes:
        pattern: finds content labels in the names of the domains' files.
    """

    pairs: list[Pair] | None
    domains: Domains | None
    pattern: re.Pattern[str] | None


@dataclass(frozen=True)
class Tools:
    """How it is answered."""

    perceptual: Perceptual
    extractor: Extractor
    seed: int
    batch: int
    steps: Steps


def ask(
    pairs: Path | None, root: Path | None, domains: Path | None, content_label: str | None, count: int, out: Path
) -> Question:
    """The question, as far as it can be checked without a model.

    Raises:
        UsageError: nothing is asked, something cannot be found or read, `out` is among the images, or domains without
            the extra `evaluation`.
    """
    if pairs is None and domains is None:
        raise UsageError("nothing to evaluate on: expected --pairs CSV --root DIR, --domains DIR, or both")
    if pairs is None and root is not None:
        raise UsageError(f"--root {root} without --pairs: expected --pairs CSV too")
    if pairs is not None and root is None:
        raise UsageError(f"--pairs {pairs} without --root: expected the folder its paths start from, --root DIR")
    if domains is None and content_label is not None:
        raise UsageError(f"--content-label {content_label!r} without --domains: expected --domains DIR too")
    pattern = compile_label(content_label) if content_label is not None else None
    rows = read_pairs(pairs, root) if pairs is not None and root is not None else None
    if rows is not None:
        refuse_among(rows, out)
    if domains is None:
        return Question(rows, None, None)
    for module in NEEDED:
        require(module, "evaluation")
    chosen = choose_sources(domains, count, out)
    find_labels([name_of(source) for source in chosen.sources], pattern)
    return Question(rows, chosen, pattern)


def evaluate(
    translator: Translator,
    question: Question,
    out: Path,
    bad: list[Bad],
    *,
    name: str = "model",
    lpips: Path | None = None,
    inception: Path | None = None,
    seed: int = 0,
    inversion_steps: int = 0,
    style_correction: int = ROUNDS,
    batch: int = 64,
    steps: Steps = lambda what: lambda done, total: None,
) -> dict[str, Any]:
    """Answer a question about a model.

    Args:
        bad: where unreadable files of the domains go, which are left out.
        name: of the model, on the page.
        lpips, inception: published weights; see `load_perceptual` and `load_reader`.
        inversion_steps, style_correction: for the styles of the pairs; see `Translator.__call__`.

    Returns, and writes to `out/report.json` and `out/index.html`:
        model, size in pixels, seed, inversion_steps, style_correction (the rounds that were applied), extractor and
        perceptual distance; of pairs, what `evaluate_pairs` tells with the perceptual distance, `retrieval` and
        `sharpness`; of domains, n of each, `probes`, `classifier`, `directions` and `diversity`; the files left out,
        and notes on what else was.

    Raises:
        UsageError: a model with a single latent, weights that are not the published ones, or no readable image.
        SivaeError: an image of a pair that cannot be read.
    """
    require_style(translator.model)
    perceptual = load_perceptual(lpips, translator.frame.size, translator.device)
    rounds = rounds_for(translator.model.content_shape, style_correction)
    tools = Tools(perceptual, load_reader(inception), seed, batch, steps)
    report: dict[str, Any] = {
        "model": name, "size": translator.frame.size, "seed": seed, "inversion_steps": inversion_steps,
        "style_correction": rounds, "extractor": tools.extractor.name, "perceptual": perceptual.name,
    }  # fmt: skip
    notes, pictures, measured = list[str](), dict[str, str](), None
    if question.domains is not None:  # read first: should it fail, nothing has been written
        real = encode_domains(translator, question.domains, tools.extractor, bad, batch=batch, progress=steps("images"))
    if question.pairs is not None:
        measured = measure_pairs(
            translator, question.pairs, out, perceptual=perceptual, extractor=tools.extractor,
            inversion_steps=inversion_steps, style_correction=rounds, batch=batch, progress=steps("pairs"),
        )  # fmt: skip
        report |= {"n": len(question.pairs), **measured.means(), **of_pairs(translator, measured, tools, notes)}
        notes += measured.copies()
        pictures |= draw_pairs(translator, measured)
    if question.domains is not None:
        report |= of_domains(translator, real, measured, question.pattern, tools, notes)
        out.mkdir(parents=True, exist_ok=True)
        pictures |= draw_directions(translator, real.several(), out)
    report |= {"left_out": {str(each.path): each.reason for each in bad}, "notes": notes}
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    (out / "index.html").write_text(page(report, pictures), encoding="utf-8", errors="backslashreplace")
    return report


# --- pairs ----------------------------------------------------------------------------------------------------------


def of_pairs(translator: Translator, measured: Measured, tools: Tools, notes: list[str]) -> dict[str, Any]:
    """Retrieval and sharpness."""
    targets = [pair["target"].resolve() for pair in measured.pairs]
    extractor, (outputs, truths) = tools.extractor, (measured.features[name] for name in ("output", "target"))

    def pixels(read: Callable[[int], np.ndarray]) -> Rows:
        return lambda rows: np.stack([read(row).ravel() for row in rows])

    def of(column: str) -> Rows:
        return pixels(lambda row: load(measured.pairs[row][column], translator))

    found = retrieval(targets, pixels(measured.output), of("content"), of("target"))
    made, true = (float(measured.gradients[name].mean()) for name in ("output", "target"))
    sharp: dict[str, Any] = {"n": len(targets), "gradient": round(made / true, 4) if true else None}
    try:
        for module in NEEDED:
            require(module, "evaluation")
    except UsageError:
        notes.append(
            "KID and the classifier of real and translated images need more: pip install 'sivae-translate[evaluation]'"
        )
        return {"retrieval": found, "sharpness": sharp}
    sets = sharpness.sets(outputs, truths, targets, extractor, tools.seed)
    if sets is None:
        notes.append(
            f"fewer than {MINIMUM} distinct truths: too few for KID and for a classifier of real and translated images"
        )
    return {"retrieval": found, "sharpness": sharp | (sets or {})}


def draw_pairs(translator: Translator, measured: Measured) -> dict[str, str]:
    """The first pairs, and by PSNR the best, the middle and the worst; file names with captions."""
    order = np.argsort(-measured.scores["output"]["psnr"], kind="stable").tolist()
    middle = max(0, (len(order) - EXTREMES) // 2)
    chosen: dict[str, tuple[str, Sequence[int]]] = {
        "pairs": ("The first pairs", range(min(SHOWN, len(order)))),
        "best": ("The best by PSNR", order[:EXTREMES]),
        "median": ("Around the median", order[middle : middle + EXTREMES]),
        "worst": ("The worst, the worst last", order[-EXTREMES:]),
    }
    for name, (_, rows) in chosen.items():
        measured.picture(rows, translator).save(measured.out / f"{name}.png")
    return {f"{name}.png": f"{caption}: content, style, translation, truth" for name, (caption, _) in chosen.items()}


# --- domains --------------------------------------------------------------------------------------------------------


def of_domains(
    translator: Translator,
    real: Encoded,
    measured: Measured | None,
    pattern: re.Pattern[str] | None,
    tools: Tools,
    notes: list[str],
) -> dict[str, Any]:
    """Probes, and what is asked of domains of several images."""
    report: dict[str, Any] = {"domains": {"n": len(real.labels), "counts": real.counts()}}
    report["probes"], several = label_probes(real, pattern, tools.seed, notes), real.several()
    if len(several.names) < len(real.names):
        notes.append(
            f"{len(real.names) - len(several.names)} of {len(real.names)} domains have fewer than {FEWEST} images: "
            "left out of the domain probes, the classifier, the directions and diversity"
        )
    if len(several.names) < 2:
        notes.append("fewer than two domains are left: no domain probes, classifier, directions or diversity")
        return report
    report["probes"] = domain_probes(several, tools.seed) | report["probes"]
    return report | of_several(translator, several, measured, tools, notes)


def of_several(
    translator: Translator, real: Encoded, measured: Measured | None, tools: Tools, notes: list[str]
) -> dict[str, Any]:
    """The classifier of domains, with what it calls translations; directions; diversity."""
    classifier = train_classifier(real.features.numpy(), real.labels, real.names, tools.seed)
    report: dict[str, Any] = {}
    report["classifier"] = {
        "n_train": classifier.n_train, "n_test": classifier.n_test, "domains": len(classifier.names),
        "accuracy": round(classifier.accuracy, 4), "chance": round(classifier.chance, 4),
        "extractor": tools.extractor.read_as, "seed": tools.seed,
    }  # fmt: skip
    if measured is not None and (called := called_target(measured, classifier)):
        report["classifier"]["pairs"] = called
    chosen, every = directions.choose(real, translator.domains)
    if not chosen:
        notes.append("the model knows fewer than two of these domains by name: no directions")
    else:
        if len(chosen) < every:
            notes.append(f"{len(chosen)} of {every:,} directions, evenly spread")
        report["directions"] = directions.directions(
            translator, real, chosen, tools.extractor, classifier, seed=tools.seed, batch=tools.batch,
            progress=tools.steps("translations"),
        )  # fmt: skip
        if "directions_measured" not in report["directions"]["mean"]:
            notes.append(f"no direction has {MINIMUM} images on both sides, as KID needs")
    found = directions.diversity(
        translator, real, tools.perceptual, seed=tools.seed, progress=tools.steps("domains of diverse styles")
    )
    if found is None:
        notes.append("the model knows none of these domains by name: no diversity")
    return report if found is None else report | {"diversity": found}


def domain_probes(real: Encoded, seed: int) -> dict[str, Any]:
    """Domain from content: from its mean, and as the decoder sees it in training, with the posterior's noise."""
    codes = {"domain_from_content": real.content.mean, "domain_from_sampled_content": sampled(real.content, seed)}
    return {name: probe(code.flatten(1).numpy(), real.labels, seed) for name, code in codes.items()}


def sampled(q: Gaussian, seed: int) -> torch.Tensor:
    return q.sample(torch.randn(q.mean.shape, generator=torch.Generator().manual_seed(seed)))


def label_probes(real: Encoded, pattern: re.Pattern[str] | None, seed: int, notes: list[str]) -> dict[str, Any]:
    """Content label from style, where it should not be, and from content, where it should."""
    found = content_labels(real.file_names(), real.labels, pattern)
    if found is None:
        why = "no two content labels recur" if pattern else "no two file names recur in two domains"
        notes.append(f"{why} among these {len(real.labels)} images: no probes of content labels; try --content-label")
        return {}
    if found.note:
        notes.append(found.note)
    codes = {
        "label_from_style": real.style.mean,
        "label_from_sampled_style": sampled(real.style, seed),
        "label_from_content": real.content.mean,
    }
    return {
        name: probe(code.flatten(1).numpy()[found.rows], found.labels, seed, circle=found.numbers)
        for name, code in codes.items()
    }


def called_target(measured: Measured, classifier: Classifier) -> dict[str, Any] | None:
    """The share of the pairs' translations that is called the domain of their truth, beside that of their contents;
    None where no truth lies in a folder of such a name."""
    names = [pair["target"].parent.name for pair in measured.pairs]
    rows = [row for row, name in enumerate(names) if name in classifier.names]
    if not rows:
        return None
    called = [names[row] for row in rows]
    return {
        "n": len(rows),
        "called_target": round(classifier.share(measured.features["output"].numpy()[rows], called), 4),
        "called_target_untranslated": round(classifier.share(measured.features["content"].numpy()[rows], called), 4),
    }


def draw_directions(translator: Translator, real: Encoded, out: Path) -> dict[str, str]:
    """Some directions, where there are any; the file's name with its caption."""
    chosen, _ = directions.choose(real, translator.domains)
    if not chosen:
        return {}
    names = directions.shown(chosen)
    directions.picture(translator, real, names).save(out / "directions.png")
    listed = ", ".join(f"{real.names[a]} to {real.names[b]}" for a, b in names)
    return {"directions.png": f"Real images, and beneath them their translations: {listed}"}

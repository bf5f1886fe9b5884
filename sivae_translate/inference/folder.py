"""Translate a folder tree in constant memory: names are kept, no file is overwritten, a manifest lists every input."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sivae_translate.console import shows_progress
from sivae_translate.data.listing import Account, LeftOut
from sivae_translate.data.reader import AHEAD, in_order
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.host import own_torch_state
from sivae_translate.inference.codec import require_style
from sivae_translate.inference.inputs import base_of
from sivae_translate.inference.manifest import Manifest, holds_translations, locked, manifest_path, open_manifest
from sivae_translate.inference.passes import BATCH
from sivae_translate.inference.pipeline import load, translate_batches, write_jobs
from sivae_translate.inference.plan import Plan, plan
from sivae_translate.inference.shape import INPUT, MODEL, Shape, has_layout, shape_of
from sivae_translate.inference.share import Share
from sivae_translate.inference.style_correction import ROUNDS
from sivae_translate.inference.targets import Target, check_options, domain_targets, fingerprint, reference_target
from sivae_translate.inference.tasks import unfinished
from sivae_translate.inference.threshold import Threshold
from sivae_translate.inference.translator import Translator
from sivae_translate.inference.writing import Writing
from sivae_translate.names import as_paths
from sivae_translate.progress import Display, Silent, counting

TILED_AHEAD = 2  # pictures of the output's size that wait on each side
REJECTED = "rejected as out of distribution"


@dataclass(frozen=True)
class Summary:
    """The result of `translate_folder`.

    Attributes:
        written, skipped, failed, rejected: numbers of translations that were written, finished earlier, failed, or
            whose input was rejected.
        left_out: number of files of the source that are no inputs.
        manifest: path of the manifest.
        reasons: account of the failed or rejected inputs, the files that are left out and the unreadable references.
    """

    written: int
    skipped: int
    failed: int
    rejected: int
    left_out: int
    manifest: Path
    reasons: Account


@shows_progress
@own_torch_state()
def translate_folder(
    translator: Translator,
    source: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    to: str | Sequence[str] | None = None,
    style: str | Path | None = None,
    inversion_steps: int = 0,
    style_correction: int = ROUNDS,
    styles: int | None = None,
    seed: int = 0,
    truncation: float = 1.0,
    format: str = "png",
    size: str | int | None = None,
    fit: str | None = None,
    tile: bool = False,
    alpha: str = "drop",
    batch: int = BATCH,
    reject: Threshold | None = None,
    share: str | None = None,
    display: Display | None = None,
    quiet: bool = False,
) -> Summary:
    """Translate an image or a folder tree, or several. Translations that an earlier call has finished are skipped.

    A translation is finished if the manifest has the hashes of its input and of its output as they are now. The output
    of an input that has changed is replaced. A file that is not as this job wrote it is never overwritten.

    Args:
        source: a file or a folder, whose sub-folders and names are kept; or several of different names. See `plan`.
        out: folder of the translations. Several domains get a sub-folder each. Random styles get sub-folders style-1,
            style-2 and so on.
        to: one domain or several. Without `to` and `style`: every domain of the model.
        style: a reference image, or a folder of them for their mean style.
        inversion_steps, style_correction: for the style of references; see `Translator.__call__`.
        styles: number of random styles per domain, in place of the mean style; see `Translator.random_styles`.
        seed, truncation: for random styles; see `Translator.random_styles`.
        format: "png", "jpg", "webp", or "same": that of the input's name, or png where that is not written, which the
            manifest remarks.
        size, fit, tile, alpha: the shape of the outputs; see `shape_of`.
        batch: images translated at a time, at least 1.
        reject: threshold below which inputs are rejected; see `load_threshold`.
        share: such as "2/5", for the second of five parts of the inputs. Other processes or machines may translate the
            other parts into the same `out` at the same time. Each part has a manifest, such as `manifest-2-of-5.jsonl`.
            A call without `share` merges the manifests, and translates what is missing.
        display: shows the progress, in place of a line on stderr or in the notebook.
        quiet: whether no progress is shown.

    Returns:
        The counts and reasons. `out/manifest.jsonl` has a row for each input and target, and for each file that is left
        out: input, target, output (relative to `out`), status (ok, failed, rejected or left out), reason and hashes.

    Raises:
        UsageError: wrong arguments; no image has been translated.
        SivaeError: `out` cannot be written, which is found before any image is read, or an output cannot be written.
            All translations so far are complete, and the next call resumes.
    """
    sources = as_paths(source, "source")
    out, style = Path(out), None if style is None else Path(style)
    display = display or Silent()
    to = [to] if isinstance(to, str) else list(to or ())
    if batch < 1:
        raise UsageError(f"batch was {batch}: expected 1 or more")
    require_style(translator.model)
    shape = shape_for(translator, format, size=size, fit=fit, tile=tile, alpha=alpha)
    check_options(to, style, inversion_steps=inversion_steps, styles=styles, seed=seed, truncation=truncation)
    part = None if share is None else Share.parse(share)
    targets, references = list[Target](), list[LeftOut]()
    if style is None:
        targets = domain_targets(translator, to, styles=styles, seed=seed, truncation=truncation)
    with plan(sources, out, format, part, outside=earlier(out, sources)) as planned, writing_to(out), locked(out, part):
        if style is not None:
            how = {"inversion_steps": inversion_steps, "style_correction": style_correction}
            targets = [reference_target(translator, style, references, **how)]
        reasons, counts, left_out = Account(dict.fromkeys(references)), Counter[str](), 0
        with open_manifest(out, fingerprint(translator, targets, format, shape, reject), part) as manifest:
            if size is None:
                display.note(size_note(shape, translator.frame.size))
            for file in planned.left_out():
                manifest.add_left_out(file)
                reasons.add(file)
                left_out += 1
            writing = Writing(translator.frame, shape, format)
            work = translate_all(translator, planned, targets, manifest, writing, batch, reject, counts, display)
            with closing(work):  # so that an interrupted call deletes its temporary files
                for reason in work:
                    reasons.add(reason)
    written, skipped, failed, rejected = (counts[status] for status in ("ok", "skipped", "failed", "rejected"))
    return Summary(written, skipped, failed, rejected, left_out, manifest_path(out, part), reasons)


def earlier(out: Path, sources: Sequence[Path]) -> list[Path]:
    """Folders of earlier translations beside `out` that are below a source, and are no inputs."""
    beside = out.absolute().parent
    above = {base_of(source).resolve() for source in sources if os.path.exists(source)}
    if not above.intersection((beside.resolve(), *beside.resolve().parents)):
        return []
    with os.scandir(beside) as entries:
        folders = [Path(entry) for entry in entries if entry.is_dir()]
    return [folder for folder in folders if folder.resolve() not in above and holds_translations(folder)]


def shape_for(translator: Translator, format: str, **options: Any) -> Shape:
    """The shape of the outputs; see `shape_of`. Raises UsageError for `alpha` "keep" with `format` "jpg" too."""
    shape = shape_of(translator.frame, has_layout(translator.model), **options)
    if shape.alpha == "keep" and format == "jpg":
        raise UsageError("jpg has no transparency: expected --format png, webp or same with --alpha keep")
    return shape


def size_note(shape: Shape, pixels: int) -> str:
    """What a user is told who gives no size; `pixels` is the side of the model's images."""
    if shape.size == INPUT:
        return f"outputs have the size of their inputs; --size {MODEL} writes {pixels} x {pixels} px"
    return (
        f"outputs are {pixels} x {pixels} px, as this model draws an object at its own size; --size {INPUT} enlarges "
        "them to that of their inputs"
    )


@contextmanager
def writing_to(out: Path) -> Iterator[None]:
    """Turn an error of the operating system into SivaeError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise SivaeError(f"cannot write to {out} ({reason}): mend that and run the same command again") from None


def translate_all(
    translator: Translator,
    planned: Plan,
    targets: list[Target],
    manifest: Manifest,
    writing: Writing,
    batch: int,
    reject: Threshold | None,
    counts: Counter[str],
    display: Display,
) -> Generator[LeftOut]:
    """Translate the inputs with an unfinished output, count the outputs by status, and yield the reasons of failures.

    Threads read the next images and write the last translations, while this thread computes a batch. As many images
    wait on both sides as two batches have, so that memory does not depend on the number of inputs.
    """
    total, shown, show = len(planned) * len(targets), 0, counting(display, "translations")
    rows = translator.passes.rows
    tiled = writing.shape.tile
    ahead = TILED_AHEAD if tiled else max(2 * batch, AHEAD)
    reading = partial(load, frame=translator.frame, shape=writing.shape)
    with ExitStack() as stages:
        tasks = stages.enter_context(closing(unfinished(planned, targets, manifest, counts)))
        loaded = stages.enter_context(closing(in_order(reading, tasks, ahead=ahead)))
        translating = translate_batches(translator, loaded, targets, batch, reject, tiled=tiled)
        jobs = stages.enter_context(closing(translating))
        for job, row in stages.enter_context(closing(write_jobs(jobs, manifest, ahead, writing))):
            counts[row.status] += 1
            if row.status != "ok" and row.reason not in job.image.task.reasons:  # once for all targets
                job.image.task.reasons.add(row.reason)
                rejected = row.status == "rejected"
                yield LeftOut(job.image.task.path, REJECTED if rejected else row.reason, lost=not rejected)
            if translator.passes.rows < rows:
                display.note(f"memory ran out: images are computed {translator.passes.rows} at a time, not {rows}")
                rows = 0
            done = counts.total()
            if done - shown >= batch or done == total:
                show(done, total)
                shown = done

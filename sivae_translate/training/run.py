"""A run, from a folder of domains to a trained model: its settings, its lock and its errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from filelock import FileLock, Timeout

from sivae_translate.console import shows_progress
from sivae_translate.data.domains import Folders
from sivae_translate.data.holdout import hold_out
from sivae_translate.data.in_memory import Examples, found_in, is_examples
from sivae_translate.device import pick_device
from sivae_translate.errors import SivaeError, UsageError, one_line
from sivae_translate.models import MODELS, Autoencoder
from sivae_translate.models.growing import check_growth
from sivae_translate.models.pretrained import load_model, model_directory
from sivae_translate.names import as_paths
from sivae_translate.progress import Display, Silent
from sivae_translate.recipe import Recipe
from sivae_translate.training.broadcast import broadcast_recipe
from sivae_translate.training.configure import configure, select_recipe
from sivae_translate.training.constructors import build_objective
from sivae_translate.training.directory import check_directory, prepare_directory, writing
from sivae_translate.training.display import LastingDisplay
from sivae_translate.training.images import load_images
from sivae_translate.training.out_of_memory import ran_out
from sivae_translate.training.processes import is_first_process, new_accelerator, own_run, process_count
from sivae_translate.training.slices import require_equal_slices
from sivae_translate.training.trackers import tracked, tracker_names
from sivae_translate.training.trainer import Run


@shows_progress
@own_run()
def train(
    domains: Folders | Examples,
    recipe: Recipe | str | Path = "style",
    out: str | Path = "runs/train",
    *,
    set: tuple[str, ...] | list[str] = (),
    grow: str | Path | None = None,
    device: str = "auto",
    display: Display | None = None,
    quiet: bool = False,
    allow_changed: bool = False,
    log: str | Sequence[str] = (),
) -> Path:
    """Train a translator on a folder of domains. The same call resumes a stopped run.

    Args:
        domains: folder with a sub-folder of images per domain, or with images alone; or several folders, of which
            each with images alone is a domain.
        recipe: name of a built-in recipe, a TOML file, or a Recipe.
        out: the run's directory: `recipe.toml`, `log.jsonl`, `results.csv`, `report.html` (written as training
            goes on), `report.json`, `samples/`, `model/`, `state/` and `state-before/`, to resume from where `state/`
            is damaged; with held-out images also `heldout.jsonl` and `model-best/`.
        set: overrides of the recipe, such as "training.minutes=10".
        grow: a run or model of the same recipe at half the size, whose weights initialise this one; see
            `models.growing`.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps". Under a launcher each process uses its own GPU.
        display: shows progress and notes, in place of stderr or the notebook.
        quiet: whether no progress and no notes are shown.
        allow_changed: whether a resumed run may have other images of the same domains, and another training.lr,
            training.clip, data.batch or data.workers.
        log: trackers that get the log and the sample grids too, of `trackers.TRACKERS`; a list or "wandb,trackio".

    Returns:
        The directory of the trained model, for `Translator.from_pretrained`.

    Raises:
        UsageError: a folder, recipe or setting is wrong; no file of an earlier run has changed.
        InterruptedRunError: a signal stopped the run, which has saved itself.
        SivaeError: the run could not go on; its last checkpoint, if any, is whole.
    """
    device, logged = pick_device(device), tracker_names(log)
    with found_in(domains) as found:
        recipe, selected = select_recipe(recipe, set, found)
        recipe, objective, notes = configure(recipe, (), found, device, Path(out))
        require_equal_slices(recipe, process_count())
        run, first = Path(out), is_first_process()  # the first process alone reads and writes the run's files
        smaller = smaller_model(Path(grow), recipe) if grow is not None and first else None
        if first:
            prepare_directory(run, *([] if is_examples(domains) else as_paths(domains, "domains")))
        accelerator = new_accelerator(device, recipe.training.precision)
        if (sent := broadcast_recipe(recipe, accelerator)) != recipe:
            recipe, objective = sent, build_objective(sent)
            accelerator = new_accelerator(device, recipe.training.precision)
        shown = LastingDisplay(display if first and display else Silent())
        with locked(run) if first else nullcontext(), explained():
            if first:
                check_directory(run, recipe, allow_changed)
            for note in (*selected, *notes):
                shown.note(note)
            with tracked(logged if first else (), run, recipe, shown) as trackers:
                learnt, held = hold_out(found, recipe.data.holdout)
                images = load_images(learnt, recipe, shown)
                begun = Run(run, objective, images, smaller, accelerator, shown, allow_changed, held, trackers, recipe)
                return begun.train()


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """A block in which no other process trains in the run's directory. Raises UsageError where another one does."""
    lock = FileLock(run / ".lock", timeout=0)
    try:
        with writing(run):
            lock.acquire()
    except Timeout:
        raise UsageError(f"another process is training in {run}: choose another folder with --out") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def explained() -> Iterator[None]:
    """A block whose errors of the system and of memory become lines for users, as SivaeError."""
    try:
        yield
    except OSError as error:
        where, reason = error.filename or "training", error.strerror or one_line(error)
        raise SivaeError(f"{where!s} failed ({reason}): mend that and run the same command again") from error
    except Exception as error:
        if ran_out(error):
            raise SivaeError(f"memory ran out ({one_line(error)}): lower data.size or the model's width") from None
        raise


def smaller_model(path: Path, recipe: Recipe) -> Autoencoder:
    """The model to grow from. Raises UsageError where its weights cannot initialise a run of this recipe."""
    model, *_ = load_model(model_directory(path))
    try:
        check_growth(model, MODELS[recipe.model["name"]], recipe.data.size)
    except ValueError as error:
        raise UsageError(
            f"{path} cannot grow into this model: {error}; expected a run of this recipe with "
            f"--set data.size={recipe.data.size // 2}"
        ) from None
    return model

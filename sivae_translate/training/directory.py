"""The directory of a run: whether a run may write there, and its `recipe.toml`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from sivae_translate import checkpoint
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.recipe import Recipe, difference, dump_recipe, load_recipe
from sivae_translate.training.checkpointing import States
from sivae_translate.training.constructors import complete

MARK = "# Written by sivae-translate train: the settings of this run.\n"
ALWAYS = (  # of [training], which a resumed run may change
    "images", "minutes", "save_minutes", "log_every", "samples", "capture", "fused_norm", "accumulate", "recompute",
)  # fmt: skip
ALLOWED = ("training.lr", "training.clip", "data.batch", "data.workers")  # with `allow_changed`
# How the files of a run begin.
LOGS = {"log.jsonl": '{"images": ', "heldout.jsonl": '{"images": ', "results.csv": "images,"}


def saved_recipe(run: Path) -> Recipe | None:
    """The complete recipe of the run in this directory; None where it has saved nothing yet."""
    if not States(run).exist():
        return None
    path = run / "recipe.toml"
    if not path.exists():
        raise UsageError(f"{run} holds a state without its recipe.toml: bring the file back, or choose another --out")
    return complete(load_recipe(path))


def prepare_directory(run: Path, *domains: Path) -> Path:
    """Create the run's directory, and delete temporary files of a killed run.

    Raises:
        UsageError: a directory among the images, a file, or a directory that cannot be written.
    """
    for folder in domains:
        if folder.resolve() in (run.resolve(), *run.resolve().parents):
            raise UsageError(f"{run} is among the images of {folder}: choose another folder with --out")
    if run.exists() and not run.is_dir():
        raise UsageError(f"{run} is a file: expected a folder for the run; choose another with --out")
    try:
        run.mkdir(parents=True, exist_ok=True)
        checkpoint.sweep(run)
        (run / ".lock").touch()
    except OSError as error:
        raise UsageError(f"cannot write to {run} ({error.strerror}): choose another folder with --out") from None
    return run


@contextmanager
def writing(run: Path) -> Iterator[None]:
    """A block that writes into the run's directory. Raises SivaeError where it cannot; the last checkpoint is whole."""
    try:
        yield
    except Timeout:  # of a lock, which is an OSError too
        raise
    except OSError as error:
        raise SivaeError(f"cannot write to {run} ({error.strerror or error}): mend that and run it again") from None


def check_directory(run: Path, recipe: Recipe, allow_changed: bool = False) -> None:
    """Raise UsageError where training in this directory would replace files of something else.

    Args:
        recipe: the complete recipe of the run to begin or to resume.
        allow_changed: as in `run.train`.
    """
    check_same_recipe(run, recipe, allow_changed)
    resumed = States(run).exist()
    if not resumed and any((run / name).exists() for name in ("model", "model-best")):
        raise UsageError(
            f"{run} holds a model but no state/ to resume from, so training would begin anew: nothing is overwritten; "
            "choose another --out"
        )
    if not may_replace(run / "recipe.toml", recipe, resumed):
        fix = "take its comments out" if resumed else "move it"
        raise UsageError(
            f"{run / 'recipe.toml'} was not written by a run, and training would replace it: {fix}, or choose another "
            "--out"
        )
    for name, start in LOGS.items():
        path = run / name
        if not resumed and path.is_file() and not begins(path, start):
            raise UsageError(f"{path} was not written by a run, and training would change it: choose another --out")


def check_same_recipe(run: Path, recipe: Recipe, allow_changed: bool = False) -> None:
    """Raise UsageError where a saved run has another recipe. Budget, log, saving and sampling may differ."""
    begun = saved_recipe(run)
    if begun is None:
        return
    free = tuple(f"training.{name}:" for name in ALWAYS)
    changed = [line for line in difference(begun, recipe) if not line.startswith(free)]
    fixed = [line for line in changed if not line.startswith(tuple(f"{key}:" for key in ALLOWED))]
    if fixed or (changed and not allow_changed):
        fix = "" if fixed else ", or go on with --allow-changed"
        raise UsageError(
            f"{run} holds a run of another recipe ({'; '.join((fixed or changed)[:5])}): "
            f"expected the same to resume; choose another folder with --out{fix}"
        )


def may_replace(path: Path, recipe: Recipe, resumed: bool) -> bool:
    """Whether a recipe.toml is missing, is a run's own, or says the same as `recipe`.

    A run's own file has no comments but the mark. An earlier version wrote no mark: its file lies beside a state, or
    has the same settings.
    """
    if not path.exists():
        return True
    try:
        text = path.read_text(encoding="utf-8")
        own = (text.startswith(MARK) or resumed) and not has_comments(text)
        return own or not difference(complete(load_recipe(path)), recipe)
    except (UnicodeDecodeError, UsageError):  # not a recipe
        return False


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write the recipe of a run. A file with comments is kept, which `may_replace` found to say the same."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    new = MARK + dump_recipe(recipe)
    if text != new and not has_comments(text):
        checkpoint.write_text_atomic(path, new)


def has_comments(text: str) -> bool:
    """Whether a recipe has comments other than the mark."""
    return "#" in re.sub(r'"(?:[^"\\\n]|\\.)*"', "", text.removeprefix(MARK))


def begins(path: Path, start: str) -> bool:
    """Whether a file is empty or begins with a text, or with the part of it that a killed process wrote."""
    with path.open("rb") as file:
        found = file.read(len(start.encode()))
    return start.encode().startswith(found)

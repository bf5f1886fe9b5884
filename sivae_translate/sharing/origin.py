"""What is known of a model beside its weights: the recipe, the amount of data and the figures of an evaluation."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.evaluation.tables import summaries
from sivae_translate.models.pretrained import model_directory
from sivae_translate.pages.tables import Table
from sivae_translate.recipe import dump_recipe, load_recipe
from sivae_translate.reports import FILE, is_report
from sivae_translate.training.trainer_file import NAMES, read_trainer
from sivae_translate.untrusted import read_json

KIND = "evaluate"


@dataclass(frozen=True)
class Origin:
    """What is known of a model.

    Attributes:
        recipe: text of the run's recipe; "" for none.
        images: number of training images; 0 where unknown.
        seen: images seen in training, repetitions counted; 0 where unknown.
        report: the folder of the report that the figures are from; None for none.
        tables: figures beside their baselines.
    """

    recipe: str = ""
    images: int = 0
    seen: int = 0
    report: Path | None = None
    tables: tuple[Table, ...] = ()


def origin_of(model: Path, report: Path | None = None) -> Origin:
    """What lies beside a model.

    Args:
        model: a run or model folder.
        report: a folder that `evaluate` has written. None: the newest one in the run's folder or beside it, which
            names this model and is younger than its weights.

    Raises:
        UsageError: `report` is no report of `evaluate`.
    """
    directory = model_directory(model)
    run, recipe, images, seen = directory.parent, "", 0, 0
    if directory.name == "model":
        with suppress(SivaeError, OSError):
            recipe = dump_recipe(load_recipe(run / "recipe.toml")).strip()
        images, seen = amounts(run)
    file = report_file(report) if report is not None else newest_report(directory)
    tables = tables_of(file) if file is not None else ()
    return Origin(recipe, images, seen, file.parent if file is not None else None, tables)


def amounts(run: Path) -> tuple[int, int]:
    """Numbers of training images, and of images seen; 0 where a run's state does not tell them."""
    for name in NAMES:
        with suppress(SivaeError, OSError):
            trainer = read_trainer(run / name, read_json(run / name / "trainer.json"))
            return (trainer.images.images if trainer.images else 0), trainer.state.images
    return 0, 0


def report_file(report: Path) -> Path:
    """The report in a folder, or the given file itself."""
    file = report if report.is_file() else report / FILE
    if not is_report(file, KIND):
        raise UsageError(f"{report} holds no report: expected a folder that `sivae-translate evaluate` has written")
    return file


def newest_report(directory: Path) -> Path | None:
    """The newest report on this model in or beside its run; None for none."""
    run = directory.parent if directory.name == "model" else directory
    weights = directory / "model.safetensors"
    reports = [file for pattern in (FILE, f"*/{FILE}", f"../*/{FILE}") for file in run.glob(pattern)]
    reports = [file for file in reports if file.stat().st_mtime >= weights.stat().st_mtime]
    for file in sorted(reports, key=lambda file: file.stat().st_mtime, reverse=True):
        if is_report(file, KIND) and same_model(read_json(file).get("model"), directory):
            return file
    return None


def same_model(name: Any, directory: Path) -> bool:
    """Whether a report's name of its model is a path to this one."""
    with suppress(OSError, ValueError, SivaeError):
        return isinstance(name, str) and model_directory(name).resolve() == directory.resolve()
    return False


def tables_of(file: Path) -> tuple[Table, ...]:
    """The summaries of a report. Raises UsageError for a report of another version, or a damaged one."""
    try:
        return tuple(summaries(read_json(file)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{file} is no report that this version can read ({error!r}): evaluate the model again"
        ) from None

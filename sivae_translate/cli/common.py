"""Steps that commands share: find the model, check output paths, report unreadable files."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sivae_translate.errors import UsageError
from sivae_translate.progress import Display
from sivae_translate.reports import free_name, require_writable

SOME_FAILED = 3


def load_translator(model: Path | None, device: str, display: Display) -> Any:
    """The translator of a model; None: of the newest run."""
    from sivae_translate.inference.translator import Translator

    return Translator.from_pretrained(named_model(model, display), device=device)


def named_model(model: Path | None, display: Display) -> Path:
    """The folder of the given model, which may be a name; see `models.locate`. None: the newest run, which is shown."""
    if model is None:
        model = newest_run()
        display.note(f"model: {model}")
        return model
    from sivae_translate.models.locate import by_name

    return by_name(model, note=display.note) or model


def own_folder(model: Path, folder: Path) -> None:
    """Raise UsageError where a model was found by its name, so that its folder is not the user's."""
    if folder != model:
        raise UsageError(
            f"{model} is not a folder of yours, and nothing is stored with it: copy it with: "
            f"cp -rL {shlex.quote(str(folder))} {shlex.quote(model.name)}"
        )


def chosen_model(argument: Path | None, option: Path | None, display: Display) -> Path:
    """The model given as an argument or by --model; see `named_model`. Raises UsageError for two different ones."""
    if argument is not None and option is not None and argument != option:
        raise UsageError(f"two models given, {argument} and --model {option}: expected one of them")
    return named_model(option if argument is None else argument, display)


def newest_run() -> Path:
    """The finished run under runs/ whose model was written last. Raises UsageError for no finished run."""
    from sivae_translate.training.trainer_file import finished

    found = [path for pattern in ("*", "*/*") for path in Path("runs").glob(f"{pattern}/model/config.json")]
    runs = [path.parent.parent for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)]
    newest = next(filter(finished, runs), None)
    if newest is None:
        there = f"only unfinished ones ({runs[0]})" if runs else "none"
        raise UsageError(f"expected a finished run under runs/, found {there}: train one, or name one with --model RUN")
    return newest


def given_folders(folders: Sequence[Path] | None, more: Sequence[Path] | None, name: str) -> list[Path]:
    """The folders of domains given as arguments and by --domains. Raises UsageError for none."""
    given = [*(folders or ()), *(more or ())]
    if not given:
        raise UsageError(f"no folder of images given: expected one or more, as in: sivae-translate {name} photos")
    return given


def new_file(path: Path, suffixes: tuple[str, ...], *inputs: Path) -> Path:
    """A path for an output file.

    Raises:
        UsageError: another suffix, a path among the inputs, one that exists, or a folder that cannot be written.
    """
    real = path.resolve()
    for place in inputs:
        if place.resolve() in (real, *real.parents):
            raise UsageError(f"{path} is among the inputs, which are never overwritten: choose another with --out")
    if path.is_dir():
        raise UsageError(f"{path} is a folder: expected a file to write; choose another with --out")
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"{path}: expected a name that ends in {' or '.join(suffixes)}; choose another with --out")
    if path.exists():
        free = shlex.quote(str(free_name(path)))
        raise UsageError(f"{path} exists, and is never overwritten: choose another with --out {free}")
    require_writable(path.parent)
    return path


def new_folder(path: Path) -> Path:
    """A path for an output folder. Raises UsageError for a file, or a folder that cannot be written."""
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file: expected a folder; choose another with --out")
    require_writable(path)
    return path


def note_left_out(left_out: Any, display: Display) -> bool:
    """Show what is left out, a line for each reason, and return whether a picture may be lost by it.

    Args:
        left_out: a list of `LeftOut`, or an `Account` of many.
    """
    from sivae_translate.data.listing import Account

    account = left_out if isinstance(left_out, Account) else Account(dict.fromkeys(left_out))
    for line in account.lines():
        display.note(line)
    return account.lost

"""Find a model by the path of a folder, by the name of a shipped model, or by its name on the Hugging Face Hub."""

from __future__ import annotations

import sys
from pathlib import Path

import sivae_translate
from sivae_translate.checkpoint import in_place
from sivae_translate.errors import UsageError, did_you_mean
from sivae_translate.models.hub import HubName, Note, download, hub_name
from sivae_translate.models.pretrained import model_directory

SHIPPED = Path(sivae_translate.__file__).parent / "shipped"
MARKS = ("config.json", "model.safetensors", "manifest.json", "model")  # one of them lies in a run or model folder


def to_stderr(text: str) -> None:
    print(text, file=sys.stderr)


def locate(name: str | Path, revision: str | None = None) -> Path:
    """The model directory of a run or model folder, or of a model by its name; see `by_name`.

    Raises:
        UsageError: a folder of runs, or see `by_name`. A path that does not exist is returned, for the loader's error.
    """
    return by_name(name, revision) or model_directory(name)


def by_name(name: str | Path, revision: str | None = None, note: Note = to_stderr) -> Path | None:
    """The folder of a model that ships with the package, or of one on the Hugging Face Hub; None for a path.

    A path that exists wins, unless it is a folder that has the name of a shipped model and holds no model. Where a
    folder `user` exists, `user/name` is a path too, since it is likely mistyped; `user/name@main` is a name.

    Args:
        name: a path, `cars`, `user/name` or `user/name@revision`.
        revision: a branch, a tag or a commit of a model on the hub.
        note: told what the name was taken for.

    Raises:
        UsageError: neither a text nor a Path, a bare name of nothing, a revision of something that is not on the hub,
            or see `download`.
        SivaeError: see `download`.
    """
    if not isinstance(name, str | Path):
        raise UsageError(f"the model was {name!r}: expected a path or a name, as a text or a Path")
    path, text = Path(name), str(name)
    if text in shipped_models() and revision is None and not holds_model(path):
        note(f"model: {text}, shipped with sivae-translate" + f", as the folder {text} holds no model" * path.exists())
        return SHIPPED / text
    on_hub = None if in_place(path).exists() else hub_name(text)
    if on_hub is None or (path.parent.is_dir() and revision is on_hub.revision is None):
        if revision is not None:
            raise UsageError(f"{text} is not on the Hugging Face Hub: expected user/name for revision={revision!r}")
        if path.parent == Path() and not in_place(path).exists():
            known = did_you_mean(text, shipped_models())
            raise UsageError(
                f"{text}: no such directory, and no model of this name ships with sivae-translate: {known}"
            )
        return None
    if revision is not None and on_hub.revision is not None:
        raise UsageError(f"{text} names a revision, and so does revision={revision!r}: expected one of them")
    return download(HubName(on_hub.repository, revision or on_hub.revision), note)


def shipped_models() -> list[str]:
    """The names of the models that ship with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/config.json"))


def holds_model(path: Path) -> bool:
    """Whether a folder is that of a run or a model, also a damaged one."""
    return any((in_place(path) / mark).exists() for mark in MARKS)

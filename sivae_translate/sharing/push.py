"""Upload a model to the Hugging Face Hub, with a model card."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.host import own_state
from sivae_translate.inference.translator import Translator
from sivae_translate.models.hub import LOG_IN, HubName, explained, hub_api, hub_target, is_offline
from sivae_translate.sharing.repository import CARD, PICTURES, write_repository

OURS = "manifest.json"  # lies beside every model that we have written
BARE = {".gitattributes", CARD}  # of a new repository


class Pushed(NamedTuple):
    """An upload: the address of the repository, the commit, and the names and total bytes of the files."""

    url: str
    commit: str
    files: list[str]
    size: int


@own_state()
def push_to_hub(
    model: Translator | str | Path,
    repository: str,
    *,
    license: str,
    private: bool = False,
    report: str | Path | None = None,
    data: str | None = None,
) -> Pushed:
    """Upload a model to the Hugging Face Hub, in one commit. The repository is made if it does not exist.

    Uploaded are `config.json`, `model.safetensors`, `manifest.json` and a stored threshold `ood.json`; pictures drawn
    by the model, and those of the report if one is given; and `README.md`, the model card.

    Args:
        model: a translator, or a run or model folder, whose recipe and amount of data the card then has.
        repository: `user/name`.
        license: identifier of the licence you give to the weights, such as "cc-by-4.0" or "other".
        private: make a new repository private. An existing one stays as it is.
        report: folder that `evaluate` has written. Its figures enter the card and its pictures are uploaded, which
            show images of yours. None: the figures of a report in or beside the run, without pictures.
        data: what the images are and where they are from, in Markdown, for the card.

    Raises:
        UsageError: another form of name or licence, no token, no access, a repository of something else, or no model.
        SivaeError: a damaged model, or a failed upload.
    """
    name = hub_target(repository)
    api = hub_api()
    if is_offline():
        raise UsageError("HF_HUB_OFFLINE forbids to upload: unset it")
    if not api_token():
        raise UsageError(f"no token to write to {name} at {api.endpoint}: {LOG_IN}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = write_repository(folder, model, repository, license=license, report=report, data=data)
        try:
            api.create_repo(repository, private=private or None, exist_ok=True)
            there = [file.rfilename for file in api.model_info(repository).siblings or ()]
            require_replaceable(name, there)
            commit = upload(api, repository, folder, files, there)
        except SivaeError:
            raise
        except Exception as error:  # of types that differ between the versions of the library
            raise explained(error, name, api.endpoint) from None
        size = sum((folder / file).stat().st_size for file in files)
    return Pushed(f"{api.endpoint}/{repository}", commit, files, size)


def api_token() -> str | None:
    from huggingface_hub import get_token

    return get_token()


def require_replaceable(name: HubName, there: list[str]) -> None:
    """Raise UsageError for a repository that holds something else than a model of ours."""
    other = sorted(set(there) - BARE)
    if other and OURS not in other:
        raise UsageError(
            f"{name} holds something else than a model of sivae-translate ({other[0]}): choose another name"
        )


def upload(api: Any, repository: str, folder: Path, files: list[str], there: list[str]) -> str:
    """Commit the files, without pictures that an earlier upload has left, and return the commit."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    old = [file for file in there if file.startswith(f"{PICTURES}/") and file not in files]
    operations = [CommitOperationAdd(file, str(folder / file)) for file in files]
    deletions = [CommitOperationDelete(file) for file in old]
    commit = api.create_commit(repository, [*operations, *deletions], commit_message="Upload with sivae-translate")
    return str(commit.oid)

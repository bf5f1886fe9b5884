"""Models on the Hugging Face Hub: their names, and their download into the hub's cache.

Only the files that the loader reads are downloaded, and the loader checks them like any untrusted file. A repository of
pickles is refused before its download.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sivae_translate.errors import SivaeError, UsageError, one_line, shown
from sivae_translate.untrusted import MAX_JSON, NEVER_UNPICKLED, PICKLES

NEEDED = ("config.json", "model.safetensors")
FILES = (*NEEDED, "manifest.json", "ood.json")  # all that loading and `run --reject-ood` read
MAX_WEIGHTS = 8 * 10**9  # bytes; 1e9 parameters, the most that the loader accepts, as 64-bit floats
TIMEOUT = 10  # seconds for the hub's first answer
LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"

Note = Callable[[str], None]
"""Shows one line to the user."""


class HubName(NamedTuple):
    """A repository, `user/name`, and a branch, a tag or a commit of it; None for its main branch."""

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.repository if self.revision is None else f"{self.repository}@{self.revision}"


def hub_name(text: str) -> HubName | None:
    """The repository in `user/name` or `user/name@revision`; None for any other text."""
    match = re.fullmatch(r"(\w[\w.-]*/\w[\w.-]*)(?:@(\S+))?", text, re.ASCII)
    return HubName(match[1], match[2]) if match else None


def hub_target(repository: str) -> HubName:
    """The name of a repository to write. Raises UsageError for another form of name."""
    name = hub_name(repository)
    if name is None or name.revision is not None:
        raise UsageError(f"repository was {repository!r}: expected user/name, as on the Hugging Face Hub")
    require_valid(name)
    return name


def hub_api() -> Any:
    """The client of the hub. HF_ENDPOINT is read at each call, where the library reads it once, at its import."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, library_name="sivae-translate")


def download(name: HubName, note: Note) -> Path:
    """The folder of a hub's model in the hub's cache, downloaded where it is not there yet.

    Without a network the cached folder is used, of the same revision.

    Args:
        note: told the commit, and the size and the origin of what is downloaded.

    Raises:
        UsageError: no such repository or revision, no access to it, or no model of ours in it.
        SivaeError: no network and nothing cached, or a failed download.
    """
    require_valid(name)
    api, cached = hub_api(), cached_folder(name)
    if cached is not None and (cached.name == name.revision or is_offline()):
        note(f"model: {name} at {cached.name[:12]}, from the cache")
        return cached
    if is_offline():
        raise SivaeError(
            f"{name} is not in the cache, and HF_HUB_OFFLINE forbids its download: give a folder, or unset it"
        )
    try:
        info = api.model_info(name.repository, revision=name.revision, files_metadata=True, timeout=TIMEOUT)
    except Exception as error:  # of types that differ between the versions of the library
        failure = explained(error, name, api.endpoint)
        if isinstance(failure, UsageError):
            raise failure from None
        if cached is None:
            raise SivaeError(f"{failure}, and {name} is not in the cache: try again later, or give a folder") from None
        note(f"model: {name} at {cached.name[:12]}, from the cache, as {failure}")
        return cached
    sizes = checked_sizes(name, {file.rfilename: file.size or 0 for file in info.siblings or ()})
    missing = sum(size for file, size in sizes.items() if cached_file(name.repository, file, info.sha) is None)
    note(
        f"downloading {in_units(missing)}: {name} at {info.sha[:12]} from {api.endpoint}"
        if missing
        else f"model: {name} at {info.sha[:12]}, from the cache"
    )
    try:  # the first file by the given revision, whose commit the cache then knows, and the others by this commit
        folder = Path(api.hf_hub_download(name.repository, NEEDED[0], revision=name.revision)).parent
        for file in list(sizes)[1:]:
            api.hf_hub_download(name.repository, file, revision=folder.name)
    except Exception as error:
        raise explained(error, name, api.endpoint) from None
    return folder


def require_valid(name: HubName) -> None:
    """Raise UsageError for a name that the hub never gives to a repository, such as `a--b/c`."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name.repository)
    except HFValidationError as error:
        raise UsageError(f"no folder {name} here, and no name of the Hugging Face Hub: {one_line(error)}") from None


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids any request; the library reads it once, at its import."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def cached_folder(name: HubName) -> Path | None:
    """The folder of this revision in the cache, as it was when the hub was last asked; None for none."""
    files = [cached_file(name.repository, file, name.revision) for file in NEEDED]
    return files[0].parent if files[0] is not None and files[1] is not None else None


def cached_file(repository: str, file: str, revision: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(repository, file, revision=revision)
    return Path(path) if isinstance(path, str) else None


def checked_sizes(name: HubName, sizes: Mapping[str, int]) -> dict[str, int]:
    """The sizes in bytes of the files to download, from those of all files of the repository.

    Raises:
        UsageError: a needed file is missing, or a file is larger than the loader accepts.
    """
    for file in NEEDED:
        if file not in sizes:
            pickles = sorted(each for each in sizes if each.endswith(PICKLES))
            other = f", but {shown(pickles[0])}: {NEVER_UNPICKLED}" if pickles else ""
            raise UsageError(f"{name} has no {file}{other or ': expected a model of sivae-translate'}")
    for file in FILES:
        limit = MAX_WEIGHTS if file == "model.safetensors" else MAX_JSON
        if sizes.get(file, 0) > limit:
            raise UsageError(f"{name}: {file} has {in_units(sizes[file])}: expected at most {in_units(limit)}")
    return {file: sizes[file] for file in FILES if file in sizes}


def explained(error: Exception, name: HubName, endpoint: str) -> SivaeError:
    """The reason of a failed request in one line. UsageError where another try would fail too."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return UsageError(
            f"{name} is open to some users only: ask for access at {endpoint}/{name.repository}; {LOG_IN}"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return UsageError(f"{name.repository} has no revision {name.revision!r}: expected a branch, a tag or a commit")
    if isinstance(error, errors.RepositoryNotFoundError):
        return UsageError(
            f"no folder {name} here, and no model of this name at {endpoint}; for a private one, {LOG_IN}"
        )
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return UsageError(f"{endpoint} refuses access to {name} ({status}): {LOG_IN}")
    if status is not None:
        return SivaeError(f"{endpoint} answers with status {status}")
    return SivaeError(f"{endpoint} cannot be reached ({one_line(error)[:200]})")


def in_units(size: int) -> str:
    """A size in bytes, kB or MB."""
    for unit, name in ((10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"

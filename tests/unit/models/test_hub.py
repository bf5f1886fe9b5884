"""Models on the hub, by requests to a server that stands in for it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from hub_server import TOKEN, Hub

from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.inference.translator import Translator
from sivae_translate.models import hub as hub_module
from sivae_translate.models.hub import FILES, HubName, download


def files_of(trained: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (trained / "model").iterdir()}


def fetch(name: str, revision: str | None = None) -> tuple[Path, str]:
    """The folder of a model, and what the user is told."""
    notes = list[str]()
    folder = download(HubName(name, revision), notes.append)
    assert len(notes) == 1 and "\n" not in notes[0]
    return folder, notes[0]


def test_only_the_files_that_the_loader_reads_are_downloaded(hub: Hub, trained: Path) -> None:
    others = {
        "README.md": b"# x",
        "modeling.py": b"raise SystemExit",
        "pytorch_model.bin": b"x",
        "pictures/a.png": b"x",
    }
    repository = hub.add("me/cars", files_of(trained) | others)
    folder, note = fetch("me/cars")
    assert {path.name for path in folder.iterdir()} == set(files_of(trained)) <= set(FILES)
    assert next(iter(repository.commits)).startswith(folder.name[:12]) and folder.name[:12] in note
    size = sum(map(len, files_of(trained).values()))
    assert f"{size / 1000:.1f} kB" in note and hub.url in note
    assert {request.split("/")[-1] for request in hub.requests if request.startswith("GET")} == {
        "cars",
        *files_of(trained),
    }


def test_a_second_use_asks_for_news_and_downloads_nothing(hub: Hub, trained: Path) -> None:
    repository = hub.add("me/cars", files_of(trained))
    first, _ = fetch("me/cars")
    hub.requests.clear()
    assert fetch("me/cars")[0] == first
    assert [request for request in hub.requests if request.startswith("GET")] == ["GET /api/models/me/cars"]
    repository.commit(files_of(trained) | {"ood.json": b"{}"})
    second, note = fetch("me/cars")
    assert second != first and (second / "ood.json").exists() and second.name[:12] in note


def test_a_pinned_commit_stays_and_needs_no_network_any_more(hub: Hub, trained: Path) -> None:
    repository = hub.add("me/cars", files_of(trained))
    old = next(iter(repository.commits))
    repository.tags["v1"] = old
    repository.commit(files_of(trained) | {"ood.json": b"{}"})
    assert fetch("me/cars", "v1")[0].name == fetch("me/cars", old)[0].name == old
    assert fetch("me/cars")[0].name != old
    hub.requests.clear()
    assert fetch("me/cars", old)[0].name == old
    assert hub.requests == []


@pytest.mark.parametrize("why", ["offline", "no server", "broken server"])
def test_the_cache_serves_where_the_hub_does_not(
    hub: Hub, trained: Path, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("me/cars", files_of(trained))
    hub.add("me/other", files_of(trained))
    before, _ = fetch("me/cars")
    if why == "offline":
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    elif why == "no server":
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    else:
        hub.broken = 503
    hub.requests.clear()
    folder, note = fetch("me/cars")
    assert folder == before and "cache" in note and folder.name[:12] in note
    with pytest.raises(SivaeError, match="me/other is not in the cache") as error:
        fetch("me/other")
    assert error.value.exit_code == 1 and (why != "offline" or hub.requests == [])


def test_failures_are_told_in_one_line_with_a_way_out(hub: Hub, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("me/cars", files_of(trained))
    hub.add("me/private", files_of(trained), private=True)
    hub.add("me/gated", files_of(trained), gated=True)
    assert fetch("me/private")
    expected = {
        ("me/none", None): ["me/none", "hf auth login", "HF_TOKEN"],
        ("me/cars", "v9"): ["me/cars", "'v9'", "tag"],
        ("me/gated", None): ["me/gated", "access", "hf auth login"],
    }
    for (name, revision), parts in expected.items():
        with pytest.raises(UsageError) as error:
            fetch(name, revision)
        assert all(part in str(error.value) for part in parts) and TOKEN not in str(error.value)
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    with pytest.raises(UsageError, match="HF_TOKEN"):
        fetch("me/private")


class Canary:
    def __reduce__(self) -> Any:
        return Path.mkdir, (Path("canary"),)


@pytest.mark.parametrize("files", [{"pytorch_model.bin": b""}, {"config.json": b"{}", "model.pt": b""}])
def test_pickles_alone_are_refused_before_a_download(hub: Hub, files: dict[str, bytes]) -> None:
    hub.add("me/pickle", {name: data or pickle.dumps(Canary()) for name, data in files.items()})
    with pytest.raises(UsageError, match="never unpickle"):
        Translator.from_pretrained("me/pickle")
    assert hub.requests == ["GET /api/models/me/pickle"] and not Path("canary").exists()


def test_a_pickle_called_safetensors_is_refused_by_the_loader(hub: Hub, trained: Path) -> None:
    files = files_of(trained) | {"model.safetensors": pickle.dumps(Canary())}
    del files["manifest.json"]
    hub.add("me/pickle", files)
    with pytest.raises(SivaeError, match="never unpickle"):
        Translator.from_pretrained("me/pickle")
    assert not Path("canary").exists()


def test_other_repositories_and_large_files_are_refused_before_a_download(
    hub: Hub, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("me/text", {"README.md": b"x"})
    with pytest.raises(UsageError, match="no config"):
        fetch("me/text")
    hub.add("me/large", files_of(trained))
    monkeypatch.setattr(hub_module, "MAX_WEIGHTS", 1000)
    with pytest.raises(UsageError, match=r"model\.safetensors has .* at most 1\.0 kB"):
        fetch("me/large")
    assert not any("resolve" in request for request in hub.requests)

"""Sharing a model: pushed to a stand-in for the hub, and used from there by its name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_output import error_line
from hub_server import Hub
from PIL import Image

from sivae_translate import Translator, UsageError, push_to_hub


def test_a_pushed_model_gives_the_same_images_by_its_name(hub: Hub, trained: Path, cars: Path, cli: Any) -> None:
    result = cli("push", trained, "me/cars", "--license", "mit", "--private")
    assert result.exit_code == 0, result.output
    repository = hub.repositories["me/cars"]
    commit, tree = list(repository.commits.items())[-1]
    assert repository.private and f"{hub.url}/me/cars at {commit[:12]}" in result.stdout
    assert set(tree) == {
        ".gitattributes", "README.md", "config.json", "manifest.json", "model.safetensors", "pictures/samples.png",
    }  # fmt: skip
    assert all(tree[name] == (trained / "model" / name).read_bytes() for name in ("config.json", "model.safetensors"))
    view = cars / "unseen/car003/el0_az00.png"
    here, there = (Translator.from_pretrained(model, device="cpu") for model in (trained, "me/cars"))
    assert here(view, to="car001").tobytes() == there(view, to="car001").tobytes()
    used = cli("run", view, "--model", "me/cars", "--to", "car001", "--device", "cpu")
    assert used.exit_code == 0 and commit[:12] in used.stderr
    assert Image.open("translated/el0_az00.png").tobytes() == here(view, to="car001").tobytes()


def test_a_second_push_replaces_the_first_and_its_pictures(hub: Hub, trained: Path) -> None:
    push_to_hub(trained, "me/cars", license="mit")
    repository = hub.repositories["me/cars"]
    repository.commit({**list(repository.commits.values())[-1], "pictures/old.png": b"x", "notes.txt": b"mine"})
    pushed = push_to_hub(Translator.from_pretrained(trained), "me/cars", license="apache-2.0")
    tree = repository.commits[pushed.commit]
    assert b"license: apache-2.0" in tree["README.md"]
    assert "pictures/old.png" not in tree and tree["notes.txt"] == b"mine"
    assert pushed.size == sum(len(tree[name]) for name in pushed.files)


def test_a_repository_of_something_else_is_not_touched(
    hub: Hub, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = hub.add("me/other", {"README.md": b"x", "config.json": b"{}"})
    with pytest.raises(UsageError, match=r"config\.json.*another name"):
        push_to_hub(trained, "me/other", license="mit")
    assert len(repository.commits) == 1
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    with pytest.raises(UsageError, match="hf auth login"):
        push_to_hub(trained, "me/new", license="mit")
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "nowhere")
    with pytest.raises(UsageError, match="no token"):
        push_to_hub(trained, "me/new", license="mit")


def test_a_damaged_model_is_not_pushed(hub: Hub, trained: Path, workspace: Any, cli: Any) -> None:
    result = cli("push", workspace.truncated_model(), "me/cars", "--license", "mit")
    assert result.exit_code == 1 and str(workspace.here / "model/model.safetensors") in error_line(result)
    assert hub.repositories == {}


def test_a_process_without_a_network_uses_the_cache(hub: Hub, trained: Path, tmp_path: Path) -> None:
    hub.add("me/cars", {path.name: path.read_bytes() for path in (trained / "model").iterdir()})
    Translator.from_pretrained("me/cars", device="cpu")
    hub.requests.clear()
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "hub-cache")}
    words = [sys.executable, "-m", "sivae_translate", "sample", "--model", "me/cars", "--count", "2"]
    ran = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0 and "from the cache" in ran.stderr, ran.stderr
    assert Path("samples.png").exists() and hub.requests == []

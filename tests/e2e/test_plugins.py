"""A model and an objective of another package: trained by their names, saved, loaded and listed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_output import expect_error
from folders import images

PLUGIN = '''
"""A model and an objective."""

from sivae_translate.models import StyleAutoencoder
from sivae_translate.objectives.vae import vae


class Thin(StyleAutoencoder):
    """A narrow model.

    Args:
        thin_width: channels at the finest level.
    """

    def __init__(self, *, domains, size, thin_width: int = 16) -> None:
        super().__init__(domains=domains, size=size, width=thin_width, max_width=16, patch=2)


def plain(*, plain_beta: float = 0.001):
    """The plain VAE.

    Args:
        plain_beta: weight per nat of KL.
    """
    return vae(beta_kl=plain_beta)
'''
ENTRIES = """
[sivae_translate.models]
thin = thin_models:Thin

[sivae_translate.objectives]
plain = thin_models:plain
"""


@pytest.fixture
def plugin(tmp_path: Path) -> dict[str, str]:
    """The environment of a program in which the package is installed."""
    site = tmp_path / "site"
    about = site / "thin_models-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "thin_models.py").write_text(PLUGIN)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: thin-models\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRIES)
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])}


RECIPE = """
[data]
size = 16
batch = 4

[model]
name = "thin"

[objective]
name = "plain"
plain_beta = 0.01

[training]
images = 16
precision = "fp32"
"""


def test_a_plugin_is_trained_loaded_and_listed_and_missed_where_it_is_not_installed(
    plugin: dict[str, str], tmp_path: Path, cli: Any
) -> None:
    source = images(tmp_path / "set", *(f"{domain}/{i}.png" for domain in "ab" for i in range(4)))
    (tmp_path / "thin.toml").write_text(RECIPE)
    code = (
        "from sivae_translate import Translator, train\n"
        "from sivae_translate.training.settings_page import settings_page\n"
        f"model = train({str(source)!r}, 'thin.toml', 'run', device='cpu', quiet=True)\n"
        "translator = Translator.from_pretrained(model, device='cpu')\n"
        "assert translator.settings == {'name': 'thin', 'thin_width': 16}, translator.settings\n"
        f"assert translator({str(source / 'a/0.png')!r}, to='b').size == (16, 16)\n"
        "page = settings_page()\n"
        "assert 'thin_width' in page and 'Weight per nat of KL' in page and 'plain_beta' in page\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=plugin, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "plain_beta = 0.01" in (tmp_path / "run/recipe.toml").read_text()
    expect_error(cli("sample", tmp_path / "run", "--device", "cpu"), 1, "thin", "conv, style, detail, synthesis")
    expect_error(cli("train", source, "--recipe", tmp_path / "thin.toml", "--out", tmp_path / "b"), 2, "no such model")

"""Hooks of the documentation site: files outside docs/ become pages of it, so that no text is written twice."""

from __future__ import annotations

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))
import notebook

ROOT = Path(__file__).parent.parent


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the README, the changelog, the recipes, the shipped model, the notebook and the pictures."""
    shipped = (ROOT / "sivae_translate/shipped/cars/README.md").read_text()
    notebook_page, notebook_pictures = notebook.page(ROOT / "docs/tutorial.ipynb")
    pages = {
        "index.md": (ROOT / "README.md").read_text().replace("](docs/", "]("),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(),
        "recipes.md": recipes(),
        "shipped.md": shipped,
        "notebook.md": notebook_page,
        **notebook_pictures,
    }
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    for picture in sorted((ROOT / "assets").glob("*.png")):
        files.append(File.generated(config, f"assets/{picture.name}", abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Point links to pictures at their place on the site, as the pages in the repository lie beside assets/."""
    return markdown.replace("](../assets/", "](assets/")


def recipes() -> str:
    """The page of the built-in recipes: every file as it is."""
    head = (
        "# Recipes\n\nA recipe is a TOML file with every setting of a run. `train --recipe NAME` takes one of these "
        "or a file of your own. `--set section.key=value` changes one setting. Every key is described in "
        "[settings](settings.md).\n"
    )
    files = sorted((ROOT / "recipes").glob("*.toml"), key=lambda path: (path.stem != "style", path.stem))
    return head + "".join(f"\n## {path.stem}\n\n```toml\n{path.read_text()}```\n" for path in files)

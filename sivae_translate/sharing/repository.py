"""The files of a repository on the hub, written to a folder: the model, pictures, and the model card."""

from __future__ import annotations

import shutil
from pathlib import Path

from PIL import Image

from sivae_translate.atomic import atomic_directory, in_place
from sivae_translate.errors import UsageError, shown
from sivae_translate.inference.translator import Translator
from sivae_translate.models.hub import FILES, hub_target
from sivae_translate.models.locate import locate
from sivae_translate.models.pretrained import load_model
from sivae_translate.pictures import contact_sheet, save_picture, sheet
from sivae_translate.reports import free_name, require_writable
from sivae_translate.sharing.card import card_of, licence
from sivae_translate.sharing.origin import Origin, origin_of
from sivae_translate.types import Code

CARD = "README.md"
PICTURES = "pictures"
ROWS, COLUMNS = 6, 8
OF_A_REPORT = {
    "pairs.png": "Pairs of known truth: content, style, translation, truth",
    "domain_pairs.png": "Real images, and beneath them their translations",
}


def model_card(
    model: Translator | str | Path,
    repository: str,
    *,
    license: str,
    out: str | Path,
    report: str | Path | None = None,
    data: str | None = None,
) -> Path:
    """Write all that `push_to_hub` uploads to a folder, to look at it, and return the model card in it, `README.md`.

    Args:
        out: a new or empty folder.
        model, repository, license, report, data: see `push_to_hub`.

    Raises:
        UsageError, SivaeError: see `push_to_hub`; or `out` holds files.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} exists, and nothing is overwritten: choose another with --out {free_name(out)}")
    require_writable(out.parent)
    with atomic_directory(out) as temporary:  # complete or not there
        write_repository(temporary, model, repository, license=license, report=report, data=data)
    return out / CARD


def write_repository(
    folder: Path,
    model: Translator | str | Path,
    repository: str,
    *,
    license: str,
    report: str | Path | None = None,
    data: str | None = None,
) -> list[str]:
    """Write all that `push_to_hub` uploads to a folder, and return the names of the files; see there."""
    hub_target(repository)  # first, as it is quick
    licence(license)
    origin = copy_model(model, folder, None if report is None else Path(report))
    translator = Translator.from_pretrained(folder, device="cpu")  # strictly, so that nothing else is uploaded
    (folder / PICTURES).mkdir()
    pictures = draw(translator, folder)
    if report is not None:
        pictures |= copy_pictures(origin, folder)
    card = card_of(translator, origin, pictures, repository=repository, license=license, data=data)
    (folder / CARD).write_text(card, encoding="utf-8")
    return [CARD, *(name for name in FILES if (folder / name).exists()), *pictures]


def copy_model(model: Translator | str | Path, folder: Path, report: Path | None) -> Origin:
    """Copy the files of a model, and return what is known of it."""
    if isinstance(model, Translator):
        model.save_pretrained(folder)
        return origin_of(folder, report)
    directory = in_place(locate(model))
    load_model(directory)  # for its errors, which name the user's folder
    for name in FILES:
        if (directory / name).is_file():
            shutil.copyfile(directory / name, folder / name)
    return origin_of(directory, report)


def draw(translator: Translator, folder: Path) -> dict[str, str]:
    """Draw what the model knows, from its prior alone, so that no image of the user is shown: captions by path."""
    path = f"{PICTURES}/samples.png"
    samples = translator.sample(COLUMNS, domain=translator.domains[0])
    if not translator.model.style_size:
        save_picture(contact_sheet(samples), folder / path)
        return {path: "Samples of the model's prior"}
    contents = translator.encode(samples).content
    domains = translator.domains[:: -(-len(translator.domains) // ROWS)]
    rows = [translator.decode(Code(contents, translator.style_of(to=name).expand(COLUMNS, -1))) for name in domains]
    columns = zip(*(translator.to_pictures(row) for row in rows), strict=True)
    save_picture(
        sheet([list[Image.Image](column) for column in columns], [shown(name) for name in domains]), folder / path
    )
    return {path: "Drawn contents, a column each, in the mean styles of some domains"}


def copy_pictures(origin: Origin, folder: Path) -> dict[str, str]:
    """Copy the pictures of a report, which show the images it was made on: captions by path."""
    found = {}
    for name, caption in OF_A_REPORT.items():
        if origin.report is not None and (origin.report / name).is_file():
            shutil.copyfile(origin.report / name, folder / PICTURES / name)
            found[f"{PICTURES}/{name}"] = caption
    return found

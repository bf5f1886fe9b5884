"""The model card: what a model does, its pictures, figures with baselines, data and recipe, as the hub's README.md."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from importlib.metadata import version

from sivae_translate.errors import UsageError
from sivae_translate.inference.translator import Translator
from sivae_translate.sharing.markdown import environment
from sivae_translate.sharing.origin import Origin


def card_of(
    translator: Translator,
    origin: Origin,
    pictures: Mapping[str, str],
    *,
    repository: str,
    license: str,
    data: str | None = None,
) -> str:
    """The card as Markdown. Names of domains and all other texts that we did not write are escaped.

    Args:
        origin: what is known of the model's training and evaluation.
        pictures: captions by the paths of pictures in the repository.
        repository: `user/name`.
        license: identifier of a licence, such as "cc-by-4.0".
        data: the author's description of the images, in Markdown.

    Raises:
        UsageError: a licence that is no identifier.
    """
    domains = list(translator.domains)
    translates = bool(translator.model.style_size)
    target = next(iter(domains[1:]), domains[0])
    return environment().get_template("card.md.j2").render(
        licence=licence(license),
        title=repository.partition("/")[2],
        repository=repository,
        translates=translates,
        domains=domains,
        size=translator.frame.size,
        pictures=pictures,
        commands=commands(repository, target if translates else None),
        python=python(repository, target if translates else None),
        tables=origin.tables,
        described=data,
        images=origin.images,
        seen=origin.seen,
        recipe=origin.recipe,
        version=version("sivae-translate"),
    )  # fmt: skip


def licence(identifier: str) -> str:
    """The identifier in lower case, as the hub has it. Raises UsageError for anything else."""
    lower = identifier.strip().lower()
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]{0,63}", lower):
        raise UsageError(
            f"license was {identifier!r}: expected an identifier such as cc-by-4.0, apache-2.0 or other; "
            "https://hf.co/docs/hub/repositories-licenses lists them"
        )
    return lower


def commands(repository: str, target: str | None) -> list[str]:
    """Lines for a shell; no target domain for a model that cannot translate."""
    if target is None:
        return [f"sivae-translate sample --model {repository}"]
    return [f"sivae-translate run photo.png --to {shlex.quote(target)} --model {repository}"]


def python(repository: str, target: str | None) -> list[str]:
    """Lines of Python after the import."""
    load = f'translator = Translator.from_pretrained("{repository}")'
    if target is None:
        return [load, "images = translator.sample(8)"]
    return [load, f'image = translator("photo.png", to={target!r})  # or style="reference.png"']

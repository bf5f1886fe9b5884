"""Images that a run does not learn from: a fraction of each domain, or a held-out split of the folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from sivae_translate.data.domains import Domains, Source
from sivae_translate.data.layout import VALIDATION
from sivae_translate.data.survey import name_below
from sivae_translate.errors import shown


class HeldOut(NamedTuple):
    """Held-out images.

    Attributes:
        origin: in notes, such as "val/" or "data.holdout".
        chooses: whether a model may be chosen by them; False for a test split.
        sources: the images.
        domains: the domain of each.
    """

    origin: str
    chooses: bool
    sources: tuple[Source, ...]
    domains: tuple[str, ...]


def hold_out(domains: Domains, fraction: float) -> tuple[Domains, HeldOut | None]:
    """The domains to train on, and the held-out images, if any.

    A fraction above 0 holds out so many of each domain's images, and no split is looked at. Otherwise a validation
    split serves, such as val/, and where there is none a test split, by which no model is chosen.

    Args:
        fraction: of each domain's images, in [0, 1); at least one, and never the last, image of a domain is held out.
    """
    if fraction:
        held = held_out_rows(domains, fraction)
        kept = [row for row in range(len(domains.sources)) if row not in held]
        rest = replace(
            domains,
            sources=tuple(domains.sources[row] for row in kept),
            labels=tuple(domains.labels[row] for row in kept),
        )
        sources = tuple(domains.sources[row] for row in sorted(held))
        names = tuple(domains.names[domains.labels[row]] for row in sorted(held))
        return rest, HeldOut(f"data.holdout = {fraction:g}", True, sources, names) if held else None
    for split in sorted(domains.held_out, key=lambda name: (name not in VALIDATION, name)):
        names, sources = zip(*domains.held_out[split], strict=True)
        return domains, HeldOut(f"{shown(split)}/", split in VALIDATION, sources, names)
    return domains, None


def held_out_rows(domains: Domains, fraction: float) -> set[int]:
    """The rows of the images to hold out, of each domain alike.

    A hash of the name decides, so that the order of the files, the seed and the machine do not matter.
    """
    members: dict[int, list[int]] = {}
    for row, label in enumerate(domains.labels):
        members.setdefault(label, []).append(row)

    def chosen(rows: list[int]) -> Iterator[int]:
        if len(rows) > 1:
            count = min(max(1, round(fraction * len(rows))), len(rows) - 1)
            yield from sorted(rows, key=lambda row: name_hash(domains, domains.sources[row]))[:count]

    return {row for rows in members.values() for row in chosen(rows)}


def name_hash(domains: Domains, source: Source) -> bytes:
    """A hash of an image's name below the folder of the domains."""
    name = name_below(str(domains.base), str(source.path))
    return hashlib.blake2b(f"{source.view} ".encode() + name, digest_size=16).digest()

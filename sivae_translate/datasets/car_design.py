"""Design a procedural car: its body, proportions, colours and parts, drawn from a seed.

The axes are in metres: x points forward, y left, z up. The origin is on the ground below the middle of the car.
A place `t` is a fraction of the body's length, 0 at the nose and 1 at the tail.
"""

from __future__ import annotations

import colorsys
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

BODIES = ("sedan", "hatchback", "suv", "van", "pickup", "coupe")

Colour = tuple[int, int, int]
T = TypeVar("T")


@dataclass(frozen=True)
class Car:
    """The design of one car: lengths in metres, places `t` along the body in 0 (nose) .. 1 (tail), RGB in 0..255."""

    body: str
    length: float
    width: float
    height: float
    clearance: float
    nose: float  # height of the bonnet's leading edge
    belt: float  # height of the window sills
    deck: float  # height of the tail's upper edge
    wheel: float  # radius
    axles: tuple[float, float]  # t of front and rear
    cabin: tuple[float, float, float, float]  # t of windscreen foot, roof front, roof rear, rear window foot
    pillar: float  # place of the B-pillar along the roof, 0 (front) .. 1
    roof_width: float  # as a fraction of the cabin's width at the sills
    paint: Colour
    roof: Colour
    trim: Colour  # sills, bumpers
    stripe: Colour | None
    rim: Colour
    spokes: int
    head_lamp: tuple[float, float]  # fraction of the half width, height in metres
    tail_lamp: tuple[float, float]
    grille: tuple[float, float]
    side_glass: bool  # False: a panel behind the front doors, as on a goods van
    roof_rack: bool
    spoiler: bool


# Ranges of the fields of `Car` by body; the last four of each body are the places in `cabin`.
RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "sedan": {
        "length": (4.15, 4.4), "width": (1.76, 1.86), "height": (1.40, 1.48), "clearance": (0.17, 0.2),
        "nose": (0.68, 0.75), "belt": (0.90, 0.95), "deck": (0.92, 0.99), "wheel": (0.31, 0.34),
        "cowl": (0.29, 0.32), "roof_front": (0.42, 0.45), "roof_rear": (0.66, 0.70), "foot": (0.80, 0.84),
    },
    "hatchback": {
        "length": (3.55, 3.8), "width": (1.70, 1.80), "height": (1.46, 1.56), "clearance": (0.17, 0.2),
        "nose": (0.72, 0.80), "belt": (0.92, 0.98), "deck": (0.96, 1.02), "wheel": (0.30, 0.33),
        "cowl": (0.24, 0.28), "roof_front": (0.40, 0.43), "roof_rear": (0.83, 0.88), "foot": (0.955, 0.965),
    },
    "suv": {
        "length": (4.1, 4.35), "width": (1.86, 1.96), "height": (1.72, 1.84), "clearance": (0.26, 0.31),
        "nose": (0.94, 1.02), "belt": (1.10, 1.16), "deck": (1.12, 1.18), "wheel": (0.38, 0.42),
        "cowl": (0.26, 0.29), "roof_front": (0.36, 0.39), "roof_rear": (0.88, 0.92), "foot": (0.96, 0.97),
    },
    "van": {
        "length": (4.25, 4.5), "width": (1.84, 1.94), "height": (1.92, 2.10), "clearance": (0.18, 0.22),
        "nose": (0.86, 0.96), "belt": (1.10, 1.18), "deck": (1.10, 1.18), "wheel": (0.32, 0.35),
        "cowl": (0.13, 0.16), "roof_front": (0.27, 0.31), "roof_rear": (0.94, 0.955), "foot": (0.97, 0.975),
    },
    "pickup": {
        "length": (4.4, 4.6), "width": (1.84, 1.94), "height": (1.70, 1.80), "clearance": (0.28, 0.33),
        "nose": (0.94, 1.00), "belt": (1.06, 1.12), "deck": (1.04, 1.10), "wheel": (0.38, 0.41),
        "cowl": (0.26, 0.28), "roof_front": (0.35, 0.38), "roof_rear": (0.55, 0.58), "foot": (0.585, 0.60),
    },
    "coupe": {
        "length": (3.95, 4.2), "width": (1.82, 1.92), "height": (1.25, 1.33), "clearance": (0.13, 0.16),
        "nose": (0.56, 0.62), "belt": (0.80, 0.85), "deck": (0.86, 0.92), "wheel": (0.33, 0.36),
        "cowl": (0.33, 0.36), "roof_front": (0.48, 0.51), "roof_rear": (0.66, 0.70), "foot": (0.86, 0.90),
    },
}  # fmt: skip


def design(seed: int, index: int) -> Car:
    """Car number `index` (0, 1, ...) of a seed, the same on every machine.

    Bodies and hues cycle with the index, so that a small set contains all bodies and neighbouring cars differ.
    """
    dice = Dice(f"car/{seed}/{index}")
    body = BODIES[index % len(BODIES)]
    drawn = {name: dice.uniform(*bounds) for name, bounds in RANGES[body].items()}
    cabin = drawn.pop("cowl"), drawn.pop("roof_front"), drawn.pop("roof_rear"), drawn.pop("foot")
    hue = Dice(f"hues/{seed}").shuffled(HUES)[index % len(HUES)]
    paint, dark = draw_paint(dice, hue), dice.choice(((38, 38, 42), (58, 58, 62)))
    two_tone = dice.random() < 0.25
    striped = dice.random() < {"coupe": 0.5, "hatchback": 0.25}.get(body, 0.0)
    return Car(
        body=body,
        **drawn,
        cabin=cabin,
        axles=(0.18 if body != "van" else 0.17, 0.81 if body != "pickup" else 0.79),
        pillar=dice.uniform(0.68, 0.76) if body in ("coupe", "pickup") else dice.uniform(0.28, 0.36),
        roof_width=dice.uniform(0.86, 0.9) if body in ("van", "suv") else dice.uniform(0.76, 0.82),
        paint=paint,
        roof=dice.choice(((236, 236, 232), (222, 208, 176), (146, 150, 158))) if two_tone else paint,
        trim=dark if body in ("suv", "pickup") or dice.random() < 0.4 else paint,
        stripe=dice.choice(((240, 240, 236), (30, 30, 34))) if striped else None,
        rim=dice.choice(((205, 208, 214), (165, 168, 176), (120, 122, 130), (196, 170, 96))),
        spokes=dice.choice((5, 6, 7, 8)),
        head_lamp=(dice.uniform(0.26, 0.4), dice.uniform(0.12, 0.17)),
        tail_lamp=(dice.uniform(0.14, 0.22), dice.uniform(0.3, 0.4))
        if body in ("suv", "van", "pickup")
        else (dice.uniform(0.28, 0.46), dice.uniform(0.12, 0.18)),
        grille=(dice.uniform(0.3, 0.52), dice.uniform(0.1, 0.16)),
        side_glass=body != "van" or dice.random() < 0.6,
        roof_rack=dice.random() < {"suv": 0.6, "van": 0.3}.get(body, 0.0),
        spoiler=dice.random() < {"coupe": 0.6, "hatchback": 0.4, "sedan": 0.15}.get(body, 0.0),
    )


class Dice:
    """Seeded draws by `Random.random`, whose sequence for a seed is the same in all versions of Python."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed).random

    def uniform(self, low: float, high: float) -> float:
        return round(low + (high - low) * self.random(), 3)

    def choice(self, options: Sequence[T]) -> T:
        return options[int(self.random() * len(options))]

    def shuffled(self, items: Iterable[T]) -> list[T]:
        return sorted(items, key=lambda _: self.random())


# Hues at even perceptual distances; at even steps of hue a third of the cars would be green.
HUES = (0.0, 0.04, 0.09, 0.13, 0.17, 0.27, 0.39, 0.49, 0.55, 0.6, 0.66, 0.76, 0.88)


def draw_paint(dice: Dice, hue: float) -> Colour:
    """The colour of a car's paint: near a hue in 0..1, or grey with probability 0.2."""
    if dice.random() < 0.2:  # white, silver, grey, graphite
        saturation, value = 0.04, dice.choice((0.9, 0.72, 0.42, 0.28))
    else:
        hue = (hue + dice.uniform(-0.015, 0.015)) % 1
        saturation, value = dice.uniform(0.6, 0.92), dice.uniform(0.55, 0.95)
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)

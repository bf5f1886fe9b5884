"""The built-in `cars` set: procedural cars on a turntable, a stand-in for Cars3D that needs no download.

Axes in metres: x points out of the nose, y out of the left side, z up, the origin on the ground below the middle. A
place along the body is a fraction `t` of its length, 0 at the nose and 1 at the tail.
"""

from __future__ import annotations

import colorsys
import csv
import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from sivae_translate.datasets.writing import staged_folder, taken
from sivae_translate.errors import UsageError

AZIMUTHS = 24
ELEVATIONS = 4
BODIES = ("sedan", "hatchback", "suv", "van", "pickup", "coupe")

_SUPERSAMPLING = 4
_CAMERA_DISTANCE = 13.0  # metres: near enough that the far end of a car is visibly smaller
_FIELD = 5.1  # metres across the picture at the turntable's axis: the longest car fits at every azimuth
_AIM = 0.62  # metres above the ground

Array = np.ndarray[Any, np.dtype[Any]]
Colour = tuple[int, int, int]
T = TypeVar("T")


@dataclass(frozen=True)
class Car:
    """One car's identity: lengths in metres, places `t` along the body in 0 (nose) .. 1 (tail), colours 0..255."""

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
    roof_width: float  # as a share of the cabin's width at the sills
    paint: Colour
    roof: Colour
    trim: Colour  # sills, bumpers
    stripe: Colour | None
    rim: Colour
    spokes: int
    head_lamp: tuple[float, float]  # share of the half width, height
    tail_lamp: tuple[float, float]
    grille: tuple[float, float]
    side_glass: bool  # False: a panel behind the front doors, as on a goods van
    roof_rack: bool
    spoiler: bool


# What sets the bodies apart: ranges of Car's fields of the same name, and of the four places in `cabin`.
_RANGES: dict[str, dict[str, tuple[float, float]]] = {
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
    """Car number `index` (0, 1, ...) of the set `seed`: the same on every machine.

    Bodies and hues take turns by index, so that even a small set has them all and neighbours look unlike.
    """
    dice = _Dice(f"car/{seed}/{index}")
    body = BODIES[index % len(BODIES)]
    drawn = {name: dice.uniform(*bounds) for name, bounds in _RANGES[body].items()}
    cabin = drawn.pop("cowl"), drawn.pop("roof_front"), drawn.pop("roof_rear"), drawn.pop("foot")
    hue = _Dice(f"hues/{seed}").shuffled(_HUES)[index % len(_HUES)]
    paint, dark = _paint(dice, hue), dice.choice(((38, 38, 42), (58, 58, 62)))
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


class _Dice:
    """Seeded draws, all by way of `Random.random`: the one stream that Python promises never to change."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed).random

    def uniform(self, low: float, high: float) -> float:
        return round(low + (high - low) * self.random(), 3)

    def choice(self, options: Sequence[T]) -> T:
        return options[int(self.random() * len(options))]

    def shuffled(self, items: Iterable[T]) -> list[T]:
        return sorted(items, key=lambda _: self.random())


# Hues a person tells apart: even steps round the wheel would make a third of all cars green.
_HUES = (0.0, 0.04, 0.09, 0.13, 0.17, 0.27, 0.39, 0.49, 0.55, 0.6, 0.66, 0.76, 0.88)


def _paint(dice: _Dice, hue: float) -> Colour:
    if dice.random() < 0.2:  # white, silver, grey, graphite
        saturation, value = 0.04, dice.choice((0.9, 0.72, 0.42, 0.28))
    else:
        hue = (hue + dice.uniform(-0.015, 0.015)) % 1
        saturation, value = dice.uniform(0.6, 0.92), dice.uniform(0.55, 0.95)
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


# --- geometry -------------------------------------------------------------------------------------------------------


class _Material(NamedTuple):
    colour: Colour
    ambient: float = 0.42
    diffuse: float = 0.68
    gloss: float = 0.3


class _Mesh(NamedTuple):
    """F flat polygons over V points, each polygon's points in a run of their own."""

    points: Array  # [V, 3] metres
    runs: Array  # [F, 2] first point and one past the last
    centroids: Array  # [F, 3]
    normals: Array  # [F, 3] unit, outward
    layers: Array  # [F] painted in rising order; within a layer the farthest first
    colours: Array  # [F, 3]
    shading: Array  # [F, 3] ambient, diffuse, gloss


_GLASS = _Material((44, 58, 84), 0.62, 0.35, 0.35)
_BLACK = _Material((26, 26, 30), 0.8, 0.4, 0.0)
_TYRE = _Material((34, 34, 38), 0.75, 0.45, 0.0)
_BED = _Material((44, 44, 48), 0.6, 0.6, 0.0)
_HEAD_LAMP = _Material((255, 246, 190), 0.9, 0.15, 0.0)
_TAIL_LAMP = _Material((214, 22, 26), 0.85, 0.2, 0.0)
_PLATE = _Material((238, 238, 232), 0.8, 0.2, 0.0)
_CHROME = _Material((176, 180, 188), 0.6, 0.4, 0.3)

# The camera is never below the sills, so this order hides what it should; sorting by depth is left to each layer.
_UNDER, _BODY, _DETAIL, _CABIN, _ROOF = 0, 10, 20, 30, 40


class _Builder:
    """Collects polygons; orientation follows from a point `about` which each convex part lies."""

    def __init__(self) -> None:
        self.polygons: list[Array] = []
        self.normals: list[Array] = []
        self.layers: list[int] = []
        self.materials: list[_Material] = []

    def add(self, polygon: Any, material: _Material, layer: int, about: Sequence[float]) -> None:
        """One polygon [N, 3] and its reflection on the car's other side."""
        points = np.asarray(polygon, dtype=float)
        normal = np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0)
        if (length := float(np.linalg.norm(normal))) < 1e-9:
            return
        if normal @ (points.mean(axis=0) - about) < 0:
            length = -length
        for side in (1.0, -1.0):
            self.polygons.append(points * (1, side, 1))
            self.normals.append(normal / length * (1, side, 1))
            self.layers.append(layer)
            self.materials.append(material)

    def grid(
        self, points: Array, material: Callable[[int, int], _Material | None], layer: int, about: Sequence[float]
    ) -> None:
        """The quads of a sheet [M, N, 3] and their reflections; where `material(m, n)` is None there is a hole."""
        for m, n in np.ndindex(points.shape[0] - 1, points.shape[1] - 1):
            if (chosen := material(m, n)) is not None:
                quad = points[[m, m + 1, m + 1, m], [n, n, n + 1, n + 1]]
                self.add(quad, chosen, layer, about)

    def box(self, low: Sequence[float], high: Sequence[float], material: _Material, layer: int) -> None:
        """An axis-parallel box and its reflection."""
        corners = np.array(list(itertools.product(*zip(low, high, strict=True)))).reshape(2, 2, 2, 3)
        about = corners.mean(axis=(0, 1, 2)).tolist()
        for axis, end in itertools.product(range(3), range(2)):
            face = np.take(corners, end, axis=axis)
            self.add(face[[0, 0, 1, 1], [0, 1, 1, 0]], material, layer, about)

    def mesh(self) -> _Mesh:
        ends = np.cumsum([len(polygon) for polygon in self.polygons])
        return _Mesh(
            points=np.concatenate(self.polygons),
            runs=np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1),
            centroids=np.stack([polygon.mean(axis=0) for polygon in self.polygons]),
            normals=np.stack(self.normals),
            layers=np.array(self.layers),
            colours=np.array([material.colour for material in self.materials], dtype=float),
            shading=np.array([material[1:] for material in self.materials]),
        )


class _Hull:
    """The body below the windows, as a surface that both its own panels and everything stuck on it follow."""

    def __init__(self, car: Car) -> None:
        cowl, roof_front, roof_rear, foot = car.cabin
        self.car = car
        self.pillar = roof_front + car.pillar * (roof_rear - roof_front)
        self.about = (0.0, 0.0, (car.clearance + car.belt) / 2)
        rise = car.belt - car.nose
        self._top_t = [0.0, 0.02, 0.05, 0.5 * cowl, cowl, min(foot, 0.95), 0.955, 0.985, 1.0]
        lip = 0.03 if car.body in ("van", "suv", "hatchback", "pickup") else 0.06
        self._top_z = [
            car.nose - 0.1, car.nose - 0.03, car.nose, car.nose + 0.68 * rise, car.belt, car.deck,
            car.deck, car.deck - 0.3 * lip, car.deck - lip,
        ]  # fmt: skip

    def top(self, t: float) -> float:
        return float(np.interp(t, self._top_t, self._top_z))

    def bottom(self, t: float) -> float:
        return self.car.clearance + float(np.interp(t, [0, 0.06, 0.94, 1], [0.05, 0.0, 0.02, 0.1]))

    def half_width(self, t: float) -> float:
        end = abs(2 * t - 1)
        return self.car.width / 2 * (1 - (0.15 if t < 0.5 else 0.1) * end**7)

    def at(self, t: float, y: float, z: float) -> tuple[float, float, float]:
        """The point of the skin at `t`; towards the ends the skin bows in plan and leans back as it rises."""
        end = abs(2 * t - 1) ** 8
        across = (y / self.half_width(t)) ** 2
        upright = self.car.body in ("van", "suv", "pickup")
        rise = max(0.0, z - 0.45) / 0.5
        pulled = end * (0.16 * across**1.5 + (0.03 if upright else 0.1) * rise**2)
        return (self.car.length * (0.5 - t) - (pulled if t < 0.5 else -pulled)), y, z

    def section(self, t: float) -> list[tuple[float, float]]:
        """(y, z) from the sill round to the middle of the top."""
        low, high, half = self.bottom(t), self.top(t), self.half_width(t)
        waist = low + 0.56 * (high - low)
        crown = 0.035 if t < self.car.cabin[0] + 0.01 else 0.015
        return [
            (0.93 * half, low), (0.985 * half, low + 0.13), (half, waist), (0.985 * half, high - 0.09),
            (0.95 * half, high - 0.025), (0.88 * half, high), (0.56 * half, high + 0.8 * crown),
            (0.2 * half, high + crown), (0.0, high + crown),
        ]  # fmt: skip


@lru_cache(maxsize=64)
def _mesh(car: Car) -> _Mesh:
    builder, hull = _Builder(), _Hull(car)
    _build_body(builder, hull)
    for end in (0.0, 1.0):
        _build_end(builder, hull, end)
    _build_sides(builder, hull)
    for axle in car.axles:
        _build_wheel(builder, hull, axle)
    _build_cabin(builder, hull)
    if car.body == "pickup":
        _build_bed(builder, hull)
    _build_extras(builder, hull)
    return builder.mesh()


def _build_body(builder: _Builder, hull: _Hull) -> None:
    car = hull.car
    paint, trim = _Material(car.paint), _Material(car.trim, gloss=0.1)
    stripe = _Material(car.stripe) if car.stripe else paint
    cowl, _, _, foot = car.cabin
    stations = sorted({0.0, 0.02, 0.05, 0.1, 0.5 * cowl, cowl, 0.45, 0.55, foot, 0.5 + foot / 2, 0.955, 0.985, 1.0})
    sheet = np.array([[hull.at(t, y, z) for y, z in hull.section(t)] for t in stations])

    def material(station: int, level: int) -> _Material | None:
        if level == 0:
            return trim
        if level >= 5 and car.body == "pickup" and foot <= stations[station] < 0.955:
            return None  # the open bed
        return stripe if level == 7 else paint

    builder.grid(sheet, material, _BODY, hull.about)


def _build_end(builder: _Builder, hull: _Hull, end: float) -> None:
    """The nose or the tail: its panel, then lamps, grille and number plate on it."""
    car = hull.car
    outline = hull.section(end)[:6]
    sheet = np.array([[hull.at(end, y * s, z) for s in (0, 0.3, 0.55, 0.75, 0.9, 1)] for y, z in outline])
    paint, bumper = _Material(car.paint), _Material(car.trim, gloss=0.1)
    builder.grid(sheet, lambda level, _: bumper if level < 1 else paint, _BODY, hull.about)

    low, high, half = hull.bottom(end), hull.top(end), hull.half_width(end)

    def patch(y: tuple[float, float], z: tuple[float, float], material: _Material, layer: int = _DETAIL) -> None:
        columns = np.linspace(*y, 4)
        sheet = np.array([[hull.at(end, s * half, height) for s in columns] for height in z])
        builder.grid(sheet, lambda *_: material, layer, hull.about)

    lamp_top = high - 0.06
    if end == 0.0:
        share, tall = car.head_lamp
        patch((0.95 - share, 0.95), (lamp_top - tall, lamp_top), _HEAD_LAMP)
        patch((0.0, car.grille[0]), (lamp_top - car.grille[1], lamp_top - 0.01), _BLACK)
        patch((0.0, 0.62), (low + 0.05, low + 0.16), _BLACK)
    else:
        share, tall = car.tail_lamp
        patch((0.96 - share, 0.96), (lamp_top - tall, lamp_top), _TAIL_LAMP)
        patch((0.0, 0.26), (lamp_top - 0.22, lamp_top - 0.1), _PLATE)
        patch((0.0, 0.7), (low + 0.02, low + 0.1), _BLACK)


def _build_sides(builder: _Builder, hull: _Hull) -> None:
    """What is flush with the flanks: wheel arches, lamps that wrap round the corners, door gaps and handles."""
    car = hull.car

    def patch(t: tuple[float, float], z: tuple[float, float], material: _Material) -> None:
        corners = [(t[0], z[0]), (t[1], z[0]), (t[1], z[1]), (t[0], z[1])]
        builder.add([hull.at(s, 0.99 * hull.half_width(s), h) for s, h in corners], material, _DETAIL, hull.about)

    head, tail = hull.top(0.0) - 0.06, hull.top(1.0) - 0.06
    patch((0.004, 0.055), (head - 0.8 * car.head_lamp[1], head), _HEAD_LAMP)
    patch((0.965, 0.996), (tail - 0.9 * car.tail_lamp[1], tail), _TAIL_LAMP)
    gap = _Material(car.paint, ambient=0.2, diffuse=0.3, gloss=0.0)
    cowl = car.cabin[0]
    middle = hull.pillar
    rear = middle + (0.0 if car.body in ("coupe", "pickup") else 0.2)
    for t in {cowl + 0.025, middle, rear}:
        patch((t - 0.002, t + 0.002), (car.clearance + 0.16, hull.top(t) - 0.04), gap)
    for t in {middle - 0.025, rear - 0.025}:
        patch((t - 0.018, t + 0.006), (car.belt - 0.17, car.belt - 0.14), gap)


def _disc(x: float, y: float, z: float, radius: float) -> Array:
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.stack([x + radius * np.cos(angle), np.full_like(angle, y), z + radius * np.sin(angle)], axis=1)


def _build_wheel(builder: _Builder, hull: _Hull, axle: float) -> None:
    car = hull.car
    x, radius = car.length * (0.5 - axle), car.wheel
    outer, inner = 0.985 * hull.half_width(axle), 0.985 * hull.half_width(axle) - 0.24
    inside = (x, 0.0, radius)
    arch = _disc(x, outer, radius, 1.16 * radius)
    arch[:, 2] = np.clip(arch[:, 2], car.clearance, hull.top(axle) - 0.03)
    builder.add(arch, _BLACK, _DETAIL, inside)
    near, far = _disc(x, outer, radius, radius), _disc(x, inner, radius, radius)
    tread = np.stack([near, far])[:, [*range(24), 0]]
    builder.grid(tread, lambda *_: _TYRE, _UNDER, (x, (outer + inner) / 2, radius))
    builder.add(far, _BLACK, _UNDER, (x, outer, radius))
    builder.add(near, _TYRE, _DETAIL + 1, inside)
    builder.add(_disc(x, outer, radius, 0.68 * radius), _Material(car.rim, 0.6, 0.5), _DETAIL + 2, inside)
    for spoke in range(car.spokes):
        angle = 2 * np.pi * (spoke + np.array([0.27, 0.73, 0.6, 0.4])) / car.spokes
        reach = radius * np.array([0.58, 0.58, 0.24, 0.24])
        wedge = np.stack([x + reach * np.cos(angle), np.full(4, outer), radius + reach * np.sin(angle)], axis=1)
        builder.add(wedge, _BLACK, _DETAIL + 3, inside)


def _build_cabin(builder: _Builder, hull: _Hull) -> None:
    """Windows and pillars as a ring lofted from the sills to the eaves, then the roof."""
    car = hull.car
    feet, eaves = _cabin_ring(hull, 0.0), _cabin_ring(hull, 1.0)
    paint, roof = _Material(car.paint), _Material(car.roof)
    rows = (0.0, 0.09, 0.5, 0.88, 1.0)
    # The flanks curve in towards the roof, so that light runs off over their height.
    sheet = np.stack([feet + (eaves - feet) * np.array([v, v**1.35, v]) for v in rows])
    windscreen, rear_window = [_GLASS, _GLASS, _GLASS, roof], [roof, _GLASS, _GLASS]
    flank = [roof, _GLASS, paint if car.body == "coupe" else _BLACK, _GLASS if car.side_glass else paint, roof]
    columns = windscreen + flank + rear_window
    about = (float(sheet[..., 0].mean()), 0.0, car.belt)

    def material(row: int, column: int) -> _Material:
        if row == 0:
            return paint
        return roof if row == len(rows) - 2 else columns[column]

    builder.grid(sheet, material, _CABIN, about)
    _build_roof(builder, car, float(eaves[:, 1].max()), about)


def _build_roof(builder: _Builder, car: Car, half: float, about: Sequence[float]) -> None:
    """A crowned sheet `half` wide to each side that meets the eaves."""
    _, front, rear, _ = car.cabin
    roof = _Material(car.roof)
    stripe = _Material(car.stripe) if car.stripe else roof
    across = np.array([0.0, 0.2, 0.6, 0.88, 1.0])
    crown = np.array([0.0, 0.0, 0.012, 0.03, 0.06])
    lines = []
    for s, drop in ((0.0, 1.0), (0.12, 0.3), (0.5, 0.0), (0.88, 0.3), (1.0, 1.0)):
        x = car.length * (0.5 - front - s * (rear - front)) + 0.1 * across**2 * (2 * s - 1)
        lines.append(np.stack([x, half * across, car.height - np.maximum(crown, 0.06 * drop)], axis=1))
    builder.grid(np.stack(lines), lambda _, n: stripe if n == 0 else roof, _CABIN, about)


def _cabin_ring(hull: _Hull, level: float) -> Array:
    """The left half of the cabin's outline [13, 3] at the sills (0) or the eaves (1), from front to rear."""
    car = hull.car
    cowl, roof_front, roof_rear, foot = car.cabin
    first, last = (cowl, foot) if level == 0 else (roof_front, roof_rear)
    bow = 0.16 if level == 0 else 0.1
    half = 0.9 * hull.half_width(0.5) * (1.0 if level == 0 else car.roof_width)
    places = [(0.0, s) for s in (0, 0.4, 0.72, 0.9, 1)]
    post = (hull.pillar - first) / (last - first)  # upright, whatever the slope of the glass
    thick = 0.018 / (last - first)
    quarter = 0.8 if car.body == "coupe" and level == 0 else 0.92
    places += [(s, 1.0) for s in (0.07, post - thick, post + thick, quarter)]
    places += [(1.0, s) for s in (1, 0.88, 0.45, 0)]
    front, rear = car.length * (0.5 - first), car.length * (0.5 - last)
    ring = []
    for along, across in places:
        x = (front - bow * across**2) * (1 - along) + (rear + bow * 0.6 * across**2) * along
        z = hull.top(0.5 - x / car.length) - 0.01 if level == 0 else car.height - 0.06
        ring.append((x, half * across, z))
    return np.array(ring)


def _build_bed(builder: _Builder, hull: _Hull) -> None:
    """A pickup's open bed, seen through the hole in its body."""
    car = hull.car
    front, rear = car.length * (0.5 - car.cabin[3]), car.length * (0.5 - 0.955)
    half, floor, rim = 0.88 * hull.half_width(0.7), car.clearance + 0.35, car.deck
    sheet = [(front, 0, floor), (rear, 0, floor), (rear, half, floor), (front, half, floor)]
    builder.add(sheet, _BED, _UNDER + 1, (0.0, 0.0, 0.0))
    # Walls face the middle of the bed; they are painted before the body, whose flanks then hide their feet.
    middle = np.array([(front + rear) / 2, 0.0, rim])
    walls = [
        [(front, half, floor), (rear, half, floor), (rear, half, rim), (front, half, rim)],
        [(rear, 0, floor), (rear, half, floor), (rear, half, rim), (rear, 0, rim)],
        [(front, 0, floor), (front, half, floor), (front, half, rim), (front, 0, rim)],
    ]
    for wall in walls:
        beyond = 2 * np.mean(wall, axis=0) - middle
        builder.add(wall, _BED, _UNDER + 2, beyond.tolist())


def _build_extras(builder: _Builder, hull: _Hull) -> None:
    """Mirrors, and what only some cars carry: roof rails, a tail wing."""
    car = hull.car
    cowl, front, rear, _ = car.cabin
    paint = _Material(car.paint)
    x, side = car.length * (0.5 - cowl - 0.055), hull.half_width(0.4)
    builder.box((x - 0.06, side - 0.06, car.belt), (x + 0.06, side + 0.12, car.belt + 0.13), paint, _CABIN)
    if car.roof_rack:
        inset = 0.62 * car.roof_width * hull.half_width(0.5)
        ends = car.length * (0.5 - rear + 0.03), car.length * (0.5 - front - 0.05)
        builder.box((ends[0], inset, car.height), (ends[1], inset + 0.05, car.height + 0.06), _CHROME, _ROOF)
    if car.spoiler and car.body == "hatchback":
        x = car.length * (0.5 - rear)
        builder.box((x - 0.22, 0, car.height - 0.08), (x + 0.05, 0.6, car.height - 0.03), paint, _CABIN)
    elif car.spoiler:
        x = car.length * (0.5 - 0.96)
        builder.box((x - 0.12, 0, car.deck + 0.11), (x + 0.14, 0.8, car.deck + 0.15), paint, _CABIN)
        builder.box((x - 0.04, 0.52, car.deck - 0.02), (x + 0.08, 0.58, car.deck + 0.11), _BLACK, _CABIN)


# --- pictures -------------------------------------------------------------------------------------------------------


def render(car: Car, azimuth: int, elevation: int, size: int = 64, *, shadow: bool = False) -> Array:
    """One view, uint8 [size, size, 3], on white, or with a soft shadow below the car.

    azimuth: 0..23 steps of 15 degrees: 0 faces the nose, 6 the left side, 12 the tail; it wraps.
    elevation: 0..3 for a camera 5, 15, 25 or 35 degrees above the ground. size: 16..512 pixels.
    """
    _expect(0 <= elevation < ELEVATIONS, "elevation", elevation, f"0..{ELEVATIONS - 1}", "elevation=1")
    _expect(16 <= size <= 512, "size", size, "16..512 pixels", "size=64")
    turn, climb = 2 * np.pi * (azimuth % AZIMUTHS) / AZIMUTHS, np.radians(5 + 10 * elevation)
    mesh, camera = _mesh(car), _Camera(turn, climb, size * _SUPERSAMPLING)
    towards = camera.eye - mesh.centroids
    facing = np.flatnonzero((towards * mesh.normals).sum(axis=1) > 0)
    distance = (towards[facing] ** 2).sum(axis=1)
    order = facing[np.lexsort((-distance, mesh.layers[facing]))]
    fills = _shade(mesh, order, turn, towards).tolist()
    runs, flat = (2 * mesh.runs[order]).tolist(), camera.project(mesh.points).ravel().tolist()

    image = _ground(car, camera, size) if shadow else Image.new("RGB", (camera.size, camera.size), "white")
    draw = ImageDraw.Draw(image)
    for (first, last), fill in zip(runs, fills, strict=True):
        draw.polygon(flat[first:last], fill=tuple(fill))
    return np.array(image.reduce(_SUPERSAMPLING))


class _Camera:
    """A perspective camera aimed at the turntable's axis from angles in radians."""

    def __init__(self, turn: float, climb: float, size: int) -> None:
        self.size = size
        self.back = np.array([np.cos(turn) * np.cos(climb), np.sin(turn) * np.cos(climb), np.sin(climb)])
        self.right = np.array([-np.sin(turn), np.cos(turn), 0.0])
        self.up = np.cross(self.back, self.right)
        self.aim = np.array([0.0, 0.0, _AIM])
        self.eye = self.aim + _CAMERA_DISTANCE * self.back

    def project(self, points: Array) -> Array:
        """Points [V, 3] in metres to pixels [V, 2]."""
        seen = (points - self.aim) @ np.stack([self.right, -self.up, self.back], axis=1)
        scale = self.size / _FIELD * _CAMERA_DISTANCE / (_CAMERA_DISTANCE - seen[:, 2:])
        pixels: Array = self.size / 2 + seen[:, :2] * scale
        return pixels


def _shade(mesh: _Mesh, faces: Array, turn: float, towards: Array) -> Array:
    """Colours [F, 3]: ambient, one lamp over the camera's left shoulder that turns with it, and its highlight."""
    angle, height = turn - np.radians(38), np.radians(52)
    light = np.array([np.cos(angle) * np.cos(height), np.sin(angle) * np.cos(height), np.sin(height)])
    normals, (ambient, diffuse, gloss) = mesh.normals[faces], mesh.shading[faces].T
    view = towards[faces] / np.linalg.norm(towards[faces], axis=1, keepdims=True)
    halfway = light + view
    halfway /= np.linalg.norm(halfway, axis=1, keepdims=True)
    lit = ambient + diffuse * np.maximum(normals @ light, 0)
    highlight = gloss * np.maximum((normals * halfway).sum(axis=1), 0) ** 24
    colours = mesh.colours[faces] * lit[:, None]
    bright: Array = np.clip(colours + (255 - colours) * highlight[:, None], 0, 255).astype(np.uint8)
    return bright


def _ground(car: Car, camera: _Camera, size: int) -> Image.Image:
    """White ground with the car's contact shadow."""
    corner = np.array([car.length / 2 - 0.2, car.width / 2 - 0.06, 0.0])
    outline = camera.project(corner * np.array([(1, 1, 0), (1, -1, 0), (-1, -1, 0), (-1, 1, 0)])) * (size / camera.size)
    soft = Image.new("L", (size, size), 255)
    ImageDraw.Draw(soft).polygon(outline.ravel().tolist(), fill=120)
    soft = soft.filter(ImageFilter.GaussianBlur(0.014 * size))
    return soft.resize((camera.size, camera.size), Image.Resampling.BILINEAR).convert("RGB")


def turntable(car: Car, size: int = 64) -> Iterator[tuple[int, int, Array]]:
    """All 96 views in turn: azimuth, elevation, and the picture, uint8 [size, size, 3]."""
    for elevation, azimuth in itertools.product(range(ELEVATIONS), range(AZIMUTHS)):
        yield azimuth, elevation, render(car, azimuth, elevation, size)


def _expect(holds: bool, name: str, given: object, expected: str, fix: str) -> None:
    if not holds:
        raise UsageError(f"{name} was {given}, expected {expected}: try {fix}")


# --- the set on disk ------------------------------------------------------------------------------------------------


class _View(NamedTuple):
    split: str
    car: int
    azimuth: int
    elevation: int

    @property
    def pose(self) -> tuple[int, int]:
        return self.azimuth, self.elevation

    @property
    def path(self) -> str:
        return f"{self.split}/car{self.car:03d}/{view_name(self.azimuth, self.elevation)}"


def view_name(azimuth: int, elevation: int) -> str:
    """The file name of a view, such as `el2_az07.png`; the azimuth wraps as in `render`."""
    return f"el{elevation}_az{azimuth % AZIMUTHS:02d}.png"


def write_set(
    out: Path,
    *,
    cars: int = 40,
    unseen: int = 8,
    size: int = 64,
    held_out: float = 0.15,
    pairs: int = 500,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a set of PNGs, `size` x `size` pixels, and two tables of translations with a known answer.

    train/carNNN/elE_azAA.png   the `cars` training cars, each without a share `held_out`, in (0, 0.5], of its 96 views
    test/carNNN/...             those views
    unseen/carNNN/...            all views of `unseen` cars that appear nowhere else
    pairs_heldout.csv           `pairs` rows of content,style,target: paths relative to `out`. Content is car A at pose
                                p, style is car B at another pose, both from train; the target, from test, is B at p
    pairs_unseen.csv             the same, all three from unseen

    `out` must be new or empty, and appears under its name only when complete. `progress` is called with the number
    of pictures written so far and in all.
    """
    _expect(cars >= 2, "cars", cars, "2 or more, for content and style to differ", "cars=40")
    _expect(unseen >= 2, "unseen", unseen, "2 or more, for content and style to differ", "unseen=8")
    _expect(16 <= size <= 512, "size", size, "16..512 pixels", "size=64")
    _expect(0 < held_out <= 0.5, "held_out", held_out, "a share above 0 and up to 0.5", "held_out=0.15")
    _expect(pairs >= 1, "pairs", pairs, "1 or more", "pairs=500")
    out = Path(out).resolve()
    _expect(not taken(out), "out", out, "a new or empty folder", f"{out}-2, or remove what is there")

    views = _split(cars, unseen, held_out, _Dice(f"split/{seed}"))
    with staged_folder(out) as partial:
        _write_views(partial, views, seed, size, progress)
        train, test, fresh = ([view for view in views if view.split == split] for split in ("train", "test", "unseen"))
        _write_pairs(partial / "pairs_heldout.csv", test, train, pairs, _Dice(f"pairs_heldout/{seed}"))
        _write_pairs(partial / "pairs_unseen.csv", fresh, fresh, pairs, _Dice(f"pairs_novel/{seed}"))


def _split(cars: int, unseen: int, held_out: float, dice: _Dice) -> list[_View]:
    """Every view of every car with its split, car by car.

    Each car holds out the next stretch of one shuffled round of poses. So all poses are held out about equally often,
    and neighbouring cars never hold out the same one: each test view has a training car at its pose.
    """
    poses = list(itertools.product(range(AZIMUTHS), range(ELEVATIONS)))
    order, stretch = dice.shuffled(poses), max(1, round(held_out * len(poses)))
    views = []
    for car in range(cars):
        tested = {order[(car * stretch + step) % len(order)] for step in range(stretch)}
        views += [_View("test" if pose in tested else "train", car, *pose) for pose in poses]
    return views + [_View("unseen", cars + extra, *pose) for extra in range(unseen) for pose in poses]


def _write_views(
    folder: Path, views: list[_View], seed: int, size: int, progress: Callable[[int, int], None] | None
) -> None:
    done = 0
    for number, group in itertools.groupby(views, key=lambda view: view.car):
        paths = {view.pose: folder / view.path for view in group}
        for parent in {path.parent for path in paths.values()}:
            parent.mkdir(parents=True)
        for azimuth, elevation, picture in turntable(design(seed, number), size):
            Image.fromarray(picture).save(paths[azimuth, elevation])
            done += 1
            if progress is not None:
                progress(done, len(views))


def _write_pairs(file: Path, targets: list[_View], sources: list[_View], count: int, dice: _Dice) -> None:
    """`count` rows whose targets run through all of `targets` before one comes again."""
    at_pose, of_car = defaultdict(list), defaultdict(list)
    for view in sources:
        at_pose[view.pose].append(view)
        of_car[view.car].append(view)
    with file.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(("content", "style", "target"))
        for target in itertools.islice(itertools.cycle(dice.shuffled(targets)), count):
            content = dice.choice([view for view in at_pose[target.pose] if view.car != target.car])
            style = dice.choice([view for view in of_car[target.car] if view.pose != target.pose])
            table.writerow((content.path, style.path, target.path))

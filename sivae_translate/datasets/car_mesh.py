"""Build the polygon mesh of a car from its design; axes as in `car_design`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from sivae_translate.datasets.car_design import Car, Colour

Array = np.ndarray[Any, np.dtype[Any]]


class Material(NamedTuple):
    """RGB in 0..255, and the weights of ambient, diffuse and specular light."""

    colour: Colour
    ambient: float = 0.42
    diffuse: float = 0.68
    gloss: float = 0.3


class Mesh(NamedTuple):
    """F flat polygons over V points.

    Attributes:
        points: `[V, 3]` in metres, polygon by polygon.
        runs: `[F, 2]`, the first point of each polygon and one past its last.
        centroids: `[F, 3]` in metres.
        normals: `[F, 3]`, of unit length, outward.
        layers: `[F]`, painted in rising order; within a layer the farthest polygon comes first.
        colours: RGB `[F, 3]` in 0..255.
        shading: `[F, 3]`, the weights of ambient, diffuse and specular light.
    """

    points: Array
    runs: Array
    centroids: Array
    normals: Array
    layers: Array
    colours: Array
    shading: Array


GLASS = Material((44, 58, 84), 0.62, 0.35, 0.35)
BLACK = Material((26, 26, 30), 0.8, 0.4, 0.0)
TYRE = Material((34, 34, 38), 0.75, 0.45, 0.0)
BED = Material((44, 44, 48), 0.6, 0.6, 0.0)
HEAD_LAMP = Material((255, 246, 190), 0.9, 0.15, 0.0)
TAIL_LAMP = Material((214, 22, 26), 0.85, 0.2, 0.0)
PLATE = Material((238, 238, 232), 0.8, 0.2, 0.0)
CHROME = Material((176, 180, 188), 0.6, 0.4, 0.3)

# Layers in painting order. The camera is never below the sills, so depth sorts polygons only within a layer.
UNDER, BODY, DETAIL, CABIN, ROOF = 0, 10, 20, 30, 40


class MeshBuilder:
    """Collects the polygons of convex parts, each with its mirror image on the car's other side.

    The normals of a part point away from a point `about` inside the part.
    """

    def __init__(self) -> None:
        self.polygons: list[Array] = []
        self.normals: list[Array] = []
        self.layers: list[int] = []
        self.materials: list[Material] = []

    def add(self, polygon: Any, material: Material, layer: int, about: Sequence[float]) -> None:
        """Add a polygon `[N, 3]`."""
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
        self, points: Array, material: Callable[[int, int], Material | None], layer: int, about: Sequence[float]
    ) -> None:
        """Add the quads of a sheet `[M, N, 3]`; `material(m, n)` is None where the sheet has a hole."""
        for m, n in np.ndindex(points.shape[0] - 1, points.shape[1] - 1):
            if (chosen := material(m, n)) is not None:
                quad = points[[m, m + 1, m + 1, m], [n, n, n + 1, n + 1]]
                self.add(quad, chosen, layer, about)

    def box(self, low: Sequence[float], high: Sequence[float], material: Material, layer: int) -> None:
        """Add an axis-parallel box."""
        corners = np.array(list(itertools.product(*zip(low, high, strict=True)))).reshape(2, 2, 2, 3)
        about = corners.mean(axis=(0, 1, 2)).tolist()
        for axis, end in itertools.product(range(3), range(2)):
            face = np.take(corners, end, axis=axis)
            self.add(face[[0, 0, 1, 1], [0, 1, 1, 0]], material, layer, about)

    def mesh(self) -> Mesh:
        ends = np.cumsum([len(polygon) for polygon in self.polygons])
        return Mesh(
            points=np.concatenate(self.polygons),
            runs=np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1),
            centroids=np.stack([polygon.mean(axis=0) for polygon in self.polygons]),
            normals=np.stack(self.normals),
            layers=np.array(self.layers),
            colours=np.array([material.colour for material in self.materials], dtype=float),
            shading=np.array([material[1:] for material in self.materials]),
        )


class Hull:
    """The surface of the body below the windows; panels, lamps and wheels lie on it. Heights are in metres."""

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
        """The point of the surface at `t`. Near both ends the surface is curved in plan and slopes with height."""
        end = abs(2 * t - 1) ** 8
        across = (y / self.half_width(t)) ** 2
        upright = self.car.body in ("van", "suv", "pickup")
        rise = max(0.0, z - 0.45) / 0.5
        pulled = end * (0.16 * across**1.5 + (0.03 if upright else 0.1) * rise**2)
        return (self.car.length * (0.5 - t) - (pulled if t < 0.5 else -pulled)), y, z

    def section(self, t: float) -> list[tuple[float, float]]:
        """The cross-section at `t`: points (y, z) from the sill to the middle of the top."""
        low, high, half = self.bottom(t), self.top(t), self.half_width(t)
        waist = low + 0.56 * (high - low)
        crown = 0.035 if t < self.car.cabin[0] + 0.01 else 0.015
        return [
            (0.93 * half, low), (0.985 * half, low + 0.13), (half, waist), (0.985 * half, high - 0.09),
            (0.95 * half, high - 0.025), (0.88 * half, high), (0.56 * half, high + 0.8 * crown),
            (0.2 * half, high + crown), (0.0, high + crown),
        ]  # fmt: skip


@lru_cache(maxsize=64)
def build_mesh(car: Car) -> Mesh:
    """The mesh of a car."""
    builder, hull = MeshBuilder(), Hull(car)
    build_body(builder, hull)
    for end in (0.0, 1.0):
        build_end(builder, hull, end)
    build_sides(builder, hull)
    for axle in car.axles:
        build_wheel(builder, hull, axle)
    build_cabin(builder, hull)
    if car.body == "pickup":
        build_bed(builder, hull)
    build_extras(builder, hull)
    return builder.mesh()


def build_body(builder: MeshBuilder, hull: Hull) -> None:
    """The panels of the hull between nose and tail."""
    car = hull.car
    paint, trim = Material(car.paint), Material(car.trim, gloss=0.1)
    stripe = Material(car.stripe) if car.stripe else paint
    cowl, _, _, foot = car.cabin
    stations = sorted({0.0, 0.02, 0.05, 0.1, 0.5 * cowl, cowl, 0.45, 0.55, foot, 0.5 + foot / 2, 0.955, 0.985, 1.0})
    sheet = np.array([[hull.at(t, y, z) for y, z in hull.section(t)] for t in stations])

    def material(station: int, level: int) -> Material | None:
        if level == 0:
            return trim
        if level >= 5 and car.body == "pickup" and foot <= stations[station] < 0.955:
            return None  # the open bed
        return stripe if level == 7 else paint

    builder.grid(sheet, material, BODY, hull.about)


def build_end(builder: MeshBuilder, hull: Hull, end: float) -> None:
    """The nose or the tail: its panel, then lamps, grille and number plate on it."""
    car = hull.car
    outline = hull.section(end)[:6]
    sheet = np.array([[hull.at(end, y * s, z) for s in (0, 0.3, 0.55, 0.75, 0.9, 1)] for y, z in outline])
    paint, bumper = Material(car.paint), Material(car.trim, gloss=0.1)
    builder.grid(sheet, lambda level, _: bumper if level < 1 else paint, BODY, hull.about)

    low, high, half = hull.bottom(end), hull.top(end), hull.half_width(end)

    def patch(y: tuple[float, float], z: tuple[float, float], material: Material, layer: int = DETAIL) -> None:
        columns = np.linspace(*y, 4)
        sheet = np.array([[hull.at(end, s * half, height) for s in columns] for height in z])
        builder.grid(sheet, lambda *_: material, layer, hull.about)

    lamp_top = high - 0.06
    if end == 0.0:
        wide, tall = car.head_lamp
        patch((0.95 - wide, 0.95), (lamp_top - tall, lamp_top), HEAD_LAMP)
        patch((0.0, car.grille[0]), (lamp_top - car.grille[1], lamp_top - 0.01), BLACK)
        patch((0.0, 0.62), (low + 0.05, low + 0.16), BLACK)
    else:
        wide, tall = car.tail_lamp
        patch((0.96 - wide, 0.96), (lamp_top - tall, lamp_top), TAIL_LAMP)
        patch((0.0, 0.26), (lamp_top - 0.22, lamp_top - 0.1), PLATE)
        patch((0.0, 0.7), (low + 0.02, low + 0.1), BLACK)


def build_sides(builder: MeshBuilder, hull: Hull) -> None:
    """The details flush with the flanks: the lamps' sides, door gaps and handles."""
    car = hull.car

    def patch(t: tuple[float, float], z: tuple[float, float], material: Material) -> None:
        corners = [(t[0], z[0]), (t[1], z[0]), (t[1], z[1]), (t[0], z[1])]
        builder.add([hull.at(s, 0.99 * hull.half_width(s), h) for s, h in corners], material, DETAIL, hull.about)

    head, tail = hull.top(0.0) - 0.06, hull.top(1.0) - 0.06
    patch((0.004, 0.055), (head - 0.8 * car.head_lamp[1], head), HEAD_LAMP)
    patch((0.965, 0.996), (tail - 0.9 * car.tail_lamp[1], tail), TAIL_LAMP)
    gap = Material(car.paint, ambient=0.2, diffuse=0.3, gloss=0.0)
    cowl = car.cabin[0]
    middle = hull.pillar
    rear = middle + (0.0 if car.body in ("coupe", "pickup") else 0.2)
    for t in {cowl + 0.025, middle, rear}:
        patch((t - 0.002, t + 0.002), (car.clearance + 0.16, hull.top(t) - 0.04), gap)
    for t in {middle - 0.025, rear - 0.025}:
        patch((t - 0.018, t + 0.006), (car.belt - 0.17, car.belt - 0.14), gap)


def disc(x: float, y: float, z: float, radius: float) -> Array:
    """A polygon `[24, 3]` in the shape of a disc that faces sideways."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.stack([x + radius * np.cos(angle), np.full_like(angle, y), z + radius * np.sin(angle)], axis=1)


def build_wheel(builder: MeshBuilder, hull: Hull, axle: float) -> None:
    """A wheel and its arch."""
    car = hull.car
    x, radius = car.length * (0.5 - axle), car.wheel
    outer, inner = 0.985 * hull.half_width(axle), 0.985 * hull.half_width(axle) - 0.24
    inside = (x, 0.0, radius)
    arch = disc(x, outer, radius, 1.16 * radius)
    arch[:, 2] = np.clip(arch[:, 2], car.clearance, hull.top(axle) - 0.03)
    builder.add(arch, BLACK, DETAIL, inside)
    near, far = disc(x, outer, radius, radius), disc(x, inner, radius, radius)
    tread = np.stack([near, far])[:, [*range(24), 0]]
    builder.grid(tread, lambda *_: TYRE, UNDER, (x, (outer + inner) / 2, radius))
    builder.add(far, BLACK, UNDER, (x, outer, radius))
    builder.add(near, TYRE, DETAIL + 1, inside)
    builder.add(disc(x, outer, radius, 0.68 * radius), Material(car.rim, 0.6, 0.5), DETAIL + 2, inside)
    for spoke in range(car.spokes):
        angle = 2 * np.pi * (spoke + np.array([0.27, 0.73, 0.6, 0.4])) / car.spokes
        reach = radius * np.array([0.58, 0.58, 0.24, 0.24])
        wedge = np.stack([x + reach * np.cos(angle), np.full(4, outer), radius + reach * np.sin(angle)], axis=1)
        builder.add(wedge, BLACK, DETAIL + 3, inside)


def build_cabin(builder: MeshBuilder, hull: Hull) -> None:
    """Windows and pillars as a ring lofted from the sills to the eaves, then the roof."""
    car = hull.car
    feet, eaves = cabin_ring(hull, 0.0), cabin_ring(hull, 1.0)
    paint, roof = Material(car.paint), Material(car.roof)
    rows = (0.0, 0.09, 0.5, 0.88, 1.0)
    # The flanks curve inwards with height, so that their shading varies.
    sheet = np.stack([feet + (eaves - feet) * np.array([v, v**1.35, v]) for v in rows])
    windscreen, rear_window = [GLASS, GLASS, GLASS, roof], [roof, GLASS, GLASS]
    flank = [roof, GLASS, paint if car.body == "coupe" else BLACK, GLASS if car.side_glass else paint, roof]
    columns = windscreen + flank + rear_window
    about = (float(sheet[..., 0].mean()), 0.0, car.belt)

    def material(row: int, column: int) -> Material:
        if row == 0:
            return paint
        return roof if row == len(rows) - 2 else columns[column]

    builder.grid(sheet, material, CABIN, about)
    build_roof(builder, car, float(eaves[:, 1].max()), about)


def build_roof(builder: MeshBuilder, car: Car, half: float, about: Sequence[float]) -> None:
    """The roof: a crowned sheet, `half` metres wide to each side, that meets the eaves."""
    _, front, rear, _ = car.cabin
    roof = Material(car.roof)
    stripe = Material(car.stripe) if car.stripe else roof
    across = np.array([0.0, 0.2, 0.6, 0.88, 1.0])
    crown = np.array([0.0, 0.0, 0.012, 0.03, 0.06])
    lines = []
    for s, drop in ((0.0, 1.0), (0.12, 0.3), (0.5, 0.0), (0.88, 0.3), (1.0, 1.0)):
        x = car.length * (0.5 - front - s * (rear - front)) + 0.1 * across**2 * (2 * s - 1)
        lines.append(np.stack([x, half * across, car.height - np.maximum(crown, 0.06 * drop)], axis=1))
    builder.grid(np.stack(lines), lambda _, n: stripe if n == 0 else roof, CABIN, about)


def cabin_ring(hull: Hull, level: float) -> Array:
    """The left half of the cabin's outline, `[13, 3]`, from front to rear, at the sills (level 0) or the eaves (1)."""
    car = hull.car
    cowl, roof_front, roof_rear, foot = car.cabin
    first, last = (cowl, foot) if level == 0 else (roof_front, roof_rear)
    bow = 0.16 if level == 0 else 0.1
    half = 0.9 * hull.half_width(0.5) * (1.0 if level == 0 else car.roof_width)
    places = [(0.0, s) for s in (0, 0.4, 0.72, 0.9, 1)]
    post = (hull.pillar - first) / (last - first)  # the B-pillar is upright, whatever the slope of the glass
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


def build_bed(builder: MeshBuilder, hull: Hull) -> None:
    """The open bed of a pickup, seen through the hole in its body."""
    car = hull.car
    front, rear = car.length * (0.5 - car.cabin[3]), car.length * (0.5 - 0.955)
    half, floor, rim = 0.88 * hull.half_width(0.7), car.clearance + 0.35, car.deck
    sheet = [(front, 0, floor), (rear, 0, floor), (rear, half, floor), (front, half, floor)]
    builder.add(sheet, BED, UNDER + 1, (0.0, 0.0, 0.0))
    # The walls face the middle of the bed. The flanks of the body, painted later, hide the lower edges of the walls.
    middle = np.array([(front + rear) / 2, 0.0, rim])
    walls = [
        [(front, half, floor), (rear, half, floor), (rear, half, rim), (front, half, rim)],
        [(rear, 0, floor), (rear, half, floor), (rear, half, rim), (rear, 0, rim)],
        [(front, 0, floor), (front, half, floor), (front, half, rim), (front, 0, rim)],
    ]
    for wall in walls:
        beyond = 2 * np.mean(wall, axis=0) - middle
        builder.add(wall, BED, UNDER + 2, beyond.tolist())


def build_extras(builder: MeshBuilder, hull: Hull) -> None:
    """The mirrors, and on some cars roof rails or a spoiler."""
    car = hull.car
    cowl, front, rear, _ = car.cabin
    paint = Material(car.paint)
    x, side = car.length * (0.5 - cowl - 0.055), hull.half_width(0.4)
    builder.box((x - 0.06, side - 0.06, car.belt), (x + 0.06, side + 0.12, car.belt + 0.13), paint, CABIN)
    if car.roof_rack:
        inset = 0.62 * car.roof_width * hull.half_width(0.5)
        ends = car.length * (0.5 - rear + 0.03), car.length * (0.5 - front - 0.05)
        builder.box((ends[0], inset, car.height), (ends[1], inset + 0.05, car.height + 0.06), CHROME, ROOF)
    if car.spoiler and car.body == "hatchback":
        x = car.length * (0.5 - rear)
        builder.box((x - 0.22, 0, car.height - 0.08), (x + 0.05, 0.6, car.height - 0.03), paint, CABIN)
    elif car.spoiler:
        x = car.length * (0.5 - 0.96)
        builder.box((x - 0.12, 0, car.deck + 0.11), (x + 0.14, 0.8, car.deck + 0.15), paint, CABIN)
        builder.box((x - 0.04, 0.52, car.deck - 0.02), (x + 0.08, 0.58, car.deck + 0.11), BLACK, CABIN)

"""Line charts: the geometry of curves, axes and phases, which the macro `chart` of `parts.html.j2` draws as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

Point = tuple[float, float]

WIDTH, HEIGHT = 480, 230  # in the units of the drawing, which is as wide as its place on the page
LEFT, RIGHT, TOP, BOTTOM = 58, 8, 20, 22  # margins around the curves
COLOURS = 6


@dataclass(frozen=True)
class Series:
    """A curve.

    Attributes:
        name: for the legend.
        points: (x, y) by ascending x. The curve has a gap where y is not finite, or not positive on a log scale.
    """

    name: str
    points: Sequence[Point]

    @property
    def latest(self) -> str:
        """The last finite value as text; "-" for none."""
        return next((short(y) for _, y in reversed(self.points) if math.isfinite(y)), "-")


@dataclass(frozen=True)
class Span:
    """A named part of the x axis, such as a phase of training."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True)
class Band:
    x: float
    width: float
    name: str

    @property
    def anchor(self) -> str:
        """The end of the name that is at the band's. A name may be longer than a band, and the drawing ends there."""
        return "start" if self.x < WIDTH / 2 else "end"

    @property
    def text_at(self) -> float:
        return self.x if self.anchor == "start" else self.x + self.width


@dataclass(frozen=True)
class Curve:
    """`path` of SVG's attribute d, and (x, y) of points without neighbours, which no line shows."""

    series: Series
    colour: int
    path: str
    dots: list[Point]


@dataclass(frozen=True)
class Chart:
    """A chart, placed: all lengths are in units of a drawing of `WIDTH` by `HEIGHT`."""

    title: str
    note: str
    curves: list[Curve]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    bands: list[Band]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    note: str = "",
    log: bool = False,
    spans: Sequence[Span] = (),
    extent: Sequence[float] = (),
) -> Chart | None:
    """A chart of these series over a common x axis; None where no value can be shown.

    Args:
        note: how to read it, below the title.
        log: whether the y axis is logarithmic.
        spans: parts of the x axis to mark, by ascending x.
        extent: values of x that the axis shows in any case, so that charts beside each other share an axis.
    """
    kept = [[point for point in each.points if shown(point, log)] for each in series]
    points = [point for each in kept for point in each]
    if not points:
        return None
    x_axis = Axis([*extent, *(x for x, _ in points)], LEFT, WIDTH - RIGHT)
    y_axis = Axis([y for _, y in points], HEIGHT - BOTTOM, TOP, log=log, outwards=True)
    curves = [curve(each, number % COLOURS, x_axis, y_axis, log) for number, each in enumerate(series) if kept[number]]
    return Chart(title, note, curves, x_axis.ticks(), y_axis.ticks(), list(bands(spans, x_axis)))


def shown(point: Point, log: bool) -> bool:
    return all(map(math.isfinite, point)) and (point[1] > 0 or not log)


class Axis:
    """Maps values to a drawing's units, from `start` to `end`.

    Args:
        values: to show, at least one.
        outwards: whether the axis ends at ticks, and not at the outermost values.
    """

    def __init__(self, values: Iterable[float], start: float, end: float, log: bool = False, outwards: bool = False):
        values = list(values)
        self.start, self.end, self.log = start, end, log
        low, high = min(values), max(values)
        if low == high:  # a single value lies in the middle
            low, high = (low / 2, high * 2) if log else (low - (abs(low) / 2 or 1), high + (abs(high) / 2 or 1))
        self.values = steps(low, high, log)
        if outwards:
            low, high = self.values[0], self.values[-1]
        self.low, self.high = self.scale(low), self.scale(high)

    def scale(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def __call__(self, value: float) -> float:
        part = (self.scale(value) - self.low) / (self.high - self.low)
        return round(self.start + part * (self.end - self.start), 1)

    def ticks(self) -> list[Tick]:
        """The round values on the axis, with as many digits as tell neighbours apart."""
        inside = [value for value in self.values if self.low <= self.scale(value) <= self.high]
        digits = 3
        if not self.log:
            largest, step = max(map(abs, self.values)), self.values[1] - self.values[0]
            digits = max(digits, math.floor(math.log10(largest)) - math.floor(math.log10(step)) + 1)
        return [Tick(self(value), short(value, digits)) for value in inside]


def steps(low: float, high: float, log: bool) -> list[float]:
    """Round values from at most `low` to at least `high`, some four to seven of them."""
    if not log:
        size = next(each for each in round_numbers((high - low) / 5) if each >= (high - low) / 5)
        return [size * n for n in range(math.floor(low / size), math.ceil(high / size) + 1)]
    found = list(round_numbers(low))
    first = max(i for i, each in enumerate(found) if each <= low)
    last = next(i for i, each in enumerate(found) if each >= high) if high <= found[-1] else len(found)
    if last < len(found) and last - first <= 6:
        return found[first : last + 1]
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    step = -(-(len(decades) - 1) // 6)
    return [10.0**each for each in range(decades[0], decades[-1] + step, step)]


def round_numbers(near: float) -> Iterator[float]:
    """1, 2 and 5 times powers of ten, ascending over four decades around a positive value."""
    decade = math.floor(math.log10(near))
    for power in range(decade - 1, decade + 4):
        yield from (float(f"{digit}e{power}") for digit in (1, 2, 5))


def curve(series: Series, colour: int, x_axis: Axis, y_axis: Axis, log: bool) -> Curve:
    lines, dots = [], []
    for visible, points in groupby(series.points, key=lambda point: shown(point, log)):
        placed = [(x_axis(x), y_axis(y)) for x, y in points] if visible else []
        if len(placed) == 1:
            dots += placed
        elif placed:
            lines.append("M" + "L".join(f"{x:g} {y:g}" for x, y in placed))
    return Curve(series, colour, "".join(lines), dots)


def bands(spans: Sequence[Span], x_axis: Axis) -> Iterator[Band]:
    """The spans' visible parts."""
    for span in spans:
        start, end = (min(max(x_axis(x), LEFT), WIDTH - RIGHT) for x in (span.start, span.end))
        if end > start:
            yield Band(start, round(end - start, 1), span.name)


def short(value: float, digits: int = 3) -> str:
    """A number in a few characters and so many digits, such as 0, 0.25, 6.4k, 1.2M or 3.1e-5."""
    if 0 < abs(value) < 1e-3:
        mantissa, _, exponent = f"{value:.{digits - 2}e}".partition("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    for unit, size in (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9)):
        if abs(value) < 999.5 * size:
            return f"{value / size:.{digits}g}{unit}"
    return f"{value:.{digits}g}"

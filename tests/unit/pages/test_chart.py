"""Line charts: curves with gaps, single points, log scales, ticks, phases, and what the drawing escapes."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from sivae_translate.pages.chart import HEIGHT, LEFT, RIGHT, WIDTH, Chart, Series, Span, line_chart, short, steps
from sivae_translate.pages.templates import environment

NAN, INF = math.nan, math.inf


def chart(*points: tuple[float, float], log: bool = False, spans: tuple[Span, ...] = ()) -> Chart:
    made = line_chart("title", [Series("curve", points)], log=log, spans=spans)
    assert made is not None
    return made


def svg(made: Chart) -> ElementTree.Element:
    """The figure that the macro draws, as XML."""
    drawn = environment("pages").from_string('{% import "parts.html.j2" as parts %}{{ parts.chart(chart) }}')
    return ElementTree.fromstring(drawn.render(chart=made))


def test_a_curve_goes_through_its_points_in_the_drawing() -> None:
    [curve] = chart((0, 0), (50, 10), (100, 5)).curves
    points = [tuple(map(float, point.split())) for point in curve.path.removeprefix("M").split("L")]
    assert [x for x, _ in points] == [LEFT, (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT]
    top, bottom = points[1][1], points[0][1]
    assert 0 < top < bottom < HEIGHT and points[2][1] == pytest.approx((top + bottom) / 2, abs=0.1)


@pytest.mark.parametrize("gap", [NAN, INF, -INF])
def test_values_that_are_not_finite_are_gaps(gap: float) -> None:
    [curve] = chart((0, 1), (1, 2), (2, gap), (3, 4), (4, gap), (5, 6), (6, 7)).curves
    assert curve.path.count("M") == 2 and curve.path.count("L") == 2 and len(curve.dots) == 1


def test_a_log_scale_leaves_out_what_it_cannot_show_and_spreads_decades_evenly() -> None:
    made = chart((0, 0.0), (1, 1e-4), (2, 1.0), (3, -5), (4, 1e4), log=True)
    at = {tick.text: tick.at for tick in made.y_ticks}
    assert at["1e-4"] - at["1"] == pytest.approx(at["1"] - at["10k"], abs=0.2)
    assert made.curves[0].path.count("L") == 1 and len(made.curves[0].dots) == 1


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("y", [3.0, 1e-30, 7e12])
def test_a_single_point_is_seen_between_ticks(y: float, log: bool) -> None:
    made = chart((4, y), log=log)
    [(_, at)] = made.curves[0].dots
    ticks = [tick.at for tick in made.y_ticks]
    assert min(ticks) < at < max(ticks) and 2 <= len(ticks) <= 12


def test_a_zero_alone_is_seen() -> None:
    assert chart((0, 0.0)).curves[0].dots


@pytest.mark.parametrize("points", [[], [(0, NAN)], [(NAN, 0)]])
def test_without_a_value_there_is_no_chart(points: list[tuple[float, float]]) -> None:
    assert line_chart("title", [Series("curve", points)]) is None
    assert line_chart("title", [Series("curve", [(0, -1), (1, 0)])], log=True) is None


@pytest.mark.parametrize("log", [False, True])
def test_ticks_are_few_round_and_enclose_the_values(log: bool) -> None:
    for low, high in [(1, 2), (0.3, 0.31), (20.1, 165), (1e-9, 1e-3), (1e-20, 1e20), (99999, 100001), (1e-300, 1e300)]:
        found = steps(low, high, log)
        assert found[0] <= low < high <= found[-1] and 2 <= len(found) <= 9, (low, high, found)


def test_ticks_of_a_narrow_range_differ() -> None:
    for low, high in [(99999, 100001), (1001.2, 1001.9), (0.1, 0.1000001)]:
        texts = [tick.text for tick in chart((0, low), (1, high)).y_ticks]
        assert len(set(texts)) == len(texts)


def test_phases_are_cut_to_the_axis_and_named_inside_the_drawing() -> None:
    made = chart((10, 0), (20, 1), spans=(Span("a", 0, 12), Span("b", 12, 20), Span("gone", 25, 30)))
    a, b = made.bands
    assert a.x == LEFT and a.x + a.width == b.x and b.x + b.width == WIDTH - RIGHT
    narrow = chart((0, 0), (100, 1), spans=(Span("adversarial", 95, 100),)).bands[0]
    assert (narrow.anchor, narrow.text_at) == ("end", WIDTH - RIGHT)


def test_the_drawing_is_sound_xml_and_escapes_every_text() -> None:
    made = line_chart("<t> & co", [Series("<s>", [(0, 1), (1, 2)])], note='"<n>"', spans=[Span("<p>", 0, 1)])
    assert made is not None
    text = "".join(svg(made).itertext())
    assert all(each in text for each in ("<t> & co", "<s>", '"<n>"', "<p>"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.25, "0.25"),
        (-6400, "-6.4k"),
        (999.9, "1k"),
        (1234567, "1.23M"),
        (3e-5, "3e-5"),
        (-1.5e-4, "-1.5e-4"),
        (5e15, "5e+15"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert short(value) == text


def test_the_legend_has_the_last_finite_value() -> None:
    assert Series("a", [(0, 1), (1, 2.5), (2, NAN)]).latest == "2.5"
    assert Series("a", [(0, NAN)]).latest == "-"

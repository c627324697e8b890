"""The pictures, read as XML. Pure; nothing is faked."""

from datetime import date
from itertools import pairwise
from xml.etree import ElementTree

from truto_groups.report.charts import Bar, draw_bars, draw_line

SVG = "{http://www.w3.org/2000/svg}"


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 - our own


def widths_of(svg: str, part: str) -> list[float]:
    """The lengths of the rectangles whose title names a part."""
    return [
        float(rect.get("width") or 0)
        for rect in parse(svg).iter(f"{SVG}rect")
        if part in (rect.findtext(f"{SVG}title") or "")
    ]


def texts_of(svg: str) -> list[str]:
    return [text for element in parse(svg).iter() for text in [element.text] if text]


def test_a_bar_is_as_long_as_the_square_root_of_what_it_shows() -> None:
    bars = [Bar("large", {"team": 10_000}), Bar("small", {"team": 100})]

    large, small = widths_of(draw_bars(bars, title="t", colours={"team": "#000"}), "team")

    assert abs(large / small - 10) < 0.3


def test_parts_of_a_bar_have_their_shares_of_its_length() -> None:
    svg = draw_bars([Bar("a", {"x": 300, "y": 100})], title="t", colours={"x": "#1", "y": "#2"})

    assert abs(widths_of(svg, "x")[0] / widths_of(svg, "y")[0] - 3) < 0.1


def test_the_axis_says_which_length_is_how_many_and_its_numbers_stand_apart() -> None:
    svg = draw_bars([Bar("a", {"x": 9_000})], title="t", colours={"x": "#1"})

    lines = [float(line.get("x1") or 0) for line in parse(svg).iter(f"{SVG}line")]
    assert {"0", "5,000"} <= set(texts_of(svg))
    assert all(after - before >= 60 for before, after in pairwise(lines))


def test_a_long_label_is_wrapped_at_a_word() -> None:
    svg = draw_bars(
        [Bar("a-very-long-integration-slug of-many-words", {"x": 1})],
        title="t",
        colours={"x": "#1"},
    )

    lines = [tspan.text for tspan in parse(svg).iter(f"{SVG}tspan")]
    assert lines == ["a-very-long-integration-", "slug of-many-words"]


def test_a_line_of_one_day_is_drawn() -> None:
    svg = draw_line([(date(2026, 3, 1), 5)], title="t")

    (line,) = parse(svg).iter(f"{SVG}polyline")
    assert len((line.get("points") or "").split()) == 3
    assert "5" in texts_of(svg)

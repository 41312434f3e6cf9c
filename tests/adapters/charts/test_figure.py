"""Test that a picture costs about the same whatever Proxmox sends, because the next person waits for it."""

from typing import TYPE_CHECKING

from core.charts.drawing import Drawing, DrawnLine, DrawnMarker, DrawnPanel

if TYPE_CHECKING:  # importing matplotlib takes half a second, for each worker that only collects these tests
    from adapters.charts.figure import Picture

COUNT = 1440
TIMES = tuple(float(index) for index in range(COUNT))


def picture_of(values: tuple[float | None, ...], markers: int) -> "Picture":
    from adapters.charts.figure import Picture  # noqa: PLC0415  # see above

    panel = DrawnPanel("CPU", (DrawnLine("", values),), 1.0, ((0.0, "0"), (1.0, "1")), None, "")
    happened = tuple(DrawnMarker("warning", float(index), index + 1.0) for index in range(markers))
    legend = (("warning", "Warning"),)
    return Picture(Drawing("101", "", 0.0, COUNT, TIMES, (), (panel,), happened, legend))


def parts_of(picture: "Picture") -> int:
    return sum(len(axes.get_children()) for axes in picture.figure.axes)


def test_gaps_and_markers_add_nothing_to_draw() -> None:
    """A guest that comes and goes for a day has hundreds of gaps, and a chart shows up to 100 incidents."""
    smooth = parts_of(picture_of((0.5,) * COUNT, 1))
    broken = picture_of(tuple(None if index % 3 == 2 else 0.5 for index in range(COUNT)), 100)
    alone = picture_of(tuple(None if index % 2 else 0.5 for index in range(COUNT)), 1)
    assert parts_of(broken) == smooth
    assert parts_of(alone) == smooth + 1  # the points


def test_a_long_text_is_cut_to_the_room_with_few_measurements() -> None:
    from adapters.charts.figure import WIDTH, Picture  # noqa: PLC0415  # see above

    measured = 0

    class Counting(Picture):
        def _width(self, text: object) -> float:
            nonlocal measured
            measured += 1
            return super()._width(text)  # type: ignore[arg-type]  # it is passed on as it came

    drawn = Counting(Drawing("W" * 5000, "", 0.0, 60.0, (), (), (), (), ()))
    title = drawn.figure.texts[0].get_text()
    assert title.startswith("WWW")
    assert title.endswith("W…")
    assert measured < 20
    assert drawn._width(drawn.figure.texts[0]) < WIDTH

"""Draw a chart with matplotlib, at twice the size: dark, as Discord is, and readable on a phone.

Only the worker imports this. All lengths are pixels of a picture that is 340 wide. In a message on a phone it is
about 280 wide, so that no text is smaller than 9 pixels there.
"""

import io
from collections.abc import Iterable, Sequence
from math import nan
from pathlib import Path
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from PIL import Image

from core.charts.drawing import Drawing, DrawnLine, DrawnMarker, DrawnPanel
from core.charts.markers import MarkerKind

FONT = Path(__file__).with_name("font") / "NotoSansCJKjp-Regular.otf"
WIDTH, SCALE = 340, 2
EDGE_LEFT, LEFT, RIGHT = 10, 46, 18
TITLE, TEXT, SMALL = 15.0, 12.5, 11.5
HEAD, TITLE_ROW, FIGURES_ROW, ABOVE_PLOT, TIMES_ROW, LEGEND_ROW, SPACE = 48, 21, 17, 5, 24, 22, 10
PLOT_ONE, PLOT_MANY = 150, 66
"""Height of the only plot, and of one of several, in pixels before `SCALE`."""

BACKGROUND, PLOT, GRID, TEXT_COLOUR, QUIET = "#2b2d31", "#232428", "#3f4248", "#f2f3f5", "#b5bac1"
LINES = ("#6cb4ff", "#d7a6ff")
LIMIT = "#ff7b7d"
SHADE = {MarkerKind.WARNING: 0.14, MarkerKind.CRITICAL: 0.24}
MARKERS = {MarkerKind.START: "#57d68d", MarkerKind.WARNING: "#f0b232", MarkerKind.CRITICAL: "#f0474b"}


def draw(drawing: Drawing) -> bytes:
    """Return the picture as PNG."""
    return Picture(drawing).png()


class Picture:
    """One figure. Its pixels are counted from the top, as a page is read."""

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing
        self._plot = PLOT_ONE if len(drawing.panels) == 1 else PLOT_MANY
        heights = [
            TITLE_ROW + FIGURES_ROW * len(panel.lines) + ABOVE_PLOT + self._plot for panel in drawing.panels
        ]
        legend = LEGEND_ROW if drawing.legend else 0
        self._height = HEAD + sum(heights) + SPACE * (len(heights) - 1) + TIMES_ROW + legend + 6
        self.figure = Figure(figsize=(WIDTH / 100, self._height / 100), dpi=100 * SCALE, facecolor=BACKGROUND)
        self._canvas = FigureCanvasAgg(self.figure)
        self._write(EDGE_LEFT, 22, drawing.title, TITLE, TEXT_COLOUR)
        self._write(EDGE_LEFT, 40, drawing.subtitle, SMALL, QUIET)
        top = HEAD
        for index, (panel, height) in enumerate(zip(drawing.panels, heights, strict=True)):
            self._panel(panel, top, last=index == len(heights) - 1)
            top += height + SPACE
        if drawing.legend:
            self._legend(self._height - 10)

    def png(self) -> bytes:
        self._canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib's own
        size = self._canvas.get_width_height()
        pixels = self._canvas.buffer_rgba()  # type: ignore[no-untyped-call]  # the same
        image = Image.frombuffer("RGBA", size, pixels, "raw", "RGBA", 0, 1)
        few = image.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        file = io.BytesIO()
        few.save(file, "png", compress_level=3)  # with a palette it is much smaller, and ready sooner
        return file.getvalue()

    def _write(self, x: float, y: float, text: str, size: float, colour: str) -> Text:
        """Write on the figure, on a base line `y` pixels from the top. A text that does not fit is cut at its end."""
        written = self.figure.text(
            x / WIDTH,
            1 - y / self._height,
            text,
            color=colour,
            fontproperties=_font(size),
            verticalalignment="baseline",
            parse_math=False,
        )
        room = WIDTH - x - 6
        if len(text) * size > room and self._width(written) > room:  # a letter is seldom as wide as high
            fitting, most = 0, len(text) - 1  # measuring takes some milliseconds
            while fitting < most:
                count = (fitting + most + 1) // 2
                written.set_text(f"{text[:count]}…")
                fitting, most = (count, most) if self._width(written) <= room else (fitting, count - 1)
            written.set_text(f"{text[:fitting]}…")
        return written

    def _width(self, text: Text) -> float:
        """Return the width of a text in pixels of the picture."""
        renderer = self._canvas.get_renderer()  # type: ignore[no-untyped-call]  # matplotlib's own
        return float(text.get_window_extent(renderer).width) / SCALE

    def _panel(self, panel: DrawnPanel, top: float, *, last: bool) -> None:
        self._write(EDGE_LEFT, top + 15, panel.title, TEXT, TEXT_COLOUR)
        top += TITLE_ROW
        for index, line in enumerate(panel.lines):
            self._write(EDGE_LEFT, top + 12, "\u25cf", SMALL, LINES[index])
            self._write(EDGE_LEFT + 15, top + 12, line.text, SMALL, QUIET)
            top += FIGURES_ROW
        top += ABOVE_PLOT
        box = (
            LEFT / WIDTH,
            1 - (top + self._plot) / self._height,
            (WIDTH - LEFT - RIGHT) / WIDTH,
            self._plot / self._height,
        )
        axes = self.figure.add_axes(box, facecolor=PLOT)
        axes.set_xlim(self._drawing.start, self._drawing.end)
        axes.set_ylim(0, panel.top)
        self._frame(axes, panel, last=last)
        for kind, markers in _by_kind(self._drawing.markers).items():
            self._marker(axes, kind, markers)
        for index, line in sorted(enumerate(panel.lines), key=lambda each: -_mean(each[1])):
            self._line(axes, line, LINES[index], filled=index == 0)  # the lower line in front
        if panel.limit is not None:
            axes.axhline(panel.limit, color=LIMIT, linewidth=_points(1.2), linestyle=(0, (5, 3)), zorder=4)
        if not panel.lines:
            axes.text(
                0.5,
                0.5,
                panel.empty,
                transform=axes.transAxes,
                color=QUIET,
                fontproperties=_font(TEXT),
                horizontalalignment="center",
                verticalalignment="center",
                parse_math=False,
            )

    def _frame(self, axes: Axes, panel: DrawnPanel, *, last: bool) -> None:
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_yticks([value for value, _ in panel.ticks], [text for _, text in panel.ticks])
        axes.set_xticks(
            [time for time, _ in self._drawing.ticks],
            [text for _, text in self._drawing.ticks] if last else [],
        )
        axes.grid(color=GRID, linewidth=_points(0.8))
        axes.set_axisbelow(True)
        axes.tick_params(length=0, pad=_points(4), colors=QUIET)
        for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
            label.set_fontproperties(_font(SMALL))
            label.set_parse_math(False)
        span = self._drawing.end - self._drawing.start
        for label, (time, _) in zip(axes.get_xticklabels(), self._drawing.ticks, strict=False):
            after = (self._drawing.end - time) / span * (WIDTH - LEFT - RIGHT) + RIGHT
            if self._width(label) / 2 > after - 2:
                label.set_horizontalalignment("right")  # otherwise the picture would cut it off

    def _marker(self, axes: Axes, kind: MarkerKind, markers: Sequence[DrawnMarker]) -> None:
        colour, across = MARKERS[kind], axes.get_xaxis_transform()
        if lasting := [
            (marker.begin, marker.end - marker.begin) for marker in markers if marker.end > marker.begin
        ]:
            shade = SHADE.get(kind, 0.0)
            axes.broken_barh(
                lasting, (0, 1), transform=across, color=colour, alpha=shade, linewidth=0, zorder=1
            )
        begins = [marker.begin for marker in markers]
        axes.vlines(begins, 0, 1, transform=across, color=colour, linewidth=_points(1.4), zorder=1.5)

    def _line(self, axes: Axes, line: DrawnLine, colour: str, *, filled: bool) -> None:
        """Draw all runs of known values at once: a guest that comes and goes has hundreds."""
        times = self._drawing.times
        values = [nan if value is None else value for value in line.values]
        axes.plot(times, values, color=colour, linewidth=_points(1.4), zorder=3)
        if alone := _alone(line.values):  # a line of one point would not be seen
            found = [times[index] for index in alone], [values[index] for index in alone]
            (points,) = axes.plot(*found, ".", color=colour, markersize=_points(6), zorder=3)
            points.set_clip_on(False)  # they may lie on the edge
        if filled:
            axes.fill_between(times, values, color=colour, alpha=0.16, linewidth=0, zorder=2)

    def _legend(self, y: float) -> None:
        left = float(EDGE_LEFT)
        for kind, text in self._drawing.legend:
            self._write(left, y, "\u25cf", SMALL, MARKERS[MarkerKind(kind)])
            written = self._write(left + 15, y, text, SMALL, QUIET)
            left += 15 + self._width(written) + 14


def _by_kind(markers: Iterable[DrawnMarker]) -> dict[MarkerKind, list[DrawnMarker]]:
    found: dict[MarkerKind, list[DrawnMarker]] = {}
    for marker in markers:
        found.setdefault(MarkerKind(marker.kind), []).append(marker)
    return found


def _alone(values: Sequence[float | None]) -> list[int]:
    """Return the positions of known values whose neighbours are unknown."""
    known = [False, *(value is not None for value in values), False]
    return [index for index in range(len(values)) if known[index : index + 3] == [False, True, False]]


def _mean(line: DrawnLine) -> float:
    return fmean(value for value in line.values if value is not None)


def _points(pixels: float) -> float:
    """Convert pixels of the picture to the points in which matplotlib counts."""
    return pixels * 72 / 100


def _font(pixels: float) -> FontProperties:
    return FontProperties(fname=str(FONT), size=_points(pixels))

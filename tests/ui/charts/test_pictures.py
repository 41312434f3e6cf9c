"""Compare charts with stored pictures, from Proxmox' rows to the pixels, by the process that draws for the bot.

The stored ones are in tests/snapshots/charts/, at half the size. `--update-snapshots` rewrites those that differ:
look at them.
"""

import io
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from PIL import Image, ImageChops

from adapters.charts.frames import PICTURE, WANTED, read_frame, write_frame
from adapters.proxmox.history import parse_history
from core.charts.drawing import Drawing, encode
from core.charts.markers import Marker, MarkerKind
from core.charts.series import PRESSURE_KINDS, Chart, PanelKind, build_chart
from core.proxmox import Period
from ui.charts.drawing import ChartSubject, description, drawing_of
from ui.formatting import plain
from ui.i18n import Language, Texts

ROOT = Path(__file__).resolve().parents[3]
SNAPSHOTS = ROOT / "tests/snapshots/charts"
TOKYO, TEXTS = ZoneInfo("Asia/Tokyo"), Texts("ja")
BACKGROUND = (0x2B, 0x2D, 0x31)
FONT = ROOT / "adapters/charts/font/NotoSansCJKjp-Regular.otf"
NOW = 1_795_734_000.0  # 2026-11-27 08:00 in Tokyo
GIB = 2**30
GUEST = (PanelKind.CPU, PanelKind.MEMORY, PanelKind.NETWORK, PanelKind.DISK_RATE)
NODE = (PanelKind.CPU, PanelKind.MEMORY, PanelKind.NETWORK, PanelKind.DISK_USE)
DIFFERENT, PART = 48, 0.004
"""Difference of a colour channel at which a pixel counts as different, and the share of pixels that may be different.
"""
THUMB = (120, 210)
"""Width and height of a chart among the extreme ones, in pixels."""
LIMITS = {PanelKind.CPU: 90.0, PanelKind.MEMORY: 80.0}
MARKERS = (
    Marker(MarkerKind.CRITICAL, NOW - 60_000, NOW - 50_000),
    Marker(MarkerKind.START, NOW - 50_000, NOW - 50_000),
    Marker(MarkerKind.WARNING, NOW - 9_000, None),
)


def never(_part: float) -> bool:
    return False


def rows(step: int, count: int, *, version: int = 9, stopped: Callable[[float], bool] = never) -> list[Any]:
    """Return rows of a VM. `stopped`: returns whether it is stopped at a point of the time, from 0 to 1."""
    found: list[Any] = []
    for index in range(count):
        part, row = index / count, dict[str, float](time=NOW // step * step - (count - 1 - index) * step)
        wave, quick = (1 + math.sin(part * 15)) / 2, (1 + math.sin(index * 1.7)) / 2
        if not stopped(part):
            row |= {"maxcpu": 4, "cpu": 0.04 + 0.7 * wave * (0.8 + 0.2 * quick), "maxmem": 8 * GIB}
            row |= {"mem": (3 + 2 * wave) * GIB, "maxdisk": 32 * GIB, "disk": 0}
            row |= {"netin": 3e6 * wave * quick, "netout": 8e5 * wave, "diskread": 2e4 * quick}
            row |= {"diskwrite": 9e5 * wave}
            if version == 9:
                row |= {"memhost": (3.8 + 2 * wave) * GIB, "pressurecpusome": 8 * wave, "pressureiosome": 0}
                row |= {"pressurecpufull": 2 * wave, "pressureiofull": 0, "pressurememorysome": 0.4}
        found.append(row)
    return found


def of_node(step: int, count: int) -> list[Any]:
    return [
        {
            "time": row["time"],
            "cpu": row["cpu"],
            "iowait": row["cpu"] / 20,
            "memtotal": 64 * GIB,
            "memused": 8 * row["mem"],
            "netin": row["netin"],
            "netout": row["netout"],
            "roottotal": 94 * GIB,
            "rootused": 21 * GIB,
        }
        for row in rows(step, count)
    ]


def gap(part: float) -> bool:
    return 0.3 < part < 0.42


ZERO = [{key: 0 if key != "time" else value for key, value in row.items()} for row in rows(60, 60)]
CASES: dict[str, tuple[Language, list[Any], Period, tuple[PanelKind, ...]]] = {
    "day-9": ("ja", rows(60, 1440, stopped=gap), Period.DAY, GUEST),
    "day-8": ("en", rows(1800, 70, version=8, stopped=gap), Period.DAY, GUEST),
    "year": ("en", rows(21_600, 1440), Period.YEAR, (PanelKind.CPU,)),
    "zero": ("en", ZERO, Period.HOUR, GUEST),
    "one-point": ("ja", rows(60, 1), Period.HOUR, GUEST),
    "nothing": ("ja", rows(1800, 336, stopped=lambda _part: True), Period.WEEK, GUEST),
    "pressure": ("ja", rows(60, 60), Period.HOUR, PRESSURE_KINDS),
    "node": ("en", of_node(1800, 336), Period.WEEK, NODE),
}


def chart_of(found: list[Any], period: Period, kinds: tuple[PanelKind, ...]) -> Chart:
    markers = () if period is Period.YEAR else MARKERS
    return build_chart(parse_history(found), period, NOW, kinds, limits=LIMITS, markers=markers)


@pytest.fixture(scope="module")
def draw() -> Iterator[Callable[[Drawing], Image.Image]]:
    """Provide the process that draws, started once for all pictures."""
    command = [sys.executable, "-m", "adapters.charts.worker"]
    with subprocess.Popen(  # noqa: S603  # the bot's own module
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        goal, source = process.stdin, process.stdout

        def drawn(drawing: Drawing) -> Image.Image:
            write_frame(goal, WANTED, encode(drawing))  # type: ignore[arg-type]  # IO[bytes] is as good
            kind, data = read_frame(source)  # type: ignore[arg-type]  # the same
            assert kind == PICTURE, data
            return Image.open(io.BytesIO(data)).convert("RGB")

        yield drawn
        goal.close()
        assert process.wait(timeout=60) == 0


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the share of pixels that differ, 1 if the pictures differ in size."""
    if one.size != other.size:
        return 1.0
    worst = max(ImageChops.difference(one, other).split(), key=lambda band: sum(band.histogram()[DIFFERENT:]))
    return sum(worst.histogram()[DIFFERENT:]) / (one.width * one.height)


def is_within(image: Image.Image) -> bool:
    """Return whether nothing runs out at the left or right: there the picture has about the background's colour."""
    ground = Image.new("RGB", image.size, BACKGROUND)
    edges = [(0, 0, 1, image.height), (image.width - 1, 0, image.width, image.height)]
    furthest = ImageChops.difference(image, ground)
    return not any(any(furthest.crop(edge).convert("L").histogram()[5:]) for edge in edges)


@pytest.mark.parametrize("name", CASES)
def test_a_chart_looks_as_it_did(
    name: str, draw: Callable[[Drawing], Image.Image], request: pytest.FixtureRequest
) -> None:
    language, found, period, kinds = CASES[name]
    subject = ChartSubject("pve1", is_node=True) if name == "node" else ChartSubject("101 web01")
    whole = draw(drawing_of(TEXTS.of(language), chart_of(found, period, kinds), subject, TOKYO))
    assert whole.width == 680, "twice the size of 340"
    assert is_within(whole)
    half = whole.resize((whole.width // 2, whole.height // 2), Image.Resampling.LANCZOS)
    compare(f"{name}.{language}", half, request)


def compare(name: str, image: Image.Image, request: pytest.FixtureRequest) -> None:
    path = SNAPSHOTS / f"{name}.png"
    agrees = path.exists() and difference(image, Image.open(path).convert("RGB")) < PART
    if request.config.getoption("--update-snapshots") and not agrees:
        path.parent.mkdir(exist_ok=True)
        image.quantize(256).save(path, optimize=True)
        agrees = True
    assert agrees, f"{path.name}: if it is meant, run with --update-snapshots"


def test_another_line_is_another_picture(draw: Callable[[Drawing], Image.Image]) -> None:
    """Otherwise the comparison above would prove nothing."""
    t, subject = TEXTS.of("en"), ChartSubject("101 web01")
    found = rows(60, 60)
    for row in found:
        row["cpu"] *= 0.5
    halves = [
        draw(drawing_of(t, chart_of(each, Period.HOUR, GUEST), subject, TOKYO)).resize((340, 530))
        for each in (rows(60, 60), found)
    ]
    assert difference(*halves) >= PART
    assert difference(halves[0], halves[0]) == 0


EXTREMES = (0.0, 1e-9, 0.5, 1.0, 1023.0, 1024.0, 1e6, 2.0**40, 2.0**53, 1e18)
"""One value for each guest: of all its figures but the CPU, and of one sample of the CPU."""
ODDITIES: tuple[Callable[[int], dict[str, Any]], ...] = (
    lambda _: {"mem": -GIB, "netin": "nan", "diskread": "-inf", "cpu": -0.5},
    lambda place: {"maxmem": 0, "mem": GIB if place else 0},
    lambda _: {"mem": 90 * GIB, "memhost": 1},
    lambda place: dict.fromkeys(("cpu", "mem", "memhost", "netin", "netout"), None) if place % 2 else {},
    lambda place: {"cpu": 1.0, "netin": 1e15 if place == 30 else 0, "netout": 0},
    lambda place: {"maxmem": (place + 1) * GIB, "mem": place * GIB},
    lambda _: {"cpu": True, "mem": [], "maxmem": {}, "netin": "1e400", "diskread": 10**400},
    lambda _: {"mem": 8 * GIB, "memhost": 8 * GIB, "netin": 5, "netout": 5},
    lambda place: {"cpu": place % 2 * 1e6, "diskwrite": place % 2 * 2**62},
    lambda _: {"mem": 1, "memhost": 2, "maxmem": 3, "netin": 0.001, "diskread": 1e-300},
)
"""One function for each guest: takes the place of a sample, and returns the values to replace in it."""
NAMES = (
    "$x^2$ \\frac",
    "**b** `c` <@1>",
    "\u202egnp.exe",
    "名" * 63,
    "w" * 63,
    "",
    " ",
    "日本語のゲスト",
    "a\nb",
    "𝓌𝓮𝓫",
)


def extreme_guests() -> Iterator[tuple[str, list[Any], float]]:
    """Yield twenty guests: the name, the rows, and a threshold of the memory."""
    for index, value in enumerate(EXTREMES):
        found = rows(60, 60, stopped=lambda part: part > 0.9)
        for row in found:
            row.update({key: value for key in row if key not in ("time", "cpu")})
        found[3]["cpu"] = value
        yield f"{999_999_900 + index} {'w' * 63}", found, 80.0
    for index, (change, name) in enumerate(zip(ODDITIES, NAMES, strict=True)):
        found = rows(60, 60)
        for place, row in enumerate(found):
            row.update(change(place))
        yield f"{101 + index} {name}", found, (1.0, 100.0)[index % 2]


def test_guests_with_extreme_values_fit(
    draw: Callable[[Drawing], Image.Image], request: pytest.FixtureRequest, deep: bool
) -> None:
    """Draw all with `--deep` or `--update-snapshots`, else every third into a copy of the stored sheet."""
    whole = deep or bool(request.config.getoption("--update-snapshots"))
    guests = list(enumerate(extreme_guests()))
    sheet = Image.new("RGB", (5 * THUMB[0], len(guests) // 5 * THUMB[1]))
    if not whole:
        sheet.paste(Image.open(SNAPSHOTS / "extremes.png").convert("RGB"))
    markers = [Marker(MarkerKind.CRITICAL, NOW - 40.0 * place, NOW - 40.0 * place + 9) for place in range(90)]
    for index, (name, found, percent) in guests[:: 1 if whole else 3]:
        t, subject = (
            TEXTS.of("ja" if index % 2 else "en"),
            ChartSubject(plain(name), host_view=bool(index % 3)),
        )
        limits, events = (
            {PanelKind.CPU: 90.0, PanelKind.MEMORY: percent},
            markers if index % 5 == 4 else MARKERS,
        )
        chart = build_chart(parse_history(found), Period.HOUR, NOW, GUEST, limits=limits, markers=events)
        image = draw(drawing_of(t, chart, subject, TOKYO))
        assert is_within(image), (index, name)
        assert "nan" not in description(t, chart, subject)
        down, right = divmod(index, 5)
        sheet.paste(image.resize(THUMB, Image.Resampling.LANCZOS), (right * THUMB[0], down * THUMB[1]))
    compare("extremes", sheet, request)


def test_the_font_has_every_character_of_the_words() -> None:
    from fontTools.ttLib import TTFont  # noqa: PLC0415  # heavy, and needed here alone

    known = set(TTFont(FONT)["cmap"].getBestCmap())
    for language, found, period, kinds in CASES.values():
        t, subject = TEXTS.of(language), ChartSubject("101 web01", host_view=True)
        chart = chart_of(found, period, kinds)
        texts = (str(drawing_of(t, chart, subject, TOKYO)), description(t, chart, subject))
        assert {char for text in texts for char in text if char != "\n" and ord(char) not in known} == set()

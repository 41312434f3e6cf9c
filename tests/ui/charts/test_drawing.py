"""Test the words of a chart: its head in the time zone, and the names of its lines."""

from zoneinfo import ZoneInfo

from core.charts.series import PanelKind, build_chart
from core.proxmox import Measure, Period, Sample
from tests.support.walked import walked
from ui.charts.drawing import ChartSubject, description, drawing_of, subtitle
from ui.i18n import Texts

TEXTS = Texts("ja")
EN, JA = TEXTS.of("en"), TEXTS.of("ja")
NOW = 1_795_734_000.0  # 2026-11-26 23:00 UTC, 2026-11-27 08:00 in Tokyo
GIB = 2.0**30


def samples(own: float, host: float) -> list[Sample]:
    values = {Measure.MEMORY: own, Measure.MEMORY_HOST: host, Measure.MEMORY_TOTAL: 8 * GIB}
    return [Sample(int(NOW) - 60 * place, values) for place in reversed(range(60))]


def test_the_head_names_the_period_in_the_time_zone() -> None:
    chart = build_chart([], Period.DAY, NOW, [PanelKind.CPU])
    tokyo, utc = ZoneInfo("Asia/Tokyo"), ZoneInfo("UTC")
    assert subtitle(EN, chart, tokyo) == "Last 24 hours · 11-26 08:00 – 11-27 08:00 (JST)"
    assert subtitle(EN, chart, utc) == "Last 24 hours · 11-25 23:00 – 11-26 23:00 (UTC)"
    assert subtitle(JA, chart, tokyo) == "過去 24 時間 · 11/26 08:00 – 11/27 08:00 (JST)"
    year = build_chart([], Period.YEAR, NOW, [PanelKind.CPU])
    assert subtitle(EN, year, tokyo) == "Last year · 2025-11-27 – 2026-11-27 (JST)"


@walked(
    ("own", "host", "host_view", "names"),
    [
        (3.0, 4.0, False, ["Guest", "Host"]),
        (3.0, 3.0, False, [""]),
        (8.0, 8.0, True, ["Host view"]),
        (3.0, 4.0, True, ["Guest", "Host"]),
    ],
)
def test_each_memory_line_says_whose_figure_it_is(
    own: float, host: float, host_view: bool, names: list[str]
) -> None:
    """A guest that is seen by its host now may have reported its own use before."""
    chart = build_chart(samples(own * GIB, host * GIB), Period.HOUR, NOW, [PanelKind.MEMORY])
    subject = ChartSubject("101 web01", host_view=host_view)
    (panel,) = drawing_of(EN, chart, subject, ZoneInfo("UTC")).panels
    assert [line.text.partition("min ")[0].rstrip(": ") for line in panel.lines] == names
    assert all(name in description(EN, chart, subject) for name in names)


def test_a_panel_without_data_has_no_values_on_its_axis() -> None:
    drawn = drawing_of(EN, build_chart([], Period.DAY, NOW, PanelKind), ChartSubject("x"), ZoneInfo("UTC"))
    assert all(panel.ticks == () and panel.empty == "no data" for panel in drawn.panels)

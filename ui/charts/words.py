"""Hold the words of charts: periods, topics, panels, lines and markers."""

from collections.abc import Mapping

from core.charts.markers import MarkerKind
from core.charts.series import ChartTopic, PanelKind
from core.proxmox import Measure, Period
from ui.i18n import N_, Marked

PERIODS: Mapping[Period, Marked] = {
    Period.HOUR: N_("Hour"),
    Period.DAY: N_("Day"),
    Period.WEEK: N_("Week"),
    Period.MONTH: N_("Month"),
    Period.YEAR: N_("Year"),
}
"""Labels of choices."""
SHORT_PERIODS: Mapping[Period, Marked] = {
    Period.HOUR: N_("1h"),
    Period.DAY: N_("24h"),
    Period.WEEK: N_("7d"),
    Period.MONTH: N_("30d"),
    Period.YEAR: N_("1y"),
}
"""Labels of buttons: five fit side by side on a phone."""
LAST: Mapping[Period, Marked] = {
    Period.HOUR: N_("Last hour"),
    Period.DAY: N_("Last 24 hours"),
    Period.WEEK: N_("Last 7 days"),
    Period.MONTH: N_("Last 30 days"),
    Period.YEAR: N_("Last year"),
}
TOPICS: Mapping[ChartTopic, Marked] = {
    ChartTopic.CPU: N_("CPU"),
    ChartTopic.MEMORY: N_("Memory"),
    ChartTopic.NETWORK: N_("Network"),
    ChartTopic.DISK: N_("Disk"),
    ChartTopic.PRESSURE: N_("Pressure"),
}
PANELS: Mapping[PanelKind, Marked] = {
    PanelKind.CPU: N_("CPU usage"),
    PanelKind.MEMORY: N_("Memory usage"),
    PanelKind.NETWORK: N_("Network traffic"),
    PanelKind.DISK_RATE: N_("Disk I/O"),
    PanelKind.DISK_USE: N_("Disk usage"),
    PanelKind.CPU_PRESSURE: N_("CPU pressure"),
    PanelKind.IO_PRESSURE: N_("I/O pressure"),
    PanelKind.MEMORY_PRESSURE: N_("Memory pressure"),
}
ROOT_DISK = N_("Root disk usage")
"""The disk of a node."""
HOST_VIEW = N_("Host view")
"""The memory of a guest that does not report its own use."""
LINES: Mapping[Measure, Marked] = {
    Measure.CPU: N_("CPU"),
    Measure.IO_WAIT: N_("I/O wait"),
    Measure.MEMORY: N_("Guest"),
    Measure.MEMORY_HOST: N_("Host"),
    Measure.NET_IN: N_("In"),
    Measure.NET_OUT: N_("Out"),
    Measure.DISK_READ: N_("Read"),
    Measure.DISK_WRITE: N_("Write"),
    Measure.CPU_SOME: N_("Some"),
    Measure.CPU_FULL: N_("Full"),
    Measure.IO_SOME: N_("Some"),
    Measure.IO_FULL: N_("Full"),
    Measure.MEMORY_SOME: N_("Some"),
    Measure.MEMORY_FULL: N_("Full"),
}
"""Names of lines in panels that can have several lines."""
MARKERS: Mapping[MarkerKind, Marked] = {
    MarkerKind.START: N_("Start"),
    MarkerKind.WARNING: N_("Warning"),
    MarkerKind.CRITICAL: N_("Critical incident"),
}

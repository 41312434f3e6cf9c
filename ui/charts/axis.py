"""Choose and label the times below a chart, in the bot's time zone (TIMEZONE)."""

import datetime
from collections.abc import Iterator

from ui.i18n import Text

LABELS_MOST = 7
"""Maximum number of steps from label to label. A phone has room for one label more."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_STEPS = (
    *(minutes * _MINUTE for minutes in (5, 10, 15, 30)),
    *(hours * _HOUR for hours in (1, 2, 3, 4, 6, 12)),
    *(days * _DAY for days in (1, 2, 5, 7, 14)),
)
"""Seconds between two labels. If these steps give too many labels, the labels are months apart."""
_MONTHS = (1, 2, 3, 6, 12)
_WIDER = 2
"""Number by which labels of months are fewer, because they name the year, too."""


def time_ticks(
    t: Text, start: float, end: float, zone: datetime.tzinfo, most: int = LABELS_MOST
) -> tuple[tuple[float, str], ...]:
    """Return round times of the clock, midnights or first days of months, as Unix seconds with their labels."""
    span = end - start
    for step in _STEPS:
        if span / step <= most:
            moments = (
                _days(start, end, zone, step // _DAY) if step >= _DAY else _hours(start, end, zone, step)
            )
            return tuple((each.timestamp(), _label(t, each, step)) for each in moments)
    most -= _WIDER
    months = next((count for count in _MONTHS if span / (count * 30 * _DAY) <= most), _MONTHS[-1])
    return tuple((each.timestamp(), _month(t, each)) for each in _firsts(start, end, zone, months))


def moment_text(t: Text, unix: float, zone: datetime.tzinfo) -> str:
    """Return date and time as the head of a chart shows them."""
    moment = datetime.datetime.fromtimestamp(unix, zone)
    return f"{_day(t, moment)} {moment:%H:%M}"


def day_text(t: Text, unix: float, zone: datetime.tzinfo) -> str:
    """Return the date with its year."""
    moment = datetime.datetime.fromtimestamp(unix, zone)
    return t("{year}-{month}-{day}", year=f"{moment:%Y}", month=f"{moment:%m}", day=f"{moment:%d}")


def zone_name(unix: float, zone: datetime.tzinfo) -> str:
    """Return the short name of the time zone, such as JST."""
    return datetime.datetime.fromtimestamp(unix, zone).tzname() or ""


def _hours(start: float, end: float, zone: datetime.tzinfo, step: int) -> Iterator[datetime.datetime]:
    """Yield the times of the wall clock that are a multiple of `step` seconds after midnight."""
    day = datetime.datetime.fromtimestamp(start, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    index = 0
    while True:
        moment = day + datetime.timedelta(seconds=index * step)
        if moment.timestamp() > end:
            return
        if moment.timestamp() >= start:
            yield moment
        index += 1


def _days(start: float, end: float, zone: datetime.tzinfo, step: int) -> Iterator[datetime.datetime]:
    """Yield every `step`-th midnight, the same ones whenever the chart is drawn."""
    moment = datetime.datetime.fromtimestamp(start, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    while moment.timestamp() <= end:
        if moment.timestamp() >= start and moment.toordinal() % step == 0:
            yield moment
        moment += datetime.timedelta(days=1)


def _firsts(start: float, end: float, zone: datetime.tzinfo, step: int) -> Iterator[datetime.datetime]:
    """Yield the first day of every `step`-th month."""
    first = datetime.datetime.fromtimestamp(start, zone)
    months = first.year * 12 + first.month - 1
    while True:
        year, month = divmod(months, 12)
        moment = datetime.datetime(year, month + 1, 1, tzinfo=zone)
        if moment.timestamp() > end:
            return
        if moment.timestamp() >= start and months % step == 0:
            yield moment
        months += 1


def _label(t: Text, moment: datetime.datetime, step: int) -> str:
    """Return the time, or the date where a day begins."""
    if step >= _DAY or (moment.hour, moment.minute) == (0, 0):
        return _day(t, moment)
    return f"{moment:%H:%M}"


def _day(t: Text, moment: datetime.datetime) -> str:
    return t("{month}-{day}", month=f"{moment:%m}", day=f"{moment:%d}")


def _month(t: Text, moment: datetime.datetime) -> str:
    return t("{year}-{month}", year=f"{moment:%Y}", month=f"{moment:%m}")

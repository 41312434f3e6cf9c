"""Test the times below a chart: round in the time zone, few enough, and labelled as dates where a day begins."""

import datetime
from zoneinfo import ZoneInfo

from core.proxmox import Period
from tests.support.walked import walked
from ui.charts.axis import LABELS_MOST, time_ticks, zone_name
from ui.i18n import Texts

TEXTS = Texts("ja")
EN, JA = TEXTS.of("en"), TEXTS.of("ja")
ZONES = [
    ZoneInfo(name) for name in ("Asia/Tokyo", "UTC", "America/St_Johns", "Asia/Kathmandu", "Europe/Berlin")
]


def at(zone: ZoneInfo, *moment: int) -> float:
    return datetime.datetime(*moment, tzinfo=zone).timestamp()  # type: ignore[arg-type,misc]  # year, month, day, …


def test_a_day_has_times_and_one_date() -> None:
    zone = ZONES[0]
    end = at(zone, 2026, 11, 27, 9, 30)
    labels = ["12:00", "16:00", "20:00", "11-27", "04:00", "08:00"]
    assert [label for _, label in time_ticks(EN, end - 86_400, end, zone)] == labels
    assert "11/27" in [label for _, label in time_ticks(JA, end - 86_400, end, zone)]
    assert zone_name(end, zone) == "JST"


@walked("zone", ZONES)
@walked("period", Period)
def test_every_period_has_some_round_times(zone: ZoneInfo, period: Period) -> None:
    """This holds across both changes of the clocks, too."""
    for day in range(0, 366, 5):
        end = at(zone, 2026, 1, 1, 9, 47) + day * 86_400
        ticks = time_ticks(EN, end - period.seconds, end, zone)
        times = [time for time, _ in ticks]
        assert 3 <= len(ticks) <= LABELS_MOST + 1
        assert times == sorted(set(times))
        assert all(end - period.seconds <= time <= end for time in times)
        local = [datetime.datetime.fromtimestamp(time, zone) for time in times]
        assert all(moment.second == 0 and moment.minute % 10 == 0 for moment in local)
        if period in (Period.MONTH, Period.YEAR):
            assert all(moment.minute == 0 for moment in local)

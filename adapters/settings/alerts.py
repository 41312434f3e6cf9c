"""Parse the settings of alerts: optional ids of a role or channel, when to alert, the time zone, and the heartbeat.

Each parser raises SettingRejected.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from adapters.settings.faults import FaultKind, RawSetting, Secret
from adapters.settings.values import host_port, parse_snowflake

REPEATS = (5, 10_080)  # minutes; the second is a week
PERCENTS = (10, 100)
DAY = 24 * 60  # minutes
_SPAN = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*[-~〜ー‐‒–—―−]\s*([0-9]{1,2}):([0-9]{2})")
_ADDRESS = re.compile(r"[!#-;=?-\[\]-~]+")  # printable ASCII without spaces, `"`, `<`, `>`, `\`
_MEANT = dict.fromkeys(("jst", "jst-9", "gmt+9", "utc+9", "utc+09:00"), "asia/tokyo")
"""Common names of a time zone that are not similar to its real name."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A daily span in minutes since midnight: `start` inclusive, `end` exclusive, never equal."""

    start: int
    end: int

    def holds(self, minute: int) -> bool:
        """Return whether a minute of the day is in the span. The span may cross midnight."""
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


def minute_of_day(zone: ZoneInfo, unix: float) -> int:
    """Return the local time in the zone, in minutes since midnight."""
    there = datetime.fromtimestamp(unix, zone)
    return there.hour * 60 + there.minute


def parse_optional_snowflake(given: RawSetting) -> int | None:
    """Parse an optional id. 0 means none, because config.py.example uses 0 as a placeholder for required ids."""
    value = given.value.strip() if isinstance(given.value, str) else given.value
    if value == "0" or (type(value) is int and value == 0):
        return None
    return parse_snowflake(given)


def parse_repeat(given: RawSetting) -> int:
    """Parse the minutes between two reminders of an open incident; 0 for never."""
    return given.whole(given.value, *REPEATS, digits=given.source == "environment", or_zero=True)


def parse_storage_percent(given: RawSetting) -> int:
    """Parse the percentage at which a storage counts as too full; 0 for no limit."""
    return given.whole(given.value, *PERCENTS, digits=given.source == "environment", or_zero=True)


def parse_quiet_hours(given: RawSetting) -> QuietHours:
    """Parse HH:MM-HH:MM. The characters may be those of a Japanese keyboard. 24:00 is a valid end."""
    match = _SPAN.fullmatch(unicodedata.normalize("NFKC", given.text()))
    if match is None:
        given.reject(FaultKind.BAD_QUIET_HOURS, reason="pattern")
    begin_hour, begin_minute, end_hour, end_minute = map(int, match.groups())
    start, end = begin_hour * 60 + begin_minute, end_hour * 60 + end_minute
    if max(begin_minute, end_minute) > 59 or start >= DAY or end > DAY:
        given.reject(FaultKind.BAD_QUIET_HOURS, reason="pattern")
    if start == end % DAY:
        given.reject(FaultKind.BAD_QUIET_HOURS, reason="same")
    return QuietHours(start, end % DAY)


def parse_timezone(given: RawSetting) -> ZoneInfo:
    """Parse a name of the IANA database, in upper or lower case."""
    word = given.text().lower().replace(" ", "_")
    name = _zones().get(word)
    try:
        if name is not None:
            return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # listed, but its file is unusable
        given.reject(FaultKind.BAD_TIMEZONE)
    return given.reject(FaultKind.BAD_TIMEZONE, nearest=_nearest_zone(word))


@cache
def _zones() -> dict[str, str]:
    """Return every name by its lower case. Cached, because it walks the whole database."""
    return {name.lower(): name for name in sorted(available_timezones())}


def _nearest_zone(word: str) -> str | None:
    """Return the most similar zone name, compared as a whole and by its city alone."""
    zones = _zones()
    words = {zone.rpartition("/")[2]: zone for zone in zones} | {zone: zone for zone in zones}
    near = difflib.get_close_matches(word[:60], words, 1, 0.8)
    found = _MEANT.get(word) or (words[near[0]] if near else None)
    return zones.get(found) if found else None


def parse_heartbeat_url(given: RawSetting) -> Secret:
    """Parse a URL for GET, with or without user:password@. No part of it is ever shown."""
    text = given.text()
    if not _ADDRESS.fullmatch(text):
        given.reject(FaultKind.BAD_URL, reason="characters")
    match = re.match(r"https?://([^/?#]*)", text, re.I)
    if match is None:
        given.reject(FaultKind.BAD_URL, reason="scheme")
    found = host_port(match[1].rpartition("@")[2])
    if not isinstance(found, tuple):
        given.reject(FaultKind.BAD_URL, reason="port" if found == "port" else "host")
    return Secret(text)

"""Parse durations as people write them: `30m`, `8h`, `2d`, `1h30m`, `8 hours`, `30分`, `８時間`."""

import re
import unicodedata

from core.wanted_errors import BadDuration

LEAST_SECONDS, MOST_SECONDS = 60, 30 * 86_400

_WRITTEN = re.compile(
    r"(?:([0-9]{1,6})(?:d|days?|日間?))?"
    r"(?:([0-9]{1,6})(?:h|hrs?|hours?|時間))?"
    r"(?:([0-9]{1,6})(?:m|mins?|minutes?|分間?))?"
)


def parse_duration(text: str, most: int = MOST_SECONDS) -> int:
    """Return the duration in seconds, from one minute to `most` seconds.

    Raises: BadDuration.
    """
    written = "".join(unicodedata.normalize("NFKC", text).casefold().split())
    match = _WRITTEN.fullmatch(written)
    if match is None:
        raise BadDuration(text)
    days, hours, minutes = (int(part or 0) for part in match.groups())
    seconds = (days * 24 + hours) * 3600 + minutes * 60
    if not LEAST_SECONDS <= seconds <= most:
        raise BadDuration(text)
    return seconds

"""Format values: times, percentages, lists, the words, emoji and colours of states, and foreign text made harmless.

The functions are pure. ui/sizes.py formats bytes.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from enum import IntEnum

from core.guest import HALTED_STATES, PASSING_STATES, Guest, Kind, State
from core.levels import Level
from ui.i18n import N_, Marked, Text


class Colour(IntEnum):
    """Edge colour of a card or an alert, as 0xRRGGBB."""

    GOOD = 0x3BA55D
    BUSY = 0x5865F2
    WARN = 0xFAA61A
    BAD = 0xED4245
    QUIET = 0x747F8D


STATE_EMOJI = {
    State.RUNNING: "🟢",
    State.STOPPED: "⚪",
    State.PAUSED: "⏸️",
    State.SUSPENDED: "💤",
    State.UNKNOWN: "❔",
    **dict.fromkeys(HALTED_STATES, "🟠"),
    **dict.fromkeys(PASSING_STATES, "🟡"),
}
TEMPLATE_EMOJI = "📄"
STATE_COLOUR = {
    State.RUNNING: Colour.GOOD,
    State.STOPPED: Colour.QUIET,
    **dict.fromkeys(HALTED_STATES, Colour.BAD),
}
OK, WARNING, FAILED, WORKING, ALARM, BACK, QUIET = "✅", "⚠️", "❌", "⏳", "🔴", "🟢", "⚪"
REFUSED, UNSURE = "⛔", "❔"

SNAPSHOT, BACKUP, PROTECTED, READ_ONLY, MUTED, DRY_RUN = "📸", "💾", "🛡️", "🚧", "🔕", "🔍"

NAME_MOST = 64  # characters
MESSAGE_MOST = 4000
"""Maximum number of characters of text in one message with components (Discord)."""


_IGNORABLE = (
    "AD 34F 61C 115F-1160 17B4-17B5 180B-180F 200B-200F 202A-202E 2060-206F 3164 FE00-FE0F FEFF FFA0 FFF0-FFF8 "
    "1BCA0-1BCA3 1D173-1D17A E0000-E0FFF"
)
"""Invisible characters: Default_Ignorable_Code_Point of DerivedCoreProperties.txt (the same in Unicode 14 to 17).

Many of them are not control characters: fillers, variation selectors, tags.
"""


def _character_class(ranges: str) -> str:
    """Return a pattern for one character of these ranges of hexadecimal code points."""
    ends = ((first, last or first) for first, _, last in (each.partition("-") for each in ranges.split()))
    return "[{}]".format("".join(f"\\U{first:>08}-\\U{last:>08}" for first, last in ends))


_INVISIBLE = re.compile(_character_class(f"{_IGNORABLE} 2800"))
"""The ignorable characters and the blank Braille pattern, which Unicode counts as a symbol."""
_READ_FACTOR, _READ_EXTRA = 8, 512
"""Limits for the part of a text that `plain` reads, because Unicode normalization takes quadratic time on some texts.

The part has at most `_READ_FACTOR * most` and at most `2 * most + _READ_EXTRA` characters.
"""


def plain(text: str, most: int = NAME_MOST) -> str:
    """Return foreign text on one line without control, bidi or invisible characters, cut to `most` characters."""
    if len(text) <= most and text.isascii() and text.isprintable() and " " not in text:
        return text  # most names
    rough = text[: min(most * _READ_FACTOR, 2 * most + _READ_EXTRA)]
    kept = unicodedata.normalize("NFC", rough)
    # Most texts need no look at each character.
    if not (kept.isprintable() and _INVISIBLE.search(kept) is None):
        kept = "".join(
            " " if char.isspace() else char
            for char in kept
            if char.isspace() or (char.isprintable() and not _INVISIBLE.match(char))
        )
    kept = " ".join(kept.split())
    whole = len(kept) <= most and len(rough) == len(text)
    return kept if whole else kept[: most - 1] + "…"


UNKNOWN = "—"
"""Stands for an unknown figure."""
FRACTION_LIMIT = 9.995
"""Fraction from which a percentage would have four digits. A usage so far above the total is nonsense."""
NOTHING = "?"
"""Stands in a code span for an empty text, and in a bar for an unknown percentage."""


def code(text: str, most: int = NAME_MOST) -> str:
    """Return foreign text in a code span, where no mention, link, emoji, timestamp or markdown works."""
    safe = plain(text, most).replace("`", "ˋ")
    return f"`{safe or NOTHING}`"


def person(name: str, user_id: int, most: int = NAME_MOST) -> str:
    """Return a person's mention, which Discord shows as a name. Unlike a name, a mention cannot be faked.

    `user_id=0` gives the stored name instead: the id is not stored, or the person has left the guild.
    """
    return f"<@{user_id}>" if user_id else code(name, most)


def code_block(lines: Iterable[str], most: int = 900) -> str:
    """Return foreign lines, such as a task's log, in a code block: the last ones that fit into `most` characters.

    The fences are not counted.
    """
    kept: list[str] = []
    room = most
    for line in reversed([plain(line, 200).replace("`", "ˋ") for line in lines]):
        if len(line) + 1 > room:
            break
        kept.insert(0, line)
        room -= len(line) + 1
    return "```\n" + "\n".join(kept) + "\n```" if kept else ""


def fit_lines(
    t: Text, lines: Iterable[str], most: int, between: str = "\n", *, lines_most: int | None = None
) -> str:
    """Join as many lines (or other items) as fit into `most` characters, and say how many more there are.

    40 of the characters are kept free for that note.
    `lines_most`: maximum number of lines to join, even if more would fit.
    """
    everything = list(lines)
    kept: list[str] = []
    room = most - 40
    for line in everything[:lines_most]:
        if len(line) + len(between) > room:
            break
        kept.append(line)
        room -= len(line) + len(between)
    left = len(everything) - len(kept)
    if left and kept and between.strip():
        return f"{between.join(kept)} {more_word(t, left)}"
    if left:
        kept.append(more_word(t, left))
    return between.join(kept)


def more_word(t: Text, count: int) -> str:
    """Say how many more there are than are shown."""
    return t.plural("… and {n} more", "… and {n} more", count)


def kind_word(t: Text, kind: Kind) -> str:
    return t("VM") if kind is Kind.QEMU else t("CT")


def level_word(t: Text, level: Level) -> str:
    return {
        Level.NONE: t("none"),
        Level.VIEWER: t("viewer"),
        Level.OPERATOR: t("operator"),
        Level.ADMIN: t("admin"),
    }[level]


_STATE_WORDS: Mapping[State, Marked] = {
    State.RUNNING: N_("running"),
    State.STOPPED: N_("stopped"),
    State.PAUSED: N_("paused"),
    State.SUSPENDED: N_("suspended"),
    State.PRELAUNCH: N_("starting up"),
    State.IO_ERROR: N_("I/O error"),
    State.UNKNOWN: N_("unknown"),
    State.INTERNAL_ERROR: N_("QEMU error"),
    State.PANICKED: N_("kernel panic"),
    State.WATCHDOG: N_("watchdog"),
    State.POSTMIGRATE: N_("paused after a migration"),
    State.DEBUG: N_("debugger"),
    State.SHUTDOWN: N_("powering off"),
    State.INMIGRATE: N_("waiting for a migration"),
    State.FINISH_MIGRATE: N_("finishing a migration"),
    State.SAVING: N_("saving its state"),
    State.RESTORING: N_("restoring its state"),
    State.COLO: N_("synchronizing (COLO)"),
}


def state_word(t: Text, state: State) -> str:
    return t(_STATE_WORDS[state])


def emoji_of(guest: Guest) -> str:
    return TEMPLATE_EMOJI if guest.template else STATE_EMOJI[guest.state]


def colour_of(guest: Guest) -> Colour:
    return STATE_COLOUR.get(guest.state, Colour.WARN) if not guest.template else Colour.QUIET


def title(guest: Guest) -> str:
    """Return the guest's VMID and name as cards show them: `**101** `web01``."""
    return f"**{guest.vmid}** {code(guest.label)}" if guest.name else f"**{guest.vmid}**"


def title_of(vmid: int, label: str) -> str:
    """Return the same as `title`, from a VMID and a `Guest.label`, which is the VMID of a guest without a name."""
    return f"**{vmid}** {code(label)}" if label != str(vmid) else f"**{vmid}**"


def choice_label(t: Text, guest: Guest, value: str = "") -> str:
    """Return the label of a completion: `🟢 101 web01 · pve1 · VM`. Discord shows it as plain text.

    `value`: the text that the completion inserts, if it is not the VMID alone.
    """
    label = f"{emoji_of(guest)} {value or guest.vmid} {plain(guest.name or '—')} · {plain(guest.node, 30)}"
    return plain_label(f"{label} · {kind_word(t, guest.kind)}")


def plain_label(text: str) -> str:
    """Cut a label to the 100 characters of a completion or an option of a menu.

    Unlike `plain`, keep joiners inside emoji. Foreign text in the label has passed through `plain` before.
    """
    return text if len(text) <= 100 else text[:99] + "…"


def listed(t: Text, words: Iterable[str]) -> str:
    """Join words with the comma of the language."""
    return t(", ").join(words)


def format_percent(fraction: float | None) -> str:
    """Return a percentage of at most three digits, or a dash if the value is unknown or nonsense."""
    if fraction is None or not 0.0 <= fraction < FRACTION_LIMIT:  # also for NaN
        return UNKNOWN
    return f"{fraction * 100:.0f}%"


def format_duration(t: Text, seconds: float) -> str:
    """Format a duration with its largest unit and the next one: `3 d 4 h`, `12 min`, `8 s`."""
    left = max(0, round(seconds))
    minutes, secs = divmod(left, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = (
        (days, t("{n} d", n=days)),
        (hours, t("{n} h", n=hours)),
        (minutes, t("{n} min", n=minutes)),
        (secs, t("{n} s", n=secs)),
    )
    first = next((place for place, (number, _) in enumerate(units) if number), len(units) - 1)
    kept = [text for number, text in units[first : first + 2] if number]
    return " ".join(kept) or t("less than 1 s")


def timestamp(unix: float, style: str = "R") -> str:
    """Return a Discord timestamp. Discord shows it in the reader's time zone and language.

    `style`: `R` for "5 minutes ago", which stays current. `f` for date and time in full, `t` for the time, `d` for
    the date in digits, `D` for the date with the name of the month.
    """
    return f"<t:{int(unix)}:{style}>"


HALF_A_DAY = 12 * 3600.0  # seconds


def until_time(unix: float, now: float) -> str:
    """Return a coming time: without the date if it is less than half a day away, otherwise with it."""
    return timestamp(unix, "t" if unix - now < HALF_A_DAY else "f")


def moment(t: Text, unix: float, now: float) -> str:
    """Return the time if it is within half a day, otherwise the date. The distance from now follows in parentheses.

    The bot does not know the reader's time zone, so it cannot tell whether the time is today.
    """
    shown = timestamp(unix, "t" if abs(now - unix) < HALF_A_DAY else "d")
    return t("{time} ({relative})", time=shown, relative=timestamp(unix))

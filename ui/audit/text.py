"""Write attempts of the audit trail in words, and as the one line of the audit channel.

Every text is cut, so that a line usually fits a phone, and always fits a message.
"""

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence

from core.audit.folding import VARIOUS
from core.audit.record import CANCELLED, CUT_OFF, NOTHING_STARTED, UNKNOWN, AuditRecord, Ending, ending_of
from core.audit.relevance import DRY_RUN
from core.audit.store import AuditEntry
from core.operations import Operation
from core.tasks import TaskEnd
from core.validation import parse_duration
from core.wanted_errors import BadDuration
from ui.formatting import (
    FAILED,
    OK,
    QUIET,
    REFUSED,
    UNSURE,
    WARNING,
    WORKING,
    code,
    format_duration,
    person,
    plain,
    timestamp,
)
from ui.i18n import Text
from ui.messages.errors import reason_of
from ui.messages.operations import operation_noun
from ui.phone_lines import width

SIGNS: Mapping[Ending, str] = {
    Ending.DONE: OK,
    Ending.WARNINGS: WARNING,
    Ending.FAILED: FAILED,
    Ending.UNKNOWN: UNSURE,
    Ending.REFUSED: REFUSED,
    Ending.SHOWN: QUIET,
    Ending.UNFINISHED: WORKING,
    Ending.CUT_OFF: UNSURE,
    Ending.CANCELLED: QUIET,
}


def asked_word(t: Text, word: str) -> str:
    """Return the operation in words. A word that is not an operation was forged or comes from another version."""
    if word == VARIOUS:
        return f"**{t('several actions')}**"
    return f"**{operation_noun(t, Operation(word))}**" if word in list(Operation) else code(word, 24)


def ending_word(t: Text, ending: Ending) -> str:
    return {
        Ending.DONE: t("done"),
        Ending.WARNINGS: t("done with warnings"),
        Ending.FAILED: t("failed"),
        Ending.UNKNOWN: t("result unknown"),
        Ending.REFUSED: t("refused"),
        Ending.SHOWN: t("plan shown"),
        Ending.UNFINISHED: t("unfinished"),
        Ending.CUT_OFF: t("unfinished: the bot stopped"),
        Ending.CANCELLED: t("cancelled"),
    }[ending]


def _has_reason(ending: Ending, outcome: str) -> bool:
    """Return whether the outcome says more than the ending."""
    told = (NOTHING_STARTED, CUT_OFF, CANCELLED, TaskEnd.VANISHED, TaskEnd.LOST)
    return bool(outcome) and ending not in (Ending.DONE, Ending.WARNINGS) and outcome not in told


def _ended(t: Text, record: AuditRecord, most: int) -> str:
    """Say how the attempt ended, with the reason if it adds something."""
    ending, outcome = ending_of(record), record.outcome
    word = ending_word(t, ending)
    if outcome == NOTHING_STARTED:
        return t("not started: no task in Proxmox")
    if not _has_reason(ending, outcome):
        return word
    reason = reason_of(t, outcome.removeprefix(UNKNOWN), most)
    return t("{ending}: {reason}", ending=word, reason=reason)


def attempt_words(t: Text, record: AuditRecord) -> str:
    """Return the operation, the guest and the result in one line."""
    return joined([asked_word(t, record.operation), _guest(record, 64), _ended(t, record, 300)])


def joined(parts: Sequence[str]) -> str:
    return " · ".join(part for part in parts if part)


def _guest(record: AuditRecord, most: int) -> str:
    """Return the guest, "" for an attempt without one."""
    if record.vmid is None:
        return ""
    named = record.guest and record.guest != str(record.vmid)
    vmid = f"**{record.vmid}**"
    return f"{vmid} {code(record.guest, most)}" if named else vmid


# -- fitting a phone


def fit_parts(parts: Iterable[tuple[str, int]], room: int) -> str:
    """Join the parts that fit into `room` columns, and leave out the others. Each part comes with its width."""
    kept: list[str] = []
    for text, columns in parts:
        if text and columns + 3 <= room:
            kept.append(text)
            room -= columns + 3
    return joined(kept)


def person_part(record: AuditRecord) -> tuple[str, int]:
    """Return the person's mention and its width. Anybody can take any name, but a mention cannot be faked."""
    return person(record.actor.name, record.actor.user_id, 20), min(20, width(record.actor.name) + 2)


def guest_part(record: AuditRecord, site: str, room: int) -> tuple[str, int]:
    """Return the guest and its width, with its name cut to fit. Without a guest only the site."""
    number = "/".join(filter(None, (site, "" if record.vmid is None else str(record.vmid))))
    if not number:
        return "", 0
    name = record.guest if record.guest != str(record.vmid) else ""
    left = room - len(number) - 2
    if not name or left < min(4, width(name)):
        return f"**{number}**", len(number)
    shown = cut(name, left)
    return f"**{number}** {code(shown)}", len(number) + 2 + width(shown)


def cut(text: str, room: int) -> str:
    """Cut a text to `room` columns."""
    if width(text) <= room:
        return text
    kept = ""
    for char in text:
        if width(kept + char) > room - 1:
            break
        kept += char
    return kept + "…"


def result_part(t: Text, record: AuditRecord, room: int) -> tuple[str, int]:
    """Return how the attempt ended, and the width of that text.

    A reason replaces the word for the ending, which the sign before the line tells. If the reason does not fit into
    `room` columns, only its words before the first value are shown. A reason without words is cut.
    """
    ending, outcome = ending_of(record), record.outcome
    word = ending_word(t, ending)
    if ending is Ending.SHOWN and not record.detail.endswith(DRY_RUN):
        word = t("not confirmed")
    if outcome == NOTHING_STARTED:
        word = t("not started")
    if not _has_reason(ending, outcome):
        return ("", 0) if ending is Ending.DONE else (word, width(word))
    full = reason_of(t, outcome.removeprefix(UNKNOWN), max(4, room))
    wide = width(full.replace("`", ""))
    if wide + full.count("`") // 2 <= room:
        return full, wide
    phrase, _, value = full.partition("`")
    shown = cut(phrase.strip(), room) or code(cut(value.rstrip("`"), room))
    return shown, width(shown)


_SECONDS = re.compile("(?P<target>.*) (?P<seconds>[0-9]{1,7}) s")
"""Matches the options of a mute by a button of an alert. A mute by command has them as they were typed."""


def options_text(t: Text, record: AuditRecord) -> str:
    """Return the options of the attempt in one line, "" for none. Those of a mute or unmute are without its guest."""
    if record.operation not in (Operation.MONITOR_MUTE, Operation.MONITOR_UNMUTE):
        return plain(record.detail, 100) if record.detail else ""
    found = _SECONDS.fullmatch(record.detail)
    target, _, typed = record.detail.partition(" ")
    seconds = float(found["seconds"]) if found else None
    with contextlib.suppress(BadDuration):
        seconds = parse_duration(typed) if typed and seconds is None else seconds
    time = format_duration(t, seconds) if seconds is not None else typed
    named = record.vmid is not None and target.removeprefix("guest/") == str(record.vmid)
    told = (time if named else f"{target} {time}").strip()
    return plain(told, 100) if told else ""


# -- the audit channel

LINE = 72
"""Columns of a line in the audit channel. A phone shows about as many in two rows."""
GUEST_MOST = 24
"""Maximum columns of a guest, or of options in its place."""


def audit_line(t: Text, entry: AuditEntry) -> str:
    """Return the line of one attempt: when, what, the guest, who and the result. The file of /audit has the rest.

    The text has the time to the second, although Discord shows minutes. So the search for a line that may have been
    posted does not find another one that reads the same.
    """
    record = entry.record
    what = asked_word(t, record.operation)
    who, wide = person_part(record)
    room = LINE - wide - 11 - width(what.replace("*", ""))  # 11: the sign and the time, each with a space
    guest = guest_part(record, entry.site, min(room, GUEST_MOST))
    if record.vmid is None and (told := options_text(t, record)):
        options = cut(told, GUEST_MOST)
        guest = joined([guest[0], code(options)]), guest[1] + width(options) + 3
    result = result_part(t, record, max(26, room - guest[1] - 4))
    times = f"×{record.times}" if record.times > 1 else ""
    head = f"{SIGNS[ending_of(record)]} {timestamp(entry.began, 't')} {what}"
    return joined([f"{joined([head, guest[0]])} {who}", result[0], times])

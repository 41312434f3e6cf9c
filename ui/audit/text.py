"""Write attempts of the audit trail, as two short lines for a list or as one line for the audit channel.

Every text is cut, so that a page or a line always fits into a message.
"""

from collections.abc import Mapping, Sequence

from discord import ui

from core.audit.folding import VARIOUS
from core.audit.record import CANCELLED, CUT_OFF, NOTHING_STARTED, UNKNOWN, AuditRecord, Ending, ending_of
from core.audit.store import AuditEntry, AuditFilter
from core.guest import State
from core.operations import Operation
from core.tasks import TaskEnd
from ui.cards import Item, card
from ui.formatting import (
    FAILED,
    MESSAGE_MOST,
    OK,
    QUIET,
    REFUSED,
    UNSURE,
    WARNING,
    WORKING,
    Colour,
    code,
    fit_lines,
    format_duration,
    listed,
    state_word,
    timestamp,
)
from ui.guests.lists import list_footer, page_of
from ui.i18n import Text
from ui.interaction.buttons import page_buttons
from ui.interaction.site_ids import ALL_SITES
from ui.messages.errors import reason_of
from ui.messages.operations import operation_noun

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


def _asked(t: Text, word: str) -> str:
    """Return the operation in words. A word that is no operation was forged or comes from another version."""
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


def _ended(t: Text, record: AuditRecord, most: int) -> str:
    """Say how the attempt ended, with the reason if it adds something."""
    ending, outcome = ending_of(record), record.outcome
    word = ending_word(t, ending)
    if outcome == NOTHING_STARTED:
        return t("not started: no task in Proxmox")
    if ending in (Ending.DONE, Ending.WARNINGS) or outcome in (
        CUT_OFF,
        CANCELLED,
        TaskEnd.VANISHED,
        TaskEnd.LOST,
    ):
        return word
    reason = reason_of(t, outcome.removeprefix(UNKNOWN), most)
    return t("{ending}: {reason}", ending=word, reason=reason) if reason else word


def _more(t: Text, record: AuditRecord, most: int) -> list[str]:
    """Return the result, the number of repetitions, the options, the typed reason, the duration and the channel."""
    return [
        _ended(t, record, most),
        f"×{record.times}" if record.times > 1 else "",
        code(record.detail, most) if record.detail else "",
        t("reason: {reason}", reason=code(record.reason, most)) if record.reason else "",
        format_duration(t, record.seconds) if record.seconds >= 1 else "",
        f"<#{record.actor.place.channel_id}>" if record.actor.place.channel_id else "",
    ]


def attempt_words(t: Text, record: AuditRecord) -> str:
    """Return the operation, the guest and the result in one line."""
    return _joined([_asked(t, record.operation), _guest(record, 64), _ended(t, record, 300)])


def _joined(parts: Sequence[str]) -> str:
    return " · ".join(part for part in parts if part)


def _who(name: str, user_id: int, most: int) -> str:
    """Return the name with the id, because anybody can take any name. The option `who` accepts the id."""
    return f"{code(name, most)} ({code(str(user_id))})"


def _guest(record: AuditRecord, most: int, site: str = "") -> str:
    """Return the guest, after the name of its site. For an attempt without a guest only the site is named."""
    if record.vmid is None:
        return f"**{site}**" if site else ""
    named = record.guest and record.guest != str(record.vmid)
    vmid = f"**{site}/{record.vmid}**" if site else f"**{record.vmid}**"
    return f"{vmid} {code(record.guest, most)}" if named else vmid


# -- the command's pages


def audit_row(t: Text, audited: AuditEntry) -> str:
    record = audited.record
    head = [
        timestamp(audited.began, "f"),
        _who(record.actor.name, record.actor.user_id, 24),
        _asked(t, record.operation),
        _guest(record, 32, audited.site),
    ]
    return f"{SIGNS[ending_of(record)]} {_joined(head)}\n-# {_joined(_more(t, record, 32))}"


def audit_head(t: Text, wanted: AuditFilter, total: int, name: str) -> str:
    """Return the title with the number of attempts and the filters. `name`: name of the person in the filter."""
    words = [
        f"**{wanted.site}**" if wanted.site else "",
        f"**{wanted.vmid}**" if wanted.vmid is not None else "",
        _who(name, wanted.person_id, 32) if wanted.person_id is not None else "",
        _asked(t, wanted.operation) if wanted.operation else "",
        t("since {time}", time=timestamp(wanted.since, "f")) if wanted.since is not None else "",
    ]
    only = listed(t, (word for word in words if word))
    head = f"### {t('Audit trail')} · {t.plural('{n} attempt', '{n} attempts', total)}"
    return f"{head}\n-# {t('Filter: {filters}', filters=only)}" if only else head


def audit_page(
    t: Text,
    found: Sequence[AuditEntry],
    total: int,
    wanted: AuditFilter,
    name: str,
    page: int,
    now: float,
    *,
    several: bool,
    note: str = "",
    attached: Item | None = None,
) -> ui.LayoutView:
    """Build one page of the list.

    `page` counts from 0 and is brought within bounds. `several`: whether there are several sites.
    `attached`: a file, described by `note`. The page then has no buttons.
    """
    page, pages = page_of(page, total)
    rows = [audit_row(t, each) for each in found] or [t("No matching records.")]
    body = fit_lines(t, rows, MESSAGE_MOST - 330)
    filters = (wanted.vmid or "", wanted.person_id or "", wanted.operation, wanted.since, wanted.until)
    parts = [str(int(each) if isinstance(each, float) else each or "") for each in filters]
    site = wanted.site or (ALL_SITES if several else "")
    return card(
        audit_head(t, wanted, total, name),
        body,
        note or list_footer(t, page, pages, now),
        colour=Colour.BUSY,
        buttons=() if attached else page_buttons("audit", page, pages, parts, site),
        below=attached,
    )


# -- the audit channel


def audit_line(t: Text, audited: AuditEntry) -> str:
    """Return the line of one attempt, in about 1,000 characters at most."""
    record = audited.record
    who = _who(record.actor.name, record.actor.user_id, 32)
    guest = _guest(record, 64, audited.site)
    if guest and record.node:
        state = f" ({state_word(t, State.of(record.state))})" if record.state else ""
        guest = f"{guest} @ {code(record.node)}{state}"
    parts = [timestamp(audited.began, "f"), who, _asked(t, record.operation), guest, *_more(t, record, 100)]
    parts.append(code(record.upid, 150) if record.upid else "")
    return f"{SIGNS[ending_of(record)]} {_joined(parts)}"

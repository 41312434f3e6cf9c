"""Show pages of the audit trail: the entries of each day under its date, two or three lines each on a phone."""

import datetime
from collections.abc import Iterator, Sequence

from discord import ui

from core.audit.record import AuditRecord, ending_of
from core.audit.store import AuditEntry, AuditFilter, TrailExtent
from ui.audit.text import (
    GUEST_MOST,
    SIGNS,
    asked_word,
    cut,
    fit_parts,
    guest_part,
    joined,
    options_text,
    person_part,
    result_part,
)
from ui.cards import Item, card
from ui.formatting import MESSAGE_MOST, Colour, code, fit_lines, format_duration, listed, plain, timestamp
from ui.guests.lists.cards import list_footer, page_of
from ui.i18n import Text
from ui.interaction.buttons import extent_button, page_buttons
from ui.interaction.custom_ids import ALL_SITES
from ui.phone_lines import BODY, SMALL, width


def audit_row(t: Text, entry: AuditEntry) -> str:
    """Return an entry: the time, the operation and its guest; below them the person and the result.

    If the whole guest does not fit beside time and operation, the time goes to the second line. If that does not
    make enough room, the guest goes there instead. A long result has a third line. What `_more` yields is added to
    the second line if it fits.
    """
    record = entry.record
    what, sign = asked_word(t, record.operation), SIGNS[ending_of(record)]
    time = timestamp(entry.began, "t"), 5 if t.language == "ja" else 8  # columns: 22:45, 10:45 PM
    room = BODY - 3 - width(what.replace("*", ""))  # 3: the sign and a space
    person = person_part(record)
    whole = guest_part(record, entry.site, GUEST_MOST)
    beside = None
    for timed in (True, False):
        left = room - 3 - (time[1] + 1) * timed  # 3: the dot before the guest
        guest = guest_part(record, entry.site, left)
        if 0 < guest[1] == whole[1] <= left:
            beside = guest, timed
            break
    guest, timed = beside or (("", 0), True)
    head = joined([f"{time[0]} {what}" if timed else what, guest[0]])
    times = f"×{record.times}" if record.times > 1 else ""
    taken = person[1] + 2 + (len(times) + 2 if times else 0)
    below_head = guest_part(record, entry.site, min(GUEST_MOST, SMALL - taken - 2))
    parts = [*([] if timed else [time]), *([] if beside else [below_head]), person]
    left = SMALL - taken - sum(columns + 2 for _, columns in parts[:-1])
    result = result_part(t, record, SMALL)
    below = f"\n-# {result[0]}" if result[0] and result[1] > left else ""
    parts += [] if below else [result]
    more = fit_parts(_more(t, record), left - (0 if below else result[1]))
    return f"{sign} {head}\n-# {joined([*(text for text, _ in parts), times, more])}{below}"


def _more(t: Text, record: AuditRecord) -> Iterator[tuple[str, int]]:
    """Yield further parts for which there may be room: the typed reason, the options, and the duration."""
    if record.reason:
        reason = cut(plain(record.reason), 20)
        yield code(reason), width(reason) + 1
    if told := options_text(t, record):
        options = cut(told, 20)
        yield code(options), width(options) + 1
    if record.seconds >= 1:
        time = format_duration(t, record.seconds)
        yield time, width(time)


def audit_rows(t: Text, found: Sequence[AuditEntry], zone: datetime.tzinfo) -> list[str]:
    """Return the rows, with the date above the first of each day. `zone`: the time zone of the days."""
    rows, day = [], None
    for each in found:
        date = datetime.datetime.fromtimestamp(each.began, zone).date()
        heading = f"**{timestamp(each.began, 'D')}**\n" if date != day else ""
        rows.append(heading + audit_row(t, each))
        day = date
    return rows


def audit_head(t: Text, wanted: AuditFilter, total: int, name: str) -> str:
    """Return the title with the number of entries and the filters. `name`: name of the person in the filter."""
    person = "" if wanted.person_id is None else f"{code(name, 24)} (<@{wanted.person_id}>)"
    words = [
        f"**{wanted.site}**" if wanted.site else "",
        f"**{wanted.vmid}**" if wanted.vmid is not None else "",
        person,
        asked_word(t, wanted.operation) if wanted.operation else "",
        t("since {time}", time=timestamp(wanted.since, "f")) if wanted.since is not None else "",
    ]
    only = listed(t, (word for word in words if word))
    head = f"### {t('Audit trail')} · {t.plural('{n} entry', '{n} entries', total)}"
    return f"{head}\n-# {t('Filter: {filters}', filters=only)}" if only else head


def audit_page(
    t: Text,
    found: Sequence[AuditEntry],
    total: int,
    wanted: AuditFilter,
    name: str,
    page: int,
    now: float,
    zone: datetime.tzinfo,
    *,
    several: bool,
    note: str = "",
    attached: Item | None = None,
) -> ui.LayoutView:
    """Build one page of the list.

    `page` counts from 0 and is brought within bounds. `several`: whether there are several sites.
    `zone`: the time zone of the days.
    `note`: replaces the lines below the entries. `attached`: a file. The page then has no buttons.
    """
    page, pages = page_of(page, total)
    rows = audit_rows(t, found, zone) or [t("No matching records.")]
    filters = (wanted.vmid or "", wanted.person_id or "", wanted.operation, wanted.since, wanted.until)
    parts = [str(int(each) if isinstance(each, float) else each or "") for each in filters]
    readings = wanted.extent is not TrailExtent.CHANGES
    site = wanted.site or (ALL_SITES if several else "")
    scope = t("Views included") if readings else t("Changes and refusals only")
    return card(
        audit_head(t, wanted, total, name),
        fit_lines(t, rows, MESSAGE_MOST - 330),
        note or f"-# {scope}\n{list_footer(t, page, pages, now)}",
        colour=Colour.BUSY,
        buttons=() if attached else page_buttons("audit", page, pages, [*parts, str(int(readings))], site),
        more=() if attached else [[extent_button(t, parts, site, readings=not readings)]],
        below=attached,
    )

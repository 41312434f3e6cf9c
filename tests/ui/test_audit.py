"""Test the screens of the audit trail: the pages of /audit, and the lines of the audit channel."""

import datetime
import itertools
import re
from dataclasses import replace
from typing import Any

import pytest

from core.access.policy import Actor, Place
from core.audit.record import CANCELLED, AuditRecord, AuditStep
from core.audit.store import AuditEntry, AuditFilter, TrailExtent
from core.errors import NotAllowed, ReadOnly, TooQuick
from core.guest_errors import GuestNotFound, SnapshotExists
from core.levels import Level
from tests.support.cards.sent import JA_AND_EN, Golden, checked, has_bare_markup, shown
from tests.support.fakes import NOW
from ui.audit.page import audit_page, audit_row
from ui.audit.text import LINE, audit_line, options_text
from ui.formatting import format_duration
from ui.i18n import Text
from ui.phone_lines import BODY, SMALL, width

AKIKO = Actor(2**62, "akiko", Place(1, 2, 3))
DAY = 86_400.0  # seconds
LANGUAGES = pytest.mark.parametrize("t", JA_AND_EN, ids=["ja", "en"])


def entry(
    step: AuditStep,
    operation: str,
    vmid: int | None = 101,
    guest: str = "web01",
    ago: float = 0.0,
    **more: Any,
) -> AuditEntry:
    record = AuditRecord(step, AKIKO, operation, vmid, guest=guest, **more)
    return AuditEntry(1, 1, NOW - ago, NOW - ago, record)


REFUSED, PLANNED, ENDED = AuditStep.REFUSED, AuditStep.PLANNED, AuditStep.ENDED
CHANGES = [
    entry(ENDED, "start", outcome="OK", seconds=12.0, upid="UPID:pve1:0:0:0:qmstart:101:bot@pve:"),
    entry(REFUSED, "snapshot_create", outcome=str(SnapshotExists(101, "web01", "x"))),
    entry(REFUSED, "stop", 103, "minecraft", outcome=str(NotAllowed(Level.ADMIN, Level.VIEWER))),
    entry(REFUSED, "start", 105, "valheim", outcome=str(ReadOnly("akiko", NOW, 5))),
    entry(REFUSED, "info", 999, "", outcome=str(GuestNotFound(999)), times=4),
    entry(PLANNED, "delete", 205, "grafana", DAY),
    entry(PLANNED, "delete", 205, "grafana", DAY, outcome=CANCELLED),
    entry(ENDED, "monitor_mute", None, "", DAY, detail="node/pve2 2h", outcome="OK"),
    entry(ENDED, "monitor_mute", 202, "proxy", DAY, detail="guest/202 3600 s", outcome="OK"),
    entry(ENDED, "monitor_unmute", 202, "proxy", DAY, detail="202", outcome="OK"),
    entry(ENDED, "shutdown", 103, "minecraft", DAY, outcome="got timeout", seconds=61.0),
    entry(ENDED, "stop", 102, "db01", DAY, outcome="OK", reason="in a hurry", seconds=3.0),
]
EVERYTHING = [
    entry(ENDED, "list", None, "", outcome="OK"),
    entry(PLANNED, "stop", detail="dry_run=True"),
    entry(REFUSED, "various", None, "", outcome=str(TooQuick(3, 2)), times=12),
    entry(ENDED, "resize", detail="cores=4 memory_mb=8192", outcome="OK", seconds=2.0),
    entry(ENDED, "monitor_remove", 104, "a-guest-with-a-very-long-name", outcome="OK"),
    replace(entry(ENDED, "readonly_on", None, "", outcome="OK"), site="home"),
    replace(entry(AuditStep.SENT, "snapshot_rollback"), site="home"),
]


@LANGUAGES
def test_audit_shows_each_kind_of_record(t: Text, golden: Golden) -> None:
    zone = datetime.UTC
    changes = AuditFilter(until=9, extent=TrailExtent.CHANGES)
    everything = AuditFilter(101, 5, "stop", NOW - DAY, 9, extent=TrailExtent.ENTRIES)
    views = [
        audit_page(t, CHANGES, 21, changes, "", 0, NOW, zone, several=False),
        audit_page(t, EVERYTHING, 7, everything, "akiko", 0, NOW, zone, several=False),
        audit_page(t, [], 0, changes, "", 0, NOW, zone, several=False),
    ]
    for view in views:
        checked(view)
    lines = [audit_line(t, each) for each in (*CHANGES, *EVERYTHING)]
    golden(f"audit.{t.language}", "\n\n".join([*map(shown, views), "\n".join(lines)]))


def seen(t: Text, line: str, name: str = "akiko") -> int:
    """Return how wide Discord shows a line. A mention is the name."""
    time = "00:00" if t.language == "ja" else "00:00 PM"
    text = re.sub(r"<t:\d+:t>", time, line.removeprefix("-# ")).replace(f"<@{AKIKO.user_id}>", f"@{name}")
    return width(re.sub("[*`]", "", text))


@LANGUAGES
def test_a_row_has_two_lines_on_a_phone_and_a_long_reason_its_own(t: Text) -> None:
    for each in (*CHANGES, *EVERYTHING):
        first, second, *reason = audit_row(t, each).split("\n")
        assert seen(t, first) <= BODY, first
        assert all(seen(t, line) <= SMALL for line in (second, *reason)), second
        assert len(reason) <= (each.record.operation in ("snapshot_create", "info")), reason
    assert audit_row(t, CHANGES[1]).endswith(t("snapshot already exists"))


@LANGUAGES
def test_each_line_of_a_row_has_words_and_fits_whatever_the_names(t: Text) -> None:
    outcomes = ("OK", "got timeout", CANCELLED, str(NotAllowed(Level.ADMIN, Level.VIEWER)))
    people = ("akiko", "admin akiko", "long-name-of-1", "長い名前の管理者")  # a mention is never cut
    for site, guest, who, outcome, times in itertools.product(
        ("", "parents"), ("", "web01", "homeassistant", "x" * 60), people, outcomes, (1, 12)
    ):
        asked = replace(entry(ENDED, "suspend", guest=guest, outcome=outcome, times=times), site=site)
        row = audit_row(t, replace(asked, record=replace(asked.record, actor=replace(AKIKO, name=who))))
        first, *others = row.split("\n")
        assert not has_bare_markup(row), row
        assert seen(t, first, who) <= BODY, row
        assert all(seen(t, line, who) <= SMALL for line in others), row


@LANGUAGES
def test_the_options_of_a_mute_are_in_words(t: Text) -> None:
    asked = entry(ENDED, "monitor_mute", 202, detail="202 90m").record
    pressed = replace(asked, detail="guest/202 5400 s")
    assert options_text(t, asked) == options_text(t, pressed) == format_duration(t, 5400)
    assert options_text(t, replace(asked, vmid=None)) == f"202 {format_duration(t, 5400)}"
    assert options_text(t, replace(asked, detail="202 soon")) == "soon"
    assert options_text(t, replace(asked, operation="monitor_unmute", detail="202")) == ""
    assert options_text(t, replace(asked, operation="resize", detail="")) == ""


@LANGUAGES
def test_a_line_of_the_channel_names_no_ids(t: Text) -> None:
    for each in (*CHANGES, *EVERYTHING):
        line = audit_line(t, each)
        assert "UPID" not in line
        assert "\n" not in line
        assert not re.search(r"`\d{17,}`", line)
        assert seen(t, line) <= LINE + 12, "a long reason may need a third row"

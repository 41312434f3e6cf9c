"""Test the words of alerts, the history and the status in every state, with all foreign text inactive."""

import re
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from typing import Any, get_type_hints

import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core.errors import BotError, JournalFailed
from core.guest import HALTED_STATES, PASSING_STATES, Kind, State
from core.proxmox_errors import (
    CertificateNotTrusted,
    HalfGone,
    MissingPrivilege,
    NodeUnreachable,
    Rejected,
    TimedOut,
    Unreachable,
)
from core.watch.incidents.model import (
    ALL,
    ONE_OFF,
    SOURCE,
    BackupFact,
    GuestEvent,
    GuestFact,
    Incident,
    Message,
    MessageKind,
    Metric,
    Mute,
    Severity,
    SourceFault,
    Topic,
)
from core.watch.incidents.offers import can_start, guest_of, has_log
from core.watch.incidents.state import GuestState
from core.watch.journal import Backlog, OutboxMessage
from tests.support.cards.sent import checked, outside_code, shown
from tests.support.fakes import NOW
from tests.support.walked import walked
from tests.ui.test_formatting import ATTACKS, DB, WEB, cluster, foreign, harmless_characters
from ui.cards import card
from ui.formatting import Colour
from ui.i18n import Language, Text, Texts
from ui.interaction.buttons import alert_buttons
from ui.interaction.custom_ids import ALERT
from ui.messages.errors import error_sentence
from ui.messages.proxmox_errors import PROXMOX_WORDS
from ui.messages.subjects import subject_label, subject_name
from ui.watch.alert_text import CONTENT_MOST, alert_text, outcome_word
from ui.watch.incidents.details import error_of, work_word
from ui.watch.incidents.text import HEADS, OVER, RECOVERIES, SHORT
from ui.watch.status.cards import status_card
from ui.watch.status.words import WatchStatus
from ui.watch.trial import Trial, trial_card
from ui.watch.views import history_card, muted_card, unmuted_card

Golden = Callable[[str, str], None]
TEXTS = Texts("ja")
EN, JA = TEXTS.of("en"), TEXTS.of("ja")
languages = pytest.mark.parametrize("language", ["ja", "en"])
ROLE = "<@&4711>"


def fact(what: GuestEvent = GuestEvent.STOPPED, vmid: int = 101, **values: Any) -> GuestFact:
    return replace(GuestFact(vmid, what, Kind.QEMU, "pve1", "web01" if vmid == 101 else f"g{vmid}"), **values)


def incident(topic: Topic, level: Severity = Severity.CRITICAL, **values: Any) -> Incident:
    over: dict[str, Any] = {"ended": NOW, "seconds": 0.0} if topic in ONE_OFF else {}
    return replace(Incident(17, topic, "guest/101", level, NOW, 0.0), **over, **values)


def over(begun: Incident, seconds: float = 725, **values: Any) -> Incident:
    return replace(begun, ended=NOW + seconds, seconds=seconds, **values)


def guest_is(what: GuestEvent, begun: Incident, **values: Any) -> tuple[GuestFact, ...]:
    return (replace(begun.guests[0], what=what, **values), *begun.guests[1:])


DOWN = incident(Topic.GUEST, guests=(fact(),))
THRESHOLD = incident(
    Topic.THRESHOLD,
    Severity.WARNING,
    guests=(fact(GuestEvent.BACK),),
    metric=Metric.CPU,
    percent=97.4,
    limit=90,
)
STORAGE = incident(Topic.STORAGE, Severity.WARNING, storage="local", node="pve1", percent=91.0, limit=90)
SHARED = replace(STORAGE, storage="nfs", node="")
NODE = incident(Topic.NODE, node="pve2", guests=(fact(), fact(vmid=105)))
FLAPS = incident(Topic.FLAPPING, Severity.WARNING, guests=(fact(GuestEvent.FLAPPING),))
OLD = incident(
    Topic.STALE,
    Severity.WARNING,
    node="pve2",
    guests=(fact(GuestEvent.UNKNOWN), fact(GuestEvent.UNKNOWN, 105)),
)
UNSEEN = incident(Topic.BLIND, node="pve2", guests=(fact(GuestEvent.UNKNOWN), fact(GuestEvent.UNKNOWN, 105)))
READ = incident(Topic.SOURCE, fault=SourceFault.of(Unreachable("pve1")), watched=12)
FULL = replace(THRESHOLD, metric=Metric.DISK, percent=93.4, mount="/srv")
SILENT = incident(
    Topic.UNMEASURED,
    Severity.WARNING,
    guests=(fact(GuestEvent.UNKNOWN),),
    metric=Metric.DISK,
    fault=SourceFault.of(Rejected(500, "QEMU guest agent is not running")),
)
MANY = incident(
    Topic.GROUP,
    guests=(
        *(fact(vmid=vmid) for vmid in range(101, 107)),
        fact(GuestEvent.IO_ERROR, 110),
        fact(GuestEvent.HALTED, 114, state=State.PANICKED),
        fact(GuestEvent.HALTED, 115, state=State.WATCHDOG),
        fact(GuestEvent.STUCK, 116, state=State.PRELAUNCH),
        fact(GuestEvent.MISSING, 111),
        fact(GuestEvent.RESTARTED, 112),
        fact(GuestEvent.STOPPED, 113, by="root@pam", task="qmstop"),
    ),
)
BACKUPS = (
    BackupFact("pve1", 101, "root@pam", "unable to open file"),
    BackupFact("pve2", None, "backup@pve!job", "job errors"),
)
BY: dict[str, Any] = {"by": "root@pam", "task": "qmstop"}

OPENINGS: dict[str, Incident] = {
    "down": DOWN,
    "down, acknowledged and muted": replace(DOWN, acked_by="Akiko", acked=NOW + 60, muted_until=NOW + 3600),
    "down, after a backup": replace(DOWN, guests=(fact(task="vzdump"),)),
    "down, after its node": replace(DOWN, guests=(fact(after_node=True),)),
    "down, moved by HA": replace(DOWN, guests=(fact(after_ha=True),)),
    "down while the bot was away": replace(DOWN, guests=(fact(away=True, kind=Kind.LXC, name=None),)),
    "I/O error": replace(DOWN, guests=(fact(GuestEvent.IO_ERROR),)),
    **{
        f"down, {state.value}": replace(DOWN, guests=(fact(GuestEvent.HALTED, state=state),))
        for state in sorted(HALTED_STATES - {State.IO_ERROR})
    },
    **{
        f"down, stuck in {state.value}": replace(DOWN, guests=(fact(GuestEvent.STUCK, state=state),))
        for state in sorted(PASSING_STATES)
    },
    "missing": replace(DOWN, guests=(fact(GuestEvent.MISSING),)),
    "back": over(DOWN, guests=(fact(GuestEvent.BACK),), acked_by="Akiko", acked=NOW + 60),
    "back, after a backup": over(DOWN, guests=(fact(GuestEvent.BACK, task="vzdump"),)),
    "down, then flapping": over(DOWN, guests=(fact(GuestEvent.FLAPPING),), forgotten=True),
    "down, then deleted": over(DOWN, guests=(fact(GuestEvent.MISSING),), forgotten=True),
    "down, then not watched": over(DOWN, guests=(fact(GuestEvent.FORGOTTEN),), forgotten=True),
    "many": MANY,
    "many, some back": replace(MANY, guests=(*guest_is(GuestEvent.BACK, MANY)[:1], *MANY.guests[1:])),
    "many, all back": over(MANY, guests=tuple(replace(one, what=GuestEvent.BACK) for one in MANY.guests[:9])),
    "many, none watched": over(
        MANY,
        guests=(fact(GuestEvent.FORGOTTEN), fact(GuestEvent.FLAPPING, 102)),
        forgotten=True,
    ),
    "many restarted": over(
        replace(MANY, level=Severity.WARNING),
        0.0,
        guests=tuple(fact(GuestEvent.RESTARTED, vmid) for vmid in range(101, 108)),
    ),
    "many stopped by somebody": over(
        replace(MANY, level=Severity.INFO),
        0.0,
        guests=tuple(fact(vmid=vmid, **BY) for vmid in range(101, 108)),
    ),
    "many back after an outage": over(
        replace(MANY, level=Severity.INFO),
        0.0,
        guests=(fact(GuestEvent.BACK, away=True), fact(GuestEvent.BACK, 102)),
    ),
    "many elsewhere": over(
        replace(MANY, level=Severity.INFO),
        0.0,
        guests=tuple(fact(GuestEvent.ELSEWHERE, vmid, node="pve2") for vmid in range(101, 108)),
    ),
    "node": NODE,
    "node, muted": replace(NODE, muted_until=NOW + 60),
    "storage, muted": replace(STORAGE, muted_until=NOW + 60),
    "group, muted": replace(MANY, muted_until=NOW + 60),
    "node without watched guests": replace(NODE, guests=()),
    "node, back": over(NODE),
    "node, gone": over(NODE, forgotten=True),
    "old figures": OLD,
    "old figures, muted": replace(OLD, guests=(), muted_until=NOW + 60),
    "old figures, new": over(OLD),
    "old figures, node gone": over(OLD, forgotten=True),
    "not known": UNSEEN,
    "not known, muted": replace(UNSEEN, muted_until=NOW + 60),
    "not known, one": replace(UNSEEN, guests=UNSEEN.guests[:1]),
    "not known, never listed": replace(UNSEEN, node="", guests=UNSEEN.guests[:1]),
    "not known, seen": over(UNSEEN),
    "not known, one, seen": over(UNSEEN, guests=UNSEEN.guests[:1]),
    "not known, not watched": over(UNSEEN, forgotten=True),
    "source": READ,
    "source, one watched": replace(READ, watched=1, fault=SourceFault.of(HalfGone(7, 12))),
    "source, for a reason of another version": replace(READ, fault=SourceFault("Unheard", (("x", "y"),))),
    "source, back": over(READ),
    "CPU": THRESHOLD,
    "memory": replace(THRESHOLD, metric=Metric.MEMORY),
    "disk, muted": replace(THRESHOLD, metric=Metric.DISK, muted_until=NOW + 60),
    "disk of a VM": FULL,
    "disk of a VM, agent silent": replace(FULL, unknown=True),
    "disk of a VM, over": over(FULL, percent=71.0),
    "disk of a VM, a hostile place": replace(
        FULL, mount="/`@everyone` [x](https://evil.example)\u202e\n" + "a" * 90
    ),
    "disk not known": SILENT,
    "disk not known, no file systems": replace(SILENT, fault=None),
    "disk not known, no privilege": replace(
        SILENT,
        guests=tuple(fact(GuestEvent.UNKNOWN, vmid) for vmid in (101, 102)),
        fault=SourceFault.of(MissingPrivilege("VM.GuestAgent.Audit", "/vms/101")),
    ),
    "disk not known, many": replace(
        SILENT,
        guests=tuple(fact(GuestEvent.UNKNOWN, vmid) for vmid in range(101, 161)),
        fault=SourceFault.of(NodeUnreachable("pve1")),
    ),
    "CPU, over": over(THRESHOLD, percent=41.0),
    "CPU, no longer measured": over(THRESHOLD, forgotten=True),
    "storage": STORAGE,
    "shared storage": SHARED,
    "storage, over": over(STORAGE, percent=80.0),
    "storage, no longer measured": over(SHARED, forgotten=True),
    "flapping": FLAPS,
    "flapping, calm": over(FLAPS, guests=(fact(GuestEvent.BACK),)),
    "flapping, down": over(FLAPS, guests=(fact(GuestEvent.STOPPED),)),
    "flapping, not watched": over(FLAPS, forgotten=True),
    "restart": incident(Topic.RESTART, Severity.WARNING, guests=(fact(GuestEvent.RESTARTED, away=True),)),
    "node of many": replace(NODE, guests=tuple(fact(vmid=vmid) for vmid in range(101, 113))),
    "back, with its mute": over(DOWN, guests=(fact(GuestEvent.BACK),), unmuted=True),
    "back, still muted": over(
        DOWN, guests=(fact(GuestEvent.BACK),), muted_until=NOW + 90_000, can_unmute=True
    ),
    "node, back, still muted": over(NODE, muted_until=NOW + 90_000, can_unmute=True),
    "down with a long name": replace(DOWN, guests=(fact(name="あ" * 63, node="n" * 63),)),
    "backup with a log": incident(
        Topic.BACKUP, Severity.WARNING, backups=(replace(BACKUPS[1], upid="UPID:pve2:"),)
    ),
    "backup": incident(Topic.BACKUP, Severity.WARNING, backups=BACKUPS[:1]),
    "backup job": incident(Topic.BACKUP, Severity.WARNING, backups=BACKUPS[1:]),
    "backups": incident(Topic.BACKUP, Severity.WARNING, backups=BACKUPS),
    "stopped by somebody": incident(Topic.NOTE, Severity.INFO, guests=(fact(**BY),)),
    "shut down by somebody": incident(
        Topic.NOTE, Severity.INFO, guests=(fact(by="root@pam", task="qmshutdown"),)
    ),
    "deleted by somebody": incident(
        Topic.NOTE, Severity.INFO, guests=(fact(GuestEvent.MISSING, by="root@pam"),)
    ),
    "restarted by somebody": incident(Topic.NOTE, Severity.INFO, guests=(fact(GuestEvent.RESTARTED, **BY),)),
    "by nobody known": incident(Topic.NOTE, Severity.INFO, guests=(fact(),)),
    "elsewhere": incident(Topic.NOTE, Severity.INFO, guests=(fact(GuestEvent.ELSEWHERE, node="pve3"),)),
}


def outbox_message(
    post: MessageKind, *incidents: Incident, text: str = "", created: float = NOW
) -> OutboxMessage:
    ids = tuple(each.id for each in incidents)
    return OutboxMessage(Message(3, post, created, ids, text=text), incidents)


def message_text(t: Text, sent: OutboxMessage, late: float | None = None, mention: str = "") -> str:
    """Return the first line, and the details below it."""
    text = alert_text(t, sent, late, mention)
    return "\n".join(filter(None, (text.content, text.details)))


EDGES = {Colour.BAD: "red", Colour.WARN: "amber", Colour.GOOD: "green", Colour.QUIET: "grey"}


def told(t: Text, sent: OutboxMessage, late: float | None = None, mention: str = "") -> str:
    """Return the message with its edge, its details and the buttons below them."""
    text = alert_text(t, sent, late, mention)
    lines = [text.content]
    if text.details:
        edge = EDGES[Colour(text.colour)]
        lines += [f"{edge} | {line}" for line in text.details.splitlines()]
    if len(sent.incidents) == 1 and sent.stored.post is not MessageKind.RECOVERY:
        buttons = alert_buttons(t, sent.incidents[0], "", edited=sent.stored.post is MessageKind.OPENING)
        faces = [f"[{button.item.label}] {button.item.custom_id}" for button in buttons]
        lines += faces
    return "\n".join(lines)


Told = tuple[str, OutboxMessage, float | None, str]


def everything() -> list[Told]:
    """Return one example of each: its kind, the message, how late it is and whom it mentions."""
    made: list[Told] = [
        (name, outbox_message(MessageKind.OPENING, each), None, "") for name, each in OPENINGS.items()
    ]
    made += [
        ("late, with a mention", outbox_message(MessageKind.OPENING, DOWN), 754.0, ROLE),
        (
            "over before it was posted, with a mention",
            outbox_message(MessageKind.OPENING, OPENINGS["back"]),
            7200.0,
            ROLE,
        ),
    ]
    made += [
        (f"recovery of {name}", outbox_message(MessageKind.RECOVERY, each), None, "")
        for name, each in OPENINGS.items()
        if not each.open and each.topic not in ONE_OFF and not each.forgotten and each.seconds
        if name != "flapping, down"
    ]
    later = NOW + 4 * 3600
    made += [
        (f"reminder of {name}", outbox_message(MessageKind.REMINDER, each, created=later), None, "")
        for name, each in OPENINGS.items()
        if each.open or name == "back"
    ]
    some = [each for each in OPENINGS.values() if each.level is not Severity.CRITICAL]
    made += [
        ("unmuted", outbox_message(MessageKind.UNMUTED, *some, DOWN), None, "<@&4711>"),
        ("digest", outbox_message(MessageKind.DIGEST, *some, DOWN, OPENINGS["back"]), 61.0, ""),
        ("digest of one", outbox_message(MessageKind.DIGEST, THRESHOLD), None, ""),
        ("test", outbox_message(MessageKind.TEST), None, ""),
        ("word", outbox_message(MessageKind.WORD, text="⚠️ The watch list could not be read."), None, ""),
        ("forgotten by the journal", outbox_message(MessageKind.OPENING), None, ""),
    ]
    return made


@languages
def test_every_message(language: Language, golden: Golden) -> None:
    t = TEXTS.of(language)
    texts = [f"== {name}\n{told(t, sent, late, mention)}" for name, sent, late, mention in everything()]
    golden(f"alerts.{language}", "\n\n".join(texts))


def test_every_topic_has_all_its_words() -> None:
    for table in (HEADS, OVER, RECOVERIES, SHORT):
        assert set(table) == set(Topic)
    assert {each.topic for each in OPENINGS.values() if each.open} == set(Topic) - ONE_OFF
    assert {each.topic for each in OPENINGS.values() if not each.open} == set(Topic)
    assert {fact.what for each in OPENINGS.values() for fact in each.guests} == set(GuestEvent)


def test_a_list_calls_only_guests_unwatched_that_certainly_are() -> None:
    """Guests of unknown state may be on a node that went offline, and those of a group may have been deleted."""
    words = {
        each.topic: outcome_word(EN, over(each, forgotten=True)) for each in (UNSEEN, MANY, FLAPS, THRESHOLD)
    }
    assert words == {
        Topic.BLIND: "ended without recovery",
        Topic.GROUP: "ended without recovery",
        Topic.FLAPPING: "No longer watched",
        Topic.THRESHOLD: "no longer measured",
    }


@walked("topic", Topic)
@walked("what", GuestEvent)
@walked("forgotten", [False, True])
def test_no_combination_is_without_words(topic: Topic, what: GuestEvent, forgotten: bool) -> None:
    """This includes combinations that the watch does not produce today."""
    begun = incident(topic, guests=(fact(what),), backups=BACKUPS[:1], storage="nfs", metric=Metric.CPU)
    for t in (EN, JA):
        for each in (replace(begun, ended=None), over(begun, forgotten=forgotten), over(begun, 0.0)):
            for post in MessageKind:
                text = message_text(t, outbox_message(post, each, text="x"))
                assert text
                assert len(text) <= CONTENT_MOST
            alert_buttons(t, each, "")


# --- the first line ---


@walked("name", OPENINGS)
def test_the_first_line_has_the_sign_and_the_mention(name: str) -> None:
    """A notification shows only the first line, and a mention works only in the content."""
    for t in (EN, JA):
        text = alert_text(t, outbox_message(MessageKind.OPENING, OPENINGS[name]), None, ROLE)
        assert text.content.startswith(("🔴 ", "⚠️ ", "⚪ ", "🟢 "))
        assert text.content.endswith(f" {ROLE}")
        assert ROLE not in text.details
        assert text.details


SIGNS = {"🔴": "red", "⚠": "amber", "🟢": "green", "⚪": "grey"}


@walked("name", OPENINGS)
def test_the_edge_has_the_colour_of_the_sign_or_is_grey_while_muted(name: str) -> None:
    each = OPENINGS[name]
    text = alert_text(EN, outbox_message(MessageKind.OPENING, each))
    muted = each.open and each.muted_until is not None
    assert EDGES[Colour(text.colour)] == ("grey" if muted else SIGNS[text.content[0]])


def test_an_unexpected_stop_and_an_ordered_one_differ_at_a_glance() -> None:
    ordered = OPENINGS["shut down by somebody"]
    for t in (EN, JA):
        alarm, note = (alert_text(t, outbox_message(MessageKind.OPENING, each)) for each in (DOWN, ordered))
        assert (alarm.content[0], EDGES[Colour(alarm.colour)]) == ("🔴", "red")
        assert (note.content[0], EDGES[Colour(note.colour)]) == ("⚪", "grey")
        assert "root@pam" in note.content


LINE_MOST = 110  # characters


def readable(content: str) -> str:
    """Return the line as a notification shows it."""
    return re.sub(r"[*`]", "", re.sub(r"<t:\d+:t>", "18:37", content))


def test_each_first_line_is_one_short_line_with_ordinary_names() -> None:
    for language in ("ja", "en"):
        for name, sent, late, _ in everything():
            text = alert_text(TEXTS.of(language), sent, late)
            assert "\n" not in text.content, name
            assert len(readable(text.content)) <= LINE_MOST, (name, text.content)


def test_each_first_line_names_the_event_and_its_subject() -> None:
    """A burst of six, each read from its notification alone."""
    burst = {
        "db01": replace(DOWN, guests=(fact(name="db01"),)),
        "web02": replace(OPENINGS["shut down by somebody"], guests=(fact(name="web02", by="root@pam"),)),
        "pve2": NODE,
        "nfs": SHARED,
        "nas": incident(
            Topic.BACKUP, Severity.WARNING, backups=(BackupFact("pve3", 107, "a@pve", "job errors", "nas"),)
        ),
        "g105": replace(MANY, guests=(fact(vmid=105), fact(vmid=106))),
    }
    for t in (EN, JA):
        told = {
            name: alert_text(t, outbox_message(MessageKind.OPENING, each)) for name, each in burst.items()
        }
        for name, text in told.items():
            assert f"`{name}`" in text.content
            assert len(readable(text.content)) <= LINE_MOST
        assert len({text.content.replace(name, "") for name, text in told.items()}) == len(burst)


def test_a_long_name_is_cut_in_the_first_line_and_whole_below() -> None:
    name = "あ" * 63
    for each in (
        replace(DOWN, guests=(fact(name=name, node="n" * 63),)),
        incident(Topic.NOTE, Severity.INFO, guests=(fact(name=name, by="b" * 60 + "@pam", task="qmstop"),)),
        incident(Topic.BACKUP, Severity.WARNING, backups=(BackupFact("n" * 63, 101, "r", "e", name),)),
    ):
        for t in (EN, JA):
            text = alert_text(t, outbox_message(MessageKind.OPENING, each))
            assert name not in text.content
            assert f"`{name}`" in text.details
            assert len(readable(text.content)) <= LINE_MOST
            assert "`" not in masked(text.content)


def test_a_node_names_five_guests_and_counts_all() -> None:
    text = alert_text(EN, outbox_message(MessageKind.OPENING, OPENINGS["node of many"])).details
    assert "12 watched guests on it: **101** `web01`, " in text
    assert text.count("**") == 2 * 5
    assert text.endswith("`g105` … and 7 more")


def test_only_recoveries_are_green() -> None:
    green = {
        name
        for name, each in OPENINGS.items()
        if message_text(EN, outbox_message(MessageKind.OPENING, each))[0] == "🟢"
    }
    assert green == {
        "back",
        "back, after a backup",
        "back, with its mute",
        "back, still muted",
        "node, back, still muted",
        "many, all back",
        "many back after an outage",
        "node, back",
        "source, back",
        "old figures, new",
        "not known, seen",
        "not known, one, seen",
        "CPU, over",
        "disk of a VM, over",
        "storage, over",
        "flapping, calm",
    }


def test_a_message_begins_and_ends_with_something_to_read() -> None:
    """Discord strips spaces from both ends. A message whose answer got lost is recognized by its content."""
    for _, sent, late, mention in everything():
        text = message_text(EN, sent, late, mention)
        assert text == text.strip()


def test_a_reminder_that_comes_after_the_end_says_that_it_is_over() -> None:
    text = message_text(EN, outbox_message(MessageKind.REMINDER, OPENINGS["back"]))
    assert text.startswith("🟢")
    assert "Still" not in text


# --- buttons ---


@walked("name", OPENINGS)
def test_alert_buttons_fit_the_incident(name: str) -> None:
    each = OPENINGS[name]
    ids = [str(button.item.custom_id) for button in alert_buttons(EN, each, "")]
    assert all(ALERT.fullmatch(custom_id) for custom_id in ids)
    whats = {custom_id.split(":")[1] for custom_id in ids}
    assert len(whats) == len(ids) <= 6
    assert ("ack" in whats) is (each.open and each.acked is None)
    assert ({"mute1", "mute8"} <= whats) is each.open
    assert ("start" in whats) is can_start(each)
    assert ("details" in whats) is (guest_of(each) is not None or has_log(each))
    assert ("unmute" in whats) is each.can_unmute
    if not each.open:
        assert whats <= {"details", "unmute", "chart", "nodechart"}
    assert ("chart" in whats) is (guest_of(each) is not None and each.topic is not Topic.BACKUP)
    if each.topic in (Topic.GROUP, Topic.NODE, Topic.STALE, Topic.SOURCE, Topic.STORAGE):
        assert "details" not in whats


def test_only_a_stopped_guest_can_be_started() -> None:
    startable = {name for name, each in OPENINGS.items() if can_start(each)}
    assert startable == {
        name
        for name in OPENINGS
        if re.match("down(?!, then|, stuck|, [a-z]+-|, watchdog|, debug|, postmigrate)", name)
    }


def test_a_message_that_is_not_edited_says_so_in_its_buttons() -> None:
    """A press on such a message is therefore answered with a message of its own."""
    for button in alert_buttons(EN, DOWN, "", edited=False):
        match = ALERT.fullmatch(str(button.item.custom_id))
        assert match
        assert match["unedited"] == ":r"
        assert match["incident"] == "17"


@languages
def test_labels_fit_onto_buttons(language: Language) -> None:
    for button in alert_buttons(TEXTS.of(language), DOWN, ""):
        assert 1 <= len(str(button.item.label)) <= 38


# --- why Proxmox cannot be read ---


def samples(error: type[BotError]) -> list[BotError]:
    values: dict[Any, list[Any]] = {
        str: ["pve1"],
        int: [7],
        bool: [True, False],
        str | None: ["AA:BB", None],
        int | None: [101, None],
    }
    hints = get_type_hints(error)
    names = [each.name for each in fields(error)]  # type: ignore[arg-type]  # every subclass is a dataclass
    return [
        error(**{name: values[hints[name]][index % len(values[hints[name]])] for name in names})
        for index in (0, 1)
    ]


@walked("error", PROXMOX_WORDS)
def test_every_fault_becomes_its_error_again(error: type[BotError]) -> None:
    for example in samples(error):
        again = error_of(SourceFault.of(example))
        assert type(again) is error
        assert str(again) == str(example)
        assert error_sentence(EN, again) in message_text(
            EN, outbox_message(MessageKind.OPENING, replace(READ, fault=SourceFault.of(example)))
        )


@walked(
    "fault",
    [
        None,
        SourceFault("Unheard"),
        SourceFault("ProxmoxError"),
        SourceFault("dataclass"),
        SourceFault("__name__"),
        SourceFault("Unreachable"),
        SourceFault("Unreachable", (("port", "8006"),)),
        SourceFault("HalfGone", (("gone", "many"), ("known", "7"))),
    ],
)
def test_a_fault_of_another_version_is_passed_over(fault: SourceFault | None) -> None:
    assert error_of(fault) is None
    text = message_text(EN, outbox_message(MessageKind.OPENING, replace(READ, fault=fault)))
    assert len(text.splitlines()) == 2, "the first line and the time, without a reason"


def test_flags_and_none_are_kept_apart_from_their_words() -> None:
    assert error_of(SourceFault.of(TimedOut("h", False))).__dict__ == TimedOut("h", False).__dict__
    assert error_of(SourceFault.of(CertificateNotTrusted("h", None))).__dict__["fingerprint"] is None


# --- work under way ---


@walked("work", ["backup", "vzdump", "snapshot-delete", "qmigrate", "hamigrate", "vzreboot"])
def test_known_work_has_a_noun(work: str) -> None:
    assert "`" not in work_word(EN, work)
    assert "`" not in work_word(JA, work)


def test_other_work_keeps_the_word_of_proxmox() -> None:
    assert work_word(EN, "move_volume") == "`move_volume`"


# --- hostile text ---


def hostile_incidents(evil: str) -> list[Incident]:
    bad: dict[str, Any] = {"node": evil, "name": evil, "by": evil, "task": evil}
    made = []
    for each in OPENINGS.values():
        facts = tuple(replace(one, **bad) for one in each.guests)
        backups = tuple(BackupFact(evil, one.vmid, evil, evil) for one in each.backups)
        made.append(
            replace(
                each,
                guests=facts,
                backups=backups,
                node=evil,
                storage=evil if each.storage else "",
                fault=SourceFault.of(Rejected(500, evil)),
                acked_by=evil,
                acked=NOW,
                muted_until=NOW,
            )
        )
        made.append(replace(made[-1], guests=tuple(replace(one, by="") for one in facts)))
    return made


POSTS = (MessageKind.OPENING, MessageKind.RECOVERY, MessageKind.REMINDER)


def hostile_texts(t: Text, evil: str, posts: Iterable[MessageKind] = POSTS) -> list[str]:
    incidents = hostile_incidents(evil)
    texts = [message_text(t, outbox_message(post, each), 100.0) for each in incidents for post in posts]
    texts.append(message_text(t, outbox_message(MessageKind.DIGEST, *incidents[:12])))
    status = replace(STATUS, stuck=evil, heartbeat=evil, mutes=(Mute(f"node/{evil}", 1, NOW, evil),))
    views = [
        history_card(t, incidents[:10], 10, 101, 0, NOW, site=""),
        status_card(t, replace(status, sees_no_tasks=True, read_error=Unreachable(evil)), None, NOW),
        muted_card(t, Mute(f"storage/{evil}", 1.0, NOW), None, NOW),
        unmuted_card(t, evil, None),
        trial_card(t, Trial(replace(outbox_message(MessageKind.TEST), error=evil), evil, 1, 2)),
    ]
    for view in views:
        checked(view)
        texts.append(shown(view))
    return texts


ACTIVE = re.compile(r"<[@:/a]|@everyone|@here|http(?!s://discord\.com/channels/1/2)|\]\(|\|\||~~")


def masked(text: str) -> str:
    return outside_code(text)


@hypothesis_settings(max_examples=10)
@given(foreign, st.sampled_from((EN, JA)))
def test_foreign_text_stays_in_its_code_span(evil: str, t: Text) -> None:
    """The number of names that fit depends on their length. Every name shown is in a code span."""
    evil = f"Ж{evil.replace('/', '')}Ж"
    assume(len(evil) > 2)
    for text in hostile_texts(t, evil):
        rest = masked(text)
        assert "`" not in rest
        assert "Ж" not in rest
        assert not re.search(
            r"<[@:/a]|@everyone|@here|http(?!s://discord\.com/channels/1/2)|\]\(|\|\||~~", rest
        ), rest
        assert re.sub(r"<t:\d+:[Rft]>|<#2>", "", rest).count("<") == 0
        assert harmless_characters(text.replace("\n", "").replace("\ufe0f", ""))


@walked("evil", ATTACKS)
def test_each_attack_alone(evil: str) -> None:
    at = ATTACKS.index(evil)
    t = (EN, JA)[at % 2]  # names are treated the same in each language and each kind of message
    for text in hostile_texts(t, f"Ж{evil.replace('/', '')}Ж", [POSTS[at % len(POSTS)]]):
        rest = masked(text)
        assert "Ж" not in rest
        assert "`" not in rest


# --- limits ---

LONG = "x" * 200


@languages
def test_hundreds_at_once_fit_into_one_message(language: Language) -> None:
    t = TEXTS.of(language)
    facts = tuple(
        fact(what, 999_990_000 + number, name=LONG, node=LONG, by=LONG if number % 3 else "", away=True)
        for number, what in enumerate(list(GuestEvent) * 60)
    )
    backups = tuple(BackupFact(LONG, 999_999_999, LONG, LONG) for _ in range(200))
    answers: dict[str, Any] = {"acked_by": LONG, "acked": NOW, "muted_until": NOW}
    for each in (
        replace(MANY, guests=facts, **answers),
        over(MANY, guests=facts, **answers),
        replace(NODE, guests=facts, node=LONG, **answers),
        replace(OPENINGS["backups"], backups=backups, **answers),
        replace(READ, fault=SourceFault.of(Rejected(500, LONG * 50)), **answers),
        replace(SILENT, guests=facts, fault=SourceFault.of(Rejected(500, LONG * 50)), muted_until=NOW),
        replace(FULL, guests=facts[:1], mount=LONG * 50, **answers),
    ):
        for post in (MessageKind.OPENING, MessageKind.REMINDER, MessageKind.RECOVERY):
            text = message_text(t, outbox_message(post, each), 1e9, ROLE)
            assert len(text) <= CONTENT_MOST
            assert text.splitlines()[-1].startswith(("-#", "🟢"))
            assert "`" not in masked(text), "nothing was cut in the middle"
    digest = message_text(t, outbox_message(MessageKind.DIGEST, *[replace(MANY, guests=facts)] * 300), 1e9)
    assert len(digest) <= CONTENT_MOST
    assert "`" not in masked(digest)
    assert re.search(r"\b29\d\b", digest), "how many more there are"
    assert len(message_text(t, outbox_message(MessageKind.WORD, text="w" * 5000))) == CONTENT_MOST


@walked("t", [JA, EN])
def test_an_alert_about_a_few_guests_with_long_names_names_each(t: Text) -> None:
    """The first line has no room for all of them, so that the details name them."""
    for count in range(2, 6):
        facts = tuple(fact(GuestEvent.UNKNOWN, 100 + number, name="n" * 32) for number in range(count))
        for each in (SILENT, replace(SILENT, fault=None), UNSEEN, OLD, MANY):
            text = message_text(t, outbox_message(MessageKind.OPENING, replace(each, guests=facts)))
            assert [vmid for vmid in range(100, 100 + count) if f"**{vmid}**" not in text] == [], each.topic


@walked("t", [JA, EN])
def test_an_alert_that_is_over_names_each_guest_however_it_ended(t: Text) -> None:
    for one in (fact(), fact(GuestEvent.UNKNOWN), fact(GuestEvent.FORGOTTEN)):
        for facts in ((one,), (one, replace(one, vmid=105))):
            for each in (UNSEEN, MANY) if len(facts) > 1 else (DOWN, THRESHOLD, FLAPS, UNSEEN, MANY):
                for forgotten in (True, False):
                    ended = over(each, guests=facts, forgotten=forgotten)
                    text = message_text(t, outbox_message(MessageKind.OPENING, ended))
                    assert all(f"**{known.vmid}**" in text for known in facts), (each.topic, forgotten)


@walked("t", [JA, EN])
def test_a_digest_and_the_history_name_each_of_a_few_guests(t: Text) -> None:
    """Neither has details, and during quiet hours the digest is the only message."""
    facts = tuple(fact(GuestEvent.UNKNOWN, vmid, name="n" * 20) for vmid in range(101, 106))
    backups = tuple(BackupFact("pve1", each.vmid, "root@pam", "no space") for each in facts)
    for each in (SILENT, UNSEEN, replace(OPENINGS["backups"], backups=backups), MANY):
        told = each if each.backups else replace(each, guests=facts)
        digest = message_text(t, outbox_message(MessageKind.DIGEST, told))
        (past,) = checked(history_card(t, [told], 1, None, 0, NOW, site=""))[1:2]
        for text in (digest, past):
            assert [known.vmid for known in facts if f"**{known.vmid}**" not in text] == [], each.topic


@walked("t", [JA, EN])
def test_no_row_of_a_group_is_left_out(t: Text) -> None:
    """The heads and counts of a group's rows are shown even if the rows before them name many guests."""
    people = [f"somebody{n}@pve" for n in range(6)]
    facts = [fact(vmid=100 + n, name="x" * 60, by=people[n % 6], task="qmstop") for n in range(240)]
    facts += [fact(GuestEvent.RESTARTED, 900 + n, name="y" * 60) for n in range(40)]
    text = message_text(t, outbox_message(MessageKind.OPENING, replace(MANY, guests=tuple(facts))))
    assert len(text) <= CONTENT_MOST
    assert len(re.findall(r"\(40\):|（40 台）:", text)) == 7


def test_a_group_names_its_guests_by_what_happened() -> None:
    text = message_text(EN, outbox_message(MessageKind.OPENING, MANY))
    assert "**Stopped** (6): **101** `web01`, **102** `g102`" in text
    assert "**Stopped by `root@pam`** (1): **113** `g113`" in text
    assert text.startswith("🔴 11 guests down: **101** `web01`, **102** `g102`, "), (
        "whoever stopped it wanted that"
    )


# --- the history and the state of the watch ---

STATUS = WatchStatus(
    last_read=NOW - 12,
    interval=60.0,
    read_error=None,
    failures=0,
    open=0,
    undelivered=Backlog(),
    stuck="",
    journal_error=None,
    heartbeat="",
    last_beat=NOW - 10,
)
MUTES = (
    Mute(ALL, 60.0, NOW + 60, "Akiko"),
    Mute("guest/101", 60.0, NOW + 120, "Emma"),
    Mute("guest/999", 60.0, NOW + 120),
    Mute("node/pve1", 60.0, NOW + 120),
    Mute("storage/nfs", 60.0, NOW + 120),
    Mute("storage/pve1/local", 60.0, NOW + 120),
    Mute(SOURCE, 60.0, NOW + 120),
)
UNWELL = replace(
    STATUS,
    last_read=NOW - 600,
    read_error=TimedOut("pve1", False),
    failures=4,
    open=3,
    undelivered=Backlog(5, NOW - 300, 1, "403 Missing Access"),
    journal_error=JournalFailed("ENOSPC"),
    heartbeat="HTTP 500",
    mutes=MUTES,
    sees_no_tasks=True,
    unknown=(GuestState(101, name="web01"), GuestState(105)),
    unmeasured=(GuestState(102, name="db01"),),
    stale=("pve2",),
)


@languages
def test_monitor_views(language: Language, golden: Golden) -> None:
    t, here = TEXTS.of(language), cluster(WEB, DB)
    delivered = replace(outbox_message(MessageKind.TEST), posted=4711)
    waiting = replace(STATUS, undelivered=Backlog(1, NOW - 5), heartbeat=None)
    views = [
        history_card(t, list(OPENINGS.values())[:10], 10, None, 0, NOW, site=""),
        history_card(t, list(OPENINGS.values())[-10:], 99, 101, 3, NOW, site=""),
        history_card(t, [], 0, None, 0, NOW, site=""),
        status_card(t, STATUS, here, NOW),
        status_card(t, UNWELL, here, NOW),
        status_card(t, replace(waiting, last_read=None, undelivered=JournalFailed("EIO")), None, NOW),
        status_card(t, replace(waiting, stuck="503 Service Unavailable"), here, NOW),
        *(muted_card(t, mute, here, NOW) for mute in MUTES),
        *(unmuted_card(t, mute.target, here) for mute in MUTES[:2]),
        muted_card(t, MUTES[0], here, MUTES[0].until - 86_400),
        trial_card(t, Trial(delivered, "", 1, 2)),
        trial_card(t, Trial(replace(outbox_message(MessageKind.TEST), error="403 Missing Access"), "", 1, 2)),
        trial_card(t, Trial(outbox_message(MessageKind.TEST), "no connection to Discord", 1, 2)),
        trial_card(t, Trial(None, "", 1, 2)),
    ]
    for view in views:
        checked(view)
    golden(f"monitor.{language}", "\n\n".join(map(shown, views)))


@languages
def test_the_watch_is_green_only_when_all_is_well(language: Language) -> None:
    def colour(status: WatchStatus) -> int:
        components: Any = status_card(TEXTS.of(language), status, None, NOW).to_components()  # type: ignore[no-untyped-call]  # discord.py leaves it untyped
        return int(components[0]["accent_color"])

    assert colour(STATUS) == colour(replace(STATUS, heartbeat=None)) == Colour.GOOD
    assert colour(replace(STATUS, mutes=MUTES, open=3)) == Colour.GOOD
    assert colour(replace(STATUS, undelivered=Backlog(given_up=1))) == Colour.GOOD
    for ill in (
        {"last_read": None},
        {"last_read": NOW - 181},
        {"read_error": Unreachable("h")},
        {"undelivered": Backlog(waiting=1, oldest=NOW)},
        {"undelivered": JournalFailed("EIO")},
        {"journal_error": JournalFailed("EIO")},
        {"heartbeat": "timeout"},
        {"sees_no_tasks": True},
        {"unknown": (GuestState(101),)},
        {"stale": ("pve2",)},
    ):
        assert colour(replace(STATUS, **ill)) == Colour.WARN, ill


@languages
def test_long_histories_and_many_mutes_fit(language: Language) -> None:
    t = TEXTS.of(language)
    facts = tuple(fact(vmid=999_990_000 + number, name=LONG, by=LONG, task=LONG) for number in range(300))
    note = incident(Topic.NOTE, Severity.INFO, guests=facts[:1])
    for each in (replace(MANY, guests=facts, acked_by=LONG, acked=NOW), note):
        checked(history_card(t, [each] * 10, 99_999, 999_999_999, 5, NOW, site=""))
    mutes = tuple(Mute(f"storage/{'n' * 63}/{number}{LONG}", 1.0, NOW, LONG) for number in range(500))
    checked(
        status_card(
            t,
            replace(
                UNWELL,
                mutes=mutes,
                sees_no_tasks=True,
                stuck=LONG * 20,
                unknown=(GuestState(101, name=LONG),) * 900,
            ),
            None,
            NOW,
        )
    )


def test_subjects_in_completions_are_plain() -> None:
    here = cluster(WEB)
    assert [subject_label(EN, mute.target, here) for mute in MUTES] == [
        "Everything",
        "🟢 101 web01 · pve1 · VM",
        "999",
        "Node pve1",
        "Shared storage nfs",
        "Storage local on pve1",
        "The connection to Proxmox",
    ]
    assert subject_name(EN, "guest/101", here) == "**101** `web01`"
    assert subject_name(EN, "guest/101", None) == "**101**"
    assert subject_name(EN, "nonsense/a/b/c", None) == "`nonsense/a/b/c`"
    assert card(subject_label(EN, "node/" + "x" * 300, None), colour=Colour.GOOD)
    assert len(subject_label(EN, "node/" + "x" * 300, None)) <= 100

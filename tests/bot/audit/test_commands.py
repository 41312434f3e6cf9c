"""Test /audit on the real bot: access, the text of rows, filters, pages, the file, and a failing disk."""

import asyncio
import csv
import datetime
import io
import re
import sqlite3
from contextlib import closing
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings

from core.access.policy import Actor, InteractionKind, Place
from core.audit.record import CUT_OFF, AuditRecord, AuditStep, Ending, ending_of
from core.audit.store import AuditEntry, AuditFilter, NewRecord
from core.clock import Clock
from core.errors import BotError, JournalFailed, NotAllowed, OnlySomeGuests, TooQuick
from core.levels import Level
from core.operations import Operation
from core.wanted_errors import BadSince, BadVmid, SeveralPeople, UnknownOperation, UnknownPerson
from playground.discord.people import Person, PressResult
from playground.pve.server import Pve
from tests.bot.audit.test_delivery import RECORDS
from tests.project.test_catalogues import ERRORS, JAPANESE, examples
from tests.support import stage
from tests.support.cards.hostile import EVIL, harmless
from tests.support.cards.sent import JA_AND_EN
from tests.support.scenes.people import Cast
from tests.support.scenes.walked_anew import walked_anew
from tests.support.stage import Stage, post_of
from tests.support.walked import walked
from tests.support.watch.at_once import on_writer, rows_of
from ui.audit import commands
from ui.audit.csv_file import BYTES_MOST, CHUNK, COLUMNS, audit_csv, csv_cell
from ui.audit.filters import parse_since
from ui.audit.page import audit_page, audit_row, audit_rows
from ui.audit.text import SIGNS, ending_word
from ui.formatting import MESSAGE_MOST
from ui.i18n import Text
from ui.interaction.buttons import page_buttons
from ui.interaction.custom_ids import AUDIT, split_site
from ui.messages.errors import reason_of
from ui.messages.operations import operation_noun

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

TOKYO = ZoneInfo("Asia/Tokyo")
BOTH = pytest.mark.parametrize("t", JA_AND_EN, ids=["ja", "en"])
NOAH, MIA, MIA_TOO = 2**62 + 1, 2**62 + 2, 2**62 + 3


def entry(
    person: int = NOAH, name: str = "Noah", operation: str = "stop", vmid: int | None = 101, **more: Any
) -> AuditRecord:
    outcome = more.pop("outcome", "OK")
    actor = Actor(person, name, Place(1, 2, 3))
    return AuditRecord(more.pop("step", AuditStep.ENDED), actor, operation, vmid, outcome=outcome, **more)


def keep(scene: Stage, *records: AuditRecord, ago: float = 0.0) -> None:
    at = scene.clock.now() - ago
    on_writer(scene.bot.journal, lambda rows: rows.audit_add_all([NewRecord(each, at) for each in records]))


def attempts(reply: PressResult) -> int:
    match = re.search(r"### .* · (\d+) ", reply.text)
    assert match, reply.text
    return int(match[1])


def rows(reply: PressResult) -> list[str]:
    """Return both lines of each entry as one."""
    lines = reply.text.splitlines()
    signs = tuple(SIGNS.values())
    return [f"{line} {lines[place + 1]}" for place, line in enumerate(lines) if line.startswith(signs)]


def last_record(scene: Stage) -> AuditRecord:
    return rows_of(scene.site.journal).audit_page(AuditFilter(), 0, 1)[0][0].record


# --- what a row says ---


@pytest.mark.parametrize("name", ["akiko", "emma"])
async def test_every_way_to_end_in_the_readers_language(scene: Stage, pve: Pve, name: str) -> None:
    person: Person = getattr(scene, name)
    t = scene.t(person)
    await scene.say(scene.emma, "start", vmid=104)
    await scene.say(scene.emma, "start", vmid=104)
    await scene.say(scene.emma, "stop", vmid=101)
    pve.next_task("qmshutdown", vmid=103, ends="got timeout")
    await scene.say(scene.emma, "shutdown", vmid=103)
    keep(scene, entry(step=AuditStep.ASKED, outcome=""), entry(outcome=CUT_OFF), entry(outcome="WARNINGS: 2"))
    keep(scene, entry(outcome="unknown: TimedOut(host='pve', changing=True)", reason="because `@everyone`"))
    reply = await scene.say(person, "audit")
    assert reply.ephemeral
    assert attempts(reply) == 8
    found = [row[0] for row in rows(reply)]
    assert found == ["❔", "⚠", "❔", "⏳", "❌", "⚪", "⛔", "✅"]
    for said in (
        t("timed out"),
        t("done with warnings"),
        t("unfinished: the bot stopped"),
        "`got timeout`",
        t("not confirmed"),
        t("not possible in this state"),
        f":t> **{t('Start')}** · **104** `palworld`\n-# <@{scene.emma.id}>",
    ):
        assert said in reply.text, said


@BOTH
def test_every_ending_and_every_operation_has_its_word(t: Text) -> None:
    assert set(SIGNS) == set(Ending)
    assert len({ending_word(t, ending) for ending in Ending}) == len(Ending)
    nouns = {operation_noun(t, operation) for operation in Operation}
    assert len(nouns) == len(Operation), "each can be asked for by its noun"
    assert [noun for noun in nouns if bool(JAPANESE.search(noun)) is not (t.language == "ja")] == []


@BOTH
def test_every_error_has_its_phrase(t: Text) -> None:
    for error in ERRORS:
        for example in examples(error):
            said = reason_of(t, str(example))
            bare = re.sub(r"`[^`]*`", "", said)
            assert 3 < len(bare.strip()) <= 60, said
            assert len(said) <= 105, said
            assert bool(JAPANESE.search(bare)) is (t.language == "ja"), said
            assert error.__name__ not in said
            harmless(said, 0)


@walked(
    ("outcome", "said"),
    [
        ("Rejected(status=500, message='no such disk')", "refused by Proxmox `no such disk`"),
        ("Rejected(status=500, message=\"it's\")", "refused by Proxmox `it's`"),
        ("MissingPrivilege(privilege='VM.Audit', path='/vms')", "API token lacks a privilege `VM.Audit`"),
        ("NotAllowed(needed=<Level.ADMIN: 3>, level=<Level.VIEWER: 1>)", "role too low"),
        ("WrongState(vmid=1, label='x, message=y', verb='a', state=<State.STOPPED: 'stopped'>)",
         "not possible in this state"),
        ("OfTomorrow(vmid=1)", "`OfTomorrow(vmid=1)`"),
        ("NotHere", "`NotHere`"),
        ("", ""),
    ]
)  # fmt: skip
def test_an_outcome_is_read_as_it_was_written(outcome: str, said: str) -> None:
    assert reason_of(JA_AND_EN[1], outcome) == said


@BOTH
@settings(deadline=None)
@given(record=RECORDS)
def test_rows_of_any_record_are_harmless_and_ten_fit_on_a_page(t: Text, record: AuditRecord) -> None:
    audited = AuditEntry(1, 1, 1e10, 1e10, record)
    row = audit_row(t, audited)
    assert row.count("\n") <= 2
    harmless(re.sub(r"<t:\d+:t>", "", row), record.actor.user_id)
    wanted = AuditFilter(999_999_999, 2**63 - 1, "snapshot_rollback", 1e10, 999_999_999)
    view = audit_page(t, [audited] * 10, 10**7, wanted, "n" * 40, 10**7, 1e10, TOKYO, several=False)
    texts = [getattr(item, "content", "") for item in view.walk_children()]
    assert "".join(texts).count(row) == 10
    assert sum(map(len, texts)) <= MESSAGE_MOST


@walked_anew("evil", EVIL[::2])
async def test_hostile_names_do_nothing(scene: Stage, pve: Pve, evil: str) -> None:
    pve.vm(104).name = pve.vm(104).config["name"] = evil
    mallory = scene.server.person(scene.guild, "mallory", display=evil[:32], locale="en-US")
    await scene.say(mallory, "start", vmid=104)
    await scene.say(mallory, "snapshot create", vmid=104, name=evil)
    keep(scene, entry(name=evil, operation=evil, outcome=evil, detail=evil, reason=evil, guest=evil))
    for options in ({}, {"who": evil}, {"action": evil}, {"since": evil}, {"who": str(NOAH)}, {"csv": True}):
        reply = await scene.say(scene.emma, "audit", **options)
        assert reply.ephemeral
        shown = re.sub(r"<t:\d+:[DtR]>", "", reply.text)
        for each in rows_of(scene.site.journal).audit_page(AuditFilter(), 0, 100)[0]:
            shown = shown.replace(f"<@{each.record.actor.user_id}>", "")
        harmless(shown, scene.emma.id)
    for label in await scene.choices(scene.emma, "audit", "who", ""):
        assert len(label) <= 100
        assert not re.search(r"[\u202a-\u202e\u2066-\u2069\n]", label)


# --- filters ---


@pytest.fixture
async def trail(scene: Stage) -> Stage:
    keep(scene, entry(vmid=101), entry(operation="start", vmid=999), ago=3 * 86_400)
    keep(scene, entry(MIA, "Mia", "snapshot_rollback", 101), entry(MIA, "Mia", "list", None), ago=7200)
    keep(scene, entry(MIA_TOO, "mia", "stop", 102), ago=60)
    return scene


FILTERS: list[tuple[dict[str, Any], int]] = [
    ({}, 5),
    ({"vmid": 101}, 2),
    ({"vmid": 999}, 1),
    ({"vmid": 555}, 0),
    ({"who": "Noah"}, 2),
    ({"who": " noah "}, 2),
    ({"who": "ＮＯＡＨ"}, 2),
    ({"who": str(NOAH)}, 2),
    ({"who": f"<@{NOAH}>"}, 2),
    ({"who": f"<@!{MIA}>"}, 2),
    ({"who": "1234567890123456789"}, 0),
    ({"who": "Mia"}, 2),
    ({"who": "mia"}, 1),
    ({"action": "stop"}, 2),
    ({"action": "Stop"}, 2),
    ({"action": "/stop"}, 2),
    ({"action": "停止"}, 2),
    ({"action": "snapshot rollback"}, 1),
    ({"action": "/snapshot_rollback"}, 1),
    ({"action": "ロールバック"}, 1),
    ({"since": "30m"}, 1),
    ({"since": "8h"}, 3),
    ({"since": "3650d"}, 5),
    ({"since": "2020-01-01"}, 5),
    ({"since": "2020/1/1"}, 5),
    ({"since": "2999-01-01"}, 0),
    ({"who": "Noah", "vmid": 101, "action": "stop", "since": "4d"}, 1),
]
AT_ONCE = 3
"""Number of filters that are tried at one bot. Each use of /audit adds a record, and a page has ten rows."""


@pytest.mark.parametrize("some", [FILTERS[at : at + AT_ONCE] for at in range(0, len(FILTERS), AT_ONCE)])
async def test_filters(trail: Stage, some: list[tuple[dict[str, Any], int]]) -> None:
    for options, count in some:
        for more in ({}, {"csv": True}):
            reply = await trail.say(trail.emma, "audit", readings=True, **options, **more)
            shown = [row for row in rows(reply) if f"<@{trail.emma.id}>" not in row]
            assert len(shown) == count, reply.text
        assert last_record(trail).operation == "audit"
        assert last_record(trail).outcome == "OK"
        for word, value in options.items():
            assert word == "vmid" or f"{word}={value}".strip() in last_record(trail).detail


@walked_anew(
    ("options", "error"),
    [
        ({"vmid": 7}, BadVmid("7")),
        ({"who": "nobody"}, UnknownPerson("nobody")),
        ({"who": "99"}, UnknownPerson("99")),
        ({"who": "9999999999999999999"}, UnknownPerson("9999999999999999999")),
        ({"who": "MIA"}, SeveralPeople("MIA")),
        ({"action": "explode"}, UnknownOperation("explode")),
        ({"since": "yesterday"}, BadSince("yesterday")),
        ({"since": "3651d"}, BadSince("3651d")),
        ({"since": "2026-02-30"}, BadSince("2026-02-30")),
        ({"since": "0000-01-01"}, BadSince("0000-01-01")),
    ],
)
async def test_impossible_targets_are_refused_and_recorded(
    trail: Stage, options: dict[str, Any], error: BotError
) -> None:
    for person in (trail.akiko, trail.emma):
        trail.assert_refused(await trail.say(person, "audit", **options), person, error)
    record = last_record(trail)
    assert (record.step, record.operation, record.outcome) == (AuditStep.REFUSED, "audit", str(error))


def test_a_date_begins_at_midnight_of_the_setting() -> None:
    now = datetime.datetime(2026, 11, 25, 12, tzinfo=TOKYO).timestamp()
    assert (
        parse_since("2026-11-01", now, TOKYO)
        == datetime.datetime(2026, 10, 31, 15, tzinfo=datetime.UTC).timestamp()
    )
    assert parse_since("2026-11-01", now, ZoneInfo("America/New_York")) == 1_793_505_600
    assert parse_since("２０２６－１１－０１", now, TOKYO) == parse_since("2026-11-01", now, TOKYO)
    assert parse_since("1960-01-01", now, TOKYO) == 0
    assert parse_since("2d", now, TOKYO) == now - 2 * 86_400


async def test_the_zone_is_that_of_the_settings(bare_scene: Stage) -> None:
    await bare_scene.start_bot(TIMEZONE="America/New_York")
    assert bare_scene.services.timezone == ZoneInfo("America/New_York")


async def test_completions(trail: Stage) -> None:
    emma, akiko = trail.emma, trail.akiko
    assert await trail.choices(emma, "audit", "who") == [
        f"mia · {MIA_TOO}", f"Mia · {MIA}", f"Noah · {NOAH}",
    ]  # fmt: skip
    assert await trail.choices(emma, "audit", "who", "noa") == [f"Noah · {NOAH}"]
    assert await trail.choices(emma, "audit", "who", str(MIA)) == [f"Mia · {MIA}"]
    found = await trail.server.autocomplete(emma, trail.channel, "audit", "who", "noah")
    assert [choice["value"] for choice in found] == [str(NOAH)]
    assert {"Start · start", "Stop · stop"} <= set(await trail.choices(emma, "audit", "action", "st"))
    assert await trail.choices(akiko, "audit", "action", "/snapshot roll") == [
        "ロールバック · snapshot rollback"
    ]
    assert len(await trail.choices(emma, "audit", "action")) == min(25, len(Operation))
    assert (await trail.choices(emma, "audit", "since"))[0] == "1 h"
    assert await trail.choices(emma, "audit", "since", "90d") == ["90 d"]
    assert await trail.choices(emma, "audit", "since", "2026-11-01") == ["2026-11-01"]
    assert await trail.choices(emma, "audit", "vmid", "web01") == ["🟢 101 web01 · pve1 · VM"]


# --- what is shown first ---


async def test_changes_and_refusals_come_first_and_readings_on_request(scene: Stage) -> None:
    await scene.say(scene.emma, "start", vmid=104)
    await scene.say(scene.emma, "list")
    await scene.say(scene.emma, "info", vmid="nowhere")
    await scene.say(scene.emma, "stop", vmid=101, dry_run=True)
    await scene.say(scene.emma, "info", vmid=999)
    reply = await scene.say(scene.emma, "audit")
    assert ["Details" in rows(reply)[0], "Start" in rows(reply)[1], attempts(reply)] == [True, True, 2]
    assert attempts(await scene.say(scene.emma, "audit", readings=True)) == 6, "this look at it as well"
    assert attempts(await scene.say(scene.emma, "audit", action="list")) == 1, "it was asked for by name"
    found = parsed(scene, await scene.say(scene.emma, "audit", csv=True))
    assert [row["operation"] for row in found] == ["info", "start"]
    found = parsed(scene, await scene.say(scene.emma, "audit", csv=True, readings=True))
    assert len(found) == 9


async def test_a_question_and_its_result_are_one_entry(scene: Stage) -> None:
    t = scene.t()
    question = await scene.say(scene.emma, "stop", vmid=101)
    await scene.press(scene.emma, question, t("Force-stop {name}", name="web01"))
    question = await scene.say(scene.emma, "stop", vmid=103)
    await scene.press(scene.emma, question, "Cancel")
    await scene.say(scene.emma, "stop", vmid=102)
    reply = await scene.say(scene.emma, "audit")
    assert [row[0] for row in rows(reply)] == ["⚪", "⚪", "✅"]
    for row, said in zip(rows(reply), ("not confirmed", "cancelled", "✅"), strict=True):
        assert said in row
    found = parsed(scene, await scene.say(scene.emma, "audit", csv=True, readings=True))
    assert [row["ending"] for row in found if row["operation"] == "stop"] == [
        "shown", "cancelled", "shown", "done", "shown",
    ], "each as it is stored"  # fmt: skip


async def test_one_press_includes_views(scene: Stage) -> None:
    keep(scene, *(entry(vmid=1000 + number) for number in range(12)))
    await scene.say(scene.emma, "list")
    post = post_of(await scene.say(scene.emma, "audit"))
    assert "12 entries" in post.text
    for button, page in (("▶️", "2/2"), ("Include views", "1/2"), ("▶️", "2/2")):
        custom_id = next((each.custom_id for each in post.buttons if each.emoji == button), None)
        await scene.press(scene.emma, post, custom_id or button)
        assert page in post.text
    assert "13 entries" in post.text
    await scene.press(scene.emma, post, "Changes and refusals only")
    assert "12 entries" in post.text


async def test_a_button_of_an_earlier_version_still_works_the_same(scene: Stage) -> None:
    keep(scene, *(entry(vmid=1000 + number) for number in range(12)), entry(operation="list", vmid=None))
    post = post_of(await scene.say(scene.emma, "audit"))
    await scene.press(scene.emma, post, "p1:audit:next:1:::::13", force=True)
    assert "13 entries" in post.text
    assert "2/2" in post.text


@BOTH
def test_each_day_has_its_date_above_its_entries(t: Text) -> None:
    noon = datetime.datetime(2026, 11, 25, 12, tzinfo=TOKYO).timestamp()
    times = [noon, noon - 3600, noon - 86_400]
    shown = "\n".join(audit_rows(t, [AuditEntry(1, 1, at, at, entry()) for at in times], TOKYO))
    assert re.findall(r"<t:(\d+):(.)>", shown) == [
        (str(int(times[0])), "D"),
        (str(int(times[0])), "t"),
        (str(int(times[1])), "t"),
        (str(int(times[2])), "D"),
        (str(int(times[2])), "t"),
    ]


# --- pages ---


async def test_pages_keep_the_filters_and_edit_the_private_message(scene: Stage) -> None:
    keep(scene, *(entry(vmid=1000 + number) for number in range(25)), entry(operation="start"))
    reply = await scene.say(scene.emma, "audit", action="stop", who="Noah")
    post = post_of(reply)
    assert "1/3" in post.text
    assert attempts(reply) == 25
    assert len(rows(reply)) == 10
    assert "**1024**" in rows(reply)[0]
    last = next(button.custom_id for button in post.buttons if button.emoji == "⏭️") or ""
    assert AUDIT.fullmatch(split_site(last)[1])
    pressed = await scene.press(scene.emma, post, last)
    assert pressed.kind in ("update", "deferred_update")
    assert not pressed.followups
    assert "3/3" in post.text
    assert post.ephemeral
    assert len(re.findall(r"\*\*10\d\d\*\*", post.text)) == 5
    await scene.press(scene.emma, post, last.replace(":2:", ":5yc1r:"), force=True)
    assert "3/3" in post.text, "beyond the end is the last"
    assert last_record(scene).operation == "audit"
    assert "page=" in last_record(scene).detail
    keep(scene, entry(vmid=2000))
    await scene.press(scene.emma, post, next(b.custom_id or "" for b in post.buttons if b.emoji == "⏮️"))
    assert "1/3" in post.text
    assert "**2000**" not in post.text, "it is the trail of when it was asked for"


@walked("operation", ["", *Operation])
def test_a_button_says_it_all_in_a_hundred_characters(operation: str) -> None:
    filters = ("999999999", str(2**63 - 1), operation, "99999999999", "999999999", "1")
    for button in page_buttons("audit", 5_000_000, 9_999_999, filters, ""):
        custom_id = button.custom_id
        assert len(custom_id) <= 100, custom_id
        assert AUDIT.fullmatch(split_site(custom_id)[1]), custom_id


@pytest.mark.parametrize("what", ["p1:audit:next:0:::explode::", "p1:audit:next:9:101:1:stop:1:"])
async def test_a_forged_press_on_a_public_message_stays_private(scene: Stage, what: str) -> None:
    keep(scene, entry())
    public = post_of(await scene.say(scene.emma, "list"))
    before = public.text
    reply = await scene.press(scene.emma, public, what, force=True)
    assert public.text == before
    assert reply.ephemeral
    assert "Audit trail" in reply.text


# --- who may ---


async def test_only_admins_of_everything(bare_scene: Stage) -> None:
    cast, scene = Cast(bare_scene), bare_scene
    await scene.start_bot(**cast.settings)
    keep(scene, *(entry(name="Secret", guest="hidden") for _ in range(12)))
    post = post_of(await scene.say(cast["admin"], "audit"))
    assert "`hidden`" in post.text
    assert post.ephemeral
    assert post.id not in {each.id for each in scene.server.messages(scene.channel)}
    for name, error in (
        ("nobody", NotAllowed(Level.ADMIN, Level.NONE)),
        ("viewer", NotAllowed(Level.ADMIN, Level.VIEWER)),
        ("operator", NotAllowed(Level.ADMIN, Level.OPERATOR)),
        ("game", OnlySomeGuests()),
    ):
        for options in ({}, {"csv": True}, {"who": "Secret"}):
            scene.assert_refused(await scene.say(cast[name], "audit", **options), cast[name], error)
            record = last_record(scene)
            assert (record.step, record.operation) == (AuditStep.REFUSED, "audit")
            assert record.outcome == str(error)
            assert record.actor.user_id == cast[name].id
        for option in ("vmid", "who", "action", "since"):
            (why,) = await scene.choices(cast[name], "audit", option)
            assert why.startswith("⛔ ")
    button = next(each.custom_id or "" for each in post.buttons if each.emoji == "▶️")
    scene.server.take_role(cast["admin"], cast.roles["admin"])
    pressed = await scene.press(cast["admin"], post, button)
    assert "None of your roles" in pressed.text
    assert "2/" not in post.text
    assert last_record(scene).actor.interaction_kind is InteractionKind.BUTTON
    assert last_record(scene).step is AuditStep.REFUSED


# --- the file ---


def parsed(scene: Stage, reply: PressResult) -> list[dict[str, str]]:
    data = scene.server.attached(post_of(reply), "audit.csv")
    assert data.startswith(b"\xef\xbb\xbf")
    found = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert found[0] == [*COLUMNS, "interaction_id"]
    return [dict(zip(found[0], row, strict=True)) for row in found[1:]]


async def test_the_file_has_every_attempt_that_fits_newest_first(scene: Stage) -> None:
    keep(
        scene,
        entry(name="秋子", outcome='a "quoted"\nline, with\r all', seconds=3.14, node="pve1", upid="UPID:x"),
        entry(MIA, "Mia", "start", None, step=AuditStep.PLANNED, outcome=""),
        *(entry(vmid=1000 + number) for number in range(600)),
    )
    reply = await scene.say(scene.akiko, "audit", csv=True)
    assert "602 件を添付しました。" in reply.text
    assert post_of(reply).attachments == ["audit.csv"]
    assert reply.ephemeral
    assert not post_of(reply).buttons
    found = parsed(scene, reply)
    assert len(found) == 602
    assert [row["vmid"] for row in found[:2]] == ["1599", "1598"]
    first, second = found[-1], found[-2]
    assert first["person"] == "秋子"
    assert first["outcome"] == 'a "quoted" line, with all'
    assert (first["vmid"], first["seconds"], first["person_id"]) == ("101", "3.1", str(NOAH))
    assert datetime.datetime.fromisoformat(first["began"]).utcoffset() == datetime.timedelta(hours=9)
    assert (second["vmid"], second["ending"], second["upid"]) == ("", "shown", "")
    reply = await scene.say(scene.emma, "audit", csv=True, action="start")
    assert [row["person"] for row in parsed(scene, reply)] == ["Mia"]
    reply = await scene.say(scene.emma, "audit", csv=True, vmid=555)
    assert parsed(scene, reply) == []
    assert "No matching records" in reply.text


FORMULAS = ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＠"]
"""What a formula may begin with."""


async def test_no_cell_is_a_formula(scene: Stage) -> None:
    for begins in FORMULAS:
        evil = f'{begins}cmd|"/c calc"!A1'
        keep(scene, entry(name=evil, operation=evil, detail=evil, guest=evil, reason=evil, outcome=evil))
    found = parsed(scene, await scene.say(scene.emma, "audit", csv=True))
    for begins, row in zip(reversed(FORMULAS), found, strict=True):  # the newest comes first
        evil = f'{begins}cmd|"/c calc"!A1'
        for name in ("person", "operation", "detail", "guest", "reason", "outcome"):
            assert row[name] == (f"'{evil}" if begins.strip() else evil.strip()), (begins, name)
        assert not any(text.startswith(begins) for text in row.values()), begins
    assert csv_cell(-5) == -5
    assert csv_cell("5") == "5"
    assert csv_cell(None) == ""
    assert csv_cell("\ud83d") == ""


async def test_long_lists_are_cut_with_a_note(scene: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(scene, *(entry(vmid=1000 + number, outcome="x" * 500) for number in range(40)))
    whole, _, _ = await audit_csv(scene.site.journal, Clock(), AuditFilter(), TOKYO)
    for most in (len(whole) - 1, len(whole) // 2, 400):
        data, count, complete = await audit_csv(scene.site.journal, Clock(), AuditFilter(), TOKYO, most)
        assert len(data) <= most
        assert not complete
        assert data == whole[: len(data)]
        assert data.endswith(b"\r\n")
        assert data.count(b"\r\n") == count + 1
    assert await audit_csv(scene.site.journal, Clock(), AuditFilter(), TOKYO, len(whole)) == (
        whole,
        40,
        True,
    )
    assert BYTES_MOST < 10 * 2**20
    monkeypatch.setattr(audit_csv, "__defaults__", (len(whole) // 2,))
    reply = await scene.say(scene.emma, "audit", csv=True)
    kept = len(parsed(scene, reply))
    assert 15 < kept < 25
    assert f"⚠️ Only the newest {kept} records fit" in reply.text


async def test_a_huge_trail_blocks_nobody_and_new_records_shift_nothing(scene: Stage) -> None:
    journal = scene.bot.journal
    records = [NewRecord(entry(vmid=1000 + number), 1e9 + number) for number in range(5000)]
    await journal.audit_add_all(records)

    class Busy(Clock):
        turns = 0

        async def sleep(self, seconds: float) -> None:
            self.turns += 1
            keep(scene, entry(vmid=777))
            await asyncio.sleep(0)

    clock = Busy()
    data, count, complete = await audit_csv(journal, clock, AuditFilter(), TOKYO)
    assert (count, complete, clock.turns) == (5000, True, 5000 // CHUNK)
    found = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))[1:]
    assert [int(row[COLUMNS.index("vmid")]) for row in found] == list(range(5999, 999, -1))
    reply = await scene.say(scene.emma, "audit", since="1990-01-01")
    assert attempts(reply) == 5000 + clock.turns
    assert any(
        f":{(5000 + clock.turns) // 10 - 1}:" in split_site(button.custom_id or "")[1]
        for button in post_of(reply).buttons
    )


@pytest.mark.parametrize("trouble", [503, "reset"])
async def test_a_file_that_discord_did_not_take_at_first_comes_whole(
    scene: Stage, trouble: int | str
) -> None:
    keep(scene, *(entry() for _ in range(30)))
    if isinstance(trouble, int):
        scene.server.fail("*", "/callback", trouble)
    else:
        scene.server.reset("*", "/callback")
    reply = await scene.say(scene.emma, "audit", csv=True)
    assert len(parsed(scene, reply)) == 30


# --- the disk ---


async def test_a_trail_that_cannot_be_read_is_reported(scene: Stage) -> None:
    keep(scene, *(entry() for _ in range(30)))
    post = post_of(await scene.say(scene.emma, "audit"))
    before = post.text
    path = scene.directory / "journal.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("ALTER TABLE audit RENAME TO gone")
        error = JournalFailed("SQLITE_ERROR", reading=True)
        for options in ({}, {"csv": True}, {"who": "Noah"}):
            reply = await scene.say(scene.emma, "audit", **options)
            assert reply.text == scene.told(scene.emma, error)
            assert reply.ephemeral
        assert await scene.choices(scene.emma, "audit", "who") == [
            "⛔ Nobody found: the audit trail is empty or cannot be read right now."
        ]
        pressed = await scene.press(
            scene.emma, post, next(b.custom_id or "" for b in post.buttons if b.emoji == "▶️")
        )
        assert scene.told(scene.emma, error) in pressed.text
        assert post.text == before
        other.execute("ALTER TABLE gone RENAME TO audit")
    assert attempts(await scene.say(scene.emma, "audit")) >= 30


def test_each_outcome_has_its_ending() -> None:
    for outcome, ending in {
        "OK": Ending.DONE,
        "WARNINGS: 1": Ending.WARNINGS,
        "WARNINGS": Ending.FAILED,
        "vanished": Ending.UNKNOWN,
        "lost": Ending.UNKNOWN,
        "unknown: x": Ending.UNKNOWN,
        CUT_OFF: Ending.CUT_OFF,
        "command failed": Ending.FAILED,
        "": Ending.FAILED,
    }.items():
        assert ending_of(entry(outcome=outcome)) is ending
        assert ending_of(entry(step=AuditStep.REFUSED, outcome=outcome)) is Ending.REFUSED


async def test_new_records_shift_no_page(scene: Stage) -> None:
    """Looking at the trail is an attempt itself and adds a record."""
    keep(scene, *(entry(vmid=1000 + number) for number in range(30)))
    shown = await scene.say(scene.emma, "audit")
    seen = re.findall(r"\*\*(10[0-9]{2})\*\*", shown.text)
    for _ in range(2):
        keep(scene, entry(vmid=555))
        forward = next(button.custom_id for button in post_of(shown).buttons if button.emoji == "▶️")
        await scene.press(scene.emma, shown, forward or "")
        seen += re.findall(r"\*\*(10[0-9]{2})\*\*", post_of(shown).text)
        assert "**555**" not in post_of(shown).text
    assert seen == [str(1029 - number) for number in range(len(seen))]
    assert len(seen) == 30


async def test_one_person_has_one_file_in_memory_at_a_time(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most = 0, 0

    async def counted(*given: Any, **named: Any) -> tuple[bytes, int, bool]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            await asyncio.sleep(0.05)
            return await audit_csv(*given, **named)
        finally:
            running -= 1

    monkeypatch.setattr(commands, "audit_csv", counted)
    replies = await asyncio.gather(*(scene.say(scene.emma, "audit", csv=True) for _ in range(5)))
    sent = [reply for reply in replies if post_of(reply).attachments]
    assert [post_of(reply).attachments for reply in sent] == [["audit.csv"]] * 2
    assert {reply.text for reply in replies if reply not in sent} == {scene.told(scene.emma, TooQuick(5))}
    assert most == 1

"""Test /readonly: one switch refuses every change, appears in every refusal, and outlives restarts and crashes."""

import errno
import json
from typing import Any

import pytest

from adapters.files.read_only_file import ReadOnlyFile
from core.access.read_only import KEY, ReadOnlySwitch
from core.audit.record import AuditStep
from core.audit.store import AuditFilter
from core.clock import Clock
from core.errors import JournalFailed, NotAllowed, ReadOnly, StoreFailed, SwitchFailed
from core.guest_errors import GuestNotFound
from core.levels import Effect, Level
from core.operations import OPERATIONS, Operation
from playground.discord.people import Person
from playground.pve.server import Pve
from tests.support import stage
from tests.support.catalogue import COMMANDS, EVERY_COMMAND, EVERY_COMPLETION
from tests.support.fakes import MemoryRecords
from tests.support.scenes.people import Cast
from tests.support.stage import Stage, post_of
from tests.support.walked import walked
from tests.support.watch.at_once import rows_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

BOTH = pytest.mark.parametrize("language", ["ja", "en"])

CHANGING = [
    (command, options)
    for command, options in EVERY_COMMAND
    if OPERATIONS[Operation(command.replace(" ", "_"))].effect >= Effect.LIST
]


def held(scene: Stage) -> ReadOnly:
    switch = scene.site.authorizer.read_only.refusal
    assert switch is not None
    return switch


async def test_every_change_is_refused_and_everything_else_goes_on(scene: Stage, pve: Pve) -> None:
    await scene.say(scene.akiko, "monitor add", vmid=102)
    panel, before = await scene.say(scene.emma, "info", vmid=101), scene.cluster()
    question = await scene.say(scene.emma, "stop", vmid=101)
    reply = await scene.say(scene.akiko, "readonly on")
    assert "Read-only mode was turned on" in reply.text
    assert f"<@{scene.akiko.id}>" in reply.text
    assert not reply.ephemeral
    assert {word for word, _ in CHANGING} == {one.word for one in COMMANDS if one.effect >= Effect.LIST}
    for command, options in CHANGING:
        scene.assert_refused(await scene.say(scene.emma, command, **options), scene.emma, held(scene))
    for command, option, filled in EVERY_COMPLETION:
        if OPERATIONS[Operation(command.replace(" ", "_"))].effect >= Effect.LIST:
            (why,) = await scene.choices(scene.emma, command, option, **filled)
            assert why == "⛔ Read-only mode is on.", command
    told = scene.told(scene.emma, held(scene))
    assert told in (await scene.press(scene.emma, panel, "Reboot")).text
    assert told in (await scene.press(scene.emma, question, "Force-stop web01")).text
    assert scene.cluster() == before
    assert scene.changes() == []
    assert [entry.vmid for entry in scene.site.watch.entries] == [102]
    assert "17 guests" in (await scene.say(scene.emma, "list")).text
    await scene.say(scene.emma, "monitor mute", target="102", duration="2h")
    assert len(scene.site.watch.alerts.mutes()) == 1
    assert "web01" in (await scene.press(scene.emma, panel, "Refresh")).text
    await scene.say(scene.emma, "readonly off")
    await scene.say(scene.emma, "start", vmid=104)
    assert pve.vm(104).status == "running"
    steps = [
        (each.record.step, each.record.operation)
        for each in audited(scene)
        if "readonly" in each.record.operation
    ]
    assert steps == [(AuditStep.ENDED, "readonly_off"), (AuditStep.ENDED, "readonly_on")]


def audited(scene: Stage) -> tuple[Any, ...]:
    return rows_of(scene.site.journal).audit_page(AuditFilter(), 0, 100)[0]


@pytest.mark.parametrize("end", ["restart_bot", "crash_bot"])
async def test_read_only_mode_outlives_the_bot(scene: Stage, end: str) -> None:
    await scene.say(scene.akiko, "readonly on")
    since = held(scene).since
    await getattr(scene, end)()
    assert (held(scene).by, held(scene).since) == ("Akiko", since)
    scene.assert_refused(await scene.say(scene.emma, "start", vmid=104), scene.emma, held(scene))
    again = await scene.say(scene.emma, "readonly on")
    assert f"<@{scene.akiko.id}>" in again.text, "who switched it on stays the one who did"
    await scene.say(scene.emma, "readonly off")
    await getattr(scene, end)()
    assert scene.site.authorizer.read_only.refusal is None
    assert "already" in (await scene.say(scene.emma, "readonly off")).text


async def test_the_reason_is_given_in_every_other_refusal_too(bare_scene: Stage) -> None:
    scene, cast = bare_scene, Cast(bare_scene)
    await scene.start_bot(**cast.settings)
    await scene.say(cast["admin"], "readonly on")
    refusals: list[tuple[Person, str, dict[str, Any], Any]] = [
        (cast["viewer"], "start", {"vmid": 104}, NotAllowed(Level.OPERATOR, Level.VIEWER)),
        (cast["admin"], "info", {"vmid": 999}, GuestNotFound(999)),
        (cast["nobody"], "list", {}, NotAllowed(Level.VIEWER, Level.NONE)),
    ]
    for person, command, options, error in refusals:
        reply = await scene.say(person, command, **options)
        assert reply.text.startswith(scene.told(person, error))
        assert "Read-only mode was turned on" in reply.text
        assert f"<@{cast['admin'].id}>" in reply.text
        scene.assert_private(reply)


async def test_only_admins_of_everything_switch(bare_scene: Stage) -> None:
    scene, cast = bare_scene, Cast(bare_scene)
    await scene.start_bot(**cast.settings)
    for name in ("viewer", "operator", "game", "nobody"):
        for command in ("readonly on", "readonly off"):
            assert (await scene.say(cast[name], command)).ephemeral
    assert scene.site.authorizer.read_only.refusal is None
    assert {each.record.step for each in audited(scene)} == {AuditStep.REFUSED}


async def test_switched_on_between_question_and_form(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.emma, "delete", vmid=104)
    form = await scene.press(scene.emma, question, post_of(question).buttons[0].custom_id or "")
    await scene.say(scene.akiko, "readonly on")
    scene.assert_refused(await scene.submit(scene.emma, form, "palworld"), scene.emma, held(scene))
    assert pve.vm(104) is not None
    assert scene.changes() == []


class Stuck(MemoryRecords):
    async def put_record(self, key: str, text: str | None) -> None:
        raise JournalFailed("disk full")


class Paper:
    """Simulate the second place of storage, which refuses the operations named in `fails`."""

    def __init__(self, text: str | None = None, fails: str = "") -> None:
        self.text, self.fails = text, fails

    async def read(self) -> str | None:
        return self._met("read", self.text)

    async def write(self, text: str) -> None:
        self.text = self._met("write", text)

    async def remove(self) -> None:
        self.text = self._met("remove", None)

    def _met(self, what: str, value: str | None) -> str | None:
        if what in self.fails:
            raise StoreFailed("EROFS")
        return value


async def test_read_only_mode_is_on_in_memory_if_nothing_can_be_stored() -> None:
    for spare in (None, Paper(fails="write")):
        switch = ReadOnlySwitch(Stuck(), Clock(), spare)
        await switch.turn_on("Akiko")
        assert switch.refusal is not None
        assert isinstance(switch.store_error, JournalFailed)
    one = ReadOnlySwitch(Stuck(), Clock(), paper := Paper())
    await one.turn_on("Akiko")
    assert one.refusal is not None
    assert one.store_error is None
    assert paper.text, "one place is enough"


@pytest.mark.parametrize("fails", ["journal", "remove"])
async def test_read_only_mode_is_switched_off_in_both_places_or_not_at_all(fails: str) -> None:
    text = json.dumps({"by": "Akiko", "since": 5.0, "by_id": 7})
    records = Stuck() if fails == "journal" else MemoryRecords()
    records.kept[KEY] = text
    paper = Paper(text, fails)
    switch = ReadOnlySwitch(records, Clock(), paper)
    await switch.load()
    with pytest.raises((JournalFailed, StoreFailed)):
        await switch.turn_off()
    assert switch.refusal is not None
    assert (switch.refusal.by, switch.refusal.since) == ("Akiko", 5.0)
    assert paper.text == text
    assert records.kept[KEY] == text
    later = ReadOnlySwitch(records, Clock(), paper)
    await later.load()
    assert later.refusal is not None


@BOTH
async def test_a_file_that_cannot_be_removed_keeps_read_only_mode_on_and_says_why(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.say(scene.akiko, "readonly on")

    def refuse(_file: ReadOnlyFile) -> None:
        raise OSError(errno.EROFS, "read-only")

    with monkeypatch.context() as patched:
        patched.setattr(ReadOnlyFile, "_remove", refuse)
        reply = await scene.say(scene.akiko, "readonly off")
    scene.assert_refused(reply, scene.akiko, SwitchFailed("EROFS"))
    assert "EROFS" in reply.text
    assert scene.told(scene.akiko, StoreFailed("EROFS")) not in reply.text, "the watch list is in order"
    assert scene.site.authorizer.read_only.refusal is not None


@walked(("journal", "spare"), [(True, False), (False, True), (True, True), (False, False)])
async def test_the_stricter_place_counts_and_the_other_one_learns_of_it(journal: bool, spare: bool) -> None:
    text = json.dumps({"by": "Akiko", "since": 5.0})
    records, paper = MemoryRecords(), Paper(text if spare else None)
    if journal:
        records.kept[KEY] = text
    switch = ReadOnlySwitch(records, Clock(), paper)
    await switch.load()
    assert (switch.refusal is not None) is (journal or spare)
    assert (KEY in records.kept) is (paper.text is not None) is (journal or spare)
    await switch.turn_off()
    assert KEY not in records.kept
    assert paper.text is None


UNREADABLE = [
    *("", "7", "[]", "{}", '{"by": "x"}', '{"by": "x", "since": "y"}'),
    '{"by": "x", "since": 5, "by_id": 1e999}',
    f'{{"by": "x", "since": 1{"0" * 400}}}',
    "[" * 100_000,
]


@walked("kept", UNREADABLE)
async def test_unreadable_values_are_no_permission(kept: str) -> None:
    records = MemoryRecords()
    records.kept[KEY] = kept
    switch = ReadOnlySwitch(records, Clock())
    await switch.load()
    assert switch.refusal is not None


async def test_read_only_mode_is_shown_in_the_status_and_in_the_answer_to_a_second_switch(
    scene: Stage,
) -> None:
    assert "Read-only mode" not in (await scene.say(scene.emma, "monitor status")).text
    await scene.say(scene.akiko, "readonly on")
    assert "🚧" in (await scene.say(scene.emma, "monitor status")).text
    assert "already" in (await scene.say(scene.emma, "readonly on")).text

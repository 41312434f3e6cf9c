"""Test the watch at work: one read per interval, suspicions confirmed, everything stored before it counts."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.actions.expected_stops import GRACE_SECONDS
from core.actions.order import Plan, Report
from core.audit.record import AuditRecord, AuditStep
from core.audit.store import AuditFilter
from core.errors import (
    AlreadyWatched,
    BotError,
    CannotWatchTemplate,
    IncidentOver,
    JournalFailed,
    NotMuted,
    NotWatched,
    StoreFailed,
)
from core.guest import Kind, Node, State, Storage
from core.operations import Operation
from core.proxmox_errors import MissingPrivilege, NodeUnreachable, NothingVisible, TimedOut, Unreachable
from core.wanted_errors import BadAmount, BadVmid
from core.watch.incidents.model import GuestEvent, Topic, WatchEntry
from core.watch.incidents.state import WatchRules
from core.watch.journal import Batch
from tests.support.fakes import AKIKO, TEMPLATE, guest
from tests.support.journal.records import store_record
from tests.support.watch.at_once import AtOnce
from tests.support.watch.home import WatchHarness

R, S, P, L = State.RUNNING, State.STOPPED, State.PAUSED, State.PRELAUNCH
HUNG = TimedOut("pve1", changing=False)


def home(directory: Path, count: int = 1, **values: object) -> WatchHarness:
    guests = [guest(vmid, R, uptime=5000, **values) for vmid in range(101, 101 + count)]
    return WatchHarness(directory, [*guests, TEMPLATE], range(101, 101 + count))


# -- reading and confirming


async def test_a_quiet_poll_is_one_request(tmp_path: Path) -> None:
    scene = home(tmp_path, 1000)
    await scene.poll()
    scene.asked()
    for _ in range(4):
        await scene.poll()
    assert scene.asked() == ["cluster"] * 4


async def test_the_task_list_is_read_every_five_minutes(tmp_path: Path) -> None:
    scene = home(tmp_path)
    for _ in range(31):
        await scene.poll()
    assert scene.asked().count("cluster_tasks") == 7


@pytest.mark.parametrize("count", [1, 5])
async def test_up_to_five_suspects_are_asked_for_at_once(tmp_path: Path, count: int) -> None:
    scene = home(tmp_path, 8)
    await scene.poll()
    scene.asked()
    for vmid in range(101, 101 + count):
        scene.change(vmid, S)
    began = scene.clock.mono
    assert await scene.poll() == ["opening guest"] * count
    assert scene.asked() == ["cluster", *["status"] * count, "cluster_tasks"]
    assert scene.clock.mono - began == 60


async def test_more_are_confirmed_by_a_second_read_after_twelve_seconds(tmp_path: Path) -> None:
    scene = home(tmp_path, 30)
    await scene.poll()
    scene.asked()
    for vmid in range(101, 131):
        scene.change(vmid, S)
    began = scene.clock.mono
    assert await scene.poll() == ["opening group"]
    assert scene.asked() == ["cluster", "cluster", "cluster_tasks"]
    assert scene.clock.mono - began == 72


async def test_a_blip_that_is_over_by_the_confirmation_makes_no_noise(tmp_path: Path) -> None:
    scene = home(tmp_path, 2)
    await scene.poll()
    scene.proxmox.listed[101] = guest(101, S)  # the list lags behind the truth
    assert await scene.poll() == []
    scene.proxmox.listed.clear()
    assert await scene.poll(R) == []


async def test_a_blip_of_many_is_over_by_the_second_read(tmp_path: Path) -> None:
    scene = home(tmp_path, 10)
    await scene.poll()
    for vmid in range(101, 111):
        scene.change(vmid, S)

    def start() -> None:
        for vmid in range(101, 111):
            scene.change(vmid, R)

    scene.clock.at(65, start)
    assert await scene.poll() == []
    assert await scene.poll() == []


async def test_changes_seen_only_in_the_second_read_wait_for_the_next_poll(tmp_path: Path) -> None:
    scene = home(tmp_path, 10)
    await scene.poll()
    for vmid in range(101, 107):
        scene.change(vmid, S)
    scene.clock.at(65, lambda: scene.change(107, S))
    assert await scene.poll() == ["opening group"]
    assert await scene.poll() == ["opening guest"]


@pytest.mark.parametrize("error", [HUNG, NodeUnreachable("pve1"), Unreachable("pve1")])
async def test_a_suspect_that_cannot_be_asked_for_waits_and_is_believed_the_second_time(
    tmp_path: Path, error: BotError
) -> None:
    scene = home(tmp_path)
    await scene.poll()
    scene.change(101, S)
    scene.proxmox.next("status", error, error)
    assert await scene.poll() == []
    assert await scene.poll() == ["opening guest"]


async def test_a_second_read_that_fails_decides_nothing(tmp_path: Path) -> None:
    scene = home(tmp_path, 10)
    await scene.poll()
    for vmid in range(101, 111):
        scene.change(vmid, S)
    scene.proxmox.next("cluster", None, HUNG)
    assert await scene.poll() == []
    assert await scene.poll() == ["opening group"]


async def test_a_node_is_confirmed_within_the_poll(tmp_path: Path) -> None:
    scene = home(tmp_path, 100)
    await scene.poll()
    scene.proxmox.nodes = (Node("pve1", False), Node("pve2", True))
    for vmid in range(101, 201):
        scene.change(vmid, State.UNKNOWN)
    began = scene.clock.mono
    assert await scene.poll() == ["opening node"]
    assert scene.clock.mono - began == 72
    assert await scene.poll() == []


@pytest.mark.parametrize("answer", [None, MissingPrivilege("VM.Audit", "/vms/101")])
async def test_a_guest_that_is_not_there_any_more_is_missing(tmp_path: Path, answer: BotError | None) -> None:
    scene = home(tmp_path, 4)
    await scene.poll()
    del scene.proxmox.guests[101]
    scene.proxmox.next("status", answer)
    assert await scene.poll() == ["opening guest"]
    assert scene.watch.state.open
    assert scene.watch.state.guests[101].missing


async def test_a_guest_that_the_list_forgot_is_not_missing(tmp_path: Path) -> None:
    scene = home(tmp_path, 4)
    await scene.poll()
    hidden = scene.proxmox.guests.pop(101)
    scene.proxmox.next("status", lambda: scene.proxmox.add(hidden))
    assert await scene.poll() == []


async def test_the_worst_detection_is_under_ninety_seconds(tmp_path: Path) -> None:
    """It adds 60 s between reads, 12 s until Proxmox' list shows the stop, and 12 s to confirm it."""
    scene = home(tmp_path, 10)
    await scene.poll()
    stopped = scene.clock.mono + 0.1
    for vmid in range(101, 111):
        scene.proxmox.listed[vmid] = guest(vmid, R)
        scene.change(vmid, S)
    scene.clock.at(12.1, scene.proxmox.listed.clear)
    assert await scene.poll() == ["opening group"]
    assert scene.clock.mono - stopped < 90


async def test_a_task_list_that_fails_once_makes_no_alarm_of_a_wanted_stop(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll()
    await scene.poll()
    scene.proxmox.next("cluster_tasks", TimedOut("pve.example.com", changing=False))
    assert await scene.poll(S) == []
    assert await scene.poll() == ["opening guest"]
    await scene.poll(R)
    scene.proxmox.next("cluster_tasks", *[TimedOut("pve.example.com", changing=False)] * 2)
    assert [await scene.poll(S), await scene.poll()] == [[], ["opening guest"]], "it waits once"


async def test_a_guest_of_a_former_list_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    """Such a list did not name the guest's node."""
    scene = home(tmp_path, 2)
    await scene.watch.load((*scene.watch.entries, WatchEntry(103)), {101: R, 103: R})
    assert await scene.poll(S) == ["opening guest", "opening guest"]


@pytest.mark.parametrize("operation", [Operation.STOP, Operation.REBOOT])
async def test_a_list_from_before_the_bots_own_action_is_not_believed(
    tmp_path: Path, operation: Operation
) -> None:
    scene = home(tmp_path)
    scene.change(101, R, uptime=5000)
    await scene.poll()
    before = scene.proxmox.guests[101]
    await carried_out(scene, operation)
    after = scene.proxmox.guests[101]
    scene.world.cluster_cache._overlays.clear()
    scene.proxmox.guests[101] = replace(before, uptime=5014)  # pvestatd hangs
    scene.clock.advance(14 - 60)
    assert await scene.poll() == []
    scene.proxmox.guests[101] = replace(after, uptime=(after.uptime or 0) + 60 if after.uptime else None)
    assert await scene.poll() == []
    assert await scene.poll() == []


async def test_an_order_that_was_obeyed_excuses_no_stop_after_an_outage(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll()
    await carried_out(scene, Operation.REBOOT)
    scene.proxmox.next("cluster", *[Unreachable("pve.example.com")] * 120)
    told = [await scene.poll() for _ in range(119)]
    scene.change(101, S)
    told += [await scene.poll(), await scene.poll()]
    assert ["recovery source", "opening guest"] in told


async def test_a_flapping_guest_that_is_shut_down_through_the_bot_is_no_alarm(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll(R, S, R, S, R, S, R)
    await carried_out(scene, Operation.STOP)
    told = [await scene.poll() for _ in range(20)]
    assert [one for one in told if one] == [["recovery flapping"]]


async def test_a_failed_task_list_hides_no_alarm(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll()
    scene.proxmox.next("cluster_tasks", MissingPrivilege("Sys.Audit", "/"))
    assert await scene.poll(S) == ["opening guest"]


async def test_why_it_stopped_is_looked_up(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll()
    scene.proxmox.start_task(
        "qmshutdown", 101, "pve1", lambda: scene.change(101, S), user="root@pam", seconds=1
    )
    assert await scene.poll() == ["opening note"]


# -- the source


async def test_proxmox_out_of_reach_is_one_message_and_its_reason_is_kept(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll()
    error = Unreachable("pve.example.com")
    scene.proxmox.next("cluster", *[error] * 10)
    told = [await scene.poll() for _ in range(10)]
    assert [one for one in told if one] == [["opening source"]]
    assert scene.watch.read_error is error
    assert await scene.poll() == ["recovery source"]
    assert scene.watch.read_error is None


async def test_a_token_that_sees_nothing_is_a_fault_of_the_source(tmp_path: Path) -> None:
    scene = home(tmp_path, 3)
    await scene.poll()
    kept, scene.proxmox.guests = scene.proxmox.guests, {}
    assert [await scene.poll() for _ in range(5)] == [[], [], ["opening source"], [], []]
    assert isinstance(scene.watch.read_error, NothingVisible)
    scene.proxmox.guests = kept
    assert await scene.poll() == ["recovery source"]


# -- the list


async def test_the_list_is_stored_before_it_counts(tmp_path: Path) -> None:
    scene = home(tmp_path)
    assert await scene.watch.add(guest(102, R))
    assert [entry.vmid for entry in scene.store.load([]).entries] == [101, 102]
    await scene.watch.remove(101)
    assert [entry.vmid for entry in scene.store.load([]).entries] == [102]


async def test_thresholds_are_kept_and_changed_one_by_one(tmp_path: Path) -> None:
    scene = home(tmp_path)
    assert not await scene.watch.add(guest(101, R), cpu=90)
    assert not await scene.watch.add(guest(101, R), memory=80)
    await scene.restart()
    assert scene.watch.find(101) == WatchEntry(101, cpu=90, memory=80)


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda watch: watch.add(guest(101, R)), AlreadyWatched),
        (lambda watch: watch.add(TEMPLATE), CannotWatchTemplate),
        (lambda watch: watch.add(guest(102, R), cpu=9), BadAmount),
        (lambda watch: watch.add(guest(102, R), memory=101), BadAmount),
        (lambda watch: watch.add(guest(101, R), cpu=-1), BadAmount),
        (lambda watch: watch.remove(102), NotWatched),
        (lambda watch: watch.remove(7), BadVmid),
        (lambda watch: watch.alerts.unmute("guest/101"), NotMuted),
        (lambda watch: watch.alerts.acknowledge(99, "Akiko"), IncidentOver),
        (lambda watch: watch.alerts.mute_incident(99, 60, "Akiko"), IncidentOver),
    ],
)
async def test_wrong_input_changes_nothing(
    tmp_path: Path, act: Callable[[object], Awaitable[object]], error: type[BotError]
) -> None:
    scene = home(tmp_path)
    before = scene.watch.state, scene.watch.entries
    with pytest.raises(error):
        await act(scene.watch)
    assert (scene.watch.state, scene.watch.entries) == before


async def test_a_containers_disk_can_be_watched(tmp_path: Path) -> None:
    scene = home(tmp_path)
    assert await scene.watch.add(guest(201, R, kind=Kind.LXC), disk=90)


async def test_a_guest_taken_off_the_list_ends_its_incidents_silently(tmp_path: Path) -> None:
    scene = home(tmp_path, 2)
    await scene.poll(R, S)
    scene.messages.clear()
    await scene.watch.remove(101)
    assert scene.messages == []
    assert not scene.watch.state.open
    incident = scene.journal.history({101}, 0, 5)[0][0]
    assert incident.forgotten
    assert await scene.poll(R, S) == []


async def test_a_list_that_cannot_be_stored_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = home(tmp_path)

    def full(*_saved: object) -> None:
        raise StoreFailed("ENOSPC")

    monkeypatch.setattr(scene.store, "save", full)
    with pytest.raises(StoreFailed):
        await scene.watch.add(guest(102, R))
    assert scene.watch.find(102) is None


async def test_a_list_in_the_old_form_keeps_its_content(tmp_path: Path) -> None:
    (tmp_path / "monitor_list.json").write_text(
        '{"version": 1, "guests": [{"vmid": 101, "state": "running", "since": 1.0}]}'
    )
    scene = WatchHarness.__new__(WatchHarness)
    WatchHarness.__init__(scene, tmp_path, [guest(101, S)], ())
    await scene.watch.load((WatchEntry(101),), {101: R})
    assert await scene.poll() == ["opening guest"]


# -- answers


async def test_acknowledging_stops_the_reminders_and_shows_who(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll(R, S)
    number = next(iter(scene.watch.state.open))
    incident = await scene.watch.alerts.acknowledge(number, "Akiko")
    assert incident.acked_by == "Akiko"
    assert [await scene.poll() for _ in range(300)] == [[]] * 300
    assert await scene.poll(R) == ["recovery guest"]


async def test_an_answer_makes_a_new_edition_of_the_alert(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll(R, S)
    opening = scene.messages[0]
    scene.journal.note_try(opening, "text", 1.0)
    scene.journal.note_posted(opening, 555, 0)
    assert scene.journal.to_edit() == ()
    await scene.watch.alerts.acknowledge(next(iter(scene.watch.state.open)), "Akiko")
    assert [message.stored.id for message in scene.journal.to_edit()] == [opening]


async def test_muting_an_alert_mutes_its_subject(tmp_path: Path) -> None:
    scene = home(tmp_path, 8)
    await scene.poll()
    for vmid in range(101, 109):
        scene.change(vmid, S)
    await scene.poll()
    group = next(iter(scene.watch.state.open))
    assert (
        await scene.watch.alerts.mute_incident(group, 3600, "Akiko")
    ).muted_until == scene.clock.unix + 3600
    assert {mute.target for mute in scene.watch.alerts.mutes()} == {
        f"guest/{vmid}" for vmid in range(101, 109)
    }


async def test_a_mute_ends_by_itself_and_can_be_taken_back(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll()
    await scene.watch.alerts.mute("all", 600, "Akiko")
    assert await scene.poll(S) == []
    await scene.watch.alerts.unmute("all")
    assert [scene.words(number) for number in scene.messages] == ["opening guest"]
    await scene.watch.alerts.mute("guest/101", 600, "Akiko")
    scene.clock.advance(601)
    assert scene.watch.alerts.mutes() == ()


async def test_answers_and_mutes_outlive_the_bot(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll(R, S)
    number = next(iter(scene.watch.state.open))
    await scene.watch.alerts.acknowledge(number, "Akiko")
    await scene.watch.alerts.mute("node/pve2", 3600, "Emma")
    await scene.restart()
    assert scene.watch.state.open[number].acked_by == "Akiko"
    assert [(mute.target, mute.by) for mute in scene.watch.alerts.mutes()] == [("node/pve2", "Emma")]
    assert await scene.poll() == []


# -- the journal


class Refusing:
    """Simulate a journal whose disk is full."""

    def __init__(self, scene: WatchHarness) -> None:
        self._scene, self._commit = scene, scene.journal.commit

    def __enter__(self) -> None:
        def full(*_given: object, **_more: object) -> None:
            raise JournalFailed("SQLITE_FULL")

        self._scene.journal.commit = full  # type: ignore[method-assign]  # for as long as the disk is full

    def __exit__(self, *_: object) -> None:
        self._scene.journal.commit = self._commit  # type: ignore[method-assign]  # room again


async def test_a_poll_that_cannot_be_stored_is_judged_again(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll()
    with Refusing(scene):
        assert await scene.poll(S, S, S) == []
        assert scene.watch.journal_error is not None
    assert await scene.poll() == ["opening guest"]
    assert scene.watch.journal_error is None


async def test_an_answer_that_cannot_be_stored_is_refused(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll(R, S)
    number = next(iter(scene.watch.state.open))
    with Refusing(scene):
        with pytest.raises(JournalFailed):
            await scene.watch.alerts.acknowledge(number, "Akiko")
        with pytest.raises(JournalFailed):
            await scene.watch.alerts.mute("all", 60, "Akiko")
    assert scene.watch.state.open[number].acked is None
    assert scene.watch.alerts.mutes() == ()


async def test_a_record_that_cannot_be_read_costs_only_itself(tmp_path: Path) -> None:
    scene = home(tmp_path, 2)
    await scene.poll()
    scene.journal.close()
    with sqlite3.connect(tmp_path / "journal.db") as db:
        broken = "UPDATE records SET value=? WHERE CAST(key AS TEXT)='guest/101'"
        assert db.execute(broken, (b'{"vmid": "x"}',)).rowcount == 1
    db.close()
    await scene.restart()
    scene.change(101, S)
    scene.change(102, S)
    assert await scene.poll() == ["opening guest"]  # 101 is seen for the first time


async def test_a_quiet_poll_writes_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = home(tmp_path, 100)
    await scene.poll()
    written: list[set[str]] = []
    commit = scene.journal.commit

    def noted(batch: Batch) -> None:
        written.append(set(batch.records))
        commit(batch)

    monkeypatch.setattr(scene.journal, "commit", noted)
    for vmid in range(101, 201):
        scene.change(vmid, R, uptime=5060)
    await scene.poll()
    assert written == [{"pulse", "uptimes"}]


# -- stops through the bot


async def carried_out(scene: WatchHarness, operation: Operation) -> Report:
    report = await scene.world.executor.execute(scene.world.order(operation))
    await scene.watch.on_action_done(report)
    return report


@pytest.mark.parametrize("operation", [Operation.STOP, Operation.SHUTDOWN])
async def test_a_stop_through_the_bot_is_no_alarm_and_the_next_stop_is(
    tmp_path: Path, operation: Operation
) -> None:
    scene = home(tmp_path)
    await scene.poll()
    await carried_out(scene, operation)
    assert await scene.poll() + await scene.poll(R) == []
    assert await scene.poll(S) == ["opening guest"]


async def test_a_reboot_through_the_bot_is_no_alarm(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll()
    scene.proxmox.change(101, uptime=3)
    await carried_out(scene, Operation.REBOOT)
    scene.clock.advance(600)
    assert await scene.poll() == []


async def test_an_ordered_stop_is_no_alarm_even_if_the_bot_dies_during_it(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll()
    plan = await scene.world.executor.plan(scene.world.order(Operation.STOP))
    async with scene.world.expected.expect_stop(plan):
        kept = scene.journal.records()
    assert kept["ordered/101"] == "Akiko"
    scene.journal.commit(Batch(records=dict(kept)))
    scene.change(101, S)
    await scene.restart(away=30)
    assert await scene.poll() == []
    assert "ordered/101" not in scene.journal.records()
    assert await scene.poll(R, S) == ["opening guest"]


async def ordered(scene: WatchHarness) -> None:
    """Order a stop that Proxmox accepts and the guest does not obey yet."""
    async with scene.world.expected.expect_stop(
        Plan(scene.world.order(Operation.STOP), scene.proxmox.guests[101])
    ) as order:
        order.sent = True


async def test_an_order_does_not_run_out_while_proxmox_cannot_be_read(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll()
    await ordered(scene)
    scene.change(101, S)
    scene.proxmox.next("cluster", *[Unreachable("pve.example.com")] * 10)
    assert [one for one in [await scene.poll() for _ in range(11)] if one] == [
        ["opening source"],
        ["recovery source"],
    ]
    assert await scene.poll(R, S) == ["opening guest"]


async def test_an_order_does_not_run_out_while_polls_cannot_be_stored(tmp_path: Path) -> None:
    """Seed 1123 of the soak."""
    scene = home(tmp_path)
    await scene.poll()
    await ordered(scene)
    with Refusing(scene):
        await scene.poll(S, S, S, S, S, S, S)
    assert await scene.poll() == []
    assert await scene.poll(R, S) == ["opening guest"]


async def test_an_order_that_ran_out_is_no_longer_noted(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll()
    await ordered(scene)
    assert await scene.poll(R, R, R, R, R, R) == []
    assert "ordered/101" not in scene.journal.records()
    assert scene.world.expected.current(blind=True) == {}
    assert await scene.poll(S) == ["opening guest"]


async def test_an_order_that_comes_during_a_poll_outlives_the_former_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The poll ends the former order, which has run out, whenever in its course the new one comes."""

    async def run(_self: AtOnce, call: Callable[[], object], **_options: bool) -> object:
        for _ in range(3):
            await asyncio.sleep(0)
        return call()

    for turns in range(60):
        folder = tmp_path / str(turns)
        folder.mkdir()
        scene = home(folder)
        await scene.poll()
        await ordered(scene)
        scene.clock.advance(GRACE_SECONDS + 1)
        with monkeypatch.context() as slow:
            slow.setattr(AtOnce, "run", run)
            poll = asyncio.create_task(scene.watch.poll())
            for _ in range(turns):
                await asyncio.sleep(0)
            is_over = poll.done()
            plan = Plan(scene.world.order(Operation.STOP), scene.proxmox.guests[101])
            async with scene.world.expected.expect_stop(plan) as order:
                order.sent = True
                await poll
                assert scene.world.expected.current() == {101: "Akiko"}, turns
                assert "ordered/101" in scene.journal.records(), turns
        assert await scene.poll(S) == []
        scene.journal.close()
    assert is_over, "the last orders come after the poll"


async def test_the_first_acknowledgement_counts(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll(R, S)
    number = next(iter(scene.watch.state.open))
    await scene.watch.alerts.acknowledge(number, "Akiko")
    assert (await scene.watch.alerts.acknowledge(number, "Emma")).acked_by == "Akiko"


async def test_a_mute_shows_on_the_alert_though_proxmox_cannot_be_read(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll(R, S)
    number = next(iter(scene.watch.state.open))
    scene.proxmox.next("cluster", Unreachable("pve.example.com"))
    await scene.poll()
    incident = await scene.watch.alerts.mute_incident(number, 3600, "Akiko")
    assert incident.muted_until == scene.clock.now() + 3600
    assert scene.journal.incident(number) == incident


async def test_a_new_journal_does_not_count_from_one(tmp_path: Path) -> None:
    """Otherwise the buttons of a lost journal's alerts would act on other incidents."""
    scene = home(tmp_path)
    await scene.poll(R, S)
    first = next(iter(scene.watch.state.open))
    scene.journal.close()
    (tmp_path / "journal.db").unlink()
    await scene.restart()
    await scene.poll(R, S)
    assert scene.watch.state.open.keys().isdisjoint({first})
    assert min(scene.watch.state.open) > first


async def test_a_guest_taken_off_while_the_journal_refuses_is_forgotten_later(tmp_path: Path) -> None:
    scene = home(tmp_path, 2)
    await scene.poll(R, S)
    with Refusing(scene):
        await scene.watch.remove(101)
    assert scene.watch.find(101) is None
    assert len(scene.watch.state.open) == 1
    assert await scene.poll() == []
    assert not scene.watch.state.open
    assert 101 not in scene.watch.state.guests


async def test_another_threshold_is_no_recovery(tmp_path: Path) -> None:
    """No value fell. A threshold of 0 removes the threshold."""
    scene = WatchHarness(tmp_path, [guest(101, R)], [WatchEntry(101, cpu=80)])
    scene.change(101, R, cpu=0.9)
    told = [await scene.poll() for _ in range(4)]
    assert ["opening gauge"] in told
    await scene.watch.add(scene.proxmox.guests[101], cpu=95)
    assert not scene.watch.state.open
    assert [await scene.poll() for _ in range(4)] == [[], [], [], []]
    await scene.watch.add(scene.proxmox.guests[101], cpu=0)
    assert scene.watch.find(101) == WatchEntry(101)


async def test_the_start_of_a_state_is_not_made_up(tmp_path: Path) -> None:
    """A guest found stopped at first sight has an unknown start.

    A paused one counts from the first poll that saw it paused.
    """
    scene = home(tmp_path, 2)
    scene.change(102, S)
    await scene.poll(State.PAUSED, State.PAUSED)
    assert scene.watch.state.guests[102].since is None
    await scene.poll(R, State.PAUSED)
    first = scene.watch.state.guests[101].since
    await scene.poll(State.PAUSED)
    assert scene.watch.state.guests[101].since == first is not None


async def test_a_stop_that_cannot_be_noted_is_not_sent(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll()
    with Refusing(scene), pytest.raises(JournalFailed):
        await carried_out(scene, Operation.STOP)
    assert scene.proxmox.sent == []


async def test_a_deleted_guest_is_taken_off_the_list(tmp_path: Path) -> None:
    scene = home(tmp_path, 3)
    await scene.poll(S)
    report = await scene.world.executor.execute(scene.world.order(Operation.DELETE))
    assert await scene.watch.on_action_done(report)
    assert scene.watch.find(101) is None
    assert await scene.poll() == []


async def test_an_old_incident_leaves_the_journal_after_ninety_days(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll(R, S, R)
    for number in scene.messages:
        scene.journal.note_try(number, "text", 1.0)
        scene.journal.note_posted(number, 1, 9)
    assert scene.journal.history(None, 0, 9)[1] == 1
    scene.clock.advance(91 * 86400)
    await scene.poll()
    assert scene.journal.history(None, 0, 9)[1] == 0


async def test_storages_are_watched_with_the_same_read(tmp_path: Path) -> None:
    scene = home(tmp_path)
    scene.proxmox.storages = (Storage("local", "pve1", False, True, 95, 100),)
    assert [await scene.poll() for _ in range(3)] == [[], [], ["opening storage"]]
    assert {incident.topic for incident in scene.watch.state.open.values()} == {Topic.STORAGE}


async def test_a_guest_moved_by_ha_is_reported_as_back_elsewhere(tmp_path: Path) -> None:
    scene = home(tmp_path)
    await scene.poll()
    scene.proxmox.nodes = (Node("pve1", False), Node("pve2", True))
    scene.change(101, State.UNKNOWN)
    await scene.poll()
    scene.change(101, R, node="pve2", uptime=5)
    assert await scene.poll() == ["opening note"]
    assert scene.journal.history({101}, 0, 1)[0][0].guests[0].what is GuestEvent.ELSEWHERE


async def test_a_death_between_the_list_and_the_journal_leaves_nothing_open(tmp_path: Path) -> None:
    scene = home(tmp_path, 2)
    await scene.poll(R, S)
    scene.store.save((WatchEntry(102),))
    await scene.restart()
    assert not scene.watch.state.open
    assert 101 not in scene.watch.state.guests


async def test_an_order_counts_once_even_if_the_bot_dies_as_it_sees_the_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The poll that sees the stop uses the order up in its own transaction."""
    scene = home(tmp_path)
    await scene.poll()
    await scene.watch._persistence.store_expected_stop(101, "Akiko")
    await scene.restart(away=5)
    monkeypatch.setattr(scene.world.expected, "on_stop_seen", lambda _vmid: None)  # it dies before this call
    assert await scene.poll(S) == []
    await scene.restart(away=5)
    assert await scene.poll(R, S) == ["opening guest"]


# --- what is forgotten ---


def kept_vmids(home: WatchHarness) -> list[int | None]:
    return [each.record.vmid for each in home.journal.audit_page(AuditFilter(), 0, 50)[0]][::-1]


async def test_the_audit_trail_is_kept_for_its_days_and_never_cut_right_after_a_start(tmp_path: Path) -> None:
    """A clock that is wrong at the start and corrected soon after costs nothing."""
    home = WatchHarness(tmp_path, [guest(101)])
    days = WatchRules().audit_days
    for vmid, age in ((101, days + 1), (102, days - 1)):
        store_record(
            home.journal, AuditRecord(AuditStep.REFUSED, AKIKO, "stop", vmid), home.clock.now() - age * 86_400
        )
    await home.restart(away=400 * 86_400.0)
    await home.poll()
    assert kept_vmids(home) == [101, 102]
    home.clock.unix -= 400 * 86_400.0
    for _ in range(70):
        await home.poll()
    assert kept_vmids(home) == [102]

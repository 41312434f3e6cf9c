"""Test failed backups that are missing from the cluster's task list: the node's own list shows how they ended."""

import asyncio

import pytest

from core.guest import Cluster, Node, TaskSummary
from core.proxmox_errors import TimedOut
from core.watch.incidents.observation import Observation
from core.watch.incidents.state import StateUpdate, StepTime, WatchRules, WatchState
from core.watch.incidents.step import step
from core.watch.polling.backup_poller import (
    BACK_SECONDS,
    EVERY_SECONDS,
    NODES_MOST,
    BackupPoller,
    query_start,
)
from core.watch.records import changed_records, decode_state, split_state
from playground.pve.plan import TaskPlan
from playground.pve.server import Pve
from tests.bot.watch.test_sockets import poll, reads, watching
from tests.support import stage
from tests.support.fakes import NOW, FakeClock, FakeProxmox
from tests.support.stage import Stage

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

# -- over sockets


async def begun(scene: Stage, pve: Pve, vmid: int = 103, ends: str = "job errors") -> TaskPlan:
    """Start a backup and wait until a poll has seen it running."""
    plan = pve.backup_job(vmid, ends=ends, hold=True)
    assert await poll(scene, 6) == []
    return plan


async def test_a_long_backup_that_fails_unlisted_is_reported_once(bare_scene: Stage, pve: Pve) -> None:
    await watching(bare_scene, [103])
    plan = await begun(bare_scene, pve)
    plan.release()
    await ended(bare_scene, pve, plan)
    pve.other_tasks(pve.guest(103).node)
    told = await poll(bare_scene, 6)
    assert len(told) == 1
    assert "the job ended with errors" in told[0]
    assert "**103**" in told[0]
    await bare_scene.crash_bot()
    assert await poll(bare_scene, 12) == []


async def test_an_unlisted_failed_backup_is_reported_after_a_restart_too(bare_scene: Stage, pve: Pve) -> None:
    await watching(bare_scene, [103])
    plan = await begun(bare_scene, pve)
    await bare_scene.crash_bot()
    plan.release()
    await ended(bare_scene, pve, plan)
    pve.other_tasks(pve.guest(103).node)
    told = await poll(bare_scene, 6)
    assert len(told) == 1
    assert "the job ended with errors" in told[0]


async def test_a_failed_backup_that_came_and_went_between_two_polls_is_reported(
    bare_scene: Stage, pve: Pve
) -> None:
    await watching(bare_scene, [103])
    pve.backup_job(103, ends="job errors")
    pve.other_tasks(pve.guest(103).node)
    told = await poll(bare_scene, 6)
    assert len(told) == 1
    assert "the job ended with errors" in told[0]
    assert await poll(bare_scene, 12) == []


async def test_an_unlisted_backup_that_ends_well_is_not_reported(bare_scene: Stage, pve: Pve) -> None:
    await watching(bare_scene, [103])
    plan = await begun(bare_scene, pve, ends="OK")
    plan.release()
    await ended(bare_scene, pve, plan)
    pve.other_tasks(pve.guest(103).node)
    assert await poll(bare_scene, 12) == []
    assert bare_scene.site.watch.state.running == frozenset()


async def test_failures_from_before_the_first_start_are_not_reported(bare_scene: Stage, pve: Pve) -> None:
    pve.backup_job(103, ends="job errors")
    pve.other_tasks(pve.guest(103).node)
    await watching(bare_scene, [103])
    assert await poll(bare_scene, 12) == []


async def test_a_node_is_asked_every_five_minutes_and_a_hung_one_holds_no_poll(
    bare_scene: Stage, pve: Pve
) -> None:
    await watching(bare_scene, [101])
    before = len(pve.requests)
    await poll(bare_scene, 10)
    lists = [path for path in reads(pve, before) if path.endswith("/tasks") and path.startswith("/nodes/")]
    assert len(lists) == 2 * len(pve.nodes)
    pve.hang("/nodes/pve3/tasks", 60.0)
    try:
        async with asyncio.timeout(30):
            await poll(bare_scene, 5)
    finally:
        pve.hang("/nodes/pve3/tasks", 0)


async def ended(scene: Stage, pve: Pve, plan: TaskPlan) -> None:
    await scene.until(lambda: "exitstatus" in pve.tasks[plan.upid or ""], "the backup's end")


# -- who is asked


def upid(number: int, *, node: str = "a", kind: str = "vzdump", start: int = 0) -> str:
    return f"UPID:{node}:{number:08X}:00000001:{start or int(NOW):08X}:{kind}:101:root@pam:"


def task(number: int, status: str | None, *, node: str = "a", start: int = 0) -> TaskSummary:
    ended = None if status is None else int(NOW) + 60
    text = upid(number, node=node, start=start)
    return TaskSummary(text, "vzdump", "root@pam", start or int(NOW), ended, status, node, "101")


def cluster(*nodes: str) -> Cluster:
    return Cluster((), tuple(Node(name, True) for name in nodes), 0.0)


async def test_many_nodes_take_turns() -> None:
    proxmox = FakeProxmox(FakeClock())
    asking, here = BackupPoller(proxmox, proxmox.clock), cluster(*(f"n{n:02}" for n in range(20)))
    asked: list[str] = []
    for _ in range(5):
        got = await asking.ask(WatchState(), here, None)
        assert len(got) <= NODES_MOST
        asked += got
        proxmox.clock.advance(59)
    assert sorted(asked) == [f"n{n:02}" for n in range(20)], "each once in five minutes"


async def test_a_backup_that_is_no_longer_listed_is_asked_for_at_once() -> None:
    proxmox = FakeProxmox(FakeClock())
    asking, here = BackupPoller(proxmox, proxmox.clock), cluster("a", "b")
    state = WatchState(running=frozenset({upid(1)}))
    assert set(await asking.ask(state, here, [task(1, None)])) == {"a", "b"}
    assert await asking.ask(state, here, [task(1, None)]) == {}
    assert set(await asking.ask(state, here, [])) == {"a"}


async def test_an_alarm_comes_first_but_not_for_ever() -> None:
    proxmox = FakeProxmox(FakeClock())
    asking, here = BackupPoller(proxmox, proxmox.clock), cluster("a")
    assert set(await asking.ask(WatchState(), here, None, busy=True)) == {"a"}, "the first poll"
    proxmox.clock.advance(EVERY_SECONDS + 1)
    state = WatchState(running=frozenset({upid(1)}))
    assert await asking.ask(state, here, [], busy=True) == {}
    proxmox.clock.advance(EVERY_SECONDS)
    assert set(await asking.ask(state, here, [], busy=True)) == {"a"}


async def test_a_node_that_fails_is_left_for_five_minutes() -> None:
    proxmox = FakeProxmox(FakeClock())
    asking = BackupPoller(proxmox, proxmox.clock)
    proxmox.next("failed_backups", TimedOut("a", changing=False))
    assert await asking.ask(WatchState(), cluster("a"), None) == {}
    proxmox.clock.advance(60)
    assert await asking.ask(WatchState(), cluster("a"), None) == {}
    proxmox.clock.advance(EVERY_SECONDS)
    assert await asking.ask(WatchState(), cluster("a"), None) == {"a": ()}


def test_a_node_is_asked_from_before_the_last_request_and_from_the_oldest_running_backup() -> None:
    day = BACK_SECONDS
    assert query_start(WatchState(), "a", NOW) == NOW - day
    assert query_start(WatchState(asked={"a": NOW - 9 * day}), "a", NOW) == NOW - 10 * day
    assert query_start(WatchState(asked={"a": NOW + 9 * day}), "a", NOW) == NOW - day
    long = frozenset({upid(1, start=int(NOW) - 3 * day), upid(2, node="b", start=5)})
    assert query_start(WatchState(running=long), "a", NOW) == NOW - 3 * day


# -- what is told


class Steps:
    """Run polls one after another, a minute apart."""

    def __init__(self, state: WatchState | None = None) -> None:
        self.state, self.count = state or WatchState(), 0

    def see(
        self, tasks: list[TaskSummary] | None = None, **lists: list[TaskSummary]
    ) -> list[tuple[str, str]]:
        self.count += 1
        here = Observation(
            cluster("a", "b"),
            tasks=None if tasks is None else tuple(tasks),
            backups={node: tuple(rows) for node, rows in lists.items()},
        )
        moment = StepTime(NOW + 60 * self.count, 60.0 if self.count > 1 else 0.0, self.count == 1)
        update: StateUpdate = step(self.state, (), here, moment, WatchRules())
        self.state = update.state
        written = changed_records({}, split_state(self.state))
        records = {key: text for key, text in written.items() if text is not None}
        assert decode_state(records, self.state.open.values()) == self.state
        return [(fact.node, fact.error) for incident in update.incidents for fact in incident.backups]


FAILED = [("a", "job errors")]


def test_the_first_poll_of_each_list_is_old() -> None:
    steps = Steps()
    assert steps.see([task(1, "job errors")], a=[task(1, "job errors"), task(2, "job errors")]) == []
    assert steps.see([], a=[task(2, "job errors"), task(3, "job errors")]) == FAILED
    assert steps.see([], b=[task(9, "job errors", node="b")]) == []


def test_the_two_lists_together_tell_it_once() -> None:
    steps = Steps()
    steps.see([], a=[])
    assert steps.see([task(1, "job errors")], a=[task(1, "job errors")]) == FAILED
    assert steps.see([], a=[task(1, "job errors")]) == []
    assert steps.see([task(1, "job errors")]) == []


def test_backups_seen_running_are_reported_though_the_nodes_list_is_new() -> None:
    """The data directory is from a version that did not query nodes."""
    steps = Steps(WatchState(tasks={}))
    assert steps.see([task(1, None)]) == []
    assert steps.see([], a=[task(1, "job errors"), task(2, "job errors")]) == FAILED


@pytest.mark.parametrize("status", ["OK", "WARNINGS: 3"])
def test_backups_that_end_well_are_not_reported(status: str) -> None:
    steps = Steps()
    steps.see([task(1, None)], a=[])
    assert steps.see([], a=[task(1, status)]) == []
    assert steps.state.running == frozenset()


def test_running_backups_are_followed_though_the_node_was_asked() -> None:
    steps = Steps()
    steps.see([task(1, None)], a=[])
    assert steps.see([task(1, None)], a=[]) == []
    assert steps.state.running == {upid(1)}
    assert steps.see([]) == []
    assert steps.state.running == {upid(1)}, "its node has not been asked yet"
    assert steps.see(None, a=[task(1, "unexpected status")]) == [("a", "unexpected status")]
    assert steps.state.running == frozenset()

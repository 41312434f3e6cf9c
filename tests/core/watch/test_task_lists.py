"""Test which nodes are asked for the tasks that the cluster's list has no room for."""

from dataclasses import replace

from core.guest import TaskSummary
from core.watch.polling.task_lists import complete_task_list
from tests.support.fakes import FakeClock, FakeProxmox


class TaskNode(FakeProxmox):
    """Keep the tasks of a node, as `active_workers` in RESTEnvironment.pm does.

    `active`: all running tasks, filled up to 25 with the finished ones that started last. A dropped one stays away.
    """

    def __init__(self) -> None:
        super().__init__(FakeClock())
        self.log: dict[str, TaskSummary] = {}
        self.active: list[str] = []

    def start(self, upid: str, at: int, kind: str = "qmstop") -> None:
        self.log[upid] = TaskSummary(upid, kind, "root@pam", at, None, None, "pve1")
        self.active.append(upid)
        self._drop()

    def end(self, upid: str, at: int) -> None:
        self.log[upid] = replace(self.log[upid], ended=at, status="OK")
        self._drop()

    def run(self, name: str, count: int, at: int) -> set[str]:
        """Run this many short tasks, one after the other, and return their UPIDs."""
        upids = [f"{name}{number}" for number in range(count)]
        for number, upid in enumerate(upids):
            self.start(upid, at + 2 * number)
            self.end(upid, at + 2 * number + 1)
        return set(upids)

    def _drop(self) -> None:
        tasks = sorted((self.log[upid] for upid in self.active), key=lambda task: task.started, reverse=True)
        running = [task.upid for task in tasks if task.ended is None]
        ended = [task.upid for task in tasks if task.ended is not None]
        self.active = running + ended[: max(0, 25 - len(running))]

    @property
    def tasks_listed(self) -> tuple[TaskSummary, ...]:
        return tuple(self.log[upid] for upid in self.active)

    async def node_tasks(self, node: str, since: int) -> tuple[TaskSummary, ...]:
        self.asked.append("node_tasks")
        return tuple(task for task in self.log.values() if task.started >= since)

    async def complete(self, known: set[str] | None) -> set[str]:
        """Return the UPIDs of the completed list. `known`: those of the earlier lists."""
        before = None if known is None else dict.fromkeys(known, 0.0)
        tasks = await complete_task_list(self, before, self.tasks_listed, ["pve1"])
        return {task.upid for task in tasks}


async def test_stops_that_the_list_has_no_room_for_are_read_from_the_node() -> None:
    node = TaskNode()
    node.run("old", 30, at=1000)
    known = set(node.active)
    stops = node.run("stop", 40, at=2000)
    assert stops - set(node.active)
    assert stops <= await node.complete(known)


async def test_a_known_task_that_ran_meanwhile_does_not_make_the_list_complete() -> None:
    node = TaskNode()
    node.run("old", 30, at=1000)
    node.start("backup", at=1500, kind="vzdump")
    known = set(node.active)
    stops = node.run("stop", 40, at=2000)
    node.end("backup", at=2100)
    assert "backup" in node.active
    assert stops - set(node.active)
    assert stops <= await node.complete(known)


async def test_a_list_with_room_for_all_new_tasks_is_not_completed() -> None:
    node = TaskNode()
    node.run("old", 30, at=1000)
    known = set(node.active)
    stops = node.run("stop", 20, at=2000)
    assert stops <= await node.complete(known)
    assert node.asked == []


async def test_before_the_first_list_no_node_is_asked() -> None:
    node = TaskNode()
    node.run("old", 30, at=1000)
    assert await node.complete(None) == set(node.active)
    assert node.asked == []


async def test_tasks_that_ran_side_by_side_are_read_from_the_node_once() -> None:
    """Read again much later, a stop that is over would excuse a failure of its guest."""
    node = TaskNode()
    node.run("old", 30, at=1000)
    known = set(node.active)
    for number in range(40):
        node.start(f"stop{number}", at=2000)
    for number in range(40):
        node.end(f"stop{number}", at=2005)
    known |= await node.complete(known)
    assert node.asked == ["node_tasks"]
    known = set(node.active)  # the others are forgotten after ten minutes
    assert await node.complete(known) == known
    assert node.asked == ["node_tasks"]

"""Test that the playground hides things as Proxmox does: a node whose pvestatd hangs, and unlisted backups."""

from collections.abc import Iterator

import pytest

from core.guest import State
from playground.cluster.demo_cluster import NODES, Life, build_demo
from playground.cluster.life import DAZED, LONG
from playground.pve.server import Pve
from tests.support.client_stage import VM, client_of, opened, wait_until


@pytest.fixture
def demo() -> Iterator[Pve]:
    made = Pve(nodes=NODES)
    build_demo(made)
    with made:
        yield made


async def test_a_hung_pvestatd_hides_all_but_the_configuration() -> None:
    with opened() as pve:
        pve.guest(VM.vmid).config["tags"] = "prod"
        pve.hang_pvestatd(VM.node)
        client = client_of(pve)
        cluster = await client.cluster()
        listed = cluster.find(VM.vmid)
        assert listed is not None
        assert (listed.state, listed.name, listed.uptime, listed.tags) == (
            State.UNKNOWN,
            None,
            None,
            ("prod",),
        )
        assert {node.name: (node.online, node.known) for node in cluster.nodes} == {
            "pve1": (True, False),
            "pve2": (True, True),
        }
        assert not any(store.available for store in cluster.storages if store.node == VM.node)
        truth = await client.status(listed, quick=True)
        assert (truth.state, truth.name) == (State.RUNNING, VM.name)
        pve.free_pvestatd(VM.node)
        listed = (await client.cluster()).find(VM.vmid)
        assert listed is not None
        assert listed.state is State.RUNNING


@pytest.mark.parametrize("state", ["internal-error", "prelaunch", "watchdog"])
async def test_a_vm_held_by_qemu_is_listed_in_that_state(state: str) -> None:
    with opened() as pve:
        pve.hold_vm(VM.vmid, state)
        client = client_of(pve)
        listed = (await client.cluster()).find(VM.vmid)
        assert listed is not None
        assert listed.state.value == state
        assert (await client.status(listed)).state.value == state


async def test_a_nodes_own_task_list_has_tasks_that_the_clusters_list_lacks() -> None:
    with opened() as pve:
        pve.backup_job(VM.vmid, ends="job errors")
        pve.other_tasks(VM.node)
        client = client_of(pve)
        assert "vzdump" not in {task.type for task in await client.cluster_tasks()}
        (failed,) = await client.failed_backups(VM.node, 0)
        assert (failed.node, failed.id, failed.status) == (VM.node, str(VM.vmid), "job errors")
        assert await client.failed_backups(VM.node, failed.started + 10) == ()


def test_the_demo_shows_both_after_its_first_quarter_of_an_hour(demo: Pve) -> None:
    life, hung = Life(demo, 0.0), []

    def live(seconds: range) -> None:
        for second in seconds:
            life.step(float(second))
            if DAZED in demo.hung_nodes:
                hung.append(second)

    live(range(1026))
    (backup,) = [task for task in demo.tasklog if task["type"] == "vzdump" and task["id"] == str(LONG)]
    wait_until(lambda: "exitstatus" in backup)
    live(range(1026, 1400))
    assert (hung[0], hung[-1]) == (1020, 1259)
    assert backup not in demo.active_workers(backup["node"])

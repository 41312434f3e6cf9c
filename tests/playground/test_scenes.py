"""Test events in the playground's cluster that the bot did not cause, seen through the API as the bot sees them."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from proxmoxer import ProxmoxAPI, ResourceException

from playground.pve.server import BOT_TOKEN, BOT_USER, Pve


@pytest.fixture
def pve() -> Iterator[Pve]:
    with Pve(nodes=("pve1", "pve2")) as made:
        made.add_vm(100, "web01", node="pve1", status="running")
        made.add_vm(101, "db01", node="pve2")
        made.add_ct(200, "dns", node="pve1", status="running")
        yield made


@pytest.fixture
def api(pve: Pve) -> Iterator[Any]:
    made = ProxmoxAPI(
        pve.host,
        port=pve.port,
        user=BOT_USER,
        token_name=BOT_TOKEN,
        token_value=pve.give_bot(),
        verify_ssl=pve.ca_file,
    )
    yield made
    made._store["session"].close()


BOTH = pytest.mark.parametrize(("vmid", "kind", "prefix"), [(100, "qemu", "qm"), (200, "lxc", "vz")])


def row_of(api: Any, vmid: int) -> dict[str, Any]:
    return next(row for row in api.cluster.resources.get(type="vm") if row["vmid"] == vmid)


def storages(api: Any) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["storage"], row["node"]): row for row in api.cluster.resources.get(type="storage")}


def until(true: Any) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


# ---------------------------------------------------------------- backups


@BOTH
def test_a_backup_locks_its_guest_while_it_runs(
    pve: Pve,
    api: Any,
    vmid: int,
    kind: str,  # noqa: ARG001  # BOTH gives it
    prefix: str,  # noqa: ARG001  # BOTH gives it
) -> None:
    plan = pve.backup_job(vmid, hold=True, user="alice@pam")
    assert row_of(api, vmid)["lock"] == "backup"
    assert row_of(api, vmid)["status"] == "running"
    (row,) = api.cluster.tasks.get()
    assert row["upid"] == plan.upid
    assert (row["type"], row["id"], row["user"], row["node"]) == ("vzdump", str(vmid), "alice@pam", "pve1")
    assert not {"status", "endtime", "tokenid"} & set(row)
    (listed,) = api.nodes("pve1").tasks.get(source="all")
    assert (listed["upid"], listed["status"]) == (plan.upid, "RUNNING")
    assert api.nodes("pve1").tasks.get() == []
    plan.release()
    until(lambda: "exitstatus" in pve.tasks[plan.upid])
    assert "lock" not in row_of(api, vmid)
    (row,) = api.cluster.tasks.get()
    assert (row["status"], row["endtime"] >= row["starttime"]) == ("OK", True)


@BOTH
def test_a_backup_of_a_locked_guest_fails(pve: Pve, api: Any, vmid: int, kind: str, prefix: str) -> None:  # noqa: ARG001  # BOTH gives it
    pve.snapshot_lock(vmid, "snapshot")
    plan = pve.backup_job(vmid)
    assert api.nodes("pve1").tasks(plan.upid).status.get()["exitstatus"] == "job errors"
    words = "VM is locked" if kind == "qemu" else "CT is locked"
    assert any(f"{words} (snapshot)" in row["t"] for row in api.nodes("pve1").tasks(plan.upid).log.get())
    assert row_of(api, vmid)["lock"] == "snapshot"


def test_a_backup_takes_its_time_and_fails(pve: Pve, api: Any) -> None:
    plan = pve.backup_job(100, ends="job errors", seconds=0.2)
    assert row_of(api, 100)["lock"] == "backup"
    until(lambda: "exitstatus" in pve.tasks[plan.upid])
    assert "lock" not in row_of(api, 100)
    (row,) = api.cluster.tasks.get()
    assert row["status"] == "job errors"


def test_a_job_of_several_guests_has_an_empty_id_and_needs_its_node(pve: Pve, api: Any) -> None:
    plan = pve.backup_job(None, "pve2", ends="WARNINGS: 1")
    (row,) = api.cluster.tasks.get()
    assert (row["upid"], row["id"], row["node"], row["status"]) == (plan.upid, "", "pve2", "WARNINGS: 1")
    assert plan.upid.split(":")[6] == ""
    with pytest.raises(ValueError, match="node"):
        pve.backup_job(None)


@BOTH
def test_in_stop_mode_the_guest_is_down_meanwhile(
    pve: Pve,
    api: Any,
    vmid: int,
    kind: str,
    prefix: str,  # noqa: ARG001  # BOTH gives it
) -> None:
    """A VM is stopped by a separate task (QemuServer.pm stop_vm runs `qm shutdown`)."""
    plan = pve.backup_job(vmid, hold=True, mode="stop")
    until(lambda: pve.guest(vmid).status == "stopped")
    assert (row_of(api, vmid)["status"], row_of(api, vmid)["lock"]) == ("stopped", "backup")
    others = [(row["type"], row["user"]) for row in api.cluster.tasks.get() if row["upid"] != plan.upid]
    assert others == ([("qmshutdown", "root@pam")] if kind == "qemu" else [])
    plan.release()
    until(lambda: pve.guest(vmid).status == "running" and pve.guest(vmid).lock is None)
    assert row_of(api, vmid)["uptime"] <= 1


def test_a_stopped_guest_stays_stopped_in_stop_mode(pve: Pve, api: Any) -> None:
    pve.backup_job(101, mode="stop")
    assert row_of(api, 101)["status"] == "stopped"
    assert [row["type"] for row in api.cluster.tasks.get()] == ["vzdump"]


# -------------------------------------------------- other administrators


@BOTH
@pytest.mark.parametrize("how", ["stop", "shutdown"])
def test_another_administrator_stops_and_starts_a_guest(
    pve: Pve,
    api: Any,
    vmid: int,
    kind: str,  # noqa: ARG001  # BOTH gives it
    prefix: str,
    how: str,
) -> None:
    pve.stop_as(vmid, "alice@pam", how=prefix + how)
    assert row_of(api, vmid)["status"] == "stopped"
    pve.act_as(vmid, "start", "bob@pve")
    assert row_of(api, vmid)["status"] == "running"
    told = {(row["type"], row["user"], row["id"], row["status"]) for row in api.cluster.tasks.get()}
    assert told == {
        (prefix + how, "alice@pam", str(vmid), "OK"),
        (f"{prefix}start", "bob@pve", str(vmid), "OK"),
    }


@BOTH
@pytest.mark.parametrize("how", ["reboot", "reset"])
def test_another_administrator_restarts_a_guest(
    pve: Pve, api: Any, vmid: int, kind: str, prefix: str, how: str
) -> None:
    if (kind, how) == ("lxc", "reset"):
        with pytest.raises(ValueError, match="containers"):
            pve.act_as(vmid, how)
        return
    pve.set_uptime(vmid, 5000)
    assert 4999 <= row_of(api, vmid)["uptime"] <= 5001
    pve.act_as(vmid, how, "alice@pam")
    assert row_of(api, vmid)["status"] == "running"
    assert row_of(api, vmid)["uptime"] <= 1
    (row,) = api.cluster.tasks.get()
    assert (row["type"], row["user"]) == (prefix + how, "alice@pam")


@BOTH
def test_another_administrator_deletes_a_guest(pve: Pve, api: Any, vmid: int, kind: str, prefix: str) -> None:  # noqa: ARG001  # BOTH gives it
    pve.stop_as(vmid)
    pve.act_as(vmid, "destroy", "alice@pam")
    assert vmid not in {row["vmid"] for row in api.cluster.resources.get(type="vm")}
    assert api.cluster.tasks.get()[0]["type"] == f"{prefix}destroy"


def test_a_guest_of_ha_is_stopped_by_a_request(pve: Pve, api: Any) -> None:
    pve.guest(100).ha_state = "started"
    pve.stop_as(100, "alice@pam")
    (row,) = api.cluster.tasks.get()
    assert (row["type"], row["user"], row_of(api, 100)["status"]) == ("hastop", "alice@pam", "stopped")


def test_other_peoples_actions_can_be_planned_and_may_fail(pve: Pve, api: Any) -> None:
    pve.next_task("qmstop", ends="VM is locked (backup)")
    pve.stop_as(100, "alice@pam")
    (row,) = api.cluster.tasks.get()
    assert (row["status"], row_of(api, 100)["status"]) == ("VM is locked (backup)", "running")
    with pytest.raises(ValueError, match="not an action"):
        pve.act_as(100, "qmexplode")


# ------------------------------------------------------- by themselves


def test_many_crash_at_once_and_no_answer_shows_half_of_it(pve: Pve, api: Any) -> None:
    vmids = pve.add_many(300)
    seen: list[set[str]] = []
    over = threading.Event()

    def play() -> None:
        while not over.is_set():
            pve.crash_all(vmids)
            pve.revive_all(vmids)

    playing = threading.Thread(target=play)
    playing.start()
    try:
        for _ in range(15):
            rows = api.cluster.resources.get(type="vm")
            seen.append({row["status"] for row in rows if row["vmid"] in set(vmids)})
    finally:
        over.set()
        playing.join()
    assert {len(states) for states in seen} == {1}
    assert api.cluster.tasks.get() == []


def test_a_missing_guest_cannot_crash(pve: Pve) -> None:
    with pytest.raises(ValueError, match="999"):
        pve.crash_all((100, 999))
    assert pve.guest(100).status == "running"


@BOTH
def test_a_guest_that_bounces_has_only_a_lower_uptime(
    pve: Pve,
    api: Any,
    vmid: int,
    kind: str,  # noqa: ARG001  # BOTH gives it
    prefix: str,  # noqa: ARG001  # BOTH gives it
) -> None:
    pve.set_uptime(vmid, 5000)
    pve.bounce(vmid)
    row = row_of(api, vmid)
    assert (row["status"], row["uptime"] <= 1) == ("running", True)
    assert api.cluster.tasks.get() == []
    pve.crash(vmid)
    with pytest.raises(ValueError, match="does not run"):
        pve.bounce(vmid)


def test_a_guest_that_is_removed_is_gone_without_a_task(pve: Pve, api: Any) -> None:
    for vmid, kind in ((100, "qemu"), (200, "lxc")):
        pve.remove_guest(vmid)
        with pytest.raises(ResourceException) as refused:
            api.nodes("pve1")(kind)(vmid).status.current.get()
        assert "does not exist" in str(refused.value)
    assert [row["vmid"] for row in api.cluster.resources.get(type="vm")] == [101]
    assert api.cluster.tasks.get() == []


def test_an_io_error_is_seen_in_the_list_and_in_qmpstatus(pve: Pve, api: Any) -> None:
    pve.io_error(100)
    assert row_of(api, 100)["status"] == "io-error"
    current = api.nodes("pve1").qemu(100).status.current.get()
    assert (current["status"], current["qmpstatus"]) == ("running", "io-error")
    pve.revive(100)
    assert row_of(api, 100)["status"] == "running"


# ------------------------------------------------------------------ nodes


def test_a_node_that_could_not_be_reached_comes_back_as_it_was(pve: Pve, api: Any) -> None:
    pve.set_uptime(100, 5000)
    pve.node_offline("pve1")
    nodes = {row["node"]: row["status"] for row in api.cluster.resources.get(type="node")}
    assert nodes == {"pve1": "offline", "pve2": "online"}
    assert row_of(api, 100)["status"] == "running"
    pve.node_online("pve1")
    assert row_of(api, 100)["uptime"] >= 5000


def test_a_node_that_was_down_comes_back_with_fresh_guests(pve: Pve, api: Any) -> None:
    pve.add_vm(102, "lazy", node="pve1", status="running")
    pve.add_vm(103, "far", node="pve2", status="running")
    pve.pause_vm(102)
    for vmid in (100, 102, 103, 200):
        pve.set_uptime(vmid, 5000)
    pve.node_offline("pve1", expired=True)
    assert row_of(api, 100)["status"] == "unknown"
    pve.node_online("pve1", rebooted=True, left_stopped=(200, 101))
    rows = {row["vmid"]: row for row in api.cluster.resources.get(type="vm")}
    assert {vmid: row["status"] for vmid, row in rows.items()} == {
        100: "running",
        101: "stopped",
        102: "running",
        103: "running",
        200: "stopped",
    }
    assert max(rows[vmid]["uptime"] for vmid in (100, 102)) <= 1
    assert rows[103]["uptime"] >= 5000
    node = next(row for row in api.cluster.resources.get(type="node") if row["node"] == "pve1")
    assert node["uptime"] <= 1


@BOTH
def test_ha_runs_a_guest_of_a_lost_node_elsewhere(
    pve: Pve,
    api: Any,
    vmid: int,
    kind: str,  # noqa: ARG001  # BOTH gives it
    prefix: str,
) -> None:
    pve.set_uptime(vmid, 5000)
    pve.node_offline("pve1")
    pve.ha_recover(vmid, "pve2")
    row = row_of(api, vmid)
    assert (row["node"], row["status"], row["hastate"]) == ("pve2", "running", "started")
    assert row["uptime"] <= 1
    (task,) = api.cluster.tasks.get()
    assert (task["type"], task["node"], task["user"]) == (f"{prefix}start", "pve2", "root@pam")
    pve.node_online("pve1", rebooted=True)
    assert row_of(api, vmid)["node"] == "pve2"


# --------------------------------------------------------- use and storages


def test_use_can_be_set_and_given_back(pve: Pve, api: Any) -> None:
    pve.set_use(100, cpu=0.95, memory=0.9)
    pve.set_use(200, cpu=0.5, memory=0.25, disk=0.75)
    vm, ct = row_of(api, 100), row_of(api, 200)
    assert (vm["cpu"], round(vm["mem"] / vm["maxmem"], 3), vm["disk"]) == (0.95, 0.9, 0)
    assert (ct["cpu"], round(ct["mem"] / ct["maxmem"], 3)) == (0.5, 0.25)
    assert round(ct["disk"] / ct["maxdisk"], 3) == 0.75
    assert api.nodes("pve1").qemu(100).status.current.get()["cpu"] == 0.95
    assert api.nodes("pve1").lxc(200).status.current.get()["disk"] == ct["disk"]
    with pytest.raises(ValueError, match="VM's disk"):
        pve.set_use(100, disk=0.5)
    pve.crash(100)
    assert (row_of(api, 100)["cpu"], row_of(api, 100)["mem"]) == (0, 0)
    pve.revive(100)
    assert row_of(api, 100)["cpu"] == 0.95
    pve.set_use(100)
    assert row_of(api, 100)["cpu"] < 0.6


def test_storages_are_filled_emptied_and_lost(pve: Pve, api: Any) -> None:
    pve.fill_storage("local", 0.95)
    pve.fill_storage("local-lvm", 0.5, node="pve2")
    rows = storages(api)
    assert {row["status"] for row in rows.values()} == {"available"}
    fills = {key: round(row["disk"] / row["maxdisk"], 3) for key, row in rows.items()}
    assert (fills["local", "pve1"], fills["local", "pve2"]) == (0.95, 0.95)
    assert (fills["local-lvm", "pve1"], fills["local-lvm", "pve2"]) == (0.42, 0.5)
    pve.fill_storage("local", None)
    lost = storages(api)["local", "pve1"]
    assert (lost["status"], "disk" in lost, "maxdisk" in lost) == ("unknown", False, False)
    pve.fill_storage("local", 0.1)
    row = storages(api)["local", "pve1"]
    assert (row["status"], round(row["disk"] / row["maxdisk"], 3)) == ("available", 0.1)


# ------------------------------------------------------------------ many


def test_a_thousand_guests_are_there_quickly_and_listed_quickly(pve: Pve, api: Any) -> None:
    begun = time.monotonic()
    vmids = pve.add_many(1000)
    assert time.monotonic() - begun < 30
    begun = time.monotonic()
    rows = [row for row in api.cluster.resources.get() if row.get("vmid") in set(vmids)]
    assert time.monotonic() - begun < 30
    assert {row["type"]: sum(r["type"] == row["type"] for r in rows) for row in rows} == {
        "qemu": 667,
        "lxc": 333,
    }
    assert {row["node"] for row in rows} == {"pve1", "pve2"}
    assert all(row["status"] == "running" and row["uptime"] >= 86399 for row in rows)
    stopped = pve.add_many(2, node="pve2", first=5000, status="stopped")
    assert [(row_of(api, vmid)["node"], row_of(api, vmid)["status"]) for vmid in stopped] == [
        ("pve2", "stopped")
    ] * 2


# ----------------------------------------------------------------- rights


def test_roles_on_a_path_replace_those_from_above_it(pve: Pve, api: Any) -> None:
    """AccessControl.pm roles: a grant further down replaces the grants at /."""
    for who in (BOT_USER, f"{BOT_USER}!{BOT_TOKEN}"):
        pve.grant(who, "/storage/local", "Datastore.AllocateSpace")
    assert {name for name, _ in storages(api)} == {"local-lvm"}
    for who in (BOT_USER, f"{BOT_USER}!{BOT_TOKEN}"):
        pve.grant(who, "/storage/local", "Datastore.Audit")
    assert {name for name, _ in storages(api)} == {"local", "local-lvm"}

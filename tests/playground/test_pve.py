"""Test the corrections of fakepve in the playground: it answers proxmoxer over HTTPS as Proxmox does."""

import contextlib
import json
import selectors
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPSConnection
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.x509.oid import ExtensionOID
from proxmoxer import ProxmoxAPI, ResourceException

from playground.cluster.demo_cluster import FRAGILE, WATCHED, Life, build_demo
from playground.pve.server import BOT_PRIVILEGES, BOT_TOKEN, BOT_USER, Pve


def client(
    pve: Pve, secret: str, *, user: str = BOT_USER, token: str = BOT_TOKEN, timeout: float = 10
) -> Any:
    return ProxmoxAPI(
        pve.host,
        port=pve.port,
        user=user,
        token_name=token,
        token_value=secret,
        verify_ssl=pve.ca_file,
        timeout=timeout,
    )


@pytest.fixture
def pve() -> Iterator[Pve]:
    with Pve(nodes=("pve1", "pve2")) as made:
        made.add_vm(
            100, "web01", node="pve1", status="running", config={"cores": 2, "memory": "2048", "agent": "1"}
        )
        made.add_vm(101, "db01", node="pve2")
        made.add_vm(900, "debian13", node="pve1", template=True)
        made.add_ct(200, "dns", node="pve1", status="running")
        made.add_ct(201, "proxy", node="pve1")
        made.add_ct(901, "alpine", node="pve1", template=True)
        yield made


@pytest.fixture
def api(pve: Pve) -> Iterator[Any]:
    """Provide the bot's API access, with one more privilege than its roles: the one to set other options."""
    made = client(pve, pve.give_bot(privileges=(*BOT_PRIVILEGES, "VM.Config.Options")))
    yield made
    made._store["session"].close()


def refusal(call: Any, *args: Any, **params: Any) -> ResourceException:
    with pytest.raises(ResourceException) as caught:
        call(*args, **params)
    return caught.value


def ended(api: Any, upid: str) -> str:
    return str(api.nodes(upid.split(":")[1]).tasks(upid).status.get()["exitstatus"])


def wait_for_end(api: Any, upid: str) -> None:
    _until(lambda: "exitstatus" in api.nodes(upid.split(":")[1]).tasks(upid).status.get())


def log_of(api: Any, upid: str) -> list[str]:
    return [row["t"] for row in api.nodes(upid.split(":")[1]).tasks(upid).log.get(limit=500)]


def row_of(api: Any, vmid: int) -> dict[str, Any]:
    return next(row for row in api.cluster.resources.get(type="vm") if row["vmid"] == vmid)


# ------------------------------------------------------------------- HTTP


def test_the_ca_verifies_the_node_and_the_fingerprint_is_its_certificates(pve: Pve, api: Any) -> None:
    assert api.version.get()["release"].startswith("9.")
    assert [row["ssl_fingerprint"] for row in api.nodes.get()] == [pve.fingerprint] * 2
    assert len(pve.fingerprint.split(":")) == 32
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(pve.url, timeout=5)


@pytest.mark.parametrize("old", [True, False])
def test_an_old_root_ca_has_no_key_usage(old: bool) -> None:
    with Pve(old_ca=old) as made:
        certificate = x509.load_pem_x509_certificate(Path(made.ca_file).read_bytes())
        assert (
            requests.get(made.url + "/api2/json/version", verify=made.ca_file, timeout=5).status_code == 401
        )
    assert old is not any(e.oid == ExtensionOID.KEY_USAGE for e in certificate.extensions)


@pytest.mark.parametrize("value", [True, "true", "yes", "on"])
def test_only_1_and_0_are_booleans(api: Any, value: object) -> None:
    refused = refusal(api.nodes("pve1").qemu(900).clone.post, newid=110, full=value)
    assert (refused.status_code, refused.errors) == (
        400,
        {"full": f"type check ('boolean') failed - got '{value}'"},
    )
    assert ended(api, api.nodes("pve1").qemu(900).clone.post(newid=110, full=1)) == "OK"


def test_power_actions_refuse_unknown_parameters(api: Any) -> None:
    refused = refusal(api.nodes("pve1").qemu(100).status.shutdown.post, force=1)
    assert refused.status_code == 400
    assert list(refused.errors) == ["force"]


@pytest.mark.usefixtures("api")
def test_a_wrong_token_is_401_late_and_empty(pve: Pve) -> None:
    pve.auth_delay = 0.3
    asked = time.monotonic()
    refused = refusal(client(pve, "wrong").version.get)
    assert time.monotonic() - asked >= 0.3
    assert (refused.status_code, refused.content) == (401, "Authentication failed!")
    answer = requests.get(
        pve.url + "/api2/json/version",
        verify=pve.ca_file,
        timeout=5,
        headers={"Authorization": "PVEAPIToken=discordbot@pve!bot=wrong"},
    )
    assert (answer.content, answer.headers["Connection"]) == (b"", "close")


def test_a_token_has_only_privileges_that_its_user_has_too(pve: Pve) -> None:
    user_only = client(pve, pve.give_bot("a@pve", "t", "1", privileges=()), user="a@pve", token="t")
    pve.grant("a@pve", "/", *BOT_PRIVILEGES)
    pve.grant("b@pve!t", "/", *BOT_PRIVILEGES)
    token_only = client(pve, pve.give_bot("b@pve", "t", "2", privileges=()), user="b@pve", token="t")
    whole = client(pve, pve.give_bot("c@pve", "t", "3", privsep=False), user="c@pve", token="t")
    for poor in (user_only, token_only):
        refused = refusal(poor.nodes("pve1").qemu(100).status.current.get)
        assert (refused.status_code, refused.content) == (403, "Permission check failed (/vms/100, VM.Audit)")
        assert poor.cluster.resources.get(type="vm") == []
        assert poor.access.permissions.get() == {}
    assert whole.nodes("pve1").qemu(100).status.current.get()["vmid"] == 100
    assert whole.access.permissions.get(path="/vms/100") == {
        "/vms/100": dict.fromkeys(sorted(BOT_PRIVILEGES), 1)
    }


def test_the_bots_role_is_enough_for_every_command(pve: Pve) -> None:
    api = client(pve, pve.give_bot())
    one = api.nodes("pve1")
    for kind, vmid, template, name in (("qemu", 100, 900, "name"), ("lxc", 200, 901, "hostname")):
        guest = getattr(one, kind)(vmid)
        new = int(api.cluster.nextid.get())
        for upid in (
            getattr(one, kind)(template).clone.post(newid=new, **{name: "new"}),
            guest.snapshot.post(snapname="first"),
            guest.snapshot("first").rollback.post(),
            guest.snapshot("first").delete(),
            guest.status.start.post(),
            guest.status.reboot.post(),
            guest.status.shutdown.post(),
            getattr(one, kind)(new).delete(purge=1),
        ):
            assert ended(api, upid) == "OK", upid
        guest.config.put(cores=3, memory=1024)


def test_denied_privileges_name_privilege_and_path(pve: Pve, api: Any) -> None:
    pve.deny("VM.PowerMgmt", "/vms/100")
    refused = refusal(api.nodes("pve1").qemu(100).status.start.post)
    assert (refused.status_code, refused.content) == (403, "Permission check failed (/vms/100, VM.PowerMgmt)")
    # privileges are checked first
    assert refusal(api.nodes("pve1").qemu(100).status.start.post, force="x").status_code == 403
    assert ended(api, api.nodes("pve2").qemu(101).status.start.post()) == "OK"
    pve.allow_again()
    assert ended(api, api.nodes("pve1").qemu(100).status.stop.post()) == "OK"


def test_unknown_nodes_paths_and_guests_elsewhere(pve: Pve, api: Any) -> None:
    for part in ("qemu", "lxc", "tasks", "status"):
        refused = refusal(api.nodes("nowhere")(part).get)
        assert refused.status_code == 500
        assert refused.content.startswith("hostname lookup 'nowhere' failed - ")
    refused = refusal(api.nodes("pve1").qemu(100).nonsense.get)
    assert (refused.status_code, refused.content) == (
        501,
        "Method 'GET /nodes/pve1/qemu/100/nonsense' not implemented",
    )
    pve.move_guest(100, "pve2")
    refused = refusal(api.nodes("pve1").qemu(100).status.reboot.post)
    assert (refused.status_code, refused.content) == (
        500,
        "Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist",
    )
    assert row_of(api, 100)["node"] == "pve2"
    assert ended(api, api.nodes("pve2").qemu(100).status.reboot.post()) == "OK"


def test_no_quorum_refuses_every_change_and_no_reading(pve: Pve, api: Any) -> None:
    pve.lose_quorum()
    one = api.nodes("pve1")
    for change in (
        one.lxc(200).status.stop.post,
        one.lxc(200).status.shutdown.post,
        one.qemu(100).status.stop.post,
        one.lxc(201).delete,
        one.qemu(900).delete,
    ):
        refused = refusal(change)
        assert (refused.status_code, refused.content) == (500, "cluster not ready - no quorum?")
    assert len(api.cluster.resources.get(type="vm")) == 6
    pve.regain_quorum()
    assert ended(api, one.lxc(200).status.stop.post()) == "OK"


def test_an_offline_node_keeps_its_guests_names_until_the_broadcast_expires(pve: Pve, api: Any) -> None:
    pve.add_vm(300, "far", node="pve2", status="running")
    pve.node_offline("pve2")
    assert (row_of(api, 300)["status"], row_of(api, 300)["name"]) == ("running", "far")
    assert refusal(api.nodes("pve2").qemu(300).status.current.get).status_code == 595
    pve.node_offline("pve2", expired=True)
    assert row_of(api, 300) == {
        "id": "qemu/300",
        "vmid": 300,
        "node": "pve2",
        "type": "qemu",
        "status": "unknown",
    }
    pve.node_online("pve2")
    assert row_of(api, 300)["name"] == "far"


def test_a_login_page_instead_of_json(pve: Pve, api: Any) -> None:
    pve.html_instead_of_json(1)
    assert "errors" in api.cluster.resources.get()
    assert isinstance(api.cluster.resources.get(), list)


def test_a_hanging_path_times_out_before_or_after_the_work(pve: Pve, api: Any) -> None:
    hasty = client(pve, pve.give_bot(token="hasty"), token="hasty", timeout=0.3)
    pve.hang("/status/stop", 30)
    with pytest.raises(requests.exceptions.ReadTimeout):
        hasty.nodes("pve1").qemu(100).status.stop.post()
    assert pve.vm(100).status == "running"
    pve.hang("/status/stop", 30, times=1, acts=True)
    with pytest.raises(requests.exceptions.ReadTimeout):
        hasty.nodes("pve1").qemu(100).status.stop.post()
    assert pve.vm(100).status == "stopped"
    assert ended(api, api.nodes("pve1").qemu(100).status.stop.post()) == "OK"


def test_closing_does_not_wait_for_hanging_requests() -> None:
    with Pve() as made:
        slow = client(made, made.give_bot())
        made.hang("/version", 60)
        caller = threading.Thread(target=_ignore, args=(slow,))
        caller.start()
        _until(lambda: any(path == "/version" for _, path, _ in made.requests))
        closing = time.monotonic()
    assert time.monotonic() - closing < 30
    caller.join(30)
    assert not caller.is_alive()


def _ignore(api: Any) -> None:
    with contextlib.suppress(requests.exceptions.RequestException, ResourceException):
        api.version.get()


def test_a_body_that_is_too_large_or_too_late_is_refused() -> None:
    made = Pve()
    made.client_max_size = 1000
    with made as pve:
        path, token = "/api2/json/nodes/pve1/qemu/100/status/stop", pve.give_bot()
        headers = {"Authorization": f"PVEAPIToken={BOT_USER}!{BOT_TOKEN}={token}"}
        large = requests.post(pve.url + path, "a" * 2000, headers=headers, verify=pve.ca_file, timeout=30)
        pve.body_timeout = 0.1
        trusted = ssl.create_default_context(cafile=pve.ca_file)
        with contextlib.closing(HTTPSConnection(pve.host, pve.port, timeout=30, context=trusted)) as late:
            late.request("POST", path, headers={**headers, "Content-Length": "10"})  # which never come
            answer = late.getresponse()
    assert (large.status_code, large.headers["Connection"]) == (413, "close")
    assert (answer.status, answer.headers["Connection"]) == (408, "close")


def test_requests_are_recorded_as_sent(pve: Pve, api: Any) -> None:
    pve.requests.clear()
    api.cluster.resources.get(type="vm")
    api.nodes("pve1").qemu(100).status.shutdown.post(timeout=30, forceStop=0)
    assert pve.requests == [
        ("GET", "/cluster/resources", {"type": "vm"}),
        ("POST", "/nodes/pve1/qemu/100/status/shutdown", {"timeout": "30", "forceStop": "0"}),
    ]


# ------------------------------------------------------------------ tasks


def test_a_task_can_end_with_warnings(pve: Pve, api: Any) -> None:
    pve.next_task("qmstart", vmid=101, lines=["WARN: no efidisk configured!"], ends="WARNINGS: 1")
    upid = api.nodes("pve2").qemu(101).status.start.post()
    assert ended(api, upid) == "WARNINGS: 1"
    assert log_of(api, upid) == ["WARN: no efidisk configured!", "TASK WARNINGS: 1"]
    assert pve.vm(101).status == "running"


def test_a_task_can_end_in_an_error_and_then_nothing_was_done(pve: Pve, api: Any) -> None:
    pve.next_task("qmstart", vmid=100, ends="not this one")
    pve.next_task("qmstart", ends="start failed: QEMU exited with code 1", lines=["kvm: no memory"])
    upid = api.nodes("pve2").qemu(101).status.start.post()
    assert ended(api, upid) == "start failed: QEMU exited with code 1"
    assert log_of(api, upid) == ["kvm: no memory", "TASK ERROR: start failed: QEMU exited with code 1"]
    assert pve.vm(101).status == "stopped"
    assert ended(api, api.nodes("pve2").qemu(101).status.start.post()) == "OK"


def test_a_killed_task_leaves_no_word_of_its_end_in_the_log(pve: Pve, api: Any) -> None:
    pve.next_task("qmstop", lines=["shutting down"], ends="unexpected status")
    upid = api.nodes("pve1").qemu(100).status.stop.post()
    wait_for_end(api, upid)
    assert ended(api, upid) == "unexpected status"
    assert log_of(api, upid) == ["shutting down"]


def test_a_guest_with_a_running_task_is_busy(pve: Pve, api: Any) -> None:
    held = pve.next_task("qmstop", hold=True)
    upid = api.nodes("pve1").qemu(100).status.stop.post()
    assert all(pve.busy(100) for _ in range(10_000))
    held.release()
    wait_for_end(api, upid)
    assert pve.busy(100, within=60)
    assert not pve.busy(101, within=60)


@pytest.mark.parametrize(
    ("kind", "template", "words"), [("qemu", 900, "clone failed: disk gone"), ("lxc", 901, "disk gone")]
)
def test_a_failed_clone_leaves_no_guest(pve: Pve, api: Any, kind: str, template: int, words: str) -> None:
    pve.next_task("qmclone" if kind == "qemu" else "vzclone", ends="disk gone")
    upid = api.nodes("pve1")(kind)(template).clone.post(newid=120, full=1)
    assert ended(api, upid) == words
    assert pve.guest(120) is None
    assert ended(api, api.nodes("pve1")(kind)(template).clone.post(newid=120, full=1)) == "OK"


def test_a_held_task_runs_until_it_is_released(pve: Pve, api: Any) -> None:
    plan = pve.next_task("qmclone", hold=True)
    upid = api.nodes("pve1").qemu(900).clone.post(newid=120, full=1)
    assert (plan.started.wait(5), plan.upid) == (True, upid)
    plan.say("transferred 1.0 GiB of 8.0 GiB (12.50%)")
    assert log_of(api, upid)[-1] == "transferred 1.0 GiB of 8.0 GiB (12.50%)"
    status = api.nodes("pve1").tasks(upid).status.get()
    assert status["status"] == "running"
    assert "exitstatus" not in status
    assert row_of(api, 120)["lock"] == "clone"
    assert [row["status"] for row in api.nodes("pve1").tasks.get(source="active")] == ["RUNNING"]
    assert "status" not in api.cluster.tasks.get()[0]
    plan.release("WARNINGS: 2")
    wait_for_end(api, upid)
    assert ended(api, upid) == "WARNINGS: 2"
    assert "lock" not in row_of(api, 120)


def _until(true: Any) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "did not happen in a minute"
        time.sleep(0.01)


def test_an_empty_log_has_one_line(pve: Pve, api: Any) -> None:
    plan = pve.next_task("vzstart", hold=True)
    upid = api.nodes("pve1").lxc(201).status.start.post()
    assert api.nodes("pve1").tasks(upid).log.get() == [{"n": 1, "t": "no content"}]
    plan.release()


@pytest.mark.parametrize(("kind", "vmid", "prefix"), [("qemu", 100, "qm"), ("lxc", 200, "vz")])
def test_a_guest_is_locked_while_its_snapshot_is_made(
    pve: Pve, api: Any, kind: str, vmid: int, prefix: str
) -> None:
    guest = api.nodes("pve1")(kind)(vmid)
    for task, lock, act in (
        ("snapshot", "snapshot", lambda: guest.snapshot.post(snapname="first")),
        ("rollback", "rollback", guest.snapshot("first").rollback.post),
        ("delsnapshot", "snapshot-delete", guest.snapshot("first").delete),
    ):
        plan = pve.next_task(prefix + task, hold=True)
        upid = act()
        assert row_of(api, vmid)["lock"] == lock
        assert guest.config.get()["lock"] == lock
        plan.release()
        wait_for_end(api, upid)
        assert ended(api, upid) == "OK"
        assert "lock" not in row_of(api, vmid)
    pve.snapshot_lock(vmid, "backup")
    kind_of_guest = "VM" if kind == "qemu" else "CT"
    assert ended(api, guest.snapshot.post(snapname="second")) == f"{kind_of_guest} is locked (backup)"
    assert row_of(api, vmid)["lock"] == "backup"


def test_a_full_clone_counts_percents_a_linked_one_does_not(api: Any) -> None:
    full = log_of(api, api.nodes("pve1").qemu(900).clone.post(newid=120, full=1))
    assert "transferred 983.0 MiB of 8.0 GiB (12.00%)" in full
    assert full[-2:] == ["transferred 8.0 GiB of 8.0 GiB (100.00%)", "TASK OK"]
    linked = log_of(api, api.nodes("pve1").qemu(900).clone.post(newid=121))
    assert not any("transferred" in line for line in linked)


def test_unknown_upids_are_parameter_errors(pve: Pve, api: Any) -> None:
    upid = api.nodes("pve1").qemu(100).status.stop.post()
    pve.vanish_task(upid)
    for asked, why in ((upid, "no such task"), ("UPID:nonsense", "unable to parse worker upid")):
        refused = refusal(api.nodes("pve1").tasks(asked).status.get)
        assert (refused.status_code, refused.errors) == (400, {"upid": why})
    assert api.nodes("pve1").tasks.get() == []


def test_node_tasks_are_filtered(pve: Pve, api: Any) -> None:
    one = api.nodes("pve1")
    one.qemu(100).status.stop.post()
    pve.next_task("qmstart", ends="boom")
    one.qemu(100).status.start.post()
    one.lxc(200).status.stop.post()
    pve.next_task("vzstart", ends="WARNINGS: 1")
    one.lxc(200).status.start.post()
    held = pve.next_task("qmstart", hold=True)
    one.qemu(100).status.start.post()

    def kinds(**filters: Any) -> list[str]:
        return [row["type"] for row in one.tasks.get(**filters)]

    assert kinds() == ["vzstart", "vzstop", "qmstart", "qmstop"]
    assert kinds(source="active") == ["qmstart"]
    assert kinds(source="all") == ["qmstart", "vzstart", "vzstop", "qmstart", "qmstop"]
    assert kinds(vmid=200) == ["vzstart", "vzstop"]
    assert kinds(typefilter="qmstart") == ["qmstart"]
    assert kinds(errors=1) == ["vzstart", "qmstart"]
    assert kinds(statusfilter="warning") == ["vzstart"]
    assert kinds(statusfilter="ok,error") == ["vzstop", "qmstart", "qmstop"]
    assert kinds(limit=1, start=1) == ["vzstop"]
    assert kinds(since=int(time.time()) + 60) == []
    assert [row["status"] for row in one.tasks.get(errors=1, typefilter="qmstart")] == ["boom"]
    held.release()


def test_cluster_tasks_are_running_then_the_last_25_of_each_node(pve: Pve, api: Any) -> None:
    for _ in range(13):
        api.nodes("pve2").qemu(101).status.start.post()
        api.nodes("pve2").qemu(101).status.stop.post()
    held = pve.next_task("qmstop", hold=True)
    running = api.nodes("pve1").qemu(100).status.stop.post()
    rows = api.cluster.tasks.get()
    assert rows[0]["upid"] == running
    assert len(rows) == 26
    assert {(row["user"], row["tokenid"]) for row in rows} == {("discordbot@pve", "bot")}
    held.release()


def test_an_ended_task_that_had_no_room_in_the_cluster_list_does_not_come_back(pve: Pve, api: Any) -> None:
    def listed() -> set[str]:
        return {row["upid"] for row in api.cluster.tasks.get()}

    held = pve.next_task("qmstop", hold=True)
    long = api.nodes("pve1").qemu(100).status.stop.post()
    first = pve.act_as(200, "reboot")
    pve.other_tasks("pve1", 24)
    assert long in listed()
    assert first not in listed()
    held.release()
    wait_for_end(api, long)
    assert long in listed(), "until the next task starts"
    assert first not in listed()
    assert len(listed()) == 25
    pve.other_tasks("pve1", 1)
    assert long not in listed()
    assert len(listed()) == 25


def test_stop_can_overrule_a_shutdown(pve: Pve, api: Any) -> None:
    pve.next_task("qmshutdown", hold=True)
    shutdown = api.nodes("pve1").qemu(100).status.shutdown.post()
    stop = api.nodes("pve1").qemu(100).status.stop.post(**{"overrule-shutdown": 1})
    wait_for_end(api, shutdown)
    assert ended(api, shutdown) == "received interrupt"
    assert stop


# ----------------------------------------------------------------- config


def test_a_running_vms_new_cores_are_pending_until_a_restart_through_the_api(api: Any) -> None:
    vm = api.nodes("pve1").qemu(100)
    vm.config.put(cores=4, memory=4096)
    assert (vm.config.get()["cores"], vm.config.get()["memory"]) == (4, "4096")
    live = vm.config.get(current=1)
    assert (live["cores"], live["memory"]) == (2, "2048")
    pending = {row["key"]: row for row in vm.pending.get()}
    assert pending["cores"] == {"key": "cores", "value": 2, "pending": 4}
    assert pending["memory"]["pending"] == "4096"
    assert row_of(api, 100)["maxcpu"] == 2
    vm.status.reboot.post()
    assert (vm.config.get(current=1)["cores"], row_of(api, 100)["maxmem"]) == (4, 4096 * 1024**2)
    assert not any("pending" in row for row in vm.pending.get())


def test_pending_values_are_typed_as_in_the_config(pve: Pve, api: Any) -> None:
    pve.add_vm(
        300, "numbers", node="pve1", status="running", config={"memory": 1024, "cores": 2, "cpulimit": 1}
    )
    vm = api.nodes("pve1").qemu(300)
    upid = vm.config.post(cores=4, delete="cpulimit")
    assert (upid.split(":")[5], ended(api, upid)) == ("qmconfig", "OK")
    rows = {row.pop("key"): row for row in vm.pending.get()}
    assert rows["memory"] == {"value": "1024"}
    assert rows["cores"] == {"value": 2, "pending": 4}
    assert rows["cpulimit"] == {"value": 1, "delete": 1}
    assert rows["digest"]["value"] == vm.config.get()["digest"]
    assert "cpulimit" not in vm.config.get()
    assert (
        ended(api, vm.config.post(balloon=4096))
        == "balloon value too large (must be smaller than assigned memory)"
    )


def test_pending_values_come_with_stop_and_start_and_go_with_revert_or_the_old_value(api: Any) -> None:
    vm = api.nodes("pve1").qemu(100)
    vm.config.put(cores=8)
    vm.config.put(cores=2)
    assert not any("pending" in row for row in vm.pending.get())
    vm.config.put(cores=8)
    vm.config.put(revert="cores")
    assert vm.config.get()["cores"] == 2
    vm.config.put(delete="tags")
    vm.config.put(cores=8)
    vm.status.stop.post()
    assert vm.config.get(current=1)["cores"] == 2
    vm.status.start.post()
    assert vm.config.get(current=1)["cores"] == 8


def test_changes_without_a_restart_apply_at_once(api: Any) -> None:
    vm = api.nodes("pve1").qemu(100)
    vm.config.put(name="web02", description="x", tags="a", balloon=1024, protection=1)
    live = vm.config.get(current=1)
    assert (live["name"], live["balloon"], live["protection"]) == ("web02", 1024, 1)
    assert row_of(api, 100)["name"] == "web02"


def test_config_refusals(api: Any) -> None:
    vm = api.nodes("pve1").qemu(100)
    assert refusal(vm.config.put).content == "no options specified"
    assert (
        refusal(vm.config.put, balloon=4096).content
        == "balloon value too large (must be smaller than assigned memory)"
    )
    assert (
        refusal(vm.config.put, cores=4, digest="0" * 40).content
        == "checksum mismatch (file change by other user?)"
    )
    assert refusal(vm.config.get, current=1, snapshot="x").status_code == 400
    assert refusal(vm.config.put, memory="2G").status_code == 400


def test_config_of_a_snapshot(api: Any) -> None:
    vm = api.nodes("pve1").qemu(100)
    vm.snapshot.post(snapname="before")
    vm.status.stop.post()
    vm.config.put(cores=6)
    assert (vm.config.get(snapshot="before")["cores"], vm.config.get()["cores"]) == (2, 6)


def test_a_container_takes_cores_at_once(api: Any) -> None:
    ct = api.nodes("pve1").lxc(200)
    ct.config.put(cores=4, memory=1024)
    assert (ct.config.get(current=1)["cores"], ct.config.get(current=1)["memory"]) == (4, 1024)


def test_a_disk_grows_and_never_shrinks(pve: Pve) -> None:
    root = client(pve, pve.give_bot("admin@pve", privileges=("VM.Audit", "VM.Config.Disk")), user="admin@pve")
    vm = root.nodes("pve1").qemu(100)
    assert ended(root, vm.resize.put(disk="scsi0", size="+4G")) == "OK"
    assert "size=12G" in vm.config.get()["scsi0"]
    assert row_of(root, 100)["maxdisk"] == 12 * 1024**3
    assert refusal(vm.resize.put, disk="scsi0", size="4G").content == "shrinking disks is not supported"


# ------------------------------------------------------------------ power


def test_shutting_down_a_stopped_guest(api: Any) -> None:
    assert ended(api, api.nodes("pve2").qemu(101).status.shutdown.post()) == "OK"
    assert ended(api, api.nodes("pve2").qemu(101).status.stop.post()) == "OK"
    assert refusal(api.nodes("pve2").qemu(101).status.reboot.post).content == "VM 101 not running"
    for action in ("shutdown", "stop"):
        refused = refusal(api.nodes("pve1").lxc(201).status(action).post)
        assert (refused.status_code, refused.content) == (500, "CT 201 not running")
    assert ended(api, api.nodes("pve1").qemu(100).status.start.post()) == "VM 100 already running"
    assert refusal(api.nodes("pve1").lxc(200).status.start.post).content == "CT 200 already running"


def test_a_locked_vm_is_refused_by_the_task(pve: Pve, api: Any) -> None:
    pve.snapshot_lock(100, "backup")
    for action in ("shutdown", "stop", "reboot"):
        assert ended(api, api.nodes("pve1").qemu(100).status(action).post()) == "VM is locked (backup)"
    assert pve.vm(100).status == "running"
    assert refusal(api.nodes("pve1").qemu(100).status.stop.post, skiplock=1).errors == {
        "skiplock": "Only root may use this option."
    }


def test_a_paused_vm(pve: Pve, api: Any) -> None:
    pve.pause_vm(100)
    current = api.nodes("pve1").qemu(100).status.current.get()
    assert (row_of(api, 100)["status"], current["status"], current["qmpstatus"]) == (
        "paused",
        "running",
        "paused",
    )
    assert (
        refusal(api.nodes("pve1").qemu(100).status.shutdown.post).content == "VM is paused - cannot shutdown"
    )
    assert ended(api, api.nodes("pve1").qemu(100).status.shutdown.post(forceStop=1)) == "OK"
    assert row_of(api, 100)["status"] == "stopped"


def test_suspending_to_memory_and_to_disk_are_different_tasks(pve: Pve, api: Any) -> None:
    """The web interface calls qmpause "Pause" and qmsuspend "Hibernate"."""
    vm = api.nodes("pve1").qemu(100)
    upid = vm.status.suspend.post()
    assert (ended(api, upid), upid.split(":")[5], pve.vm(100).qmpstatus) == ("OK", "qmpause", "paused")
    assert ended(api, vm.status.resume.post()) == "OK"
    pve.snapshot_lock(100, "migrate")
    assert ended(api, vm.status.suspend.post()) == "VM is locked (migrate)"
    pve.snapshot_lock(100, None)
    upid = vm.status.suspend.post(todisk=1)
    assert (ended(api, upid), upid.split(":")[5], pve.vm(100).status) == ("OK", "qmsuspend", "stopped")


def test_a_guest_that_ignores_acpi(pve: Pve, api: Any) -> None:
    pve.vm(100).acpi = False
    upid = api.nodes("pve1").qemu(100).status.shutdown.post(timeout=5)
    assert ended(api, upid) == "VM quit/powerdown failed - got timeout"
    assert log_of(api, upid) == ["TASK ERROR: VM quit/powerdown failed - got timeout"]
    upid = api.nodes("pve1").qemu(100).status.shutdown.post(timeout=5, forceStop=1)
    assert (ended(api, upid), pve.vm(100).status) == ("OK", "stopped")


def test_how_long_a_shutdown_waits(pve: Pve, api: Any) -> None:
    failed = "VM quit/powerdown failed - got timeout"
    pve.vm(100).shutdown_secs = pve.ct(200).shutdown_secs = 30
    pve.vm(100).config["startup"] = "order=1,down=10"
    one = api.nodes("pve1")
    assert ended(api, one.qemu(100).status.shutdown.post()) == failed
    pve.shutdown_cap = 5
    assert ended(api, one.qemu(100).status.shutdown.post(timeout=60)) == failed
    assert ended(api, one.lxc(200).status.shutdown.post(timeout=60)) == "container did not stop"
    pve.shutdown_cap = None
    assert ended(api, one.qemu(100).status.shutdown.post(timeout=60)) == "OK"
    assert ended(api, one.lxc(200).status.shutdown.post(timeout=60)) == "OK"


def test_a_reboot_task_ends_while_the_vm_is_still_stopped(pve: Pve, api: Any) -> None:
    pve.time_scale, pve.reboot_gap = 0.01, 60.0
    upid = api.nodes("pve1").qemu(100).status.reboot.post()
    wait_for_end(api, upid)
    assert (ended(api, upid), pve.vm(100).status) == ("OK", "stopped")
    _until(lambda: api.nodes("pve1").qemu(100).status.current.get()["status"] == "running")


def test_the_ha_manager_acts_after_its_task_has_ended(pve: Pve, api: Any) -> None:
    pve.ha_held = True
    for kind, vmid in (("qemu", 100), ("lxc", 200)):
        pve.guest(vmid).ha_state = "started"
        upid = api.nodes("pve1")(kind)(vmid).status.shutdown.post()
        assert upid.split(":")[5] == "hastop"
        assert (ended(api, upid), row_of(api, vmid)["status"], row_of(api, vmid)["hastate"]) == (
            "OK",
            "running",
            "started",
        )
    pve.ha_round()
    assert {row_of(api, vmid)["status"] for vmid in (100, 200)} == {"stopped"}
    assert (
        refusal(api.nodes("pve1").qemu(100).delete).content
        == "unable to remove VM 100 - used in HA resources and purge parameter not set."
    )


def test_a_start_by_the_ha_manager_applies_pending_changes(pve: Pve, api: Any) -> None:
    pve.ha_held = True
    for kind, vmid in (("qemu", 100), ("lxc", 200)):
        pve.crash(vmid)
        pve.guest(vmid).ha_state = "stopped"
        pve.guest(vmid).pending = {"cores": 3}
        api.nodes("pve1")(kind)(vmid).status.start.post()
    pve.ha_round()
    for guest in (pve.vm(100), pve.ct(200)):
        assert (guest.status, guest.config.get("cores"), guest.pending) == ("running", 3, {}), guest.guest
    assert api.nodes("pve1").lxc(200).status.current.get()["pid"] > 0


def test_cores_whose_removal_is_pending_do_not_prevent_a_start(pve: Pve, api: Any) -> None:
    pve.crash(100)
    pve.nodes["pve1"]["maxcpu"] = 16
    pve.vm(100).config["cores"], pve.vm(100).pending["cores"] = 17, None
    assert ended(api, api.nodes("pve1").qemu(100).status.start.post()) == "OK"
    assert "cores" not in pve.vm(100).config


# -------------------------------------------------------------- snapshots


def test_snapshots_form_a_tree_and_come_in_no_order(api: Any) -> None:
    for guest, ram in ((api.nodes("pve1").qemu(100), {"vmstate": 1}), (api.nodes("pve1").lxc(200), {})):
        for name in ("first", "second", "third", "fourth"):
            guest.snapshot.post(snapname=name, description=name.upper(), **ram)
        guest.snapshot("second").rollback.post()
        guest.snapshot.post(snapname="branch")
        rows = {row["name"]: row for row in guest.snapshot.get()}
        assert {name: row.get("parent") for name, row in rows.items()} == {
            "first": None,
            "second": "first",
            "third": "second",
            "fourth": "third",
            "branch": "second",
            "current": "branch",
        }
        assert "snaptime" not in rows["current"]
        assert rows["second"]["description"] == "SECOND"
        assert rows["first"].get("vmstate", 0) == int(bool(ram))
        names = [name for name in rows if name != "current"]
        assert names != ["first", "second", "third", "fourth", "branch"]
        guest.snapshot("second").delete()
        assert {row["name"]: row.get("parent") for row in guest.snapshot.get()}["branch"] == "first"
        assert ended(api, guest.snapshot("second").delete()) == "snapshot 'second' does not exist"


def test_rollback_restores_the_config_and_stops_unless_the_snapshot_has_ram(pve: Pve, api: Any) -> None:
    vm = api.nodes("pve1").qemu(100)
    vm.snapshot.post(snapname="disk")
    vm.snapshot.post(snapname="ram", vmstate=1)
    vm.config.put(name="renamed")
    vm.config.put(cores=8)
    assert ended(api, vm.snapshot("disk").rollback.post()) == "OK"
    assert (pve.vm(100).status, row_of(api, 100)["name"], vm.config.get()["cores"]) == ("stopped", "web01", 2)
    vm.snapshot("ram").rollback.post()
    assert (pve.vm(100).status, "vmstate" in vm.config.get()) == ("running", False)
    vm.snapshot("disk").rollback.post(start=1)
    assert pve.vm(100).status == "running"
    api.nodes("pve1").lxc(200).snapshot.post(snapname="disk")
    api.nodes("pve1").lxc(200).snapshot("disk").rollback.post()
    assert pve.ct(200).status == "stopped"


@pytest.mark.parametrize(("kind", "vmid"), [("qemu", 100), ("lxc", 200)])
def test_reserved_snapshot_names(api: Any, kind: str, vmid: int) -> None:
    for name in ("current", "pending", "Pending"):
        refused = refusal(api.nodes("pve1")(kind)(vmid).snapshot.post, snapname=name)
        assert refused.content == f"unable to use snapshot name '{name.lower()}' (reserved name)"


# ---------------------------------------------------------- clone, delete


@pytest.mark.parametrize(
    ("kind", "template", "task"), [("qemu", 900, "qmdestroy"), ("lxc", 901, "vzdestroy")]
)
def test_a_template_with_linked_clones_cannot_be_deleted(
    pve: Pve, api: Any, kind: str, template: int, task: str
) -> None:
    one = api.nodes("pve1")(kind)
    one(template).clone.post(newid=120)
    one(template).clone.post(newid=121, full=1)
    upid = one(template).delete()
    assert upid.split(":")[5] == task
    assert (
        ended(api, upid) == f"base volume 'local-lvm:base-{template}-disk-0' is still in use by linked cloned"
    )
    assert pve.guest(template) is not None
    assert ended(api, one(120).delete()) == "OK"
    assert ended(api, one(template).delete()) == "OK"


def test_another_node_needs_shared_storage(pve: Pve, api: Any) -> None:
    refused = refusal(api.nodes("pve1").qemu(900).clone.post, newid=120, target="pve2")
    assert refused.content == "can't clone VM to node 'pve2' (VM uses local storage)"
    pve.add_ceph_storage("ceph")
    pve.add_vm(902, "shared", node="pve1", template=True, config={"scsi0": "ceph:vm-902-disk-0,size=4G"})
    assert ended(api, api.nodes("pve1").qemu(902).clone.post(newid=120, target="pve2")) == "OK"
    assert row_of(api, 120)["node"] == "pve2"


@pytest.mark.parametrize(
    ("kind", "template", "words"),
    [
        ("qemu", 900, "unable to create VM 102: config file already exists"),
        ("lxc", 901, "CT 102 already exists on node 'pve1'"),
    ],
)
def test_somebody_is_faster_with_the_free_id(
    pve: Pve, api: Any, kind: str, template: int, words: str
) -> None:
    assert api.cluster.nextid.get() == "102"
    pve.take_vmid_on_next_clone()
    assert refusal(api.nodes("pve1")(kind)(template).clone.post, newid=102).content == words
    assert row_of(api, 102)["name"] == "somebody-was-faster"
    assert (
        ended(api, api.nodes("pve1")(kind)(template).clone.post(newid=int(api.cluster.nextid.get()))) == "OK"
    )
    assert row_of(api, 103)["status"] == "stopped"


@pytest.mark.parametrize(("kind", "template"), [("qemu", 900), ("lxc", 901)])
def test_a_full_storage_fails_clones(pve: Pve, api: Any, kind: str, template: int) -> None:
    pve.full_storage("local-lvm")
    error = ended(api, api.nodes("pve1")(kind)(template).clone.post(newid=120, full=1))
    assert "No space left on device" in error or "free space in thin pool" in error
    assert pve.guest(120) is None


def test_protected_and_running_guests_are_not_deleted(pve: Pve, api: Any) -> None:
    assert refusal(api.nodes("pve1").qemu(100).delete).content == "VM 100 is running - destroy failed"
    pve.vm(101).config["protection"] = 1
    assert (
        refusal(api.nodes("pve2").qemu(101).delete).content == "can't remove VM 101 - protection mode enabled"
    )
    before = pve.copy_guest_state(101)
    assert refusal(api.nodes("pve2").qemu(101).delete, force=1).status_code == 400
    assert pve.copy_guest_state(101) == before


def test_agent_answers_name_the_missing_part(pve: Pve, api: Any) -> None:
    ask = api.nodes("pve1").qemu(100).agent("network-get-interfaces").get
    assert refusal(ask).content == "QEMU guest agent is not running"
    pve.vm(100).agent = {}
    assert ask()["result"][1]["ip-addresses"][0]["ip-address"] == "192.0.2.10"
    api.nodes("pve1").qemu(100).status.stop.post()
    assert refusal(ask).content == "VM 100 is not running"
    del pve.vm(100).config["agent"]
    assert refusal(ask).content == "No QEMU guest agent configured"


# ---------------------------------------------------------------- metrics


def test_between_two_rounds_of_pvestatd_resources_are_stale(pve: Pve, api: Any) -> None:
    pve.hold_pvestatd()
    api.nodes("pve1").qemu(100).status.stop.post()
    api.nodes("pve1").qemu(900).clone.post(newid=120, name="new")
    assert row_of(api, 100)["status"] == "running"
    assert row_of(api, 120) == {
        "id": "qemu/120",
        "vmid": 120,
        "node": "pve1",
        "type": "qemu",
        "status": "unknown",
    }
    assert api.nodes("pve1").qemu(120).status.current.get()["name"] == "new"
    pve.pvestatd_round()
    assert (row_of(api, 100)["status"], row_of(api, 120)["name"]) == ("stopped", "new")


def test_use_moves_within_bounds_and_counters_only_grow(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real, shift = time.time, [0.0]
    monkeypatch.setattr("playground.pve.metrics.time.time", lambda: real() + shift[0])
    seen: list[dict[str, Any]] = []
    for _ in range(40):
        shift[0] += 20
        seen.append(row_of(api, 100))
    assert len({round(row["cpu"], 6) for row in seen}) > 20
    for row in seen:
        assert 0 < row["cpu"] <= 1
        assert 0 < row["mem"] < row["maxmem"]
    for earlier, later in pairwise(seen):
        assert abs(earlier["cpu"] - later["cpu"]) < 0.15
        for counter in ("netin", "netout", "diskread", "diskwrite", "uptime"):
            assert later[counter] > earlier[counter]


def test_history_covers_when_the_guest_ran_and_agrees_with_the_present(pve: Pve, api: Any) -> None:
    for kind, vmid in (("qemu", 100), ("lxc", 200)):
        pve.guest(vmid).started_at = time.time() - 1800
        rows = api.nodes("pve1")(kind)(vmid).rrddata.get(timeframe="hour")
        assert [later["time"] - earlier["time"] for earlier, later in pairwise(rows)] == [60] * 59
        assert "cpu" not in rows[0]
        assert 28 <= sum("cpu" in row for row in rows) <= 31
        assert abs(rows[-1]["cpu"] - row_of(api, vmid)["cpu"]) < 0.2
        pve.crash(vmid)
        rows = api.nodes("pve1")(kind)(vmid).rrddata.get(timeframe="day")
        assert (len(rows), 28 <= sum("cpu" in row for row in rows) <= 31) == (1440, True)
    for timeframe, count in (("hour", 60), ("week", 336)):
        rows = api.nodes("pve1").rrddata.get(timeframe=timeframe)
        assert len(rows) == count
        assert all(0 < row["memused"] < row["memtotal"] for row in rows)
    assert refusal(api.nodes("pve2").qemu(100).rrddata.get, timeframe="hour").status_code == 500


def test_node_numbers_need_sys_audit(pve: Pve, api: Any) -> None:
    def node() -> Any:
        return next(row for row in api.cluster.resources.get(type="node") if row["node"] == "pve1")

    assert 0 < node()["cpu"] < 1
    status = api.nodes("pve1").status.get()
    assert status["memory"]["used"] + status["memory"]["free"] == status["memory"]["total"]
    assert all(isinstance(load, str) for load in status["loadavg"])
    pve.deny("Sys.Audit")
    assert "cpu" not in node()
    assert refusal(api.nodes("pve1").status.get).content == "Permission check failed (/nodes/pve1, Sys.Audit)"


def test_resources_hold_other_types_too(api: Any) -> None:
    assert {row["type"] for row in api.cluster.resources.get()} == {"qemu", "lxc", "node", "storage", "sdn"}


# ----------------------------------------------------------- demo cluster


@pytest.fixture
def demo() -> Iterator[Pve]:
    made = Pve(nodes=("pve1", "pve2", "pve3"))
    build_demo(made)
    made.auth_delay = 0
    with made:
        yield made


def test_the_demo_cluster_has_something_of_everything(demo: Pve) -> None:
    api = client(demo, demo.give_bot())
    rows = {row["vmid"]: row for row in api.cluster.resources.get(type="vm")}
    assert {row["type"] for row in rows.values()} == {"qemu", "lxc"}
    assert sorted(vmid for vmid, row in rows.items() if row["template"]) == [9000, 9001, 9100]
    assert {row["node"] for row in rows.values()} == {"pve1", "pve2", "pve3"}
    assert {row["status"] for row in rows.values()} == {"running", "stopped", "paused"}
    assert [row["lock"] for row in rows.values() if "lock" in row] == ["backup"]
    assert [vmid for vmid, row in rows.items() if "hastate" in row] == [107]
    tree = {row["name"]: row.get("parent") for row in api.nodes("pve2").qemu(103).snapshot.get()}
    assert tree == {
        "clean-install": None,
        "v1-21": "clean-install",
        "mods-test": "v1-21",
        "before-event": "v1-21",
        "current": "before-event",
    }
    for vmid in WATCHED:
        assert rows[vmid]["status"] == "running"
    assert {rows[vmid]["node"] for vmid in WATCHED} == {"pve1", "pve2", "pve3"}
    agent = api.nodes("pve1").qemu(101).agent("network-get-interfaces").get()["result"]
    assert agent[1]["ip-addresses"][0]["ip-address"] == "192.168.10.11"
    assert api.nodes("pve1").lxc(201).interfaces.get()[1]["inet"] == "192.168.10.201/24"
    for kind, vmid, node in (("qemu", 9000, "pve1"), ("qemu", 9001, "pve2"), ("lxc", 9100, "pve1")):
        assert ended(api, api.nodes(node)(kind)(vmid).clone.post(newid=300 + vmid % 1000)) == "OK"
    assert (
        ended(api, api.nodes("pve3").qemu(106).status.shutdown.post())
        == "VM quit/powerdown failed - got timeout"
    )
    assert ended(api, api.nodes("pve2").qemu(103).snapshot("mods-test").rollback.post()) == "OK"
    assert demo.vm(103).status == "running"


def test_a_watched_guest_crashes_and_comes_back(demo: Pve) -> None:
    life = Life(demo, 0.0)
    for second in range(60):
        life.step(float(second))
    assert [demo.guest(vmid).status for vmid in FRAGILE] == ["running"] * 2
    for second in range(60, 91):
        life.step(float(second))
    down = [vmid for vmid in FRAGILE if demo.guest(vmid).status == "stopped"]
    assert len(down) == 1
    assert down[0] in WATCHED
    for second in range(91, 225):
        life.step(float(second))
    assert demo.guest(down[0]).status == "running"
    assert demo.tasklog[-1]["user"] == "root@pam"


def test_a_guest_somebody_acts_on_does_not_crash_and_is_not_started(demo: Pve) -> None:
    api = client(demo, demo.give_bot())
    life = Life(demo, 0.0)
    for vmid in FRAGILE:
        api.nodes(demo.guest(vmid).node).qemu(vmid).status.reboot.post()
    for second in range(100):
        life.step(float(second))
    assert [demo.guest(vmid).status for vmid in FRAGILE] == ["running"] * 2
    for vmid in FRAGILE:
        api.nodes(demo.guest(vmid).node).qemu(vmid).status.stop.post()
    for second in range(100, 1000):
        life.step(float(second))
    assert [demo.guest(vmid).status for vmid in FRAGILE] == ["stopped"] * 2


@pytest.mark.parametrize(
    ("how", "options", "names"),
    [("terminate", [], ["home", "parents"]), ("close stdin", ["--one-site"], [""])],
)
def test_the_demo_process_says_where_it_is_and_ends_cleanly(
    how: str, options: list[str], names: list[str]
) -> None:
    with subprocess.Popen(  # noqa: S603 - the options are those above
        [sys.executable, "-m", "playground.cluster.demo_cluster", *options],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            assert selector.select(30)
        sites = json.loads(process.stdout.readline())["sites"]
        assert list(sites) == names
        assert sites[names[0]]["watched"] == list(WATCHED)
        for said in sites.values():
            api = ProxmoxAPI(
                said["host"],
                port=said["port"],
                user=said["user"],
                token_name=said["token_name"],
                token_value=said["token_value"],
                verify_ssl=said["ca_file"],
            )
            listed = {row["vmid"] for row in api.cluster.resources.get(type="vm")}
            assert set(said["watched"]) <= listed
            assert said["node"] in {row["node"] for row in api.nodes.get()}
        if how == "terminate":
            process.terminate()
        else:
            process.stdin.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""

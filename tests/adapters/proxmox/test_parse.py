"""Test the parsing of Proxmox' rows: parsers never raise on unexpected data, and each value lands in its field."""

import json
import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.proxmox.guest_agent import parse_addresses
from adapters.proxmox.parse import (
    parse_backup_storages,
    parse_backups,
    parse_config,
    parse_config_with_pending,
    parse_pending,
    parse_snapshots,
    parse_status,
    parse_tasks,
)
from adapters.proxmox.resources import decode_resources, parse_cluster
from core.guest import (
    HALTED_STATES,
    PASSING_STATES,
    Disk,
    Guest,
    Kind,
    Snapshot,
    State,
    Storage,
)
from core.proxmox import Pending
from tests.support.walked import walked

VM = Guest(100, Kind.QEMU, "pve1", State.RUNNING, "web01", cpus=2.0, tags=("kept",))


# -- junk

FIELDS = """
type vmid node status name cpu maxcpu mem maxmem disk maxdisk uptime template lock tags hastate
qmpstatus ha cpus cores sockets memory balloon protection digest description scsi0 rootfs mp0
unused0 ide2 key value pending delete snaptime vmstate parent snapstate upid user tokenid starttime
endtime inet inet6 ip-addresses ip-address managed id storage shared volid ctime size subtype format pool
active memhost cpulimit
"""
KEYS = FIELDS.split()
WORDS = st.sampled_from(
    [
        "qemu",
        "lxc",
        "node",
        "storage",
        "available",
        "running",
        "stopped",
        "offline",
        "RUNNING",
        "current",
        "1",
        "0",
        "2048",
        "none",
        "fe80::1%x",
        "local:backup/vzdump-qemu-100.vma.zst",
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.floats(),
    st.text(max_size=8),
    st.text(alphabet="0123456789.:/-+e", max_size=12),
    WORDS,
    st.just("9" * 5000),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=6,
)
ROWS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=12)
LISTS = st.lists(st.one_of(ROWS, VALUES), max_size=5)

PARSERS: dict[str, tuple[Any, Callable[[Any], object]]] = {
    "cluster": (LISTS, lambda rows: parse_cluster(rows, 1.0)),
    "status": (ROWS, lambda row: parse_status(VM, row)),
    "config qemu": (ROWS, lambda row: parse_config(Kind.QEMU, row)),
    "config lxc": (ROWS, lambda row: parse_config(Kind.LXC, row)),
    "pending": (LISTS, parse_pending),
    "config of pending": (LISTS, lambda rows: parse_config_with_pending(Kind.QEMU, rows)),
    "snapshots": (LISTS, parse_snapshots),
    "tasks": (LISTS, parse_tasks),
    "addresses": (LISTS, parse_addresses),
    "backups qemu": (LISTS, lambda rows: parse_backups(Kind.QEMU, "local", rows)),
    "backups lxc": (LISTS, lambda rows: parse_backups(Kind.LXC, "local", rows)),
    "backup storages": (LISTS, parse_backup_storages),
}


def held_to_types(value: object) -> None:
    """Check that the value contains no dict and no NaN or infinite number."""
    if isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, tuple):
        for item in value:
            held_to_types(item)
    elif is_dataclass(value):
        for one in fields(value):
            if one.repr:
                held_to_types(getattr(value, one.name))
    else:
        assert value is None or isinstance(value, (str, int))


@pytest.mark.parametrize("parser", list(PARSERS))
def test_no_row_raises(parser: str) -> None:
    rows, parse = PARSERS[parser]

    @settings(max_examples=15)  # new ones in every run; making one takes most of its time
    @given(rows)
    def parses(junk: Any) -> None:
        held_to_types(parse(junk))

    parses()


NUMBERS = (
    "1e999",
    "-1e999",
    "NaN",
    "1" + "0" * 400,
    "true",
    '"x"',
    "[]",
    "{}",
    "null",
    '"' + "9" * 5000 + '"',
)


@walked("number", NUMBERS)
def test_no_number_raises_wherever_one_is_due(number: str) -> None:
    value = json.loads(number)
    row = dict.fromkeys(KEYS, value)
    for kind in ("qemu", "lxc", "node", "storage"):
        held_to_types(parse_cluster([row | {"type": kind}, row | {"type": kind, "vmid": 100}], 1.0))
    for parse in (parse_pending, parse_snapshots, parse_tasks, parse_addresses):
        held_to_types(parse([row]))
    held_to_types(parse_status(VM, row))
    for guest_kind in Kind:
        held_to_types(parse_config(guest_kind, row))
        held_to_types(parse_config_with_pending(guest_kind, [row, {"key": "cores", "value": value}]))


# -- rows


def test_the_cluster_is_sorted_and_other_rows_are_left_out() -> None:
    cluster = parse_cluster(
        [
            {"type": "storage", "id": "storage/pve1/local", "node": "pve1"},
            {"type": "qemu", "vmid": 9, "node": "b", "status": "running"},
            {"type": "lxc", "vmid": 2, "node": "a", "status": "stopped", "name": "x"},
            {"type": "qemu", "vmid": "3", "node": "a"},
            {"type": "qemu", "vmid": True, "node": "a"},
            {"type": "openvz", "vmid": 4, "node": "a"},
            {"type": "qemu", "vmid": -3, "node": "a"},
            {"type": "qemu", "vmid": 5},
            {"type": "qemu", "vmid": 6, "node": ""},
            {"type": "lxc", "vmid": 7, "node": None, "status": "running"},
            {"type": "lxc", "vmid": 8, "node": ["a"]},
            {"type": "qemu", "node": "a"},
            {"type": "node", "status": "offline"},
            {"type": "node", "node": None},
            {"type": "storage", "node": "a"},
            {"type": ["qemu"], "vmid": 100, "node": "a"},
            {"type": "node", "node": "b", "status": "online", "cpu": 0.5, "maxcpu": 4, "mem": 1, "maxmem": 2},
            {"type": "node", "node": "a", "status": "unknown"},
            "junk",
        ],
        7.5,
    )
    assert [guest.vmid for guest in cluster.guests] == [2, 9]
    assert [(node.name, node.online, node.cpu) for node in cluster.nodes] == [
        ("a", True, None),
        ("b", True, 0.5),
    ]
    assert cluster.read_at == 7.5


@walked(
    ("word", "state"),
    [
        ("running", State.RUNNING),
        ("stopped", State.STOPPED),
        ("paused", State.PAUSED),
        ("suspended", State.SUSPENDED),
        *((state.value, state) for state in sorted(HALTED_STATES | PASSING_STATES)),
        ("unknown", State.UNKNOWN),
        ("of tomorrow", State.UNKNOWN),
        ("", State.UNKNOWN),
        (None, State.UNKNOWN),
        (7, State.UNKNOWN),
    ],
)
def test_states(word: object, state: State) -> None:
    (listed,) = parse_cluster([{"type": "qemu", "vmid": 100, "node": "a", "status": word}], 0.0).guests
    assert listed.state is state
    assert parse_status(VM, {"status": "running", "qmpstatus": word}).state is (
        state if word else State.RUNNING
    )


@walked("status", ["running", "stopped", "paused", "unknown"])
def test_an_offline_nodes_guests_are_unknown(status: str) -> None:
    rows = [
        {"type": "qemu", "vmid": 100, "node": "a", "status": status, "name": "x"},
        {"type": "node", "node": "a", "status": "offline"},
    ]
    (guest,) = parse_cluster(rows, 0.0).guests
    assert (guest.state, guest.name) == (State.UNKNOWN, "x")


@walked(
    ("value", "tags"),
    [("a;b", ("a", "b")), ("a, b", ("a", "b")), ("a b;;c", ("a", "b", "c")), ("", ()), (None, ())],
)
def test_tags(value: object, tags: tuple[str, ...]) -> None:
    (guest,) = parse_cluster([{"type": "lxc", "vmid": 100, "node": "a", "tags": value}], 0.0).guests
    assert guest.tags == tags


@walked(
    ("hastate", "managed"),
    [("started", True), ("error", True), ("ignored", False), ("", False), (None, False)],
)
def test_ha(hastate: object, managed: bool) -> None:
    (guest,) = parse_cluster([{"type": "lxc", "vmid": 100, "node": "a", "hastate": hastate}], 0.0).guests
    assert guest.ha_managed is managed
    for word, expected in ((1, True), ("1", True), (0, False), (None, False)):
        assert parse_status(VM, {"ha": {"managed": word}}).ha_managed is expected


def test_status_keeps_values_that_the_answer_lacks() -> None:
    now = parse_status(VM, {"status": "stopped", "qmpstatus": "paused"})
    assert (now.state, now.name, now.cpus, now.tags, now.lock) == (
        State.STOPPED,
        "web01",
        2.0,
        (),  # an answer without tags means no tags, and tags grant access
        None,
    )


@walked(
    ("kind", "row", "expected"),
    [
        (Kind.QEMU, {}, (1, 1, 512, None)),
        (Kind.LXC, {}, (None, 1, 512, None)),
        (Kind.QEMU, {"cores": 4, "sockets": 2, "memory": "2048", "balloon": 0}, (4, 2, 2048, 0)),
        (Kind.QEMU, {"cores": "4", "memory": "current=4096"}, (4, 1, 4096, None)),
        (Kind.LXC, {"cores": 3, "sockets": 9, "memory": 768, "balloon": 9}, (3, 1, 768, None)),
    ],
)
def test_config_amounts(kind: Kind, row: dict[str, Any], expected: tuple[object, ...]) -> None:
    config = parse_config(kind, row)
    assert (config.cores, config.sockets, config.memory_mb, config.balloon_mb) == expected


def test_config_disks_are_those_lost_with_the_guest() -> None:
    row = {
        "scsi0": "local-lvm:vm-100-disk-0,iothread=1,size=8G",
        "virtio10": "ceph:vm-100-disk-1",
        "ide2": "local:iso/debian.iso,media=cdrom,size=600M",
        "ide0": "none,media=cdrom",
        "scsi1": "/dev/sdb,size=1T",
        "efidisk0": "local-lvm:vm-100-disk-2,size=4M",
        "unused0": "local-lvm:vm-100-disk-3",
        "scsihw": "virtio-scsi-single",
        "net0": "virtio=BC:24:11:00:00:01",
        "rootfs": "local-lvm:vm-100-disk-9",
    }
    assert parse_config(Kind.QEMU, row).disks == (
        Disk("efidisk0", "local-lvm:vm-100-disk-2", "4M"),
        Disk("scsi0", "local-lvm:vm-100-disk-0", "8G"),
        Disk("unused0", "local-lvm:vm-100-disk-3", None),
        Disk("virtio10", "ceph:vm-100-disk-1", None),
    )
    assert [disk.key for disk in parse_config(Kind.LXC, row).disks] == ["rootfs", "unused0"]


def test_pending() -> None:
    rows = [
        {"key": "cores", "value": 2, "pending": 4},
        {"key": "tags", "delete": 1},
        {"key": "x", "value": ""},
        {"value": "2", "pending": "3"},
        {"key": "", "pending": "3"},
        {"key": ["cores"], "pending": "3"},
    ]
    assert parse_pending(rows) == (
        Pending("cores", "2", "4"),
        Pending("tags", None, None, delete=True),
        Pending("x", None, None),
    )


def test_pending_has_the_current_values_and_the_waiting_ones() -> None:
    rows = [
        {"key": "cores", "value": 2, "pending": 4},
        {"key": "memory", "value": "current=2048"},
        {"key": "tags", "value": "a;b", "delete": 1},
        {"key": "protection", "value": 1},
        {"key": "parent", "value": "before"},
        {"key": "digest", "value": "d"},
        {"key": "balloon", "pending": 512},
        {"value": "x"},
        {"key": ["scsi0"], "value": "local:vm-100-disk-0"},
    ]
    config, waiting = parse_config_with_pending(Kind.QEMU, rows)
    assert (config.cores, config.memory_mb, config.balloon_mb, config.protection) == (2, 2048, None, True)
    assert (config.tags, config.parent, config.digest, config.disks) == (("a", "b"), "before", "d", ())
    assert waiting == (
        Pending("cores", "2", "4"),
        Pending("tags", "a;b", None, delete=True),
        Pending("balloon", None, "512"),
    )


@walked(
    ("text", "enabled"),
    [
        *((text, True) for text in (1, "1", "enabled=1", "1,fstrim_cloned_disks=1", "type=isa,enabled=1")),
        *((text, True) for text in ("on", "enabled=yes", "type=isa,enabled=True")),
        *(
            (text, False)
            for text in (
                None,
                0,
                "0",
                "enabled=0,fstrim_cloned_disks=1",
                "fstrim_cloned_disks=1",
                "enabled=off",
                [1],
            )
        ),
    ],
)
def test_the_guest_agent_is_enabled_or_not(text: object, enabled: bool) -> None:
    assert parse_config(Kind.QEMU, {"agent": text}).agent is enabled


def test_snapshots_are_sorted_by_time_the_one_being_made_last() -> None:
    rows = [
        {"name": "current", "parent": "b", "running": 1, "digest": "x"},
        {"name": "now", "snapstate": "prepare"},
        {"name": "b", "snaptime": 20, "parent": "a", "vmstate": 1, "description": " two\n"},
        {"name": "a", "snaptime": 10, "description": ""},
    ]
    assert parse_snapshots(rows) == (
        Snapshot("a", 10, "", False, None),
        Snapshot("b", 20, "two", True, "a"),
        Snapshot("now", None, "", False, None, incomplete=True),
    )


def test_snapshots_without_a_name_are_left_out_and_no_time_is_no_fault() -> None:
    rows = [
        {"snaptime": 1_790_000_000},
        {"name": "", "snaptime": 1_790_000_000},
        {"name": None},
        {"name": "a", "snaptime": 0},
        {"name": "b", "parent": "c", "snaptime": None},
        {"name": "c", "parent": "b", "snaptime": "0"},
        {"name": "d", "parent": "d", "snaptime": -5},
        {"name": "e", "snaptime": True},
        {"name": "f", "snaptime": 10**17},
        {"name": "g", "snaptime": "1790000000"},
    ]
    found = parse_snapshots(rows)
    assert [(each.name, each.taken, each.incomplete) for each in found] == [
        ("g", 1_790_000_000, False),
        *((name, None, False) for name in "abcdef"),
    ]


def test_tasks_and_backups_without_an_id_are_left_out() -> None:
    assert parse_tasks([{"type": "vzdump", "starttime": 5}, {"upid": None}, {"upid": ""}, {"upid": {}}]) == ()
    (task,) = parse_tasks([{"upid": "1", "user": None, "type": None, "starttime": "x"}])
    assert (task.user, task.type, task.started) == ("", "", 0)
    rows = [
        {"ctime": 5},
        {"volid": "", "ctime": 5},
        {"volid": "s:backup/vzdump-qemu-1"},
        {"volid": 7, "ctime": 0},
    ]
    assert parse_backups(Kind.QEMU, "s", rows) == ()
    assert parse_backup_storages([{"active": 1}, {"storage": None}, {"storage": ["a"]}]) == ((), ())


@walked(
    ("value", "count"),
    [(0.5, 0.5), ("0.5", 0.5), ("2", 2.0), (1, 1.0), ("half", None), (True, None), ("nan", None)],
)
def test_a_cpu_limit_may_be_part_of_a_cpu(value: object, count: float | None) -> None:
    (guest,) = parse_cluster([{"type": "lxc", "vmid": 100, "node": "a", "maxcpu": value}], 0.0).guests
    assert guest.cpus == count
    assert parse_status(VM, {"cpus": value}).cpus == (count or VM.cpus)


GIB = 1024**3
FULL = {"type": "storage", "storage": "nfs", "node": "a", "status": "available", "disk": 90, "maxdisk": 100}


def test_storages_are_sorted_and_have_their_figures() -> None:
    rows = [
        FULL | {"node": "b", "shared": 1, "disk": 9 * GIB, "maxdisk": 10 * GIB},
        FULL | {"shared": 1, "disk": 9 * GIB, "maxdisk": 10 * GIB},
        FULL | {"storage": "local", "shared": 0, "disk": 0},
        FULL | {"storage": ""},
        FULL | {"node": None},
    ]
    assert parse_cluster(rows, 0.0).storages == (
        Storage("local", "a", False, True, 0, 100),
        Storage("nfs", "a", True, True, 9 * GIB, 10 * GIB),
        Storage("nfs", "b", True, True, 9 * GIB, 10 * GIB),
    )


def test_a_figure_below_zero_is_not_known() -> None:
    row = {
        "type": "qemu",
        "vmid": 100,
        "node": "a",
        "status": "running",
        "cpu": -0.5,
        "maxcpu": 4,
        "maxmem": 9,
    }
    row |= {"mem": -9, "uptime": -1}
    body = json.dumps({"data": [row, {"type": "node", "node": "a", "cpu": -1, "mem": 7, "maxmem": 1e21}]})
    assert decode_resources(body.encode()) is None, "it is decoded value by value"
    cluster = parse_cluster(json.loads(body)["data"], 0.0)
    (found,), (node,) = cluster.guests, cluster.nodes
    assert (found.cpu, found.cpus, found.memory, found.memory_total) == (None, 4.0, None, 9)
    assert found.uptime is None
    assert (node.cpu, node.memory, node.memory_total) == (None, 7, None)
    now = parse_status(VM, {"status": "running", "cpu": -1, "mem": -1, "uptime": -1, "disk": -1})
    assert (now.cpu, now.memory, now.uptime, now.disk) == (None, None, None, None)


@walked(
    ("row", "available"),
    [
        (FULL, True),
        (FULL | {"shared": "1"}, True),
        (FULL | {"status": "unknown"}, False),
        (FULL | {"status": None}, False),
        (FULL | {"maxdisk": 0}, False),  # a broadcast without a size: API2Tools.pm sets it to 0
        (FULL | {"disk": None}, False),
        (FULL | {"disk": -1}, False),
        (FULL | {"maxdisk": -100}, False),
        (FULL | {"maxdisk": 10**18}, False),
        ({key: FULL[key] for key in ("type", "storage", "node", "status")}, False),
        (FULL | {"node": "gone"}, False),
        (FULL | {"node": "not listed"}, True),
    ],
)
def test_a_storage_is_available_where_its_figures_can_be_relied_on(
    row: dict[str, Any], available: bool
) -> None:
    nodes = [{"type": "node", "node": "gone", "status": "offline"}, {"type": "node", "node": "a"}]
    (storage,) = parse_cluster([row, *nodes], 0.0).storages
    assert storage.available is available


def test_tasks_newest_first_with_their_token() -> None:
    rows = [
        {
            "upid": "1",
            "type": "qmstart",
            "user": "a@pve",
            "tokenid": "t",
            "starttime": 1,
            "endtime": 2,
            "status": "OK",
        },
        {
            "upid": "2",
            "type": "vzdump",
            "user": "b@pve!t",
            "tokenid": "t",
            "starttime": 9,
            "status": "RUNNING",
        },
        {
            "upid": "3",
            "type": "vzdump",
            "user": "root@pam",
            "starttime": 5,
            "endtime": 6,
            "status": "job errors",
        },
    ]
    found = [(task.upid, task.user, task.ended, task.status) for task in parse_tasks(rows)]
    assert found == [
        ("2", "b@pve!t", None, None),
        ("3", "root@pam", 6, "job errors"),
        ("1", "a@pve!t", 2, "OK"),
    ]


@walked(
    ("row", "expected"),
    [
        ({"upid": "1", "node": "a", "id": "101", "status": "RUNNING"}, ("a", "101", None, None)),
        # A running task in /cluster/tasks looks like this.
        ({"upid": "1", "node": "a", "id": "101"}, ("a", "101", None, None)),
        (
            {"upid": "1", "node": "a", "id": "", "endtime": 9, "status": "job errors"},
            ("a", "", 9, "job errors"),
        ),
        ({"upid": "1", "node": "a", "id": 101, "endtime": 9, "status": "OK"}, ("a", "101", 9, "OK")),
        ({"upid": "1", "node": "a", "endtime": 9}, ("a", "", 9, "unexpected status")),
        ({"upid": "1", "node": "a", "endtime": 9, "status": ""}, ("a", "", 9, "unexpected status")),
        ({"upid": "1", "node": "a", "endtime": "9", "status": "RUNNING"}, ("a", "", None, None)),
        ({"upid": "1"}, ("", "", None, None)),
    ],
)
def test_a_tasks_node_subject_and_end(row: dict[str, Any], expected: object) -> None:
    (task,) = parse_tasks([row])
    assert (task.node, task.id, task.ended, task.status) == expected


@walked(
    ("rows", "expected"),
    [
        ([], None),
        ([{"name": "lo", "ip-addresses": [{"ip-address": "127.0.0.1"}, {"ip-address": "::1"}]}], None),
        (
            [
                {
                    "ip-addresses": [
                        {"ip-address": "fe80::1%eth0"},
                        {"ip-address": "2001:db8::1"},
                        {"ip-address": "10.0.0.1"},
                    ]
                }
            ],
            ("10.0.0.1", "2001:db8::1"),
        ),
        ([{"inet": "10.0.0.2/24", "inet6": "2001:db8::2/64"}], ("10.0.0.2", "2001:db8::2")),
        (
            [{"inet": "10.0.0.2/24", "ip-addresses": [{"ip-address": "10.0.0.2", "prefix": "24"}]}],
            ("10.0.0.2",),
        ),
        ([{"ip-addresses": [{"ip-address": "169.254.1.1"}, {"ip-address": "@everyone"}]}], None),
        (
            [{"ip-addresses": [{"ip-address": f"10.0.0.{n}"} for n in range(9)]}],
            tuple(f"10.0.0.{n}" for n in range(6)),
        ),
        ([{"ip-addresses": 5}, {"ip-addresses": "10.0.0.1"}, {"ip-addresses": [None, "10.0.0.1"]}], None),
    ],
)
def test_addresses(rows: list[Any], expected: tuple[str, ...] | None) -> None:
    assert parse_addresses(rows) == expected

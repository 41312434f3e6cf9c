"""Test the disks of VMs: how an agent's answer counts, when it is reported, and which VM the poller asks when."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BotError
from core.guest import Cluster, Guest, Kind, Node, State
from core.proxmox import FileSystem
from core.proxmox_errors import (
    GuestMoved,
    MissingPrivilege,
    NodeUnreachable,
    Rejected,
    TimedOut,
    Unreachable,
)
from core.watch.incidents.disks import fullest_of, silent_guests
from core.watch.incidents.model import Mute, Severity, SourceFault, Topic, WatchEntry
from core.watch.incidents.observation import DiskReading, Observation
from core.watch.incidents.thresholds import judged_disks
from core.watch.polling import disk_poller
from core.watch.polling.disk_poller import EVERY_SECONDS, FRESH_SECONDS, DiskPoller
from tests.support.fakes import FakeClock, FakeProxmox, guest
from tests.support.walked import walked
from tests.support.watch.steps import History, R, S, U, flat, many

TOLD = "opening gauge disk 101 back"
SAID = "opening unmeasured disk 101 unknown"
HUNG = TimedOut("pve", changing=False)


def system(percent: float, mount: str = "/", kind: str = "ext4") -> FileSystem:
    return FileSystem(mount, kind, round(percent * 10), 1000)


@walked(
    ("systems", "fullest"),
    [
        ([], None),
        ([system(10)], "/"),
        ([system(10), system(93, "/srv")], "/srv"),
        ([system(94), system(93, "/srv")], "/"),
        ([system(10, "C:\\", "NTFS"), system(95, "System Reserved", "NTFS")], "C:\\"),
        ([system(10, "C:\\", "NTFS"), system(60, "D:\\data\\", "ReFS")], "D:\\data\\"),
        ([system(95, "System Reserved", "NTFS")], None),
        (
            [system(10), *(system(99, f"/mnt/{kind}", kind) for kind in ("nfs4", "cifs", "9p", "virtiofs"))],
            "/",
        ),
        ([system(10), system(99, "/mnt/a", "fuse.sshfs"), system(20, "/mnt/b", "zfs")], "/mnt/b"),
        ([system(0)], "/"),
    ],
)
def test_the_fullest_of_the_guests_own_file_systems(systems: list[FileSystem], fullest: str | None) -> None:
    found = fullest_of(systems)
    assert (found.mountpoint if found else None) == fullest


# -- the pure step


class Readings:
    """A history of guest 101, a VM that warns at 90 % of its disk: ten polls for each reading."""

    def __init__(self, *entries: WatchEntry) -> None:
        self.history = History(*(entries or (WatchEntry(101, disk=90),)))
        self.history.see(R)
        self._number = 0

    def read(self, *seen: float | BotError | None, state: State = R) -> list[str]:
        """Return the messages when the agent gives these answers, one after the other. None: no file systems."""
        return flat(self._one(each, state) for each in seen)

    def _one(self, seen: float | BotError | None, state: State) -> list[str]:
        self._number += 1
        found = system(seen, "/srv") if isinstance(seen, float) else None
        reading = DiskReading(self._number, found, seen if isinstance(seen, BotError) else None)
        told = self.history.see(state, disks={101: reading})
        for _ in range(9):  # until the next reading, the polls show the same one
            told += self.history.see(state, disks={101: replace(reading, judged=True)})
        return told

    def is_silent(self) -> bool:
        return bool(silent_guests(self.history.state, self.history.entries))


def test_three_looks_open_an_alert_and_three_well_below_end_it() -> None:
    readings = Readings()
    assert readings.read(90.0, 95.0) == []
    assert readings.read(93.0) == [TOLD]
    incident = readings.history.incident()
    assert (incident.mount, incident.percent, incident.limit) == ("/srv", 93.0, 90)
    assert readings.read(80.0, 85.0, 86.0, 85.0, 84.0) == []
    assert readings.read(10.0) == ["recovery gauge disk 101"]
    assert readings.read(95.0, 89.9, 95.0, 95.0) == [], "a peak"


@walked(
    ("seen", "told"),
    [
        ([HUNG], []),
        ([HUNG, HUNG], [SAID]),
        ([HUNG, 10.0, HUNG, 10.0], []),
        ([None, None], [SAID]),
        ([HUNG] * 9, [SAID]),
        ([HUNG, HUNG, 10.0, HUNG, 10.0, 10.0, HUNG, HUNG], [SAID]),  # now and then is no news
        ([HUNG, HUNG, 10.0, 10.0, 10.0, HUNG], [SAID]),
        ([HUNG, HUNG, 10.0, 10.0, 10.0, HUNG, HUNG], [SAID, SAID]),
        ([95.0, HUNG, 95.0, HUNG, 95.0], [TOLD]),  # nothing known is no dip
        ([95.0, HUNG, HUNG, 95.0, 95.0], [SAID, TOLD]),
        ([95.0, 95.0, 95.0, HUNG, HUNG, HUNG], [TOLD]),  # the alert itself says it
        ([95.0, 95.0, 95.0, HUNG, HUNG, 10.0, 10.0, 10.0], [TOLD, "recovery gauge disk 101"]),
    ],
)
def test_a_silence_and_a_full_disk_are_reported_once(
    seen: list[float | BotError | None], told: list[str]
) -> None:
    assert Readings().read(*seen) == told


def test_a_silent_agent_is_no_zero_and_is_reported_once() -> None:
    readings = Readings()
    assert not readings.is_silent()
    assert readings.read(HUNG, MissingPrivilege("VM.GuestAgent.Audit", "/vms/101")) == [SAID]
    incident = readings.history.incident()
    assert (incident.level, incident.open, incident.percent) == (Severity.WARNING, False, None)
    assert incident.fault == SourceFault.of(MissingPrivilege("VM.GuestAgent.Audit", "/vms/101"))
    assert readings.is_silent()
    readings.history.restart()
    assert readings.is_silent()
    assert readings.read(HUNG, HUNG) == []
    readings.history.see(S, ordered=[101])
    assert not readings.is_silent(), "there is nothing to know of a guest that is off"
    readings.history.see(R)
    assert readings.read(HUNG, HUNG, HUNG) == [], "nor again after each start"
    assert readings.read(10.0) == []
    assert not readings.is_silent()


def test_a_silence_of_a_muted_guest_is_reported_after_the_mute() -> None:
    readings = Readings()
    history = readings.history
    history.state = replace(history.state, mutes={"guest/101": Mute("guest/101", 1e12, 1e12, "somebody")})
    assert readings.read(HUNG, HUNG, HUNG) == []
    assert readings.is_silent()
    assert not history.incidents
    history.restart()
    history.state = replace(history.state, mutes={})
    assert readings.read(HUNG, HUNG) == [SAID]
    readings = Readings()
    history = readings.history
    history.state = replace(history.state, mutes={"all": Mute("all", 1e12, 1e12, "somebody")})
    assert readings.read(HUNG, HUNG, 10.0) == []
    assert not readings.is_silent()
    history.state = replace(history.state, mutes={})
    assert readings.read(HUNG) == [], "it begins anew"


def test_an_open_alert_stays_open_and_says_that_it_is_not_known() -> None:
    readings = Readings()
    readings.read(95.0, 95.0, 95.0)
    (number,) = readings.history.state.open
    assert readings.read(HUNG) == []
    assert not readings.history.incidents[number].unknown
    readings.read(HUNG)
    assert readings.history.incidents[number].unknown
    readings.history.restart()
    assert readings.history.state.open[number].unknown
    readings.read(91.0)
    assert not readings.history.incidents[number].unknown
    assert readings.history.incidents[number].open
    readings.read(HUNG, HUNG)
    readings.history.see(S, ordered=[101])
    assert readings.history.incidents[number].forgotten, "as with every other threshold"


def test_invisible_guests_are_not_judged() -> None:
    readings = Readings()
    readings.read(95.0, 95.0)
    for number in (10, 11, 12):
        readings.history.see(State.SAVING, disks={101: DiskReading(number, None, HUNG)})
    assert not readings.is_silent()
    readings.history.nodes["pve1"] = False
    readings.history.see()
    readings.history.nodes["pve1"] = True
    assert readings.read(95.0) == [TOLD]


def test_many_silent_agents_share_a_message_with_the_reason_that_all_have() -> None:
    history = History(*(replace(each, disk=90) for each in many(60)))
    history.see()
    lacking = MissingPrivilege("VM.GuestAgent.Audit", "")
    told = []
    for number in (1, 2):
        told += history.see(disks={vmid: DiskReading(number, None, lacking) for vmid in range(101, 161)})
    assert len(told) == 1
    (incident,) = history.last.incidents
    assert (incident.topic, incident.subject, len(incident.guests)) == (Topic.UNMEASURED, "disks", 60)
    assert incident.fault


def test_a_container_needs_no_agent() -> None:
    history = History(WatchEntry(201, disk=90))
    history.guests = {201: guest(201, R, kind=Kind.LXC, disk=95, disk_total=100)}
    lying = {201: DiskReading(1, system(1))}
    assert flat(history.see(disks=lying) for _ in range(3)) == ["opening gauge disk 201 back"]


# -- which VM the poller asks


class Field:
    """VMs with a disk threshold, their agents, and the poller. Tests set how an agent answers, and after how long."""

    def __init__(self, count: int = 1) -> None:
        self.clock = FakeClock()
        self.proxmox = FakeProxmox(self.clock)
        self.poller = DiskPoller(self.proxmox, self.clock)
        self.entries = tuple(WatchEntry(vmid, disk=90) for vmid in range(101, 101 + count))
        self.guests = {entry.vmid: guest(entry.vmid, uptime=5000) for entry in self.entries}
        self.online = {"pve1": True}
        self.answers: dict[int, Exception | float] = {}
        self.seconds: dict[int, float] = {}
        self.asked: list[tuple[float, int]] = []
        self.asked_twice = asyncio.Event()
        self.running = 0
        self.meanwhile: Callable[[], object] = lambda: None
        """Called while an agent is being asked."""
        vars(self.proxmox)["file_systems"] = self._file_systems

    async def _file_systems(self, asked: Guest) -> tuple[FileSystem, ...]:
        self.asked.append((self.clock.mono, asked.vmid))
        if len(self.asked) == 2:
            self.asked_twice.set()
        self.running += 1
        assert self.running == 1, "one after the other"
        await self.clock.sleep(self.seconds.get(asked.vmid, 0.1))
        self.meanwhile()
        self.running -= 1
        answer = self.answers.get(asked.vmid, 50.0)
        if isinstance(answer, Exception):
            raise answer
        return (system(answer),)

    def cluster(self) -> Cluster:
        nodes = tuple(Node(name, online) for name, online in self.online.items())
        return Cluster(tuple(self.guests[vmid] for vmid in sorted(self.guests)), nodes, 0.0)

    def aim(self) -> None:
        self.poller.aim(self.entries, self.cluster())

    def known(self) -> dict[int, FileSystem]:
        """Return what the poller knows of these guests, by VMID."""
        found = self.poller.known()
        keys = {vmid: (vmid, guest.fingerprint) for vmid, guest in self.guests.items()}
        return {vmid: found[key] for vmid, key in keys.items() if key in found}

    def run(self, seconds: float) -> Counter[int]:
        """Let the poller work for some time. Return how often each VM was asked."""
        before, end = len(self.asked), self.clock.mono + seconds
        self.aim()
        while self.clock.mono < end:
            wait = asyncio.run(self.poller.read_next())
            self.clock.advance(wait)
        return Counter(vmid for _, vmid in self.asked[before:])


def test_each_vm_is_asked_every_ten_minutes_and_soon_after_the_start() -> None:
    field = Field(3)
    assert field.run(30.0) == {101: 1, 102: 1, 103: 1}
    assert [vmid for _, vmid in field.asked] == [101, 102, 103]
    assert field.run(560.0) == {}
    assert field.run(40.0) == {101: 1, 102: 1, 103: 1}
    assert field.known() == dict.fromkeys((101, 102, 103), system(50.0))


def test_disk_readings_are_not_carried_to_the_next_guest_with_the_vmid() -> None:
    field = Field(1)
    field.run(30.0)
    assert 101 in field.known()
    known, field.guests[101] = field.guests[101], replace(field.guests[101], name=None, state=U)
    field.aim()
    field.guests[101] = known
    field.aim()
    assert 101 in field.known(), "Proxmox had no new figures of the node meanwhile, and no names"
    field.guests[101] = replace(known, name="another")
    assert field.known() == {}, "nor before the next poll"
    assert field.poller.readings(field.cluster()) == {}
    field.aim()
    field.guests[101] = known
    field.aim()
    assert (field.known(), field.poller.readings()) == ({}, {})


@walked(
    ("listed", "unsure", "online"),
    [
        (U, False, True),
        (State.SAVING, False, True),
        (R, True, True),
        (S, True, True),  # the list has it stopped, but nobody could confirm it
        (None, True, True),
        (R, False, False),
    ],
)
def test_a_reading_waits_until_a_poll_knows_its_guest(
    listed: State | None, unsure: bool, online: bool
) -> None:
    """The guest becomes doubtful after its agent answered, or while the agent is being asked."""
    field = Field(1)
    known = field.guests[101]
    field.answers[101] = 95.0

    def see() -> Observation:
        cluster = field.cluster()
        doubts = frozenset({101} if unsure and field.guests.get(101) is not known else ())
        seen = Observation(cluster, unsure=doubts, disks=field.poller.readings(cluster))
        field.poller.on_judged(judged_disks(seen))
        field.poller.aim(field.entries, cluster, doubts)
        return seen

    def doubt() -> None:
        field.guests.pop(101, None)
        if listed is not None:
            field.guests[101] = replace(known, state=listed)
        field.online["pve1"] = online

    def doubt_and_see() -> None:
        doubt()
        see()

    def sure() -> None:
        field.guests[101], field.online["pve1"] = known, True

    for moment in ("after", "during"):
        if moment == "during":
            field.clock.advance(EVERY_SECONDS)
            field.seconds[101] = 0.2
            field.meanwhile = doubt_and_see
        field.run(20.0)
        field.meanwhile = lambda: None
        doubt()
        for _ in range(2):
            seen = see()
            assert judged_disks(seen) == {}, moment
        sure()
        assert [not each.judged for each in judged_disks(see()).values()] == [True], moment
        assert [each.judged for each in see().disks.values()] == [True], moment
        assert 101 in field.known()


def test_an_old_reading_is_not_judged_any_more() -> None:
    field = Field(1)
    field.run(20.0)
    assert field.poller.readings(field.cluster())
    field.clock.advance(FRESH_SECONDS)
    assert field.poller.readings(field.cluster()) == {}


def test_five_hundred_are_spread_over_the_ten_minutes() -> None:
    field = Field(500)
    first = field.run(600.0)
    assert max(first.values()) == 1
    assert len(first) >= 490
    minutes = Counter(int(at - 1000.0) // 60 for at, _ in field.asked)
    assert max(minutes.values()) <= 52
    field.run(700.0)
    assert len(field.known()) == 500


def test_hung_agents_stand_back_for_the_others() -> None:
    field = Field(100)
    hung = range(101, 176)
    field.answers, field.seconds = dict.fromkeys(hung, HUNG), dict.fromkeys(hung, 35.0)
    field.run(3000.0)  # each was asked once
    asked = Counter[int]()
    for _ in range(12):
        asked += field.run(600.0)
        assert len(field.known()) == 25
    assert asked.keys() >= set(hung), "but all have their turn"


@walked(
    ("changes", "asks"),
    [
        ({}, True),
        ({"state": S}, False),
        ({"state": State.PAUSED}, False),
        ({"state": State.INMIGRATE}, False),
        ({"state": U}, False),
        ({"lock": "backup"}, True),
        ({"template": True}, False),
        ({"kind": Kind.LXC}, False),
        ({"uptime": 30}, False),
        ({"uptime": None}, True),
        ({"node": "pve2"}, False),  # pve2 is offline
    ],
)
def test_only_suitable_vms_are_asked(changes: dict[str, object], asks: bool) -> None:
    field = Field()
    field.online["pve2"] = False
    field.guests[101] = replace(field.guests[101], **changes)  # type: ignore[arg-type]  # its own fields
    assert bool(field.run(30.0)) is asks


@walked(
    ("error", "counts"),
    [
        (HUNG, True),
        (Rejected(500, "QEMU guest agent is not running"), True),
        (MissingPrivilege("VM.Monitor", "/vms/101"), True),
        (NodeUnreachable("pve1"), True),  # the cluster lists it as online, and only its API is down
        (GuestMoved(101, "pve1"), False),
        (Unreachable("pve"), False),
    ],
)
def test_failures_of_the_agent(error: BotError, counts: bool) -> None:
    field = Field()
    field.answers[101] = error
    field.run(20.0)
    assert field.poller.readings() == ({101: DiskReading(1, None, error)} if counts else {})


def test_a_value_is_known_for_two_rounds_and_a_look_is_judged_once() -> None:
    field = Field()
    field.run(20.0)
    first = field.poller.readings()
    assert not first[101].judged
    field.poller.aim(field.entries, None)  # Proxmox cannot be read
    assert field.run(0.0) == {}
    assert field.poller.readings() == first, "a poll that was not stored has judged nothing"
    field.poller.on_judged(first)
    assert field.poller.readings()[101].judged
    field.answers[101] = HUNG
    field.run(FRESH_SECONDS - 60)
    assert 101 in field.known()
    field.run(80.0)
    assert field.known() == {}
    field.poller.on_judged(first)  # they are of an earlier answer
    assert field.poller.readings()[101] == DiskReading(3, None, HUNG)
    del field.answers[101]
    field.run(EVERY_SECONDS)
    assert 101 in field.known()
    field.guests[101] = replace(field.guests[101], state=S)
    field.aim()
    assert (field.known(), field.poller.readings()) == ({}, {}), "its next life begins with no figure"


def test_the_loop_outlives_any_error_and_waits_for_work(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("ERROR", disk_poller.__name__)  # the histories silence all of core

    async def work() -> None:
        field = Field()
        running = asyncio.create_task(field.poller.run())
        await asyncio.sleep(0)
        assert field.clock.slept == [], "without such a VM it waits for work, and not for the clock"
        field.answers[101] = RuntimeError("odd")
        field.aim()
        async with asyncio.timeout(10.0):
            await field.asked_twice.wait()
        running.cancel()

    asyncio.run(work())
    assert "reading the disks of a VM failed" in caplog.text


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(101, 106), st.integers(0, 5), st.floats(0.0, 900.0)), max_size=25))
def test_never_more_than_one_call_per_vm_in_ten_minutes(steps: Iterable[tuple[int, int, float]]) -> None:
    field = Field(6)
    for vmid, what, seconds in steps:
        match what:
            case 0:
                field.guests[vmid] = replace(field.guests[vmid], state=S)
            case 1:
                field.guests[vmid] = guest(vmid, uptime=5000)
            case 2:
                field.entries = tuple(each for each in field.entries if each.vmid != vmid)
            case 3:
                field.entries = (*(e for e in field.entries if e.vmid != vmid), WatchEntry(vmid, disk=80))
            case 4:
                field.answers[vmid], field.seconds[vmid] = HUNG, 30.0
            case _:
                field.answers.pop(vmid, None)
                field.poller.aim(field.entries, None)
        field.run(seconds)
    last: dict[int, float] = {}
    for at, vmid in field.asked:
        assert at - last.get(vmid, -EVERY_SECONDS) >= EVERY_SECONDS
        last[vmid] = at

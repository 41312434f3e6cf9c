"""Test the demo cluster's life: one event of each kind within a quarter of an hour.

The same seed gives the same events.
"""

import contextlib
import socket
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from playground.cluster import guests, parents
from playground.cluster.demo_cluster import FRAGILE, NODES, WATCHED, Life, build_demo
from playground.cluster.life import FILLING, LONELY, MAINTAINED, UNLUCKY
from playground.pve.server import Pve

QUARTER = 900  # seconds
ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def demo() -> Iterator[Pve]:
    made = Pve(nodes=NODES)
    build_demo(made)
    with made:
        yield made


@pytest.fixture
def pve() -> Iterator[Pve]:
    with demo() as made:
        yield made


def fill(pve: Pve) -> float:
    store = pve.storages[FILLING]
    return round(1 - int(store["avail"]) / int(store["total"]), 3)


def lived(pve: Pve, seconds: int = QUARTER, seed: int = 1) -> list[tuple[object, ...]]:
    """Return the visible state of each second."""
    life, seen = Life(pve, 0.0, seed), []
    for second in range(seconds):
        life.step(float(second))
        states = tuple(pve.guest(vmid).status for vmid in (*FRAGILE, MAINTAINED))
        failed = sum(task["type"] == "vzdump" for task in pve.tasklog)
        seen.append((*states, failed, fill(pve), pve.nodes[LONELY].get("online", True)))
    return seen


def spans(values: list[object], wanted: object) -> list[tuple[int, int]]:
    """Return the spans (start and end in seconds) during which a value was the wanted one."""
    found: list[tuple[int, int]] = []
    for second, value in enumerate(values):
        if value == wanted and (second == 0 or values[second - 1] != wanted):
            found.append((second, second))
        if value == wanted:
            found[-1] = (found[-1][0], second + 1)
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_kind_of_news_comes_once_in_a_quarter_of_an_hour(pve: Pve, seed: int) -> None:
    seen = lived(pve, seed=seed)
    crashed, ordered, failed, fills, online = (
        [row[0] == "stopped" or row[1] == "stopped" for row in seen],
        [row[2] for row in seen],
        [row[3] for row in seen],
        [float(str(row[4])) for row in seen],
        [row[5] for row in seen],
    )
    first = spans(list(crashed), True)[0]
    assert 60 <= first[0] <= 91
    assert 110 <= first[1] - first[0] <= 131

    ((down, up),) = spans(ordered, "stopped")
    assert 150 < down < up < 300
    tasks = [(task["type"], task["user"]) for task in pve.tasklog if task["id"] == str(MAINTAINED)]
    assert tasks == [("vzshutdown", "root@pam"), ("vzstart", "root@pam")]
    assert MAINTAINED in WATCHED

    assert (failed[280], failed[-1]) == (0, 1)
    (backup,) = [task for task in pve.tasklog if task["type"] == "vzdump"]
    assert (backup["id"], backup["exitstatus"]) == (str(UNLUCKY), "job errors")

    ((full, emptied),) = spans([value >= 0.9 for value in fills], True)
    assert 540 < full < emptied < QUARTER
    assert emptied - full > 60
    assert fills[0] == fills[-1] < 0.7
    rising = fills[:full]
    assert rising == sorted(rising)
    assert max(later - earlier for earlier, later in pairwise(rising)) < 0.01
    assert pve.storages[FILLING]["shared"], "one storage that is full, not one a node"

    ((gone, back),) = spans(online, False)
    assert 460 <= gone <= 500
    assert 84 <= back - gone <= 96
    assert {pve.guest(vmid).node for vmid in WATCHED} == set(NODES)


def test_a_tunnel_answers_for_half_a_minute(pve: Pve) -> None:
    life = Life(pve, 0.0)
    told = []
    for second in range(QUARTER):
        life.step(float(second))
        told.append(bool(pve.between.pages))
    ((begun, over),) = spans(list(told), True)
    assert 830 <= begun <= 850
    assert over - begun in (29, 30, 31)


def test_the_demo_has_its_second_crash_and_the_failed_backup_when_its_document_says(pve: Pve) -> None:
    """The bot reads the task list with the second crash, so it reports both at about 6:40."""
    seen = lived(pve, 420)
    second = spans([row[0] == "stopped" or row[1] == "stopped" for row in seen], True)[1]
    assert 390 <= second[0] <= 405
    failed = next(second for second, row in enumerate(seen) if row[3])
    assert 290 <= failed < second[0]
    document = (ROOT / "docs/demo.md").read_text("utf-8")
    assert "6:40" in document
    assert "6 分 40 秒" in document


def test_the_same_seed_gives_the_same_life() -> None:
    lives = []
    for seed in (1, 1, 2):
        with demo() as pve:
            lives.append(lived(pve, 700, seed))
    assert lives[0] == lives[1] != lives[2]


def test_guests_stopped_by_somebody_else_are_left_alone(pve: Pve) -> None:
    pve.stop_as(MAINTAINED, "alice@pam")
    pve.stop_as(UNLUCKY, "alice@pam")
    lived(pve)
    assert pve.guest(MAINTAINED).status == "stopped"
    assert [task["user"] for task in pve.tasklog if task["id"] in (str(MAINTAINED), str(UNLUCKY))] == [
        "alice@pam",
        "alice@pam",
    ]


@pytest.mark.parametrize("gone", [(MAINTAINED,), (UNLUCKY,), FRAGILE, (MAINTAINED, UNLUCKY, *FRAGILE)])
def test_a_guest_that_is_deleted_ends_nothing_else(pve: Pve, gone: tuple[int, ...]) -> None:
    life = Life(pve, 0.0)
    for vmid in gone:
        pve.remove_guest(vmid)
    for second in range(QUARTER):
        life.step(float(second))
    assert fill(pve) < 0.7
    assert pve.nodes[LONELY]["online"]


def test_a_refusal_does_not_end_the_demo(pve: Pve) -> None:
    life = Life(pve, 0.0)
    pve.lose_quorum()
    for second in range(QUARTER):
        life.step(float(second))
    assert pve.nodes[LONELY]["online"]


# ---------------------------------------------------------------------- the second site


@pytest.fixture
def host() -> Iterator[Pve]:
    made = Pve(nodes=(parents.NODE,))
    parents.build_parents(made)
    with made:
        yield made


def test_the_second_site_has_vmids_and_a_name_of_the_first(host: Pve) -> None:
    here = {row[0]: row[1] for row in (*parents.VMS, *parents.CTS)}
    there = {row[0]: row[1] for row in (*guests.VMS, *guests.CTS)}
    assert len(here.keys() & there.keys()) == 3
    assert set(here.values()) & set(there.values()) == {"dns"}
    assert (len(host.vms), len(host.cts), list(host.nodes)) == (2, 2, [parents.NODE])
    assert set(parents.WATCHED) <= here.keys()


def test_a_guest_of_the_second_site_crashes_and_its_host_is_cut_off(host: Pve) -> None:
    life, states, reached = parents.ParentsLife(host, 0.0), list[object](), list[object]()
    for second in range(QUARTER):
        life.step(float(second))
        states.append(host.guest(parents.FRAGILE).status)
        reached.append(host.listeners[0].is_open)
        if second == 345:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host.host, host.port), 5.0)
    assert spans(states, "stopped") == [(130, 190)]
    assert spans(reached, False) == [(340, 400)]
    assert parents.FRAGILE in parents.WATCHED


@pytest.mark.parametrize("how", ["stopped", "deleted"])
def test_a_guest_of_the_second_site_that_somebody_acted_on_is_left_alone(host: Pve, how: str) -> None:
    if how == "stopped":
        host.stop_as(parents.FRAGILE, "alice@pam")
    else:
        host.remove_guest(parents.FRAGILE)
    life = parents.ParentsLife(host, 0.0)
    for second in range(QUARTER):
        life.step(float(second))
    assert host.listeners[0].is_open
    users = [task["user"] for task in host.tasklog if task["id"] == str(parents.FRAGILE)]
    assert users == (["alice@pam"] if how == "stopped" else [])

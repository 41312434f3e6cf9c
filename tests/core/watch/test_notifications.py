"""Test thresholds, storages and backups, and the time of each report: muted, in quiet hours, repeated, or never."""

from dataclasses import replace
from typing import Any

import pytest

from core.codec import decode, encode
from core.guest import Storage
from core.watch import changes
from core.watch.incidents.model import ALL, MessageKind, Metric, Mute, Severity, Topic, WatchEntry
from core.watch.incidents.notifications import announce_all
from core.watch.incidents.state import StepTime, WatchRules
from core.watch.incidents.transition import Transition
from tests.core.watch.test_infrastructure import GONE
from tests.support.walked import walked
from tests.support.watch.steps import History, R, S, container, flat, many, task

DOWN = "opening guest 101 stopped"
OVER = "opening gauge cpu 101 back"


def busy(cpu: float) -> dict[str, Any]:
    return {"cpu": cpu, "cpus": 2.0}


# -- thresholds


def test_a_threshold_is_reported_after_three_reads_and_ends_five_points_lower() -> None:
    history = History(WatchEntry(101, cpu=80))
    history.see(R)
    assert history.see(R, R, **busy(0.8)) == []
    assert history.see(R, **busy(0.8)) == [OVER]
    assert history.incident().percent == 80
    assert history.incident().limit == 80
    assert history.see(*[R] * 5, **busy(0.76)) == []
    assert history.see(R, R, **busy(0.75)) == []
    assert history.see(R, **busy(0.75)) == ["recovery gauge cpu 101"]


def test_a_peak_is_no_alert_and_a_dip_no_recovery() -> None:
    history = History(WatchEntry(101, cpu=80))
    history.see(R)
    for _ in range(5):
        assert history.see(R, R, **busy(0.99)) + history.see(R, **busy(0.5)) == []
    history.see(R, R, R, **busy(0.9))
    for _ in range(5):
        assert history.see(R, R, **busy(0.1)) + history.see(R, **busy(0.9)) == []


def test_a_value_that_is_not_known_changes_nothing() -> None:
    history = History(WatchEntry(101, cpu=80))
    history.see(R, R, **busy(0.9))
    assert history.see(R, cpu=None) == []
    assert history.see(R, **busy(0.9)) == [OVER]


def test_a_guest_that_stops_ends_its_thresholds_silently() -> None:
    history = History(WatchEntry(101, cpu=80))
    history.see(R)
    history.see(R, R, R, **busy(0.9))
    assert history.see(S) == [DOWN]
    over = next(incident for incident in history.last.incidents if incident.metric)
    assert over.forgotten
    assert not over.open
    assert history.see(R, R, **busy(0.9)) == ["recovery guest 101"]
    assert history.see(R, **busy(0.9)) == [OVER]


@pytest.mark.parametrize("metric", list(Metric))
def test_every_metric_has_its_own_threshold(metric: Metric) -> None:
    history = History(replace(WatchEntry(201), **{metric.value: 50}))
    use: dict[str, Any] = {"cpu": 0.6, "memory": 6, "memory_total": 10, "disk": 6, "disk_total": 10}
    history.guests = {201: container(201, R, uptime=10, **use)}
    told = [history.see() for _ in range(3)]
    assert told == [[], [], [f"opening gauge {metric.value} 201 back"]]


def test_taking_the_threshold_away_ends_it() -> None:
    history = History(WatchEntry(101, cpu=80))
    history.see(R, R, R, **busy(0.9))
    history.entries = (WatchEntry(101),)
    assert history.see(R, **busy(0.9)) == []
    assert history.incident().forgotten
    assert not history.state.thresholds


# -- storages


def storage(percent: int, name: str = "local", node: str = "pve1", *, shared: bool = False) -> Storage:
    return Storage(name, node, shared, True, percent, 100)


def test_a_storage_over_ninety_percent_is_reported() -> None:
    history = History()
    history.storages = (storage(90), storage(10, "big"))
    assert [history.see() for _ in range(4)] == [[], [], ["opening storage pve1"], []]
    assert history.incident().storage == "local"
    history.storages = (storage(85), storage(10, "big"))
    assert [history.see() for _ in range(3)] == [[], [], ["recovery storage pve1"]]


def test_a_shared_storage_is_reported_once() -> None:
    history = History()
    history.storages = tuple(storage(95, "nfs", node, shared=True) for node in ("pve1", "pve2"))
    assert history.polls(5) == ["opening storage nfs"]


def test_a_shared_storage_is_measured_where_it_is_available() -> None:
    history = History()
    away = Storage("nfs", "pve1", True, False)
    history.storages = (away, storage(95, "nfs", "pve2", shared=True))
    assert history.polls(5) == ["opening storage nfs"]


def test_a_storage_without_figures_or_limit_is_not_reported() -> None:
    history = History()
    history.storages = (
        Storage("local", "pve1", False, False, 99, 100),
        Storage("x", "pve1", False, True, 99, 0),
    )
    assert history.polls(5) == []
    history = History(rules=WatchRules(storage_limit=0))
    history.storages = (storage(99),)
    assert history.polls(5) == []


# -- backups


def test_a_failed_backup_is_reported_once() -> None:
    history = History()
    history.see(tasks=[])
    tasks = [task("vzdump", 101, status="job errors")]
    assert history.see(tasks=tasks) == ["opening backup"]
    fact = history.incident().backups[0]
    assert (fact.node, fact.vmid, fact.by, fact.error) == ("pve1", 101, "root@pam", "job errors")
    assert history.see(tasks=tasks) == []


def test_a_backup_seen_running_and_then_failed_is_reported() -> None:
    history = History()
    history.see(tasks=[task("vzdump", "", status=None)])
    assert history.see(tasks=[task("vzdump", "", status="job errors")]) == ["opening backup"]
    assert history.incident().backups[0].vmid is None


def test_old_failures_good_ends_and_warnings_are_not_reported() -> None:
    history = History()
    old = task("vzdump", 101, status="job errors")
    history.see(tasks=[old])
    good = [task("vzdump", 101, number=2), task("vzdump", 101, number=3, status="WARNINGS: 1")]
    assert history.see(tasks=[old, *good]) == []
    history.restart()
    assert history.see(tasks=[old, *good, task("vzdump", 102, number=4, status="x")]) == ["opening backup"]


def test_many_failed_backups_are_one_message() -> None:
    history = History()
    history.see(tasks=[])
    tasks = [task("vzdump", vmid, status="job errors", number=vmid) for vmid in range(101, 120)]
    assert history.see(tasks=tasks) == ["opening backup"]
    assert len(history.incident().backups) == 19


# -- muting


def mute(history: History, target: str, seconds: float) -> None:
    """Mute the target as core/watch/alert_controls.py does."""
    transition = Transition(history.state, StepTime(history.unix, 0.0), history.rules)
    transition.mute(target, seconds, "Akiko")
    transition.good = True
    announce_all(transition)
    history._take(transition.update())


@pytest.mark.parametrize("target", [ALL, "guest/101", "node/pve1"])
def test_while_muted_nothing_is_reported(target: str) -> None:
    history = History()
    history.see(R)
    mute(history, target, 3600)
    assert history.see(S, R, S, R) == []


@walked("target", ["guest/102", "node/pve2", "storage/pve1/local", "source"])
def test_a_mute_of_something_else_changes_nothing(target: str) -> None:
    history = History()
    history.see(R)
    mute(history, target, 3600)
    assert history.see(S) == [DOWN]


def test_guests_still_down_when_a_mute_ends_are_reported_then() -> None:
    history = History()
    history.see(R)
    mute(history, "guest/101", 300)
    told = [history.see(S) for _ in range(8)]
    assert told.index([DOWN]) == 4
    assert flat(told) == [DOWN]
    assert history.see(R) == ["recovery guest 101"]


def test_muting_an_alert_stops_its_reminders_and_its_recovery_but_not_its_edit() -> None:
    history = History()
    history.see(R, S)
    mute(history, "guest/101", 36000)
    assert history.state.open[1].muted_until is not None
    assert history.polls(300) == []
    assert history.see(R) == []
    assert not history.incident().open


def test_the_alert_no_longer_shows_a_mute_that_ended() -> None:
    history = History()
    history.see(R, S)
    mute(history, "guest/101", 120)
    history.see(S, S, S)
    assert history.state.open[1].muted_until is None


def press_mute(history: History, number: int = 0, seconds: float = 36_000) -> None:
    """Mute the incident as an alert's button does."""
    transition = Transition(history.state, StepTime(history.unix, 0.0), history.rules)
    changes.mute_incident(transition, number or max(history.state.open), seconds, "Akiko", 1)
    transition.good = True
    announce_all(transition)
    history._take(transition.update())


def test_a_mute_by_button_ends_with_the_recovery_which_is_reported() -> None:
    history = History()
    assert history.see(R, S) == [DOWN]
    press_mute(history)
    assert history.see(S) == []
    assert history.see(R) == ["recovery guest 101"]
    (over,) = history.last.incidents
    assert (over.unmuted, over.muted_until, over.can_unmute) == (True, None, False)
    assert history.state.mutes == {}
    assert history.see(S) == [DOWN], "the next stop is told"


@pytest.mark.parametrize("pressed", ["before", "after", "never"])
def test_a_mute_by_command_outlasts_the_recovery(pressed: str) -> None:
    """It stays a mute by command if a button sets a new end. A command takes over the mute of a button."""
    history = History()
    assert history.see(R, S) == [DOWN]
    if pressed == "before":
        press_mute(history)
    mute(history, "guest/101", 36_000)
    if pressed == "after":
        press_mute(history)
    assert history.see(S, R) == []
    (over,) = history.last.incidents
    assert (over.unmuted, over.can_unmute) == (False, True)
    assert over.muted_until is not None
    assert list(history.state.mutes) == ["guest/101"]


def test_the_mute_of_another_incident_of_the_guest_goes_on() -> None:
    history = History(WatchEntry(101, cpu=80))
    history.see(R, R, R, **busy(0.9))
    press_mute(history)
    history.see(R, R, R, **busy(0.1))
    assert history.state.mutes == {}, "its own"
    history.see(R, R, R, **busy(0.9))
    press_mute(history)
    history.see(S, R, **busy(0.9))
    assert list(history.state.mutes) == ["guest/101"], "the CPU is still busy"


def test_a_node_muted_by_button_stays_muted() -> None:
    transition = Transition(History().state, StepTime(0.0, 0.0), WatchRules())
    node = transition.open_incident(Topic.NODE, "node/pve2", Severity.CRITICAL, node="pve2")
    changes.mute_incident(transition, node.id, 60, "Akiko", 1)
    over = transition.close_incident(transition.open[node.id])
    assert (over.unmuted, over.can_unmute) == (False, True)
    assert transition.unmute_incident(over).can_unmute is False
    assert transition.mutes == {}


def test_a_mute_of_an_older_version_counts_as_set_by_command() -> None:
    old = decode(Mute, '{"target":"guest/101","elapsed":60.0,"until":1790000060.0,"by":"Akiko"}')
    assert old.incident == 0
    assert "incident" not in encode(old), "and an older version reads what is written now"


def test_a_jump_of_the_wall_clock_ends_no_mute() -> None:
    history = History()
    history.see(R)
    mute(history, "guest/101", 3600)
    assert history.see(S, jump=7200) == []


def test_a_mute_outlives_the_bot() -> None:
    history = History()
    history.see(R)
    mute(history, "guest/101", 3600)
    history.restart(away=600)
    assert history.see(S) == []
    history.restart(away=7200)
    assert history.see(S) == [DOWN]


def test_muted_guests_do_not_count_towards_a_group() -> None:
    history = History(*many(8))
    history.see()
    for vmid in (101, 102, 103):
        mute(history, f"guest/{vmid}", 36000)
    for vmid in range(101, 109):
        history.put(vmid, S)
    assert len(history.see()) == 5


def test_open_incidents_after_a_large_mute_are_one_message() -> None:
    history = History(*many(20))
    history.see()
    mute(history, "all", 300)
    for vmid in range(101, 121):
        history.put(vmid, S)
    told = [history.see() for _ in range(8)]
    assert [len(one) for one in told if one] == [1]
    message = history.messages[-1]
    assert message.post is MessageKind.UNMUTED
    assert message.mention
    assert len(message.incidents) == 20
    for vmid in range(101, 121):
        history.put(vmid, R)
    assert len(history.see()) == 1


def test_a_muted_node_is_silent_and_its_guests_too() -> None:
    history = History()
    history.see()
    mute(history, "node/pve1", 36000)
    history.nodes["pve1"] = False
    assert history.see() + history.see() + history.see() == []
    history.nodes["pve1"] = True
    history.put(101, S)
    assert history.polls(10) == []


# -- reminders


def test_open_incidents_are_repeated_every_four_hours() -> None:
    history = History()
    history.see(R)
    told = [history.see(S) for _ in range(600)]
    said = [number for number, one in enumerate(told) if one]
    assert said == [0, 240, 480]
    assert told[240] == ["reminder guest 101 stopped"]
    assert not history.messages[-1].mention


def test_there_are_no_reminders_if_they_are_switched_off() -> None:
    history = History(rules=WatchRules(repeat=0))
    history.see(R)
    assert flat([history.see(S) for _ in range(600)]) == [DOWN]


def test_an_outage_of_proxmox_makes_no_reminder_early() -> None:
    history = History()
    history.see(R, S)
    for _ in range(300):
        history.see(fault=GONE)
    assert history.see(S) == ["recovery source"]


# -- quiet hours


def test_only_critical_incidents_are_reported_in_quiet_hours() -> None:
    history = History(WatchEntry(101), WatchEntry(102, cpu=50))
    history.see()
    history.put(102, R, cpu=0.9)
    assert history.polls(4, quiet=True) == []
    assert history.see(S, quiet=True) == [DOWN]
    assert history.see(R, quiet=True) == []  # it runs again: not worth waking somebody
    told = history.see()
    assert told == ["digest gauge cpu 102 back guest 101 back"]
    assert history.messages[-1].silent
    assert not history.messages[-1].mention
    assert history.see() == []


def test_a_quiet_night_has_no_digest() -> None:
    history = History()
    assert history.see(R, R, quiet=True) + history.see(R) == []


def test_a_digest_names_each_incident_once() -> None:
    history = History(WatchEntry(101, cpu=50))
    history.see(R)
    history.see(R, R, R, quiet=True, cpu=0.9)
    history.see(R, R, R, quiet=True, cpu=0.1)
    assert history.see(R) == ["digest gauge cpu 101 back"]


def test_waiting_messages_outlive_the_bot() -> None:
    history = History(WatchEntry(101, cpu=50))
    history.see(R)
    history.see(R, R, R, quiet=True, cpu=0.9)
    history.restart()
    assert history.see(R, cpu=0.9) == ["digest gauge cpu 101 back"]


def test_the_digest_comes_even_while_proxmox_cannot_be_read() -> None:
    history = History(WatchEntry(101, cpu=50))
    history.see(R)
    history.see(R, R, R, quiet=True, cpu=0.9)
    assert history.see(fault=GONE) == ["digest gauge cpu 101 back"]


def test_every_message_has_its_own_number() -> None:
    history = History(*many(4))
    history.see()
    for vmid in range(101, 105):
        history.put(vmid, S)
    history.see()
    numbers = [message.id for message in history.messages]
    assert len(set(numbers)) == len(numbers) == 4
    assert {message.post for message in history.messages} == {MessageKind.OPENING}
    assert not set(numbers) & set(history.incidents)


def test_a_failed_backup_of_a_node_that_returns_is_no_news() -> None:
    """An offline node's tasks leave the list, and come back with it."""
    history = History()
    elsewhere = task("aptupdate", "", number=9, node="pve2")
    failed = task("vzdump", 101, status="job errors")
    history.see(tasks=[elsewhere])
    assert history.see(tasks=[failed, elsewhere]) == ["opening backup"]
    assert history.see(tasks=[elsewhere]) == []
    assert history.see(tasks=[failed, elsewhere]) == []


def test_a_threshold_of_an_undecided_guest_stays_open() -> None:
    history = History(WatchEntry(101, cpu=80))
    history.see(R)
    history.see(R, R, R, **busy(0.9))
    assert history.see(S, unsure=[101]) == []
    assert [incident.metric for incident in history.state.open.values()] == [Metric.CPU]
    assert history.see(R, **busy(0.9)) == []


def test_ending_a_mute_between_two_polls_makes_no_reminder() -> None:
    history = History()
    history.see(R, S)
    mute(history, "all", 360_000)
    history.polls(300)
    before = len(history.messages)
    transition = Transition(history.state, StepTime(history.unix, 0.0), history.rules)
    transition.mutes.clear()
    transition.good = True
    announce_all(transition, reminds=False)
    history._take(transition.update())
    assert len(history.messages) == before

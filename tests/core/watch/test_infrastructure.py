"""Test the order source, node, guest: data that cannot be read is not judged, and an outage is one message."""

import pytest

from core.guest import Kind
from core.proxmox_errors import HalfGone, NothingVisible, TokenRefused, Unreachable
from core.watch.incidents.model import SOURCE, Severity, Topic, WatchEntry
from tests.support.watch.steps import History, R, S, flat, many, task

GONE = Unreachable("pve.example.com")


def fail(history: History, polls: int, seconds: float = 60) -> list[list[str]]:
    return [history.see(fault=GONE, seconds=seconds) for _ in range(polls)]


# -- the source


def test_three_failures_are_one_message_and_one_when_it_is_back() -> None:
    history = History()
    history.see(R)
    assert fail(history, 10, seconds=10) == [[], [], ["opening source"], *[[]] * 7]
    incident = history.state.open[history.state.source.incident or 0]
    assert (incident.subject, incident.level, incident.watched) == (SOURCE, Severity.CRITICAL, 1)
    assert incident.fault
    assert (incident.fault.error, incident.fault.values) == (
        "Unreachable",
        (("host", "pve.example.com"),),
    )
    assert history.see(R) == ["recovery source"]
    assert history.incident().seconds == 100 - 10 + 60


def test_two_minutes_without_a_read_are_enough() -> None:
    history = History()
    history.see(R)
    assert fail(history, 3, seconds=125) == [[], ["opening source"], []]


def test_two_failures_are_no_message() -> None:
    history = History()
    history.see(R)
    assert fail(history, 2, seconds=30) == [[], []]
    assert history.see(R) == []
    assert fail(history, 2, seconds=30) == [[], []]


def test_reads_that_fail_now_and_then_stop_no_timer() -> None:
    """They are never reported as an outage, so the longest wait under a lock must end all the same."""
    history = History()
    history.see(R)
    told = []
    for _ in range(35):
        told += history.see(S, lock="backup")
        fail(history, 1)
    assert told == ["opening guest 101 stopped"]


def test_during_an_outage_no_guest_changes_and_no_timer_runs() -> None:
    history = History()
    history.see(R, S)
    fail(history, 3)
    clock = history.state.pulse.clock
    fail(history, 500)
    assert history.state.pulse.clock == clock
    assert history.see(S) == ["recovery source"]


def test_changes_during_an_outage_are_one_digest() -> None:
    history = History(*many(3))
    history.see()
    fail(history, 5)
    for vmid in (101, 102):
        history.put(vmid, S)
    assert history.see() == ["recovery source", "opening group 101 stopped, 102 stopped"]
    assert history.messages[-1].mention


def test_one_change_during_an_outage_is_its_own_alert() -> None:
    history = History(*many(3))
    history.see()
    fail(history, 5)
    history.put(102, S)
    assert history.see() == ["recovery source", "opening guest 102 stopped"]


def test_alarms_and_wanted_stops_during_an_outage_are_one_digest_that_can_end() -> None:
    history = History(*many(3))
    history.see(tasks=[])
    fail(history, 5)
    for vmid in (101, 102):
        history.put(vmid, S)
    told = history.see(tasks=[task("qmstop", 102)])
    assert told == ["recovery source", "opening group 101 stopped, 102 stopped by root@pam"]
    history.put(101, R)
    assert history.see() == ["recovery group"]


def test_a_short_failure_makes_no_digest() -> None:
    history = History(*many(3))
    history.see()
    fail(history, 1)
    for vmid in (101, 102):
        history.put(vmid, S)
    assert len(history.see()) == 2


def test_a_refused_token_is_reported_as_what_it_is() -> None:
    history = History()
    history.see(R)
    assert history.polls(3, fault=TokenRefused()) == ["opening source"]
    fault = history.incident().fault
    assert fault is not None
    assert fault.error == "TokenRefused"


def test_an_outage_outlives_the_bot() -> None:
    history = History()
    history.see(R)
    fail(history, 4)
    history.restart()
    assert fail(history, 4) == [[]] * 4
    assert history.see(R) == ["recovery source"]


def test_an_outage_is_reported_again() -> None:
    history = History()
    history.see(R)
    told = flat(fail(history, 3 + 240 * 2))
    assert told == ["opening source", "reminder source", "reminder source"]


# -- lists that cannot be true


def test_an_empty_list_is_a_fault_of_the_source() -> None:
    history = History(*many(4))
    history.see()
    history.guests.clear()
    assert [history.see() for _ in range(100)] == [[], [], ["opening source"], *[[]] * 97]
    assert history.incidents[1].fault
    assert history.incidents[1].fault.error == NothingVisible.__name__
    for vmid in range(101, 105):
        history.put(vmid, R)
    assert history.see() == ["recovery source"]


def test_an_empty_list_is_right_where_nothing_is_watched() -> None:
    history = History()
    history.entries = ()
    history.see()
    history.guests.clear()
    assert [history.see() for _ in range(5)] == [[]] * 5


def test_half_of_the_guests_gone_at_once_is_a_fault_of_the_source() -> None:
    history = History(*many(4))
    history.see()
    gone = {vmid: history.guests.pop(vmid) for vmid in (101, 102)}
    assert [history.see() for _ in range(5)] == [[], [], ["opening source"], [], []]
    assert history.incidents[1].fault
    assert history.incidents[1].fault.error == HalfGone.__name__
    history.guests |= gone
    assert history.see() == ["recovery source"]


def test_half_gone_for_half_an_hour_is_true() -> None:
    history = History(*many(4))
    history.see()
    for vmid in (101, 102):
        del history.guests[vmid]
    told = history.polls(40)
    assert told == ["opening source", "recovery source", "opening group 101 missing, 102 missing"]


def test_less_than_half_is_reported_as_missing() -> None:
    history = History(*many(5))
    history.see()
    for vmid in (101, 102):
        del history.guests[vmid]
    assert history.see() == ["opening guest 101 missing", "opening guest 102 missing"]


def test_one_of_two_guests_can_be_deleted() -> None:
    history = History(*many(2))
    history.see()
    del history.guests[101]
    assert history.see() == ["opening guest 101 missing"]


def test_guests_nobody_watches_may_go() -> None:
    history = History(WatchEntry(101))
    for vmid in (102, 103, 104):
        history.put(vmid, R)
    history.see()
    for vmid in (102, 103, 104):
        del history.guests[vmid]
    assert history.see() == []


# -- nodes


def test_a_dead_node_is_one_message_that_names_its_guests() -> None:
    history = History(*many(100))
    history.see()
    history.nodes["pve1"] = False
    assert history.see() == []  # suspected
    assert history.see() == ["opening node pve1"]
    incident = history.incident()
    assert incident.level is Severity.CRITICAL
    assert len(incident.guests) == 100
    assert [history.see() for _ in range(20)] == [[]] * 20
    history.nodes["pve1"] = True
    for vmid in range(101, 201):
        history.put(vmid, R, uptime=10)  # all of them have rebooted
    assert history.see() == ["recovery node pve1"]
    assert history.see() == []


def test_a_second_read_in_the_same_poll_confirms_it_at_once() -> None:
    history = History()
    history.see()
    history.nodes["pve1"] = False
    assert history.see(first=history.cluster()) == ["opening node pve1"]


def test_a_blip_of_a_node_is_no_message() -> None:
    history = History()
    history.see()
    history.nodes["pve1"] = False
    assert history.see() == []
    history.nodes["pve1"] = True
    assert history.see() == []
    history.nodes["pve1"] = False
    assert history.see() == []


def test_a_node_first_seen_offline_is_silent() -> None:
    history = History()
    history.nodes["pve2"] = False
    assert history.see() + history.see() + history.see() == []
    history.nodes["pve2"] = True
    assert history.see() == []
    history.nodes["pve2"] = False
    assert history.see() + history.see() == ["opening node pve2"]


def test_a_guest_that_ha_starts_elsewhere_is_reported_as_such() -> None:
    history = History(*many(2))
    history.see()
    history.nodes["pve1"] = False
    history.see()
    history.see()
    history.put(101, R, node="pve2", uptime=10)
    assert history.see() == ["opening note 101 elsewhere"]
    fact = history.incident().guests[0]
    assert fact.node == "pve2"
    assert history.incident().level is Severity.INFO
    history.put(102, S, node="pve2")
    assert history.see() == []
    history.put(102, R, node="pve2", uptime=10)
    assert history.see() == ["opening note 102 elsewhere"]


def test_a_guest_that_does_not_come_back_with_its_node_is_reported_after_five_minutes() -> None:
    history = History()
    history.see()
    history.nodes["pve1"] = False
    history.see()
    history.see()
    history.nodes["pve1"] = True
    history.put(101, S)
    assert history.see() == ["recovery node pve1"]
    told = [history.see() for _ in range(8)]
    assert told == [[], [], [], [], ["opening guest 101 stopped"], [], [], []]
    fact = history.incidents[max(history.incidents)].guests[0]
    assert fact.after_node
    assert not fact.after_ha


def test_a_guest_that_ha_moved_and_does_not_start_is_reported_as_such() -> None:
    """Its node is still away, so that node's return is not mentioned."""
    history = History()
    history.see()
    history.nodes["pve1"] = False
    history.see()
    history.see()
    history.put(101, S, node="pve2")
    told = [history.see() for _ in range(8)]
    assert [one for one in told if one] == [["opening guest 101 stopped"]]
    fact = history.incidents[max(history.incidents)].guests[0]
    assert fact.after_ha
    assert not fact.after_node


def test_a_guest_that_was_stopped_before_is_not_named() -> None:
    history = History(*many(2))
    history.put(102, S)
    history.see()
    history.nodes["pve1"] = False
    history.see()
    history.see()
    assert [fact.vmid for fact in history.incident().guests] == [101]


def test_a_node_taken_out_of_the_cluster_is_forgotten() -> None:
    history = History()
    history.see()
    history.nodes["pve2"] = False
    history.see()
    assert history.see() == ["opening node pve2"]
    del history.nodes["pve2"]
    assert history.see() == []
    assert history.incident().forgotten
    assert not history.state.open


def test_a_list_without_nodes_says_nothing_of_them() -> None:
    history = History()
    history.see()
    nodes, history.nodes = history.nodes, {}
    assert history.see() + history.see() == []
    history.nodes = nodes
    assert history.see() == []


def test_a_node_and_a_guest_elsewhere_are_two_messages() -> None:
    history = History(*many(2))
    history.put(102, R, node="pve2")
    history.see()
    history.nodes["pve1"] = False
    history.see()
    history.put(102, S, node="pve2")
    assert history.see() == ["opening node pve1", "opening guest 102 stopped"]


@pytest.mark.parametrize("kind", list(Kind))
def test_the_topic_of_a_guest_of_an_offline_node_is_the_node(kind: Kind) -> None:
    history = History()
    history.put(101, R, kind=kind)
    history.see()
    history.nodes["pve1"] = False
    history.see()
    history.see()
    assert {incident.topic for incident in history.state.open.values()} == {Topic.NODE}


def test_half_gone_has_to_last_without_a_break() -> None:
    """Privileges that come back in part after an outage must not look like deleted guests."""
    history = History(*many(4))
    history.see()
    gone = {vmid: history.guests.pop(vmid) for vmid in (101, 102)}
    history.polls(20)
    fail(history, 60)
    assert history.polls(25) == []
    history.guests |= gone
    assert history.see() == ["recovery source"]


def test_a_node_that_is_only_suspected_leaves_its_guests_alone() -> None:
    history = History()
    history.see()
    history.nodes["pve1"] = False
    history.see()
    assert history.state.guests[101].held is None
    assert not history.state.guests[101].lost_node


def test_a_guest_that_ha_has_yet_to_start_is_not_lost_with_its_new_node() -> None:
    history = History()
    history.see()
    history.nodes["pve1"] = False
    history.polls(2)
    history.put(101, S, node="pve2")
    history.see()
    history.nodes["pve2"] = False
    history.polls(2)
    assert history.incident().node == "pve2"
    assert history.incident().guests == ()

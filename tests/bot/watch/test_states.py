"""Test states that a VM does not leave by itself, and those that last too long: each is reported in its own words."""

import pytest

from core.guest import HALTED_STATES, PASSING_STATES, State
from playground.pve.server import Pve
from tests.bot.watch.test_sockets import poll, watching
from tests.support import stage
from tests.support.stage import Stage
from tests.support.walked import walked
from tests.support.watch.steps import History, L, R, S, task

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

HALTED = sorted(HALTED_STATES - {State.IO_ERROR})
PASSING = sorted(PASSING_STATES)
BACK = "recovery guest 101"


@walked("state", HALTED)
def test_a_halt_is_reported_with_its_cause_and_is_over_when_the_guest_runs(state: State) -> None:
    history = History()
    assert history.see(R, state, state, R) == ["opening guest 101 halted", BACK]
    assert history.see(state) == ["opening guest 101 halted"]
    assert history.incident().guests[0].state is state


@walked("state", PASSING)
def test_a_passing_state_is_reported_once_it_does_not_pass(state: State) -> None:
    history = History()
    assert history.see(R, *[state] * 9, R) == []
    assert history.see(*[state] * 40) == ["opening guest 101 stuck"]
    assert history.incident().guests[0].state is state
    assert history.see(R) == [BACK]


def test_one_passing_state_after_the_other_is_no_progress() -> None:
    assert History().see(R, *[L, State.RESTORING, State.INMIGRATE] * 5) == ["opening guest 101 stuck"]


def test_a_passing_state_is_reported_after_ten_minutes() -> None:
    history = History()
    history.see(R)
    assert history.polls(10) + history.see(*[L] * 10) == []
    assert history.see(L) == ["opening guest 101 stuck"]


def test_a_guest_stopped_for_a_backup_may_be_read_for_hours() -> None:
    history = History()
    assert history.see(R, tasks=[]) + history.see(S, tasks=[task("qmstop", 101)]) == [
        "opening note 101 stopped by root@pam"
    ]
    assert history.see(*[L] * 300, lock="backup") == []
    assert history.see(S) == []


def test_a_stuck_start_of_a_guest_that_somebody_stopped_is_reported() -> None:
    history = History()
    history.see(R, tasks=[])
    history.see(S, tasks=[task("qmstop", 101)])
    history.polls(6)
    assert history.see(*[L] * 12) == ["opening guest 101 stuck"]


def test_a_stuck_start_of_a_guest_that_is_reported_as_down_is_no_news() -> None:
    assert History().see(R, S, *[L] * 60, S, R) == ["opening guest 101 stopped", BACK]


def test_a_lock_excuses_it_for_half_an_hour_at_most() -> None:
    history = History()
    history.see(R)
    assert history.see(*[L] * 40, lock="rollback") == []
    assert history.see(*[L] * 3, lock="rollback") == ["opening guest 101 stuck"]


def test_a_guest_first_seen_in_a_passing_state_is_reported_once_it_is_stuck() -> None:
    assert History().see(*[L] * 20) == ["opening guest 101 stuck"]


def test_a_halt_that_is_seen_first_is_not_reported() -> None:
    assert History().see(*[State.PANICKED] * 5, R) == []


@walked("state", [*HALTED, State.IO_ERROR])
def test_a_stopped_guest_that_was_started_and_halted_unseen_is_reported(state: State) -> None:
    history = History()
    history.see(R, tasks=[])
    history.see(S, tasks=[task("qmstop", 101)])
    history.polls(6)
    assert history.see(state, state) == [
        f"opening guest 101 {'io_error' if state is State.IO_ERROR else 'halted'}"
    ]


def test_an_ordered_shutdown_that_hangs_at_its_end_is_as_ordered() -> None:
    history = History()
    history.see(R)
    assert history.see(*[State.SHUTDOWN] * 15, ordered=[101]) == []


def test_a_restart_of_the_bot_forgets_nothing() -> None:
    history = History()
    history.see(R, *[L] * 8)
    history.restart(60)
    assert history.see(*[L] * 5) == ["opening guest 101 stuck"]


@pytest.mark.parametrize("state", ["internal-error", "guest-panicked", "watchdog"])
async def test_a_halt_is_reported_in_discord_in_words_of_its_own(
    bare_scene: Stage, pve: Pve, state: str
) -> None:
    await watching(bare_scene, [101, 102])
    pve.hold_vm(101, state)
    (told,) = await poll(bare_scene)
    t = bare_scene.t()
    assert told.startswith("🔴")
    assert "**101**" in told
    assert (
        t("Its storage has failed or is full. Fix that, then resume it in the Proxmox web interface.")
        not in told
    )
    pve.revive(101)
    (told,) = await poll(bare_scene)
    assert told.startswith("🟢")


async def test_forty_minutes_of_prelaunch_are_reported_in_discord(bare_scene: Stage, pve: Pve) -> None:
    await watching(bare_scene, [101])
    pve.hold_vm(101, "prelaunch")
    (told,) = await poll(bare_scene, 40)
    assert told.startswith("🔴")
    assert "**101**" in told


def test_a_backup_that_was_over_before_somebody_started_it_is_no_excuse() -> None:
    history = History()
    history.see(S, tasks=[])
    ended = task("vzdump", 101)
    assert history.see(R, tasks=[task("qmstart", 101, number=2), ended]) == []
    assert history.see(S, tasks=[task("qmstart", 101, number=2), ended]) == ["opening guest 101 stopped"]


def test_a_stop_by_somebody_does_not_explain_a_later_halt() -> None:
    history = History()
    stop = [task("qmstop", 101)]
    history.see(R, tasks=[])
    history.see(S, tasks=stop)
    assert history.see(State.PANICKED, tasks=stop) == ["opening guest 101 halted"]


@walked("state", [*HALTED, State.IO_ERROR])
def test_a_stop_by_somebody_does_not_explain_why_qemu_holds_a_guest(state: State) -> None:
    """The guest was started again before the next poll."""
    history = History()
    history.see(R, tasks=[])
    told = history.see(state, tasks=[task("qmstop", 101)])
    assert told == [f"opening guest 101 {'io_error' if state is State.IO_ERROR else 'halted'}"]
    assert history.see(R) == [BACK]


def test_a_guest_that_is_held_while_it_wakes_up_is_reported() -> None:
    """Its lock stays until it runs."""
    history = History()
    history.see(R)
    assert history.see(S, lock="suspended") == ["opening note 101 stopped"]
    assert history.see(State.INTERNAL_ERROR, lock="suspended") == ["opening guest 101 halted"]


def test_a_flapping_guest_that_is_held_after_somebody_stopped_it_ends_as_held() -> None:
    history = History()
    history.see(R, tasks=[])
    assert history.see(*[S, R] * 4)[-1] == "opening flapping 101 flapping"
    assert history.see(S, tasks=[task("qmstop", 101)]) == ["opening note 101 stopped by root@pam"]
    assert history.polls(6) == []
    assert history.see(*[State.PANICKED] * 20) == ["opening guest 101 halted"]


@pytest.mark.parametrize(("node", "told"), [("pve1", ["opening restart 101 restarted"]), ("pve2", [])])
def test_a_guest_that_is_seen_coming_up_on_another_node_has_not_restarted(node: str, told: list[str]) -> None:
    history = History()
    history.see(R)
    assert history.see(L, L, node=node) == []
    assert history.see(R, node=node, uptime=20) == told
    assert history.see(R, node=node, uptime=10) == ["opening restart 101 restarted"]

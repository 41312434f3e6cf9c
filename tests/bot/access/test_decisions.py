"""Test that a confirmed /stop asks access seven times: each place knows something new, and each is enough."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from core.access.policy import Actor, InteractionKind, decide
from core.audit.record import AuditStep
from core.audit.store import AuditFilter
from core.errors import BotError, ReadOnly, Refused
from core.guest import Guest
from core.guest_errors import GuestNotFound
from core.operations import Operation
from playground.pve.server import Pve
from tests.support import stage
from tests.support.scenes import people
from tests.support.scenes.people import Cast
from tests.support.scenes.walked_anew import walked_anew
from tests.support.stage import Stage
from tests.support.watch.at_once import rows_of
from ui.interaction.attempt import Attempt

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language
cast = people.cast


class Known(NamedTuple):
    """The knowledge of a decision: the way in, whether the guest is named, and how often Proxmox was asked."""

    way: InteractionKind
    guest: bool
    lists: int
    statuses: int
    configs: int
    begun: bool
    """Whether the trail has the ASKED record, so the request comes next."""


class Decisions:
    """Note each decision about /stop. `after`: by the number of a decision, what happens right after it."""

    def __init__(self, scene: Stage) -> None:
        self.scene, self.made, self.refused = scene, list[Known](), list[int]()
        self.after: dict[int, Callable[[], object]] = {}
        self._before = self._counts()

    def _counts(self) -> list[int]:
        return [len(self.scene.sent("GET", part)) for part in ("/resources", "/status/current", "/config")]

    def __call__(
        self, rules: Any, actor: Actor, operation: Operation, guest: Guest | None = None, **how: Any
    ) -> Refused | None:
        refusal = decide(rules, actor, operation, guest, **how)
        if operation is Operation.STOP:
            lists, statuses, configs = (
                now - before for now, before in zip(self._counts(), self._before, strict=True)
            )
            begun = AuditStep.ASKED in steps(self.scene)
            self.made.append(
                Known(actor.interaction_kind, guest is not None, lists, statuses, configs, begun)
            )
            if refusal:
                self.refused.append(len(self.made))
            self.after.pop(len(self.made), lambda: None)()
        return refusal


def steps(scene: Stage) -> list[AuditStep]:
    """Return the steps of all attempts, newest first."""
    return [each.record.step for each in rows_of(scene.site.journal).audit_page(AuditFilter(), 0, 50)[0]]


@pytest.fixture
async def decisions(
    bare_scene: Stage,
    cast: Cast,  # noqa: ARG001  # its roles are read with the list
    monkeypatch: pytest.MonkeyPatch,
) -> Decisions:
    await bare_scene.site.cluster_cache.read()
    made = Decisions(bare_scene)
    monkeypatch.setattr("core.access.authorizer.decide", made)
    return made


COMMAND, BUTTON = InteractionKind.COMMAND, InteractionKind.BUTTON
SEVEN = [
    Known(COMMAND, guest=False, lists=0, statuses=0, configs=0, begun=False),  # the gate
    Known(COMMAND, guest=True, lists=0, statuses=0, configs=0, begun=False),  # as listed
    Known(COMMAND, guest=True, lists=0, statuses=1, configs=1, begun=False),  # as read
    Known(BUTTON, guest=True, lists=0, statuses=1, configs=1, begun=False),  # the press
    Known(BUTTON, guest=True, lists=0, statuses=1, configs=1, begun=False),  # as listed
    Known(BUTTON, guest=True, lists=0, statuses=2, configs=2, begun=False),  # as read
    Known(BUTTON, guest=True, lists=0, statuses=2, configs=2, begun=True),  # before the request
]


async def test_a_confirmed_stop_asks_seven_times(bare_scene: Stage, cast: Cast, decisions: Decisions) -> None:
    question = await bare_scene.say(cast["admin"], "stop", vmid=103)
    await bare_scene.press(cast["admin"], question, "Force-stop minecraft")
    assert [path for _, path, _ in bare_scene.changes()] == ["/nodes/pve2/qemu/103/status/stop"]
    assert decisions.made == SEVEN


@walked_anew("number", range(1, 8))
async def test_each_of_the_seven_is_enough(
    bare_scene: Stage, cast: Cast, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A refusal at any of them ends the attempt: nothing is sent.

    After a refusal by the list, the list is read once more.
    """
    scene, admin = bare_scene, cast["admin"]
    await scene.site.cluster_cache.read(0)
    decisions = Decisions(scene)

    def one_no(*args: Any, **how: Any) -> Refused | None:
        said = decisions(*args, **how)
        return GuestNotFound(103) if len(decisions.made) >= number else said

    monkeypatch.setattr("core.access.authorizer.decide", one_no)
    reply = await scene.say(admin, "stop", vmid=103)
    if number > 3:
        reply = await scene.press(admin, reply, "Force-stop minecraft")
    again = [SEVEN[number - 1]._replace(lists=1)] if number in (2, 5) else []
    assert decisions.made == SEVEN[:number] + again
    assert scene.changes() == []
    assert steps(scene)[0] is AuditStep.REFUSED
    assert scene.told(admin, GuestNotFound(103)) in "\n".join(
        [reply.text, *(post.text for post in reply.followups)]
    )


def untag(pve: Pve) -> None:
    pve.vm(103).config["tags"] = "other"


async def refused(scene: Stage, cast: Cast, error: BotError, *, at_press: bool) -> None:
    """Let a person whose admin role is limited to a tag run /stop and press its button. Nothing may change."""
    reply = await scene.say(cast["game"], "stop", vmid=103)
    if at_press:
        reply = await scene.press(cast["game"], reply, "Force-stop minecraft")
    assert scene.changes() == []
    assert scene.told(cast["game"], error) in "\n".join(
        [reply.text, *(post.text for post in reply.followups)]
    )


async def test_the_gate_refuses_before_anything_is_read(
    bare_scene: Stage, cast: Cast, decisions: Decisions
) -> None:
    bare_scene.clock.skip(60)  # the list is old
    before = len(bare_scene.sent())
    reply = await bare_scene.say(cast["operator"], "stop", vmid=103)
    assert reply.ephemeral
    assert len(decisions.made) == 1
    assert len(bare_scene.sent()) == before


@pytest.mark.usefixtures("decisions")
async def test_no_status_is_read_of_a_guest_that_the_list_hides(bare_scene: Stage, cast: Cast) -> None:
    reply = await bare_scene.say(cast["game"], "stop", vmid=101)
    bare_scene.assert_refused(reply, cast["game"], GuestNotFound(101))
    assert bare_scene.sent("GET", "/101/") == []


@pytest.mark.parametrize(
    ("number", "at_press", "last"),
    [
        (3, False, Known(COMMAND, guest=True, lists=1, statuses=1, configs=1, begun=False)),
        (4, True, Known(BUTTON, guest=True, lists=2, statuses=1, configs=1, begun=False)),
        (7, True, Known(BUTTON, guest=True, lists=2, statuses=2, configs=2, begun=False)),
    ],
)
async def test_a_tag_that_is_taken_away_is_missed_by_the_next_decision(
    bare_scene: Stage, cast: Cast, decisions: Decisions, pve: Pve, number: int, at_press: bool, last: Known
) -> None:
    """With a role for a tag the list is read again before each plan, so the listed guest is decided on twice."""
    decisions.after[number] = lambda: untag(pve)
    await refused(bare_scene, cast, GuestNotFound(103), at_press=at_press)
    assert decisions.made[-1] == last
    assert decisions.refused == [len(decisions.made)]


async def test_a_role_that_is_taken_away_leaves_the_question_open(
    bare_scene: Stage, cast: Cast, decisions: Decisions
) -> None:
    question = await bare_scene.say(cast["admin"], "stop", vmid=103)
    bare_scene.server.take_role(cast["admin"], cast.roles["admin"])
    reply = await bare_scene.press(cast["admin"], question, "Force-stop minecraft")
    bare_scene.assert_refused(reply, cast["admin"], GuestNotFound(103))
    assert decisions.made[-1] == SEVEN[3]
    bare_scene.server.give_role(cast["admin"], cast.roles["admin"])
    await bare_scene.press(cast["admin"], question, "Force-stop minecraft")
    assert len(bare_scene.changes()) == 1


async def test_changes_that_are_switched_off_last_stop_the_request(
    bare_scene: Stage, cast: Cast, decisions: Decisions
) -> None:
    switch = bare_scene.site.authorizer.read_only

    def switch_off() -> None:
        switch.refusal = ReadOnly("Akiko", bare_scene.clock.now())

    decisions.after[6] = switch_off
    question = await bare_scene.say(cast["admin"], "stop", vmid=103)
    await bare_scene.press(cast["admin"], question, "Force-stop minecraft")
    assert bare_scene.changes() == []
    assert decisions.made == SEVEN
    assert decisions.refused == [7]
    assert isinstance(switch.refusal, ReadOnly)


async def test_an_attempt_is_made_once(
    bare_scene: Stage, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = list[str]()
    begin = Attempt.__post_init__

    def noted(attempt: Attempt) -> None:
        made.append(attempt.word)
        begin(attempt)

    monkeypatch.setattr("ui.interaction.attempt.Attempt.__post_init__", noted)
    panel = await bare_scene.say(cast["admin"], "info", vmid=103)
    assert made == ["info"]
    await bare_scene.press(cast["admin"], panel, "g1:refresh:103")
    assert made[1:] == ["g1:refresh:103"], "whose word is then known"
    newest = (await bare_scene.site.journal.audit_page(AuditFilter(), 0, 2))[0]
    told = [(each.record.operation, each.record.vmid, each.record.actor.interaction_kind) for each in newest]
    assert told == [("info", 103, BUTTON), ("info", 103, COMMAND)]

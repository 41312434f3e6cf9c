"""Test presses that must not count: forged, replayed, another person's, or after losing the role.

Each is refused in private, changes nothing, and leaves one record of who tried what.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from core.access.policy import InteractionKind
from core.audit.record import AuditStep
from core.audit.store import AuditFilter
from core.error_codec import word_of
from core.errors import (
    BotError,
    ChangedMeanwhile,
    IncidentOver,
    NotAllowed,
    NotYours,
    QuestionAnswered,
    QuestionOver,
)
from core.guest_errors import GuestNotFound
from core.levels import Level
from playground.discord.people import Person, PressResult
from playground.discord.posts import SeenMessage
from tests.support import stage
from tests.support.scenes.people import Cast
from tests.support.stage import Stage, post_of

bare_scene, pve = stage.bare_scene, stage.pve

NONE = NotAllowed(Level.VIEWER, Level.NONE)


def needs(level: Level) -> NotAllowed:
    return NotAllowed(level, Level.NONE)


class Room:
    """Hold things to press: a panel, a list of several pages, an alert, questions and their forms."""

    def __init__(self, scene: Stage, cast: Cast) -> None:
        self.scene, self.cast = scene, cast

    async def panel(self) -> SeenMessage:
        return post_of(await self.scene.say(self.cast["admin"], "info", vmid=104))

    async def alert(self) -> SeenMessage:
        await self.scene.say(self.cast["admin"], "monitor add", vmid=101)
        await self.scene.poll()
        self.scene.pve.crash(101)
        await self.scene.poll()
        await self.scene.delivered()
        return self.scene.server.messages(self.scene.alerts)[-1]

    async def question(self, name: str = "admin") -> SeenMessage:
        return post_of(await self.scene.say(self.cast[name], "stop", vmid=103))

    async def form(self, name: str = "admin") -> PressResult:
        question = await self.scene.say(self.cast[name], "delete", vmid=104)
        return await self.scene.press(self.cast[name], question, yes_of(post_of(question)))

    async def press(self, name: str, post: SeenMessage, custom_id: str) -> PressResult:
        return await self.scene.press(self.cast[name], post, custom_id, force=True)

    def without_role(self, name: str) -> None:
        self.scene.server.take_role(self.cast[name], self.cast.roles[name])


def yes_of(post: SeenMessage) -> str:
    return str(post.buttons[0].custom_id)


def question_of(room: Room) -> SeenMessage:
    """Return the question that opened the form."""
    return next(post for post in room.scene.server.messages(room.scene.channel) if len(post.buttons) == 2)


def no_of(post: SeenMessage) -> str:
    return str(post.buttons[1].custom_id)


Act = Callable[[], Awaitable[PressResult]]
Ready = Callable[[Room], Awaitable[Act]]


def forged(custom_id: str, name: str = "admin") -> Ready:
    async def ready(room: Room) -> Act:
        post = await room.panel()
        return lambda: room.press(name, post, custom_id.replace("MARK", room.scene.fingerprint(101)))

    return ready


def forged_on_alert(what: str) -> Ready:
    async def ready(room: Room) -> Act:
        post = await room.alert()
        return lambda: room.press("admin", post, f"a1:{what}")

    return ready


def roleless(button: str, name: str = "operator") -> Ready:
    """Prepare a press on a public message by a person who has lost the role."""

    async def ready(room: Room) -> Act:
        post = await (room.alert() if button.startswith("a1") else room.panel())
        alert = str(post.buttons[0].custom_id).split(":")[2]
        custom_id = button.replace("ALERT", alert).replace("MARK", room.scene.fingerprint(104))
        room.without_role(name)
        return lambda: room.press(name, post, custom_id)

    return ready


def answering(
    which: Callable[[SeenMessage], str],
    *,
    by: str = "admin",
    before: Callable[[Room, SeenMessage], Awaitable[Any]] | None = None,
) -> Ready:
    async def ready(room: Room) -> Act:
        post = await room.question()
        custom_id = which(post)
        if before:
            await before(room, post)
        return lambda: room.press(by, post, custom_id)

    return ready


async def cancel(room: Room, post: SeenMessage) -> None:
    await room.press("admin", post, no_of(post))


async def lapse(room: Room, post: SeenMessage) -> None:
    room.scene.clock.skip(60)
    await room.scene.until(lambda: "Timed out" in post.text)


async def crash(room: Room, _post: SeenMessage) -> None:
    await room.scene.crash_bot()


async def lose(room: Room, _post: SeenMessage) -> None:
    room.without_role("admin")


def sending(before: Callable[[Room, PressResult], Awaitable[Any]], *, by: str = "admin") -> Ready:
    async def ready(room: Room) -> Act:
        form = await room.form()
        await before(room, form)
        return lambda: room.scene.submit(room.cast[by], form, "palworld")

    return ready


async def lapse_form(room: Room, _form: PressResult) -> None:
    await lapse(room, question_of(room))


async def crash_form(room: Room, _form: PressResult) -> None:
    await room.scene.crash_bot()


async def lose_form(room: Room, _form: PressResult) -> None:
    room.without_role("admin")


async def answered_form(room: Room, _form: PressResult) -> None:
    await cancel(room, question_of(room))


@dataclass(frozen=True)
class Case:
    """Describe a case. `word`: its operation in the record."""

    ready: Ready
    error: BotError
    word: str
    by: str = "admin"
    way: InteractionKind = InteractionKind.BUTTON


CASES = {
    "forged: no action of a button": Case(
        forged("g1:delete:101:00000000"), QuestionOver(), "g1:delete:101:00000000"
    ),
    "forged: another guest's mark": Case(forged("g1:start:104:00000000"), ChangedMeanwhile(104), "start"),
    "forged: a hidden guest": Case(
        forged("g1:reboot:101:MARK", "game"), GuestNotFound(101), "reboot", "game"
    ),
    "forged: a hidden guest's panel": Case(
        forged("g1:refresh:101", "game"), GuestNotFound(101), "info", "game"
    ),
    "forged: a hidden guest's history": Case(
        forged("p1:history:next:0:101", "game"), GuestNotFound(101), "monitor_history", "game"
    ),
    "forged: an unknown question": Case(
        forged("q1:yes:0123456789abcdef"), QuestionOver(), "q1:yes:0123456789abcdef"
    ),
    "forged: an unknown alert": Case(forged_on_alert("ack:999999"), IncidentOver(), "acknowledge"),
    "forged: an alert's mute of no length": Case(forged_on_alert("mute9:1"), QuestionOver(), "a1:mute9:1"),
    "replayed: after cancelling": Case(answering(yes_of, before=cancel), QuestionAnswered(), "stop"),
    "replayed: cancelled twice": Case(answering(no_of, before=cancel), QuestionAnswered(), "stop"),
    "replayed: after the lapse": Case(answering(yes_of, before=lapse), QuestionOver(), "stop"),
    "replayed: after a crash": Case(answering(yes_of, before=crash), QuestionOver(), "q1:yes"),
    "replayed: a form after the answer": Case(
        sending(answered_form), QuestionAnswered(), "delete", way=InteractionKind.FORM
    ),
    "replayed: a form after the lapse": Case(
        sending(lapse_form), QuestionOver(), "delete", way=InteractionKind.FORM
    ),
    "replayed: a form after a crash": Case(
        sending(crash_form), QuestionOver(), "f1:", way=InteractionKind.FORM
    ),
    "another's: yes": Case(answering(yes_of, by="game"), NotYours("Admin"), "stop", "game"),
    "another's: no": Case(answering(no_of, by="game"), NotYours("Admin"), "stop", "game"),
    "another's: of no role": Case(answering(no_of, by="nobody"), NotYours("Admin"), "stop", "nobody"),
    "without role: start": Case(roleless("g1:start:104:MARK"), needs(Level.OPERATOR), "start", "operator"),
    "without role: refresh": Case(roleless("g1:refresh:104"), NONE, "info", "operator"),
    "without role: an alert's start": Case(
        roleless("a1:start:ALERT"), needs(Level.OPERATOR), "start", "operator"
    ),
    "without role: an alert's details": Case(roleless("a1:details:ALERT"), NONE, "info", "operator"),
    "without role: an alert's acknowledging": Case(
        roleless("a1:ack:ALERT"), needs(Level.OPERATOR), "acknowledge", "operator"
    ),
    "without role: an alert's mute": Case(
        roleless("a1:mute8:ALERT"), needs(Level.OPERATOR), "monitor_mute", "operator"
    ),
    "without role: yes": Case(answering(yes_of, before=lose), GuestNotFound(103), "stop"),
    "without role: no": Case(answering(no_of, before=lose), GuestNotFound(103), "stop"),
    "without role: a form": Case(sending(lose_form), GuestNotFound(104), "delete", way=InteractionKind.FORM),
}


FORGED = [name for name, case in CASES.items() if name.startswith("forged") and "alert" not in name]
"""Cases that leave nothing behind, so that one bot may meet all of them."""


@pytest.mark.parametrize("names", [FORGED, *([name] for name in CASES if name not in FORGED)], ids=", ".join)
async def test_each_such_press_is_refused_changes_nothing_and_is_recorded(
    bare_scene: Stage, names: list[str]
) -> None:
    cast = Cast(bare_scene)
    await bare_scene.start_bot(**cast.settings)
    for name in names:
        await is_refused(bare_scene, cast, CASES[name])


async def is_refused(scene: Stage, cast: Cast, case: Case) -> None:
    act = await case.ready(Room(scene, cast))
    person: Person = cast[case.by]
    watch = scene.site.watch
    before = (scene.cluster(), watch.entries, watch.alerts.mutes(), watch.state.open)
    posts = [post.text for post in scene.server.messages(scene.channel)]
    _, attempts = await scene.site.journal.audit_page(AuditFilter(), 0, 1)
    reply = await act()
    error = replace(case.error, owner_id=cast["admin"].id) if isinstance(case.error, NotYours) else case.error
    (found,), now = await scene.site.journal.audit_page(AuditFilter(), 0, 1)
    told = [
        post for post in [reply.post, *reply.followups] if post and post.text == scene.told(person, error)
    ]
    assert [post.ephemeral for post in told] == [True], reply.text
    assert (
        scene.cluster(),
        watch.entries,
        watch.alerts.mutes(),
        watch.state.open,
    ) == before
    assert scene.changes() == []
    assert [post.text for post in scene.server.messages(scene.channel)] == posts
    assert now == attempts + 1, "one record of it"
    record = found.record
    assert (record.step, record.actor.user_id, record.actor.interaction_kind) == (
        AuditStep.REFUSED,
        person.id,
        case.way,
    )
    assert record.operation.startswith(case.word)
    assert word_of(record.outcome) == type(case.error).__name__

"""Test the delivery to Discord: each message arrives once and in order.

This holds despite outages, lost answers and the bot's own death.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.journal.store import SqliteJournal
from core.delivery.alerts import GIVE_UP_SECONDS, AlertDelivery
from core.delivery.channel import AlertText, DeliveryFailure, NotDelivered
from core.delivery.outbox import LONG_PAUSE
from core.guest import Kind
from core.watch.incidents.model import GuestEvent, GuestFact, Incident, Message, MessageKind, Severity, Topic
from core.watch.journal import Batch, OutboxMessage
from tests.support.fakes import NOW, FakeClock
from tests.support.watch.at_once import at_once

Fault = Callable[[], None]

DOWN = NotDelivered(DeliveryFailure.PASSING, "503")
LOST = NotDelivered(DeliveryFailure.PASSING, "connection lost")
SLOW = NotDelivered(DeliveryFailure.PASSING, "429", not_taken=True)
FORBIDDEN = NotDelivered(DeliveryFailure.REFUSED, "Missing Access", not_taken=True)
BAD = NotDelivered(DeliveryFailure.REJECTED, "Invalid Form Body", not_taken=True)


class Channel:
    """Simulate the alert channel: messages by ID, and nonces for three minutes.

    `faults`: one for each request.
    `after`: the request takes effect all the same, and only its answer is lost.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.shown: dict[int, str] = {}
        self.requests: list[str] = []
        self.faults: list[NotDelivered | None] = []
        self.after = False
        self._nonces: dict[str, tuple[float, int]] = {}

    def compose(self, message: OutboxMessage, late: float | None) -> AlertText:
        states = ["over" if incident.ended else "open" for incident in message.incidents]
        acked = [incident.acked_by for incident in message.incidents if incident.acked_by]
        delay = [] if late is None else [f"{late:.0f} s late"]
        return AlertText(
            " ".join(
                [message.stored.post.value, *map(str, message.stored.incidents), *states, *acked, *delay]
            )
        )

    def fallback_texts(self, text: AlertText) -> tuple[AlertText, ...]:
        return AlertText(f"bare {text.content.split(maxsplit=1)[0]}"), AlertText("fixed")

    def _fault(self) -> NotDelivered | None:
        return self.faults.pop(0) if self.faults else None

    async def post(self, message: OutboxMessage, text: AlertText, nonce: str) -> int:
        content = text.content
        self.requests.append(f"post {content}")
        await asyncio.sleep(0)
        fault = self._fault()
        if fault and not self.after:
            raise fault
        kept = self._nonces.get(nonce)
        if kept and self.clock.mono - kept[0] < 180:
            there = kept[1]
        else:
            there = len(self.shown) + 1
            self.shown[there] = content
            self._nonces[nonce] = self.clock.mono, there
        if fault:
            raise fault
        return there

    async def edit(self, message: OutboxMessage, text: AlertText) -> None:
        content = text.content
        self.requests.append(f"edit {content}")
        await asyncio.sleep(0)
        if fault := self._fault():
            raise fault
        assert message.posted is not None
        self.shown[message.posted] = content

    async def find(
        self, content: str, since: float, known: frozenset[int], incidents: tuple[int, ...] = ()
    ) -> int | None:
        self.requests.append("find")
        await asyncio.sleep(0)
        if fault := self._fault():
            raise fault
        found = (number for number, text in self.shown.items() if text == content and number not in known)
        return next(found, None)


def incident(number: int, *, ended: float | None = None) -> Incident:
    fact = GuestFact(101, GuestEvent.STOPPED, Kind.QEMU, "pve1", "web01")
    return Incident(
        number, Topic.GUEST, "guest/101", Severity.CRITICAL, NOW, 0.0, guests=(fact,), ended=ended, told=True
    )


class Office:
    """Hold a journal and the channel behind it. `kill` starts a new process, which has only the file."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.clock = directory, FakeClock()
        self.channel = Channel(self.clock)
        self._open()

    def _open(self) -> None:
        self.journal = SqliteJournal(self.directory / "journal.db", self.clock.now)
        self.journal.open()
        self.delivery = AlertDelivery(at_once(self.journal), self.channel, self.clock)

    def kill(self, away: float = 5.0) -> None:
        self.journal.close()
        self.clock.advance(away)
        self._open()

    def store(self, *incidents: Incident, posts: tuple[Message, ...] = ()) -> None:
        self.journal.commit(Batch(incidents=incidents, messages=posts))
        self.delivery.on_stored(*(post.id for post in posts))

    def opening(self, number: int) -> None:
        """Store an incident, and its opening message with the same number."""
        self.store(
            incident(number), posts=(Message(number + 100, MessageKind.OPENING, self.clock.now(), (number,)),)
        )

    def over(self, number: int) -> None:
        self.store(
            incident(number, ended=self.clock.now()),
            posts=(Message(number + 200, MessageKind.RECOVERY, self.clock.now(), (number,)),),
        )

    async def run(self, seconds: float = 0.0) -> None:
        """Let the sender work for this many seconds of its clock, or until nothing is left to do."""
        end = self.clock.mono + seconds
        task = asyncio.create_task(self.delivery.run())
        try:
            for _ in range(20_000):
                await asyncio.sleep(0)
                if seconds and self.clock.mono >= end:
                    return
                if not seconds and not (self.journal.to_post() or self.journal.to_edit()):
                    return
            if not seconds:
                raise AssertionError("it does not come to an end")
        finally:
            task.cancel()

    @property
    def shown(self) -> list[str]:
        return list(self.channel.shown.values())


@pytest.fixture
def post(tmp_path: Path) -> Office:
    return Office(tmp_path)


async def test_messages_are_posted_in_their_order(post: Office) -> None:
    for number in (1, 2, 3):
        post.opening(number)
    await post.run()
    assert post.shown == ["opening 1 open", "opening 2 open", "opening 3 open"]


async def test_an_incident_that_ends_is_edited_and_reported(post: Office) -> None:
    post.opening(1)
    await post.run()
    post.over(1)
    await post.run()
    assert post.shown == ["opening 1 over", "recovery 1 over"]


async def test_an_edit_shows_the_state_of_its_own_time(post: Office) -> None:
    post.opening(1)
    await post.run()
    post.store(replace(incident(1), acked_by="Akiko"))
    post.store(replace(incident(1), acked_by="Emma"))
    await post.run()
    assert post.channel.requests == ["post opening 1 open", "edit opening 1 open Emma"]


async def test_a_message_is_tried_again_after_1_2_4_to_60_s_and_then_every_five_minutes(post: Office) -> None:
    post.channel.faults = [DOWN] * 12
    post.opening(1)
    began = post.clock.mono
    await post.run()
    assert post.clock.slept == [1, 2, 4, 8, 16, 32, 60, 300, 300, 300, 300, 300]
    assert post.shown == [f"opening 1 open {post.clock.mono - began:.0f} s late"]


async def test_a_message_in_time_says_nothing_of_delay(post: Office) -> None:
    post.channel.faults = [DOWN] * 5
    post.opening(1)
    await post.run()
    assert post.shown == ["opening 1 open"]


async def test_a_refusing_channel_is_tried_every_five_minutes(post: Office) -> None:
    post.channel.faults = [FORBIDDEN] * 3
    post.opening(1)
    await post.run()
    assert post.clock.slept == [LONG_PAUSE] * 3
    assert post.delivery.error == ""


async def test_why_it_does_not_get_through_is_known(post: Office) -> None:
    post.channel.faults = [FORBIDDEN] * 1000
    post.opening(1)
    await post.run(600)
    assert post.delivery.error == "Missing Access"
    waiting = post.journal.backlog()
    assert (waiting.waiting, waiting.oldest, waiting.given_up, waiting.error) == (
        1,
        NOW,
        0,
        "Missing Access",
    )


async def test_after_a_day_it_is_given_up(post: Office) -> None:
    post.channel.faults = [DOWN] * 1000
    post.opening(1)
    await post.run(GIVE_UP_SECONDS + 2 * LONG_PAUSE)
    assert post.journal.backlog().given_up == 1
    post.channel.faults.clear()
    post.opening(2)
    await post.run()
    assert post.shown == ["opening 2 open"]


async def test_a_message_that_cannot_be_posted_is_given_up_and_holds_up_no_other(post: Office) -> None:
    post.channel.faults = [BAD]
    post.opening(1)
    post.opening(2)
    await post.run()
    assert post.shown == ["opening 2 open"]
    assert post.journal.backlog().given_up == 1


async def test_a_lost_answer_makes_no_second_message(post: Office) -> None:
    post.channel.faults, post.channel.after = [LOST, LOST, LOST], True
    post.opening(1)
    await post.run()
    assert post.shown == ["opening 1 open"]
    assert "find" not in post.channel.requests  # the nonce is enough


async def test_a_lost_answer_and_two_hours_without_discord_make_no_second_message(post: Office) -> None:
    post.channel.faults, post.channel.after = [LOST], True
    post.opening(1)
    await post.run(0.5)
    post.channel.after, post.channel.faults = False, [DOWN] * 30
    await post.run()
    assert len(post.shown) == 1
    assert post.channel.requests[-2] == "find"
    assert post.channel.requests[-1].startswith("edit")


@pytest.mark.parametrize("away", [5.0, 7200.0])
@pytest.mark.parametrize("taken", [True, False])
async def test_a_death_between_sending_and_noting_neither_loses_nor_doubles(
    post: Office, away: float, taken: bool
) -> None:
    post.opening(1)
    content = "opening 1 open"
    post.journal.note_try(101, content, post.clock.now())
    if taken:
        message = post.journal.outbox_message(101)
        assert message is not None
        await post.channel.post(message, AlertText(content), f"{post.journal.nonce_prefix}-101")
    post.kill(away)
    await post.run()
    assert len(post.shown) == 1


async def test_waiting_alerts_outlive_the_bot(post: Office) -> None:
    post.opening(1)
    post.kill(600)
    await post.run()
    assert post.shown == ["opening 1 open 600 s late"]


async def test_a_refusal_of_the_search_is_a_failed_try(post: Office) -> None:
    post.opening(1)
    post.journal.note_try(101, "opening 1 open", post.clock.now())
    post.kill(600)
    post.channel.faults = [DOWN]
    await post.run()
    assert post.channel.requests == ["find", "find", "post opening 1 open 601 s late"]


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
async def test_a_jump_of_the_wall_clock_makes_nothing_late(post: Office, jump: float) -> None:
    post.opening(1)
    post.clock.unix += jump
    await post.run()
    assert post.shown == ["opening 1 open"]


async def test_twenty_open_and_fifteen_close_in_ten_minutes_without_discord(post: Office) -> None:
    post.channel.faults = [DOWN] * 9
    for number in range(1, 21):
        post.opening(number)
    for number in range(1, 16):
        post.over(number)
    await post.run()
    assert post.clock.mono - 1000.0 >= 600
    openings = [f"opening {number} {'over' if number <= 15 else 'open'}" for number in range(1, 21)]
    recoveries = [f"recovery {number} over" for number in range(1, 16)]
    late = f"{post.clock.mono - 1000:.0f} s late"
    assert post.shown == [f"{text} {late}" for text in openings + recoveries]


async def test_an_old_pair_is_one_line(post: Office) -> None:
    post.channel.faults = [DOWN] * 11
    post.opening(1)
    post.over(1)
    post.opening(2)
    await post.run()
    assert [text.split(" late")[0].rsplit(" ", 2)[0] for text in post.shown] == [
        "opening 1 over",
        "opening 2 open",
    ]
    assert post.journal.backlog().given_up == 0


async def test_an_old_pair_is_one_line_even_if_the_bot_dies_while_it_says_so(post: Office) -> None:
    post.opening(1)
    post.over(1)
    post.clock.advance(3600)
    post.channel.faults = [LOST]
    await post.run(0.5)
    post.kill()
    await post.run()
    assert len(post.shown) == 1


async def test_a_gone_message_is_not_edited_for_ever(post: Office) -> None:
    post.opening(1)
    await post.run()
    post.channel.faults = [None, NotDelivered(DeliveryFailure.GONE, "Unknown Message", not_taken=True)]
    post.over(1)
    await post.run()
    assert post.shown == ["opening 1 open", "recovery 1 over"]


async def test_an_edit_that_fails_is_made_later(post: Office) -> None:
    post.opening(1)
    await post.run()
    post.channel.faults = [None, DOWN, DOWN]
    post.over(1)
    await post.run()
    assert post.shown == ["opening 1 over", "recovery 1 over"]


async def test_a_message_that_was_limited_is_not_searched_for(post: Office) -> None:
    post.channel.faults = [SLOW] * 8
    post.opening(1)
    await post.run()
    assert len(post.shown) == 1
    assert "find" not in post.channel.requests


async def test_unexpected_errors_do_not_end_the_sending(post: Office) -> None:
    compose = post.channel.compose

    def broken(*_given: object, **_more: object) -> AlertText:
        post.channel.compose = compose  # type: ignore[method-assign]  # well again
        raise KeyError("name")

    post.channel.compose = broken  # type: ignore[method-assign]  # a bug of ours
    post.opening(1)
    await post.run()
    assert post.shown == ["opening 1 open"]


async def test_the_end_of_the_bot_tries_waiting_messages_once_more(post: Office) -> None:
    post.opening(1)
    post.opening(2)
    await post.delivery.drain()
    assert len(post.shown) == 2


async def test_the_outcome_of_a_test_is_its_true_one(post: Office) -> None:
    post.store(posts=(Message(7, MessageKind.TEST, post.clock.now()),))
    running = asyncio.create_task(post.delivery.run())
    done = await post.delivery.outcome(7, 10)
    assert done is not None
    assert done.posted == 1
    post.channel.faults = [FORBIDDEN] * 5
    post.store(posts=(Message(8, MessageKind.TEST, post.clock.now()),))
    failed = await post.delivery.outcome(8, 10)
    assert failed is not None
    assert failed.posted is None
    assert failed.error == "Missing Access"
    running.cancel()


@pytest.mark.parametrize("fault", [FORBIDDEN, DOWN, LOST])
async def test_a_test_is_tried_once(post: Office, fault: NotDelivered) -> None:
    """Its sender reads that it is not sent again."""
    post.channel.faults = [fault]
    post.store(posts=(Message(7, MessageKind.TEST, post.clock.now()),))
    await post.run()
    post.opening(8)
    await post.run(700)
    (told,) = post.shown
    assert told.startswith("opening 8 open")


async def test_no_alert_waits_for_tests(post: Office) -> None:
    for number in range(5):
        post.store(posts=(Message(number, MessageKind.TEST, post.clock.now()),))
    post.opening(1)
    post.opening(2)
    await post.run()
    assert post.shown == ["opening 1 open", "opening 2 open", *["test"] * 5]


async def test_a_test_of_an_earlier_run_is_not_sent(post: Office) -> None:
    post.store(posts=(Message(7, MessageKind.TEST, post.clock.now()),))
    post.kill(61)
    await post.run()
    assert post.shown == []


async def test_every_message_has_its_own_nonce(post: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    nonces: list[str] = []
    sent = post.channel.post

    async def noted(message: OutboxMessage, text: AlertText, nonce: str) -> int:
        nonces.append(nonce)
        return await sent(message, text, nonce)

    monkeypatch.setattr(post.channel, "post", noted)
    post.opening(1)
    post.opening(2)
    await post.run()
    assert len(set(nonces)) == 2
    assert all(len(nonce) <= 25 for nonce in nonces)
    assert json.dumps(nonces)


async def test_a_later_text_whose_answer_got_lost_is_found_too(post: Office) -> None:
    """The first attempts failed. The successful one says how late it is, and its answer is lost for a long time."""
    post.channel.faults = [DOWN] * 9
    post.opening(1)
    await post.run(700)
    post.channel.faults, post.channel.after = [None, LOST], True  # the search, then the message
    await post.run(400)
    post.channel.faults, post.channel.after = [DOWN, DOWN], False
    await post.run()
    assert len(post.shown) == 1


async def test_a_search_does_not_take_a_message_for_another_of_the_same_words(post: Office) -> None:
    post.store(posts=(Message(7, MessageKind.WORD, post.clock.now()),))
    await post.run()
    post.store(posts=(Message(8, MessageKind.WORD, post.clock.now()),))
    post.journal.note_try(8, "word", post.clock.now())
    post.kill(600)
    await post.run()
    assert len(post.shown) == 2


async def test_an_edit_waits_for_a_channel_that_comes_back(post: Office) -> None:
    post.opening(1)
    await post.run()
    post.channel.faults = [None, FORBIDDEN, FORBIDDEN]
    post.over(1)
    await post.run()
    assert post.shown == ["opening 1 over", "recovery 1 over"]


async def test_a_message_that_cannot_be_put_into_words_holds_up_no_other(post: Office) -> None:
    compose = post.channel.compose

    def broken(message: OutboxMessage, late: float | None) -> AlertText:
        if message.stored.incidents == (1,):
            raise KeyError("name")
        return compose(message, late)

    post.channel.compose = broken  # type: ignore[method-assign]  # a bug of ours
    post.opening(1)
    post.opening(2)
    await post.run(60)
    assert post.shown == ["opening 2 open"]
    await post.run()
    assert post.journal.backlog().given_up == 1


async def test_an_edit_that_is_refused_holds_up_no_other(post: Office) -> None:
    """The refusal is 403, code 50005: the message is by the bot's former account."""
    post.opening(1)
    post.opening(2)
    await post.run()
    post.channel.faults = [None, None, FORBIDDEN]
    post.over(1)
    post.over(2)
    await post.run(60)
    assert "opening 2 over" in post.shown
    assert "opening 1 open" in post.shown


def reminder(number: int, incident: int, at: float) -> Message:
    return Message(number, MessageKind.REMINDER, at, (incident,))


async def test_reminders_that_waited_with_their_opening_are_not_posted(post: Office) -> None:
    post.channel.faults = [DOWN] * 4
    post.opening(1)
    post.store(posts=(reminder(301, 1, post.clock.now()), reminder(302, 1, post.clock.now())))
    await post.run()
    assert post.shown == ["opening 1 open"]


async def test_the_last_of_many_waiting_reminders_is_posted(post: Office) -> None:
    post.opening(1)
    await post.run()
    post.channel.faults = [DOWN] * 4
    post.store(posts=tuple(reminder(300 + number, 1, post.clock.now()) for number in range(9)))
    await post.run()
    assert post.shown == ["opening 1 open", "reminder 1 open"]


async def test_no_reminder_after_the_end(post: Office) -> None:
    post.opening(1)
    await post.run()
    post.channel.faults = [DOWN] * 4
    post.store(posts=(reminder(301, 1, post.clock.now()),))
    post.over(1)
    await post.run()
    assert post.shown == ["opening 1 over", "recovery 1 over"]


async def test_an_edit_after_a_jump_of_the_wall_clock_tells_no_false_delay(post: Office) -> None:
    post.opening(1)
    post.clock.unix += 3600  # as NTP does soon after the start
    await post.run()
    post.over(1)
    await post.run()
    assert post.shown == ["opening 1 over", "recovery 1 over"]


async def test_nothing_is_kept_of_messages_that_are_done_with(post: Office) -> None:
    post.channel.faults = [BAD] * 5
    for number in range(1, 11):
        post.opening(number)
    await post.run()
    for number in range(6, 11):
        post.over(number)
    await post.run()
    assert not (len(post.delivery._ages))
    assert not (post.delivery._tried_at)
    assert not (post.delivery._bug_counts)


async def test_a_reminder_is_not_dropped_for_an_opening_that_is_there_already(post: Office) -> None:
    """Discord accepted the opening and its answer got lost: seeds 3000 and 3004 of the soak."""
    post.opening(1)
    post.channel.faults, post.channel.after = [LOST], True
    await post.run(0.5)
    post.channel.after = False
    assert post.shown == ["opening 1 open"]
    post.store(posts=(reminder(301, 1, post.clock.now()),))
    await post.run()
    assert [text.split(" open")[0] for text in post.shown] == ["opening 1", "reminder 1"]


# -- what Discord blocks, and what it limits

BLOCKED = NotDelivered(DeliveryFailure.BLOCKED, "400 harmful links", not_taken=True)


def limited(seconds: float, *, delays_all: bool = False) -> NotDelivered:
    return NotDelivered(DeliveryFailure.PASSING, "429", not_taken=True, wait=seconds, delays_all=delays_all)


async def test_blocked_words_are_left_out_and_counted(post: Office) -> None:
    post.channel.faults = [BLOCKED]
    post.opening(1)
    post.opening(2)
    await post.run()
    assert post.shown == ["bare opening", "opening 2 open"]
    undelivered = post.journal.backlog()
    assert (undelivered.given_up, undelivered.blocked, undelivered.blocked_error) == (0, 1, BLOCKED.reason)
    assert post.journal.backlog(post.clock.now() + 1).blocked == 0, "older ones are no news"


async def test_an_edit_that_passes_again_is_no_longer_counted(post: Office) -> None:
    post.channel.faults = [BLOCKED]
    post.opening(1)
    await post.run()
    post.over(1)
    await post.run()
    assert post.shown == ["opening 1 over", "recovery 1 over"]
    assert post.journal.backlog().blocked == 0


async def test_a_blocked_edit_is_made_with_fewer_words(post: Office) -> None:
    post.opening(1)
    await post.run()
    post.channel.faults = [None, BLOCKED, BLOCKED]
    post.over(1)
    await post.run()
    assert post.shown == ["fixed", "recovery 1 over"]
    assert post.journal.backlog().blocked == 1


async def test_a_message_without_words_that_pass_is_given_up(post: Office) -> None:
    post.channel.faults = [BLOCKED] * 3
    post.opening(1)
    await post.run()
    assert post.shown == []
    assert post.journal.backlog().given_up == 1


@pytest.mark.parametrize("away", [5.0, 7200.0])
async def test_a_lost_answer_to_the_bare_words_makes_no_second_message(post: Office, away: float) -> None:
    post.channel.faults = [BLOCKED]
    post.opening(1)
    sent = post.channel.post

    async def taken(message: OutboxMessage, text: AlertText, nonce: str) -> int:
        there = await sent(message, text, nonce)
        if text.content.startswith("bare"):
            post.channel.post = sent  # type: ignore[method-assign]  # its answer arrives from now on
            raise LOST
        return there

    post.channel.post = taken  # type: ignore[method-assign]  # the answer gets lost
    await post.run(0.5)
    post.kill(away)
    await post.run()
    assert len(post.shown) == 1


async def test_a_limit_is_waited_for_as_long_as_discord_says(post: Office) -> None:
    post.channel.faults = [limited(65.0), limited(400.0)]
    post.opening(1)
    await post.run()
    assert post.clock.slept == [65.0, 400.0]
    assert len(post.shown) == 1
    assert "find" not in post.channel.requests


async def test_a_limit_without_reason_is_believed_for_an_hour(post: Office) -> None:
    post.channel.faults = [limited(1e9)]
    post.opening(1)
    await post.run()
    assert post.clock.slept == [3600.0]


async def test_nothing_is_asked_while_a_limit_holds(post: Office) -> None:
    post.channel.faults = [limited(65.0)]
    post.opening(1)
    running = asyncio.create_task(post.delivery._attempt_posts())
    await running
    for number in (2, 3):
        post.opening(number)
        assert await post.delivery._attempt_posts() == 65.0
    assert len(post.channel.requests) == 1
    await post.delivery.drain()
    assert len(post.shown) == 3, "the last attempt before the end ignores the limit"


async def test_a_limited_edit_waits_alone(post: Office) -> None:
    post.opening(1)
    post.opening(2)
    await post.run()
    post.channel.faults = [None, None, limited(60.0)]
    post.over(1)
    post.over(2)
    await post.run(30)
    assert post.shown[:2] == ["opening 1 open", "opening 2 over"]
    assert post.delivery.error == "429"
    await post.run()
    assert post.shown[0] == "opening 1 over"
    assert not post.delivery.error


async def test_an_edit_that_is_limited_for_a_week_is_left_as_it_is(post: Office) -> None:
    post.opening(1)
    await post.run()
    post.channel.faults = [None, *[limited(3600.0)] * 300]
    post.over(1)
    await post.run(8 * 86400.0)
    assert post.journal.to_edit() == ()
    assert len(post.channel.requests) < 200


async def test_an_edit_that_hangs_holds_up_no_new_message(post: Office) -> None:
    post.opening(1)
    await post.run()
    hangs, edit = asyncio.Event(), post.channel.edit

    async def slow(message: OutboxMessage, text: AlertText) -> None:
        await hangs.wait()
        await edit(message, text)

    post.channel.edit = slow  # type: ignore[method-assign]  # discord.py waits for a limit of its own
    running = asyncio.create_task(post.delivery.run())
    post.store(replace(incident(1), acked_by="Akiko"))
    for _ in range(100):
        await asyncio.sleep(0)
    post.opening(2)
    for _ in range(100):
        await asyncio.sleep(0)
    assert post.shown == ["opening 1 open", "opening 2 open"]
    hangs.set()
    await post.delivery.drain()
    assert post.shown[0] == "opening 1 open Akiko", "what is under way comes to its end"
    await running


async def test_a_recovery_knows_the_message_that_it_replies_to(post: Office) -> None:
    post.opening(1)
    post.opening(2)
    await post.run()
    post.over(2)
    (recovery,) = post.journal.to_post()
    assert recovery.opening == 2
    (opening,) = post.journal.to_edit()
    assert opening.opening is None


async def test_the_recovery_of_an_opening_that_never_arrived_replies_to_nothing(post: Office) -> None:
    post.channel.faults = [BAD]
    post.opening(1)
    await post.run()
    post.over(1)
    (recovery,) = post.journal.to_post()
    assert recovery.opening is None


@pytest.mark.parametrize("found", [False, True])
async def test_details_that_changed_before_a_repeated_attempt_are_shown(post: Office, found: bool) -> None:
    """The first line is the same and does not show that the details of the message are older."""
    compose = post.channel.compose

    def as_one_line(message: OutboxMessage, late: float | None) -> AlertText:
        return AlertText("the same line", compose(message, late).content)

    post.channel.compose = as_one_line  # type: ignore[method-assign]  # the content of all is alike
    post.channel.faults, post.channel.after = [LOST], True
    post.opening(1)
    await post.run(0.5)
    post.store(replace(incident(1), acked_by="Akiko"))
    if found:
        post.kill(600)
    await post.run()
    assert post.channel.requests[-1] == "edit the same line"
    assert len(post.shown) == 1


async def test_two_messages_of_one_content_are_two(post: Office) -> None:
    """The bot dies before it learns that the second one arrived, and finds it by its content."""

    def as_one_line(*_given: object, **_more: object) -> AlertText:
        return AlertText("the same line")

    post.channel.compose = as_one_line  # type: ignore[method-assign]  # the content of all is alike
    post.opening(1)
    await post.run()
    post.opening(2)
    post.channel.faults, post.channel.after = [LOST], True
    await post.run(0.5)
    post.kill(600)
    await post.run()
    assert len(post.shown) == 2
    assert post.journal.discord_ids() == {1, 2}

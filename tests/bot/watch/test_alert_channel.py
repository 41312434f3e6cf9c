"""Test the alert channel against a real Discord: sending, editing and finding messages, and each refusal."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import aiohttp
import discord
import pytest

from core.delivery.channel import AlertChannel, AlertText, DeliveryFailure, NotDelivered
from core.guest import Kind
from core.watch.incidents.model import GuestEvent, GuestFact, Incident, Message, MessageKind, Severity, Topic
from core.watch.journal import OutboxMessage
from playground.discord.faults import Request
from tests.support import stage
from tests.support.stage import Stage
from tests.support.walked import walked
from ui.formatting import Colour
from ui.watch.alert_channel import DiscordAlertChannel, _failure_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS = 1 << 2, 1 << 12
ROLE = 4711
DOWN = Incident(
    17,
    Topic.GUEST,
    "guest/101",
    Severity.CRITICAL,
    1_790_000_000.0,
    0.0,
    guests=(GuestFact(101, GuestEvent.STOPPED, Kind.QEMU, "pve1", "web01"),),
)
BACK = replace(
    DOWN, ended=1_790_000_725.0, seconds=725.0, guests=(replace(DOWN.guests[0], what=GuestEvent.BACK),)
)


def outbox_message(
    *incidents: Incident, post: MessageKind = MessageKind.OPENING, **values: Any
) -> OutboxMessage:
    message = Message(3, post, 1_790_000_000.0, tuple(each.id for each in incidents), **values)
    return OutboxMessage(message, incidents)


class Alerts:
    """Hold the adapter on the stage and read its requests to Discord."""

    def __init__(self, scene: Stage) -> None:
        self.scene = scene
        self.made = DiscordAlertChannel(scene.bot, scene.alerts.id, scene.t(), ROLE)
        self.kept: AlertChannel = self.made  # lets mypy check it against the protocol
        self.path = f"/channels/{scene.alerts.id}/messages"
        scene.mentionable.add(ROLE)

    def requests(self, method: str) -> list[Request]:
        return self.scene.server.requests(method, self.path)

    async def send(self, sent: OutboxMessage, nonce: str = "prefix-3") -> int:
        return await self.kept.post(sent, self.kept.compose(sent, None), nonce)


@pytest.fixture
async def alerts(scene: Stage) -> Alerts:
    return Alerts(scene)


# -- new messages


async def test_an_alert_is_one_line_an_embed_and_buttons(alerts: Alerts) -> None:
    there = await alerts.send(outbox_message(DOWN))
    (post,) = alerts.scene.server.messages(alerts.scene.alerts)
    assert post.id == there
    assert post.content == "🔴 **101** `web01` stopped unexpectedly"
    (embed,) = post.embeds
    assert embed["description"] == "VM · `pve1` · <t:1790000000:t> (<t:1790000000:R>)"
    assert embed["color"] == Colour.BAD
    assert [(button.label, button.style, button.custom_id) for button in post.buttons] == [
        ("Start", "success", "a1:start:17"),
        ("Details", "secondary", "a1:details:17"),
        ("Acknowledge", "primary", "a1:ack:17"),
        ("Mute 1 h", "secondary", "a1:mute1:17"),
        ("Mute 8 h", "secondary", "a1:mute8:17"),
        ("Chart", "secondary", "a1:chart:17"),
    ]
    (request,) = alerts.requests("POST")
    assert not request.body.get("flags"), "a suppressed embed would not be shown"
    assert (request.body["nonce"], request.body["enforce_nonce"]) == ("prefix-3", True)


async def test_an_alert_mentions_the_one_role_and_nobody_else(alerts: Alerts) -> None:
    await alerts.send(outbox_message(DOWN, mention=True))
    await alerts.send(outbox_message(DOWN), "prefix-4")
    first, second = alerts.requests("POST")
    assert first.body["allowed_mentions"] == {"parse": [], "roles": [ROLE]}
    assert f"<@&{ROLE}>" in first.body["content"].splitlines()[0]
    assert not second.body["allowed_mentions"].get("roles")
    assert f"<@&{ROLE}>" not in second.body["content"]


async def test_a_message_about_several_incidents_mentions_the_role_while_one_is_open(alerts: Alerts) -> None:
    other = replace(DOWN, id=18)
    await alerts.send(outbox_message(BACK, other, post=MessageKind.UNMUTED, mention=True))
    await alerts.send(
        outbox_message(BACK, replace(BACK, id=18), post=MessageKind.UNMUTED, mention=True), "p-4"
    )
    first, second = alerts.requests("POST")
    assert first.body["allowed_mentions"]["roles"] == [ROLE]
    assert f"<@&{ROLE}>" in first.body["content"]
    assert f"<@&{ROLE}>" not in second.body["content"]


async def test_without_a_role_nobody_is_mentioned(scene: Stage) -> None:
    channel = DiscordAlertChannel(scene.bot, scene.alerts.id, scene.t())
    sent = outbox_message(DOWN, mention=True)
    await channel.post(sent, channel.compose(sent, None), "n")
    assert "<@" not in scene.alerts_told()[0]


async def test_a_silent_message_makes_no_sound(alerts: Alerts) -> None:
    await alerts.send(outbox_message(BACK, post=MessageKind.RECOVERY, silent=True))
    (request,) = alerts.requests("POST")
    assert request.body["flags"] == SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS
    (post,) = alerts.scene.server.messages(alerts.scene.alerts)
    assert post.buttons == []
    assert "recovered after" in post.content


async def test_the_same_nonce_is_the_same_message(alerts: Alerts) -> None:
    """Repeated attempts depend on this promise of Discord. The nonce has the maximum length."""
    nonce = "abcdefghij-12345678901234"
    assert len(nonce) == 25
    assert await alerts.send(outbox_message(DOWN), nonce) == await alerts.send(outbox_message(DOWN), nonce)
    assert len(alerts.scene.alerts_told()) == 1


@pytest.mark.parametrize("post", [MessageKind.TEST, MessageKind.WORD, MessageKind.DIGEST])
async def test_messages_about_no_single_incident_have_no_buttons(alerts: Alerts, post: MessageKind) -> None:
    several = (DOWN, replace(DOWN, id=18)) if post is MessageKind.DIGEST else ()
    await alerts.send(outbox_message(*several, post=post, text="x"))
    (message,) = alerts.scene.server.messages(alerts.scene.alerts)
    assert message.buttons == []


# -- editing


async def test_the_opening_is_rewritten_when_it_is_over(alerts: Alerts) -> None:
    """The mention stays readable but notifies nobody a second time."""
    there = await alerts.send(outbox_message(DOWN, mention=True))
    over = replace(outbox_message(BACK, mention=True), posted=there)
    await alerts.kept.edit(over, alerts.kept.compose(over, None))
    (post,) = alerts.scene.server.messages(alerts.scene.alerts)
    assert post.id == there
    assert post.edited
    assert post.content == "🟢 **101** `web01` recovered at <t:1790000725:t> after 12 min 5 s down"
    assert [embed["color"] for embed in post.embeds] == [Colour.GOOD]
    assert f"<@&{ROLE}>" not in post.content
    assert [button.custom_id for button in post.buttons] == ["a1:details:17", "a1:chart:17"]
    request = alerts.scene.server.requests("PATCH", f"{alerts.path}/{there}")[-1]
    assert not any(request.body["allowed_mentions"].get(key) for key in ("parse", "roles", "users"))


async def test_the_last_button_goes_too(alerts: Alerts) -> None:
    source = Incident(17, Topic.SOURCE, "source", Severity.CRITICAL, 1.0, 0.0)
    there = await alerts.send(outbox_message(source))
    over = replace(outbox_message(replace(source, ended=60.0, seconds=59.0)), posted=there)
    await alerts.kept.edit(over, alerts.kept.compose(over, None))
    (post,) = alerts.scene.server.messages(alerts.scene.alerts)
    assert post.buttons == []


async def test_a_deleted_message_is_gone(alerts: Alerts) -> None:
    there = await alerts.send(outbox_message(DOWN))
    alerts.scene.expected_statuses.add(404)
    await alerts.scene.bot.get_partial_messageable(alerts.scene.alerts.id).get_partial_message(there).delete()
    over = replace(outbox_message(BACK), posted=there)
    with pytest.raises(NotDelivered) as caught:
        await alerts.kept.edit(over, AlertText("x"))
    assert caught.value.failure is DeliveryFailure.GONE


async def test_a_message_of_an_older_version_gets_the_new_form(alerts: Alerts) -> None:
    """It had the whole text in its content, and its embeds were suppressed."""
    channel = alerts.scene.bot.get_partial_messageable(alerts.scene.alerts.id)
    old = await channel.send("🔴 **101** `web01` has stopped\n-# This is small print.", suppress_embeds=True)
    over = replace(outbox_message(BACK), posted=old.id)
    await alerts.kept.edit(over, alerts.kept.compose(over, None))
    (post,) = alerts.scene.server.messages(alerts.scene.alerts)
    assert post.content == "🟢 **101** `web01` recovered at <t:1790000725:t> after 12 min 5 s down"
    assert [embed["color"] for embed in post.embeds] == [Colour.GOOD]
    assert not post.flags & SUPPRESS_EMBEDS


async def test_an_edit_keeps_a_silent_message_silent(alerts: Alerts) -> None:
    there = await alerts.send(outbox_message(DOWN, silent=True))
    over = replace(outbox_message(BACK, silent=True), posted=there)
    await alerts.kept.edit(over, alerts.kept.compose(over, None))
    (post,) = alerts.scene.server.messages(alerts.scene.alerts)
    assert post.flags & SUPPRESS_NOTIFICATIONS


# -- the recovery


def recovery(opening: int | None) -> OutboxMessage:
    return replace(outbox_message(BACK, post=MessageKind.RECOVERY, silent=True), opening=opening)


async def test_the_recovery_replies_to_the_opening(alerts: Alerts) -> None:
    there = await alerts.send(outbox_message(DOWN))
    await alerts.send(recovery(there), "prefix-4")
    request = alerts.requests("POST")[-1]
    reference = request.body["message_reference"]
    assert (int(reference["message_id"]), reference["fail_if_not_exists"]) == (there, False)
    assert request.body["allowed_mentions"] == {"parse": []}, "nobody is notified"
    post = alerts.scene.server.messages(alerts.scene.alerts)[-1]
    assert (post.content, post.embeds) == ("🟢 **101** `web01` recovered after 12 min 5 s.", [])


async def test_the_recovery_of_a_deleted_opening_arrives_too(alerts: Alerts) -> None:
    there = await alerts.send(outbox_message(DOWN))
    await alerts.scene.bot.get_partial_messageable(alerts.scene.alerts.id).get_partial_message(there).delete()
    await alerts.send(recovery(there), "prefix-4")
    assert [text[0] for text in alerts.scene.alerts_told()] == ["🟢"]


async def test_where_the_bot_may_not_reply_the_recovery_stands_alone(alerts: Alerts) -> None:
    """A reply needs the permission to read the history, which alerts do not need otherwise."""
    there = await alerts.send(outbox_message(DOWN))
    alerts.scene.server.fail("POST", alerts.path, 403)
    await alerts.send(recovery(there), "prefix-4")
    assert len(alerts.scene.alerts_told()) == 2
    assert "message_reference" not in alerts.requests("POST")[-1].body


# -- blocked


async def test_a_text_that_discord_blocks_is_sent_without_names_in_line_and_embed(alerts: Alerts) -> None:
    evil = replace(DOWN, guests=(replace(DOWN.guests[0], name="http.evil", node="http.node"),))
    text = alerts.kept.compose(outbox_message(evil, mention=True), 90.0)
    bare, fixed = alerts.kept.fallback_texts(text)
    assert bare.content == f"🔴 **101** `…` stopped unexpectedly <@&{ROLE}>"
    assert bare.details.splitlines() == [
        "VM · `…`",
        "<t:1790000000:t> (<t:1790000000:R>)",
        "-# This message is 1 min 30 s late.",
        "-# Discord blocked this message, so names and other text are left out.",
    ]
    assert bare.colour == Colour.BAD
    assert fixed == AlertText("⚠️ Discord blocked this alert. See `/monitor history` for the details.")
    assert alerts.kept.fallback_texts(bare) != (text,)


# -- finding


async def test_a_message_that_is_there_is_found(alerts: Alerts) -> None:
    content = alerts.kept.compose(outbox_message(DOWN), None).content
    now = alerts.scene.clock.now()
    assert await alerts.kept.find(content, now, frozenset(), (17,)) is None
    there = await alerts.send(outbox_message(DOWN))
    await alerts.send(outbox_message(BACK), "prefix-5")
    assert await alerts.kept.find(content, now, frozenset(), (17,)) == there
    assert await alerts.kept.find(content, now + 55, frozenset(), (17,)) == there, "clocks differ"
    assert await alerts.kept.find(content, now + 3600, frozenset()) is None, "older than that"
    assert await alerts.kept.find(content + "x", now, frozenset()) is None


async def test_two_alerts_of_the_same_content_are_not_taken_for_each_other(alerts: Alerts) -> None:
    """The same guest stops twice within minutes, and the second answer gets lost."""
    content = alerts.kept.compose(outbox_message(DOWN), None).content
    now = alerts.scene.clock.now()
    first = await alerts.send(outbox_message(DOWN))
    assert await alerts.kept.find(content, now, frozenset({first}), (18,)) is None
    second = await alerts.send(outbox_message(replace(DOWN, id=18)), "prefix-4")
    assert await alerts.kept.find(content, now, frozenset({first}), (18,)) == second
    assert await alerts.kept.find(content, now, frozenset({first, second})) is None


async def test_an_alert_of_a_lost_journal_is_not_taken_for_a_new_one(alerts: Alerts) -> None:
    """Its id is not known any more. Its buttons answer another incident."""
    content = alerts.kept.compose(outbox_message(DOWN), None).content
    now = alerts.scene.clock.now()
    there = await alerts.send(outbox_message(DOWN))
    assert await alerts.kept.find(content, now, frozenset(), (18,)) is None
    assert await alerts.kept.find(content, now, frozenset(), (17,)) == there


async def test_messages_of_others_are_not_the_bots(alerts: Alerts) -> None:
    content = alerts.kept.compose(outbox_message(DOWN), None).content
    await alerts.scene.emma.actor.send(alerts.scene.alerts, content)
    assert await alerts.kept.find(content, alerts.scene.clock.now(), frozenset()) is None


async def test_the_newest_messages_are_looked_through(alerts: Alerts) -> None:
    """The message is found however much was written after it."""
    made = alerts.scene.clock.now()
    for number in range(55):
        await alerts.scene.emma.actor.send(alerts.scene.alerts, f"chat {number}")
    there = await alerts.send(outbox_message(DOWN))
    content = alerts.kept.compose(outbox_message(DOWN), None).content
    assert await alerts.kept.find(content, made, frozenset(), (17,)) == there


async def test_without_the_history_nothing_is_found(alerts: Alerts) -> None:
    alerts.scene.server.fail("GET", alerts.path, 403)
    assert await alerts.kept.find("x", 0.0, frozenset()) is None


async def test_an_error_during_the_search_is_a_failure(alerts: Alerts) -> None:
    alerts.scene.server.fail("GET", alerts.path, 503)
    with pytest.raises(NotDelivered) as caught:
        await alerts.kept.find("x", 0.0, frozenset())
    assert caught.value.failure is DeliveryFailure.PASSING


# -- refusals


@walked(
    ("status", "fate", "not_taken"),
    [
        (400, DeliveryFailure.BLOCKED, True),
        (401, DeliveryFailure.REFUSED, True),
        (403, DeliveryFailure.REFUSED, True),
        (404, DeliveryFailure.REFUSED, True),
        (405, DeliveryFailure.REFUSED, True),
        (429, DeliveryFailure.PASSING, True),
        (503, DeliveryFailure.PASSING, False),
    ],
)
async def test_each_refusal_of_a_post_has_its_meaning(
    alerts: Alerts, status: int, fate: DeliveryFailure, not_taken: bool
) -> None:
    via = status != 429  # without it discord.py does not wait and retry
    alerts.scene.server.fail("POST", alerts.path, status, via=via)
    with pytest.raises(NotDelivered) as caught:
        await alerts.send(outbox_message(DOWN))
    assert (caught.value.failure, caught.value.not_taken) == (fate, not_taken)
    assert caught.value.reason.startswith(str(status))
    assert len(caught.value.reason) < 150
    assert alerts.scene.server.token not in caught.value.reason


@walked(
    ("code", "fate"),
    [
        (50035, DeliveryFailure.BLOCKED),
        (50008, DeliveryFailure.REFUSED),
        (160005, DeliveryFailure.REFUSED),
        (50083, DeliveryFailure.REFUSED),
    ],
)
def test_a_400_that_is_the_channels_fault_loses_no_alert(code: int, fate: DeliveryFailure) -> None:
    """ALERT_CHANNEL_ID is a category or a forum, or its thread was closed. Somebody will correct it one day."""
    response = SimpleNamespace(status=400, reason="Bad Request")
    error = discord.HTTPException(response, {"code": code, "message": "no"})  # type: ignore[arg-type]  # all it reads
    assert _failure_of(error) is fate


@walked("status", [400, 403, 404, 503])
async def test_each_refusal_of_an_edit_has_its_meaning(alerts: Alerts, status: int) -> None:
    there = await alerts.send(outbox_message(DOWN))
    alerts.scene.server.fail("PATCH", alerts.path, status)
    with pytest.raises(NotDelivered) as caught:
        await alerts.kept.edit(replace(outbox_message(BACK), posted=there), AlertText("x"))
    assert caught.value.failure is {400: DeliveryFailure.BLOCKED, 503: DeliveryFailure.PASSING}.get(
        status, DeliveryFailure.REFUSED
    )


@pytest.mark.parametrize("after", [False, True])
async def test_a_connection_that_breaks_says_nothing(alerts: Alerts, after: bool) -> None:
    alerts.scene.server.reset("POST", alerts.path, after=after)
    with pytest.raises(NotDelivered) as caught:
        await alerts.send(outbox_message(DOWN))
    assert caught.value.failure is DeliveryFailure.PASSING
    assert not caught.value.not_taken


async def test_without_a_connection_it_was_surely_not_taken(
    alerts: Alerts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord.http.Route, "BASE", "http://127.0.0.1:9/api/v10")
    with pytest.raises(NotDelivered) as caught:
        await alerts.send(outbox_message(DOWN))
    assert caught.value.failure is DeliveryFailure.PASSING
    assert caught.value.not_taken
    assert isinstance(caught.value.__cause__, aiohttp.ClientConnectorError)
    assert "127.0.0.1" not in caught.value.reason


async def test_an_answer_that_does_not_come_is_a_lost_one(
    alerts: Alerts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.discord.rate_limits.TRY_SECONDS", 0.2)
    alerts.scene.expected_statuses.add(0)
    alerts.scene.server.delay("POST", alerts.path, 1.0)
    with pytest.raises(NotDelivered) as caught:
        await alerts.send(outbox_message(DOWN))
    assert caught.value.failure is DeliveryFailure.PASSING
    assert not caught.value.not_taken


async def test_a_bot_that_has_ended_sends_nothing(alerts: Alerts) -> None:
    await alerts.scene.stop_bot()
    for call in (alerts.send(outbox_message(DOWN)), alerts.kept.find("x", 0.0, frozenset())):
        with pytest.raises(NotDelivered) as caught:
            await call
        assert caught.value.not_taken


# -- past the journal


async def test_a_line_without_the_journal_is_tried_once(alerts: Alerts) -> None:
    await alerts.made.send_line("🔴 The journal cannot be written.")
    assert alerts.scene.alerts_told() == ["🔴 The journal cannot be written."]
    alerts.scene.server.fail("POST", alerts.path, 503)
    await alerts.made.send_line("lost")
    assert len(alerts.scene.alerts_told()) == 1
    assert alerts.scene.logged == [], "a warning, no error"

"""Test incomplete gateway events: a press, form or command without a field neither ends the bot nor acts."""

import asyncio
import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from core.audit.store import AuditFilter
from playground.discord.odd_presses import rewritten
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage
from tests.support.walked import walked
from tests.support.watch.at_once import rows_of
from ui.guests.confirmation_form import typed_fields
from ui.interaction.incoming import GatewayGuard, missing_field

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

TOLD = "Discord sent incomplete data, so nothing was done. Try again."


def without(path: str, value: Any = ...) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """Return a function that removes this field from a payload, or sets it to `value`."""

    def rewrite(payload: Mapping[str, Any]) -> Mapping[str, Any]:
        changed = copy.deepcopy(dict(payload))
        *way, last = path.split(".")
        inner = changed
        for name in way:
            inner = inner[name]
        inner.pop(last, None)
        if value is not ...:
            inner[last] = value
        return changed

    return rewrite


MAIMED: list[tuple[str, Any]] = [
    ("data", ...), ("data", None), ("data", []), ("data.custom_id", ...), ("data.custom_id", 7),
    ("data.custom_id", None), ("data.component_type", ...), ("member", ...), ("member", None), ("member", {}),
    ("member.user", ...), ("member.user.id", ...), ("member.user.username", ...), ("member.roles", ...),
    ("channel", None), ("message", ...), ("message", None), ("message", {}), ("message.id", ...),
    ("message.content", ...), ("version", ...), ("application_id", ...), ("attachment_size_limit", ...),
    ("entitlements", None), ("authorizing_integration_owners", None),
]  # fmt: skip


@walked(("path", "value"), MAIMED)
async def test_a_press_without_a_field_is_answered_and_does_nothing(
    scene: Stage, pve: Pve, path: str, value: Any
) -> None:
    changed = len(scene.changes())
    panel = await scene.say(scene.emma, "info", vmid=104)
    with rewritten(scene.server.world, without(path, value)):
        reply = await scene.press(scene.emma, panel, "Start")
    await reply.until(lambda shown: shown.text == TOLD)
    scene.assert_private(reply)
    assert len(scene.changes()) == changed
    assert pve.vm(104).status == "stopped"
    await scene.press(scene.emma, panel, "Start")
    assert pve.vm(104).status == "running", "and the bot lives"
    pve.crash(104)
    scene.clock.skip(60)


async def test_a_press_without_a_channel_is_not_in_the_category(scene: Stage) -> None:
    panel = await scene.say(scene.emma, "info", vmid=104)
    with rewritten(scene.server.world, without("channel")):
        reply = await scene.press(scene.emma, panel, "Start")
    assert "The bot does not work in this channel" in reply.text
    assert scene.changes() == []


@walked("path", ["data", "data.name", "member", "version"])
async def test_a_command_without_a_field(scene: Stage, path: str) -> None:
    with rewritten(scene.server.world, without(path)):
        reply = await scene.say(scene.emma, "list")
    await reply.until(lambda shown: shown.text == TOLD)
    scene.assert_private(reply)
    assert "17 guests" in (await scene.say(scene.emma, "list")).text


@walked(
    ("path", "value"),
    [
        ("data", ...),
        ("data.custom_id", ...),
        ("data.components", ...),
        ("data.components", None),
        ("member", ...),
    ],
)
async def test_a_form_without_a_field(scene: Stage, pve: Pve, path: str, value: Any) -> None:
    question = await scene.say(scene.emma, "delete", vmid=104)
    form = await scene.press(scene.emma, question, "Delete palworld…")
    with rewritten(scene.server.world, without(path, value)):
        reply = await scene.submit(scene.emma, form, "palworld")
    await reply.until(lambda shown: shown.text == TOLD)
    assert scene.changes() == []
    assert pve.vm(104).status == "stopped"


async def test_choices_that_discord_does_not_accept_are_one_quiet_line(
    scene: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    scene.expected_statuses |= {0, 400, 404, 429}
    told = "choices could not be sent"
    caplog.set_level("INFO", "ui.discord.failures")
    server = scene.server
    refusals: list[Callable[[], object]] = [
        partial(server.fail, "POST", "/callback", 404, code=10062, message="Unknown interaction"),
        partial(server.fail, "POST", "/callback", 400, code=40060, message="already acknowledged"),
        partial(server.fail, "POST", "/callback", 429, retry_after=600.0),
        partial(server.reset, "POST", "/callback"),
    ]
    for refuse in refusals:
        caplog.clear()
        refuse()
        typing = asyncio.create_task(server.autocomplete(scene.emma, scene.channel, "info", "vmid", "web"))
        await scene.until(lambda: told in caplog.text, told)
        typing.cancel()
        await asyncio.gather(typing, return_exceptions=True)
    assert scene.logged == []
    assert await scene.choices(scene.emma, "info", "vmid", "web"), "the next choices are sent"


async def test_other_events_that_cannot_be_read_do_not_end_the_bot(scene: Stage) -> None:
    for event in ("GUILD_ROLE_UPDATE", "CHANNEL_CREATE", "THREAD_UPDATE"):
        scene.server.gateway.broadcast(event, {"guild_id": str(scene.guild.id)})
    assert "17 guests" in (await scene.say(scene.emma, "list")).text


@walked(
    "data",
    [{}, {"type": 3}, {"type": "3"}, {"type": []}, {"type": 2, "data": 5}, {"type": 5, "guild_id": "1"}, []],
)
def test_an_interaction_without_any_field_is_incomplete(data: Any) -> None:
    assert missing_field(data) if isinstance(data, dict) else True


@walked("rows", [None, 5, [None], [5], [{"component": 5}], [{"components": 5}], [{"components": [None]}]])
def test_a_forms_rows_of_any_kind(rows: Any) -> None:
    assert typed_fields({"components": rows}) == {}


@walked("path", ["member.user.id", "channel_id", "channel.id", "message.id", "guild_id", "application_id"])
async def test_a_press_with_an_id_that_no_store_can_hold(scene: Stage, path: str) -> None:
    """One such record would keep all others, and with them every action, from being stored."""
    panel = await scene.say(scene.emma, "info", vmid=104)
    with rewritten(scene.server.world, without(path, str(2**63))):
        reply = await scene.press(scene.emma, panel, "Refresh")
    await reply.until(lambda shown: shown.text == TOLD)
    assert "17 guests" in (await scene.say(scene.emma, "list")).text
    await scene.services.audit.flush()
    ((last, *_), _) = rows_of(scene.site.journal).audit_page(AuditFilter(), 0, 1)
    assert last.record.operation == "list"


@walked(("number", "missing"), [(str(2**63 - 1), None), (str(2**63), "id"), ("1" + "0" * 5000, "id")])
def test_an_id_that_no_store_can_hold_is_not_usable(number: str, missing: str | None) -> None:
    assert missing_field({"type": 2, "id": number, "user": {"id": "7"}, "data": {"name": "list"}}) == missing


@walked("number", [str(2**63), "1" + "0" * 5000, "0", "x", None])
def test_nobody_is_answered_without_a_usable_id(number: Any) -> None:
    guard = GatewayGuard(None, None)  # type: ignore[arg-type]  # nothing is sent without a usable id
    guard._answer({"type": 2, "id": number, "token": "t"})
    assert guard._notices == set()

"""Check interactions before discord.py parses them, and drop any event of the gateway that it cannot parse.

discord.py assumes that each event is complete. If a field is missing, an error may be raised while discord.py reads
the socket, which ends the bot. Or it is raised later in a task that nobody awaits, and the person gets no answer.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import discord
from discord.http import Route

from core.audit.measures import interaction_id
from core.proxmox import asker
from ui.cards import notice
from ui.discord.failures import DISCORD_ERRORS
from ui.i18n import Texts
from ui.interaction.context import Interaction, services_of
from ui.interaction.gate import reply_privately

NOTICES_MOST = 5
"""Maximum number of simultaneous answers to unreadable interactions; any more get no answer."""
_log = logging.getLogger(__name__)

_COMMAND, _PRESS, _COMPLETION, _FORM = 2, 3, 4, 5
_TYPED = Mapping[str, type]
_FIELDS: Mapping[int, _TYPED] = {
    _COMMAND: {"data.name": str},
    _PRESS: {"data.custom_id": str, "data.component_type": int, "message.id": str},
    _COMPLETION: {"data.name": str},
    _FORM: {"data.custom_id": str, "data.components": list},
}
"""Required fields of each type of interaction, besides the person."""
_IDS = ("id", "application_id", "guild_id", "channel_id", "channel.id", "channel.parent_id", "message.id")
"""Ids of an interaction, besides the person's. None may be too large. `_FIELDS` says which may not be missing."""
ID_MOST = 2**63 - 1
"""Greatest id that the journal can store. Discord's own stay below it until 2084."""

Parse = Callable[[Any], None]


def missing_field(data: Mapping[str, Any]) -> str | None:
    """Return the first field of an interaction that is missing or cannot be used, or None."""
    number = _at(data, "type")
    fields = _FIELDS.get(number, {}) if isinstance(number, int) else {}
    for path, kind in fields.items():
        if not isinstance(_at(data, path), kind):
            return path
    person = _person_path(data)
    if not isinstance(_at(data, person), str):
        return person
    return next((path for path in (person, *_IDS) if _is_too_large(str(_at(data, path)))), None)


def _is_too_large(number: str) -> bool:
    return number.isdecimal() and (len(number) > 20 or int(number) > ID_MOST)


def _person_path(data: Mapping[str, Any]) -> str:
    return "member.user.id" if data.get("guild_id") else "user.id"


def _number(data: Any) -> int:
    """Return the interaction's id, 0 if it is missing or cannot be used."""
    number = str(_at(data, "id"))
    return int(number) if number.isdecimal() and not _is_too_large(number) else 0


def _person(data: Mapping[str, Any]) -> int | None:
    """Return the id of the person of an interaction, None if it is missing or cannot be used."""
    found = str(_at(data, _person_path(data)))
    return int(found) if found.isdecimal() and not _is_too_large(found) else None


def _at(data: object, path: str) -> Any:
    for name in path.split("."):
        data = data.get(name) if isinstance(data, Mapping) else None
    return data


class GatewayGuard:
    """Wrap discord.py's event parsers, so that an unreadable event is dropped and does not end the bot.

    Also set the asker and the interaction's id for everything that an interaction starts.
    """

    def __init__(self, client: discord.Client, texts: Texts) -> None:
        self._client, self._texts = client, texts
        self._notices: set[asyncio.Task[None]] = set()

    def guard(self) -> None:
        """Wrap every parser."""
        parsers = self._client._connection.parsers  # noqa: SLF001  # discord.py's table has no public way in
        for event, parse in list(parsers.items()):
            parsers[event] = self._guarded(event, parse)

    def _guarded(self, event: str, parse: Parse) -> Parse:
        def read(data: Any) -> None:
            if event == "INTERACTION_CREATE" and (path := missing_field(data)) is not None:
                _log.warning("an interaction came without a usable %s and was ignored", path)
                self._answer(data)
                return
            asks = event == "INTERACTION_CREATE"
            before, former = (
                asker.set(_person(data) if asks else None),
                interaction_id.set(_number(data) if asks else 0),
            )
            try:
                parse(data)  # the tasks that it starts keep the asker and the interaction's id
            except Exception as error:  # noqa: BLE001 - it would end the connection and the bot
                _log.warning("an event %s could not be read and was ignored: %r", event, error)
                if event == "INTERACTION_CREATE":
                    self._answer(data)
            finally:
                asker.reset(before)
                interaction_id.reset(former)

        return read

    def _answer(self, data: Any) -> None:
        """Send a private notice to a command, press or form, if the interaction has a usable id and token."""
        number, token = _number(data), _at(data, "token")
        answerable = _at(data, "type") in (_COMMAND, _PRESS, _FORM)
        if answerable and number and isinstance(token, str) and len(self._notices) < NOTICES_MOST:
            sending = asyncio.ensure_future(self._say(number, token, str(_at(data, "locale"))))
            self._notices.add(sending)
            sending.add_done_callback(self._notices.discard)

    async def _say(self, number: int, token: str, locale: str) -> None:
        view = notice(_unreadable(self._texts, locale))
        flags = discord.MessageFlags(ephemeral=True, components_v2=True).value
        route = Route(
            "POST",
            "/interactions/{webhook_id}/{webhook_token}/callback",
            webhook_id=number,
            webhook_token=token,
        )
        components = view.to_components()  # type: ignore[no-untyped-call]  # discord.py leaves it without types
        shown = {"flags": flags, "components": components, "allowed_mentions": {"parse": []}}
        try:
            await self._client.http.request(route, json={"type": 4, "data": shown})
        except DISCORD_ERRORS as error:
            _log.warning("a private message could not be delivered: %r", error)


def _unreadable(texts: Texts, locale: str) -> str:
    t = texts.of_locale(locale)
    return t("Discord sent incomplete data, so nothing was done. Try again.")


async def answer_unreadable_press(interaction: Interaction) -> None:
    """Answer a press or choice whose message discord.py could not read, because discord.py ignores it silently."""
    if interaction.type is discord.InteractionType.component and interaction.message is None:
        text = _unreadable(services_of(interaction).texts, str(interaction.locale))
        await reply_privately(interaction, notice(text))

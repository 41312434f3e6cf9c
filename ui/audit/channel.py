"""Post the audit trail to its Discord channel for `core/delivery/audit.py`, silently and without mentions."""

import discord

from core.audit.store import AuditEntry
from ui.audit.text import audit_line
from ui.discord.blocked import make_fallback_texts
from ui.formatting import WARNING
from ui.i18n import Text
from ui.watch.alert_channel import find_own_message, translate_errors


class DiscordAuditChannel:
    """Implement `core.delivery.audit.AuditChannel`, in the public language."""

    def __init__(self, client: discord.Client, channel_id: int, t: Text) -> None:
        self._client, self._channel_id, self._t = client, channel_id, t

    def line(self, entry: AuditEntry) -> str:
        return audit_line(self._t, entry)

    async def post(self, content: str, nonce: str) -> int:
        async with translate_errors(self._client):
            message = await self._channel.send(
                content,
                nonce=nonce,
                silent=True,
                suppress_embeds=True,
                allowed_mentions=discord.AllowedMentions.none(),
            )
        return message.id

    def fallback_texts(self, content: str) -> tuple[str, ...]:
        t = self._t
        fixed = t("Discord blocked this line of the audit trail. See `/audit`.")
        return make_fallback_texts(t, content, f"{WARNING} {fixed}")

    async def find(self, content: str, since: float, known: frozenset[int]) -> int | None:
        return await find_own_message(self._client, self._channel, content, since, known)

    @property
    def _channel(self) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(self._channel_id)

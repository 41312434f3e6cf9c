"""Keep the messages of dashboards in Discord for `core/dashboard/keeper.py`."""

import datetime
from collections.abc import Awaitable, Callable
from typing import TypeVar

import discord
from discord import ui
from discord.http import handle_message_parameters

from core.dashboard.contents import Contents
from core.dashboard.model import Dashboard
from core.delivery.channel import DeliveryFailure, NotDelivered, OwnReason
from ui.cards import name_site
from ui.dashboard.card import DashboardView, dashboard_card, dashboard_view, without_names
from ui.dashboard.messages import dashboard_marks
from ui.discord.blocked import is_blocked
from ui.i18n import Text
from ui.watch.alert_channel import MARGIN_SECONDS, translate_errors

T = TypeVar("T")

SEARCHED = 100
"""Maximum number of messages to look through: first this many after the attempt, then as many of the newest."""
_UNKNOWN_CHANNEL = 10003


class DiscordDashboards:
    """Implement `core.dashboard.ports.DashboardChannel`, in the public language.

    `category_id`: the bot's category, whose text channels may have dashboards.
    `site`: name of the site at the head of each message, "" if there is only one.
    """

    def __init__(self, client: discord.Client, t: Text, category_id: int, site: str = "") -> None:
        self._client, self._t, self._category_id, self._site = client, t, category_id, site

    def compose(self, dashboard: Dashboard, contents: Contents) -> DashboardView:
        return dashboard_view(self._t, dashboard, contents)

    async def post(self, dashboard: Dashboard, shown: DashboardView, true_at: float | None) -> int:
        async def send(view: ui.LayoutView) -> int:
            message = await self._channel(dashboard).send(
                view=view,
                nonce=dashboard.nonce,
                silent=True,
                allowed_mentions=discord.AllowedMentions.none(),
            )
            return message.id

        if self._is_outside(dashboard):
            raise NotDelivered(DeliveryFailure.REFUSED, OwnReason.OUTSIDE, not_taken=True)
        async with translate_errors(self._client):
            return await self._with_fallback(dashboard, shown, true_at, send)

    async def edit(self, dashboard: Dashboard, shown: DashboardView, true_at: float | None) -> None:
        async def send(view: ui.LayoutView) -> None:
            with handle_message_parameters(
                view=view, allowed_mentions=discord.AllowedMentions.none()
            ) as params:
                await self._client.http.edit_message(
                    dashboard.channel_id, dashboard.message_id or 0, params=params
                )

        if self._is_outside(dashboard):
            await self.delete(dashboard)
            raise NotDelivered(DeliveryFailure.GONE, OwnReason.OUTSIDE)
        async with translate_errors(self._client):
            await self._with_fallback(dashboard, shown, true_at, send)

    async def _with_fallback(
        self,
        dashboard: Dashboard,
        shown: DashboardView,
        true_at: float | None,
        send: Callable[[ui.LayoutView], Awaitable[T]],
    ) -> T:
        """Send the message, without names if Discord blocks it. The buttons stay: they identify the message."""
        try:
            return await send(self._card(dashboard, shown, true_at))
        except discord.HTTPException as error:
            if not is_blocked(error):
                raise
        return await send(self._card(dashboard, without_names(self._t, shown), true_at))

    def _card(self, dashboard: Dashboard, shown: DashboardView, true_at: float | None) -> ui.LayoutView:
        view = dashboard_card(self._t, dashboard, shown, true_at, self._site)
        name_site(view, self._site)
        return view

    async def find(self, dashboard: Dashboard) -> int | None:
        since = datetime.datetime.fromtimestamp(max(0.0, dashboard.tried - MARGIN_SECONDS), datetime.UTC)
        me = self._client.user.id if self._client.user else 0
        channel = self._channel(dashboard)
        async with translate_errors(self._client):
            try:
                for history in (
                    channel.history(limit=SEARCHED, after=since, oldest_first=True),
                    channel.history(limit=SEARCHED),
                ):
                    async for message in history:
                        if message.author.id == me and any(
                            mark == dashboard.mark for _, mark in dashboard_marks(message.components)
                        ):
                            return message.id
            except discord.NotFound as error:
                if error.code != _UNKNOWN_CHANNEL:
                    raise
        return None

    async def pin(self, dashboard: Dashboard) -> None:
        async with translate_errors(self._client):
            await self._client.http.pin_message(dashboard.channel_id, dashboard.message_id or 0)

    async def delete(self, dashboard: Dashboard) -> None:
        try:
            async with translate_errors(self._client):
                await self._client.http.delete_message(dashboard.channel_id, dashboard.message_id or 0)
        except NotDelivered as error:
            cause = error.__cause__
            if isinstance(cause, discord.HTTPException) and cause.code == _UNKNOWN_CHANNEL:
                raise NotDelivered(DeliveryFailure.GONE, error.reason, not_taken=True) from cause
            raise

    def _is_outside(self, dashboard: Dashboard) -> bool:
        """Return whether the channel was moved out of the bot's category, where other people may read it."""
        channel = self._client.get_channel(dashboard.channel_id)
        return isinstance(channel, discord.TextChannel) and channel.category_id != self._category_id

    def _channel(self, dashboard: Dashboard) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(dashboard.channel_id)

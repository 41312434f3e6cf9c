"""Adapt SimCord's Preview page to the demo.

The bot may write while somebody types. Pages link to each other, describe commands in the language of each viewer,
and can show something beside the channel.

This file uses private names of SimCord 3.2.1 (see playground/discord/world.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

import simcord
from aiohttp import web
from simcord.interactions import command_leaves
from simcord.preview import _markdown

from playground.discord.people import Person

if TYPE_CHECKING:
    from simcord import Preview

_AT_THE_END = '<= 1 ? "bottom"'
_NEAR_THE_END = '<= 600 ? "bottom"'
_BEFORE_HEADER = '<header class="channel-header">'
_HEAD_END = "</head>"
_TABS_SCRIPT = """
for (const link of document.querySelectorAll(".demo-tabs a"))
  link.href = `http://${window.location.hostname}:${link.dataset.port}/#${hash}`;
"""
_TABS_STYLE = """
.demo-tabs { display: flex; flex-wrap: wrap; gap: 4px 16px; padding: 6px 16px; border-bottom: 1px solid #26272c; }
.demo-tabs a { color: var(--discord-muted); }
"""


_markdown._FIELD_POLICIES["embed_description"].update(mentions=True, subtext=True)  # noqa: SLF001  # private to SimCord
"""Discord shows mentions and small print in the description of an embed too."""


def open_preview(
    world: simcord.Env,
    channel: simcord.ChannelHandle,
    people: Sequence[Person],
    tabs: Sequence[Tab] = (),
    **options: Any,
) -> Preview:
    """Return a Preview of a channel for these people, not yet entered.

    `tabs`: links to other pages; they may be filled in later. `options`: further options of simcord's env.preview.
    """
    viewers = [person.actor for person in people]
    preview = world.preview(channel, viewers=viewers, layout="channel", **options)
    _take_presses_on_what_was_seen(preview)
    _tell_the_time(preview)
    _follow_the_conversation(preview)
    _show_tabs(preview, tabs)
    _describe_commands_to_each(preview, {person.id: person.locale for person in people})
    return preview


@dataclass(frozen=True, slots=True)
class Tab:
    """A link to the page of a channel. `port`: the port of that page; 0 on that page itself."""

    label: str
    port: int


def link_pages(pages: Sequence[tuple[Preview, list[Tab]]], labels: Sequence[str]) -> None:
    """Link these entered pages with each other: one address leads to all. `labels`: of the links.

    They share one secret, which no page contains: the browser takes it from its own address.
    """
    secret = pages[0][0].capability
    ports = [int(page.url.split(":")[2].split("/")[0]) for page, _ in pages]
    for page, tabs in pages:
        page.capability = secret
        here = int(page.url.split(":")[2].split("/")[0])
        tabs += [Tab(label, port if port != here else 0) for label, port in zip(labels, ports, strict=True)]


def _show_tabs(preview: Preview, tabs: Sequence[Tab]) -> None:
    """Show these links above the channel. They may be filled in once the page is entered."""
    serve = preview._server._static  # noqa: SLF001  # private to SimCord
    added = {"/app.js": _TABS_SCRIPT, "/preview.css": _TABS_STYLE}

    async def served(request: web.Request) -> web.Response:
        response: web.Response = await serve(request)
        if request.path in added:  # fonts are not text
            response.text = (response.text or "") + added[request.path]
        elif request.path == "/":
            links = "".join(
                f'<a data-port="{tab.port}">{escape(tab.label)}</a>'
                if tab.port
                else f"<strong>{escape(tab.label)}</strong>"
                for tab in tabs
            )
            bar = f'<nav class="demo-tabs">{links}</nav>'
            response.text = (response.text or "").replace(_BEFORE_HEADER, bar + _BEFORE_HEADER)
        return response

    preview._server._static = served  # type: ignore[method-assign]  # noqa: SLF001  # private; registered when the page is entered


def _take_presses_on_what_was_seen(preview: Preview) -> None:
    """Accept a press although the bot has written something since the browser last looked (every 0.5 s).

    SimCord refuses such a press as stale. A person would have to press again whenever an alert or a progress bar
    comes in between. The existence of the button is still checked.
    """
    strict = preview._action  # noqa: SLF001  # private to SimCord

    async def forgiving(context_id: str | None, body: Mapping[str, Any]) -> dict[str, Any]:
        page = preview._pages.get(context_id or "")  # noqa: SLF001  # private to SimCord
        if page is not None and isinstance(body, Mapping):
            body = {**body, "published_revision": page.revision}
        return await strict(context_id, body)

    preview._action = forgiving  # type: ignore[method-assign]  # noqa: SLF001  # private; the server looks it up for each press


def _tell_the_time(preview: Preview) -> None:
    """Send the present time with every publication, because SimCord's time stands still between two refreshes."""
    publish = preview._publish  # noqa: SLF001  # private to SimCord

    def publish_now(page: Any, **reason: Any) -> None:
        preview._advance_presentation_time()  # noqa: SLF001  # private to SimCord
        publish(page, **reason)

    preview._publish = publish_now  # type: ignore[method-assign]  # noqa: SLF001  # private; looked up for each publication


def _follow_the_conversation(preview: Preview) -> None:
    """Keep the newest message in view unless somebody has scrolled up by about a screen.

    SimCord follows only from the very end. It stops when the command line grows while a command is typed, or
    when a short "thinking" becomes a tall card.
    """
    serve = preview._server._static  # noqa: SLF001  # private to SimCord

    async def served(request: web.Request) -> web.Response:
        response: web.Response = await serve(request)
        if request.path == "/timeline.js" and response.text is not None:
            response.text = response.text.replace(_AT_THE_END, _NEAR_THE_END)
        return response

    preview._server._static = served  # type: ignore[method-assign]  # noqa: SLF001  # private; registered when the page is entered


def _describe_commands_to_each(preview: Preview, locales: Mapping[int, str]) -> None:
    """Describe commands, options and choices in the language of each viewer, as Discord's clients do.

    SimCord shows everybody the default language. `locales` is by user id.
    """
    serve = preview._server._commands  # noqa: SLF001  # private to SimCord

    async def served(request: web.Request) -> web.Response:
        response: web.Response = await serve(request)
        page = preview._pages.get(request.headers.get("X-Simcord-Context", ""))  # noqa: SLF001  # private to SimCord
        if response.status == 200 and page is not None:
            catalog, locale = json.loads(response.text or ""), locales.get(page.viewer.id, "en-US")
            leaves = _registered(preview, page) if catalog["entries"] else {}
            for entry in catalog["entries"]:
                if entry["key"] in leaves:
                    _describe(entry, leaves[entry["key"]], locale)
            response.text = json.dumps(catalog)
        return response

    preview._server._commands = served  # type: ignore[method-assign]  # noqa: SLF001  # private; registered when the page is entered


def _registered(preview: Preview, page: Any) -> dict[str, Mapping[str, Any]]:
    """Return the registered commands and subcommands, by their key in the catalog."""
    visible = preview.env.backend.visible_commands(user_id=page.viewer.id, channel_id=page.channel_id)
    return {
        f"{command['id']}:{'.'.join(path)}": leaf
        for command in visible
        for path, leaf in command_leaves(command)
    }


def _describe(entry: dict[str, Any], leaf: Mapping[str, Any], locale: str) -> None:
    """Put the texts of this language into an entry of the catalog; missing ones stay in the default language."""
    entry["description"] = _in_language(leaf, "description", locale)
    for option, registered in zip(entry["options"], leaf.get("options") or [], strict=True):
        option["description"] = _in_language(registered, "description", locale)
        for choice, told in zip(option["choices"], registered.get("choices") or [], strict=True):
            choice["name"] = _in_language(told, "name", locale)


def _in_language(registered: Mapping[str, Any], key: str, locale: str) -> str:
    return str((registered.get(f"{key}_localizations") or {}).get(locale) or registered.get(key) or "")


class Answerer(Protocol):
    """Answer requests of a page for something beside its channel.

    `files`: paths of the style sheets and scripts that are put into the page. `answer` returns None for a request
    that is SimCord's. `trusted`: the request comes from a page with the secret.
    """

    @property
    def files(self) -> Sequence[str]: ...

    async def answer(self, request: web.BaseRequest, *, trusted: bool) -> web.StreamResponse | None: ...


def answer_beside(preview: Preview, answerer: Answerer) -> None:
    """Let `answerer` answer its requests, and put its files into the page. Call this once the page is entered.

    This applies to all later connections. Requests with a foreign Host are left to SimCord, which refuses them.
    """
    page = preview._server  # noqa: SLF001  # private to SimCord
    serve = page.runner.server.request_handler
    tags = "".join(
        f'<link rel="stylesheet" href="{file}">'
        if file.endswith(".css")
        else f'<script type="module" src="{file}"></script>'
        for file in answerer.files
    )

    async def served(request: web.BaseRequest) -> web.StreamResponse:
        response = None
        if request.headers.get("Host", "") in page._allowed_hosts():  # noqa: SLF001  # private to SimCord
            response = await answerer.answer(request, trusted=page._authorized(request))  # noqa: SLF001  # the same
        if response is not None:
            response.headers.update(page._SECURITY_HEADERS)  # noqa: SLF001  # private to SimCord
            return response
        response = await serve(request)
        if request.path == "/" and isinstance(response, web.Response) and response.status == 200:
            response.text = (response.text or "").replace(_HEAD_END, tags + _HEAD_END)
        return response

    page.runner.server.request_handler = served


async def listen_on(preview: Preview, host: str) -> None:
    """Serve an entered page on another address of this machine, in place of 127.0.0.1.

    The page still answers only requests whose Host is 127.0.0.1 or localhost.
    """
    page = preview._server  # noqa: SLF001  # private to SimCord
    await page.site.stop()
    page.site = web.TCPSite(page.runner, host, page.port or 0)
    await page.site.start()

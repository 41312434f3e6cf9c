"""Reject answers that do not come from Discord: the page of a proxy, or one that asks for a log-in.

discord.py takes every answer for Discord's. It would take a page with a success status for the wanted object, one
with 400 for a refused message, and one with 401 for a refused token. Here such a page becomes a broken connection,
before discord.py sees it.
"""

import json
from types import SimpleNamespace

import aiohttp

_JSON = "application/json"
"""Must match exactly: if a charset follows, discord.py reads the body as text."""


async def refuse_proxy_pages(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
) -> None:
    """Refuse pages, as `on_request_end` of an `aiohttp.TraceConfig`.

    Accept answers without a body, and every 429 and 5xx: whoever sent it, it is taken for a temporary failure.
    Raises: aiohttp.ContentTypeError.
    """
    response = params.response
    status = response.status
    if status == 429 or status >= 500 or status in (101, 204, 304):
        return
    if response.headers.get("Content-Type") != _JSON or not _is_whole(await response.text(errors="replace")):
        raise aiohttp.ContentTypeError(
            response.request_info,
            response.history,
            status=status,
            message="not an answer of Discord",
            headers=response.headers,
        )


def _is_whole(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False

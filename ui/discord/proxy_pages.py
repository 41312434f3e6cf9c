"""Answers that are not Discord's own: a proxy's page, or one that asks for a log-in.

discord.py takes whatever comes for Discord's. A page with a good status is then an object without fields, one with
400 a refused message, and one with 401 a refused token. Here it becomes a broken connection, before discord.py sees
it.
"""

import json
from types import SimpleNamespace

import aiohttp

_JSON = "application/json"
"""Exactly so: what has a charset behind it discord.py reads as text."""


async def refuse_proxy_pages(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
) -> None:
    """For `on_request_end` of an aiohttp.TraceConfig. Raises aiohttp.ContentTypeError.

    Passes over 429 and 5xx, which are tried again whoever said them, and over answers without a body.
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

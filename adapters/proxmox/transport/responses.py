"""Decide whether an answer comes from Proxmox itself, and parse it. Pure functions on plain data.

An answer is Proxmox' own if one of these holds. Any other comes from a proxy, and does not tell what became of the
request.

- 2xx with a JSON object that has `data` (pve-http-server, Formatter.pm prepare_response_data);
- 4xx or 5xx with a JSON object whose `data` is null, and whose `message` and `errors`, if any, have the usual
  form;
- 4xx or 5xx with a reason phrase that only Proxmox uses (`is_known`), whatever the body is;
- 4xx or 5xx without a body (AnyEvent.pm `error`; before http-server 5.2 all refusals) and without a challenge,
  if the `Server` header names pve-api-daemon, or if Proxmox sends this status without a body and either the
  reason phrase has words of its own (`_phrase`) or the status is clear by itself (401, 595 to 599).
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from adapters.proxmox.transport.errors import FIELDS_MOST, TEXT_MOST, is_known

_BARE = frozenset({400, 401, 403, 404, 500, 501, *range(595, 600)})
"""Statuses that Proxmox sends without a body."""
CONTAINERS_MOST, ITEMS_MOST = 200_000, 1_000_000
"""Maximum number of lists and objects, and of commas, in a body. Decoding more would block every thread."""
_SERVER = "pve-api-daemon"
_MEANINGLESS = re.compile(r"status code \d+|<none>|unknown(?: error)?")
"""Reason phrases that proxies write for a status that they do not know (Go's net/http, among others)."""


class TooLarge(Exception):
    """A body has too many bytes or too many items."""


@dataclass(frozen=True, slots=True)
class Response:
    """A raw HTTP answer. `challenge`: it asks for another login, as only proxies do."""

    status: int
    reason: str
    body: bytes | bytearray
    server: str = ""
    challenge: bool = False


@dataclass(frozen=True, slots=True)
class ApiResult:
    """The content of Proxmox' own answer. `message`: empty if it gave no reason. `fields`: errors by parameter."""

    status: int
    data: object = None
    message: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        return self.status >= 400


Decode = Callable[[bytes | bytearray], object]
"""Decodes the `data` of a body of the usual form; None for any other."""


def parse_response(answer: Response, decode: Decode | None = None) -> ApiResult | None:
    """Parse the answer; None if it is not Proxmox' own.

    `decode`: is tried first on an answer without an error.
    Raises: TooLarge.
    """
    status = answer.status
    if not 200 <= status < 300 and status < 400:
        return None
    if decode and status < 300 and (data := decode(answer.body)) is not None:
        return ApiResult(status, data)
    document = _document(answer.body)
    has_data = isinstance(document, dict) and "data" in document
    if status < 400:
        return ApiResult(status, document["data"]) if isinstance(document, dict) and has_data else None
    phrase = _phrase(status, answer.reason)
    if isinstance(document, dict) and has_data and _is_refusal(document):
        return ApiResult(status, message=_message(document) or phrase, fields=_fields(document))
    if is_known(phrase):
        return ApiResult(status, message=phrase)
    if answer.body.strip() or answer.challenge:
        return None
    is_clear = status == 401 or 595 <= status <= 599
    if answer.server.startswith(_SERVER) or (status in _BARE and (phrase or is_clear)):
        return ApiResult(status, message=phrase)
    return None


def _document(body: bytes | bytearray) -> object:
    if body.count(b"[") + body.count(b"{") > CONTAINERS_MOST or body.count(b",") > ITEMS_MOST:
        raise TooLarge
    try:
        return json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):  # invalid UTF-8 is a ValueError, too
        return None


def _is_refusal(document: Mapping[str, object]) -> bool:
    message, errors = document.get("message"), document.get("errors")
    return document["data"] is None and isinstance(message, str | None) and isinstance(errors, dict | None)


def _message(document: Mapping[str, object]) -> str:
    message = document.get("message")
    return message[:TEXT_MOST].strip() if isinstance(message, str) else ""


def _fields(document: Mapping[str, object]) -> dict[str, str]:
    errors = document.get("errors")
    items = list(errors.items())[:FIELDS_MOST] if isinstance(errors, dict) else []
    return {str(name)[:TEXT_MOST]: text[:TEXT_MOST] for name, text in items if isinstance(text, str)}


def _phrase(status: int, reason: str) -> str:
    """Return the reason phrase, "" if it is the status's standard phrase or says nothing."""
    text = reason[:TEXT_MOST].strip()
    standard = {one.phrase.casefold() for one in HTTPStatus if one == status}
    return "" if text.casefold() in standard or _MEANINGLESS.fullmatch(text.casefold()) else text

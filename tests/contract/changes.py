"""Change kept answers as a server could: drop a field, or give it another type, unit or word."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from adapters.proxmox.transport.responses import Response
from tests.support.contract.wire import Exchange
from tests.support.pve_contract import row_of

Place = tuple[str, ...]
"""The keys that lead to a value. `*` is every row of a list, `*node` every row whose `type` is `node`."""
GONE = object()

_KINDS = {"qemu", "lxc", "node", "storage", "pool", "sdn", "quorum", "master", "lrm", "fencing", "service"}
"""Kinds of rows in lists of several kinds. Each kind has fields of its own."""
_UNREAD = {"*sdn", "*master", "*service"}
_UNREAD_VALUES = {("*quorum", "node"), ("*quorum", "status")}
"""Rows and fields that the bot does not read, although it reads the same fields of other kinds of rows."""
NO_BREACH = {
    "GET /nodes/{node}/status: swap.total: KiB",  # a node may have little or none
    "GET /nodes/{node}/lxc/{vmid}/interfaces: *.inet6: gone",  # IPv6 may be off
    "GET /nodes/{node}/qemu/{vmid}/agent/get-fsinfo: result.*.name: another word",  # the guest's own
    "GET /nodes/{node}/qemu/{vmid}/snapshot/{snapname}/config: digest: gone",  # Proxmox sends none of a snapshot
}
"""Changes that a form need not find, because Proxmox may answer in this way."""
_SIZES = {
    "mem",
    "memhost",
    "maxmem",
    "disk",
    "maxdisk",
    "used",
    "total",
    "size",
    "memory",
    "memused",
    "memtotal",
} | {
    "rootused",
    "roottotal",
    "used-bytes",
    "total-bytes",
}
_SECONDS = {"uptime", "time", "starttime", "endtime", "ctime", "snaptime"}
_SHARES = {"cpu"}
_OTHER_WORDS = {
    "running": "stopped",
    "stopped": "running",
    "online": "offline",
    "available": "unknown",
    "OK": "got timeout",
    "qemu": "lxc",
    "lxc": "qemu",
}


@dataclass(frozen=True)
class Change:
    """One change of all answers of a path, or of one refusal. `where`: its name, with the place and the kind."""

    where: str
    apply: Callable[[Exchange], Exchange]


def template_of(exchange: Exchange) -> str:
    return _template(exchange.method, exchange.path)


@cache
def _template(method: str, path: str) -> str:
    row = row_of(method, path)
    assert row is not None, path
    return f"{method} {row.path}"


def data_of(exchange: Exchange) -> Any:
    return json.loads(bytes(exchange.response.body))["data"]


def is_refusal(exchange: Exchange) -> bool:
    return exchange.response.status >= 400


def _with_data(exchange: Exchange, data: Any) -> Exchange:
    return replace(exchange, response=Response(200, "OK", json.dumps({"data": data}).encode()))


def places_of(data: Any, before: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield every value that is neither object nor list, after its place. Rows of a list share their places."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from places_of(value, (*before, key))
    elif isinstance(data, list):
        for row in data:
            kind = row.get("type") if isinstance(row, dict) else None
            yield from places_of(row, (*before, f"*{kind}" if kind in _KINDS else "*"))
    else:
        yield before, data


def _set(data: Any, place: Place, other: Callable[[Any], Any]) -> Any:
    """Change the value at a place, in every row that has it, and return the data. `other` may return GONE."""
    if not place:
        return other(data)
    key, rest = place[0], place[1:]
    if key.startswith("*"):
        if isinstance(data, list):
            for number, row in enumerate(data):
                if key == "*" or (isinstance(row, dict) and row.get("type") == key[1:]):
                    data[number] = _set(row, rest, other)
    elif isinstance(data, dict) and key in data:
        changed = _set(data[key], rest, other)
        if changed is GONE:
            del data[key]
        else:
            data[key] = changed
    return data


def _others(place: Place, value: Any) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Yield the name and the function of each change that fits a value: gone, another type, unit or word."""
    name = place[-1] if place else ""
    if place and not name.startswith("*"):
        yield "gone", lambda _: GONE
    yield "another type", lambda old: [old]
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, str):
        if not value.isdigit():
            yield "another word", lambda old: f"other={old}" if isinstance(old, str) else old
        if value in _OTHER_WORDS:
            yield "the opposite", lambda old: _OTHER_WORDS.get(old, old)
        return
    if not value:
        return
    if name in _SIZES:
        yield "KiB", lambda old: _times(old, 1 / 1024)
        yield "times 1024", lambda old: _times(old, 1024)
    if name in _SECONDS:
        yield "ms", lambda old: _times(old, 1000)
    if name in _SHARES:
        yield "percent", lambda old: _times(old, 100)


def _times(old: Any, factor: float) -> Any:
    if isinstance(old, bool) or not isinstance(old, int | float):
        return old
    return int(old * factor) if isinstance(old, int) else old * factor


def changes_of(template: str, exchanges: Sequence[Exchange], read: set[Place]) -> Iterator[Change]:
    """Yield the changes of all answers of one path: at the places that the bot reads, and of the whole data."""
    found: dict[Place, Any] = {}
    for exchange in exchanges:
        for place, value in places_of(data_of(exchange)):
            unread = _UNREAD & {*place} or place[-2:] in _UNREAD_VALUES
            if plain(place) in read and not unread and not found.get(place):
                found[place] = value
    for place, value in found.items():
        for what, other in _others(place, value):

            def apply(
                exchange: Exchange, place: Place = place, other: Callable[[Any], Any] = other
            ) -> Exchange:
                return _with_data(exchange, _set(data_of(exchange), place, other))

            where = f"{template}: {'.'.join(place)}: {what}"
            if where not in NO_BREACH:
                yield Change(where, apply)
    for what, body in (("null", None), ("a page", "<html>"), ("a number", 7)):
        if body is not None or any(data_of(exchange) is not None for exchange in exchanges):
            yield Change(f"{template}: {what}", partial(_with_data, data=body))


def plain(place: Place) -> Place:
    """Return the place without the kinds of rows."""
    return tuple("*" if key.startswith("*") else key for key in place)


def changes_of_refusal(exchange: Exchange) -> Iterator[Change]:
    """Yield the changes of one refusal: other words, another status, and an answer that accepts the request."""
    old = exchange.response
    where = f"{template_of(exchange)}: {old.status} {bytes(old.body).decode()[-120:]}"
    for what, response in (
        ("other words", _refusal(old.status, "something else went wrong")),
        ("another status", replace(old, status=501 if old.status != 501 else 500)),
        ("accepted", Response(200, "OK", b'{"data":null}')),
    ):
        if what == "other words" and old.status in (401, 595):  # the status alone says it
            continue
        yield Change(f"{where}: {what}", partial(replace, response=response))


def _refusal(status: int, words: str) -> Response:
    return Response(status, words, json.dumps({"data": None, "message": f"{words}\n"}).encode())


class Noted(dict[str, Any]):
    """An object of an answer that notes which of its values are read."""

    def __init__(self, values: Mapping[str, Any], place: Place, read: set[Place]) -> None:
        super().__init__({key: noted(value, (*place, key), read) for key, value in values.items()})
        self._place, self._read = place, read

    def _note(self, key: object) -> None:
        self._read.add((*self._place, str(key)))
        if isinstance(dict.get(self, str(key)), list):
            self._read.add((*self._place, str(key), "*"))

    def __getitem__(self, key: str) -> Any:
        self._note(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._note(key)
        return super().get(key, default)


def noted(data: Any, place: Place, read: set[Place]) -> Any:
    """Return the data, with objects that note which of their values are read."""
    if isinstance(data, dict):
        return Noted(data, place, read)
    if isinstance(data, list):
        return [noted(row, (*place, "*"), read) for row in data]
    if not place:
        read.add(place)
    return data

"""Decode the rows of `/cluster/resources`: piece by piece, or value by value where they are unusual."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec

from adapters.proxmox.values import (
    NUMBER_LIMIT,
    TEXT_MOST,
    WHOLE_LIMIT,
    parse_flag,
    parse_number,
    parse_text,
    parse_vmid,
    parse_whole,
)

_Text = Annotated[str, msgspec.Meta(max_length=TEXT_MOST)]
_Whole = Annotated[int, msgspec.Meta(ge=0, lt=WHOLE_LIMIT)]
_Number = Annotated[float, msgspec.Meta(ge=0, lt=NUMBER_LIMIT)]


class ResourceRow(msgspec.Struct, gc=False):
    """The values of one row that the bot uses. None: missing or unusable. A text may be empty."""

    type: str | None = None
    vmid: int | None = None
    node: _Text | None = None
    status: str | None = None
    name: _Text | None = None
    cpu: _Number | None = None
    maxcpu: _Number | None = None
    mem: _Whole | None = None
    memhost: _Whole | None = None
    maxmem: _Whole | None = None
    disk: _Whole | None = None
    maxdisk: _Whole | None = None
    uptime: _Whole | None = None
    template: bool | int | str | None = None
    lock: _Text | None = None
    tags: str | None = None
    hastate: _Text | None = None
    pool: _Text | None = None
    storage: _Text | None = None
    shared: bool | int | str | None = None
    plugintype: _Text | None = None
    content: _Text | None = None


PIECE = 2**16
"""Minimum bytes in a piece of a body, except the last piece.

Other threads wait while a piece is decoded. Rows of guests are in memory for one piece at a time.
"""

decode_rows = msgspec.json.Decoder(tuple[ResourceRow, ...]).decode
_BEGIN = re.compile(rb'[ \t\n\r]*\{[ \t\n\r]*"data"[ \t\n\r]*:[ \t\n\r]*\[')
_BETWEEN = re.compile(rb"\}[ \t\n\r]*,[ \t\n\r]*\{")
_END = re.compile(rb"\][ \t\n\r]*\}[ \t\n\r]*\Z")
_END_MOST = 64
"""Number of bytes at the end of a body that are searched for its closing brackets."""


def pieces_of(body: bytes | bytearray) -> Iterator[bytes]:
    """Yield the list in the body as several lists.

    A cut within a text or an inner object leaves a piece that is no JSON. So if all pieces are JSON, the whole body
    is JSON.
    Raises: ValueError for a body of another form.
    """
    begin, end = _BEGIN.match(body), _END.search(body, max(0, len(body) - _END_MOST))
    if not begin or not end or begin.end() > end.start():
        raise ValueError("no list")
    at, view = begin.end(), memoryview(body)
    while cut := _BETWEEN.search(body, at + PIECE, end.start()):
        yield b"".join((b"[", view[at : cut.start() + 1], b"]"))
        at = cut.end() - 1
    yield b"".join((b"[", view[at : end.start()], b"]"))


def convert_row(row: Mapping[str, Any]) -> ResourceRow:
    """Convert a row of any form, value by value."""
    return ResourceRow(
        type=_word(row.get("type")),
        vmid=parse_vmid(row.get("vmid")),
        node=parse_text(row.get("node")),
        status=_word(row.get("status")),
        name=parse_text(row.get("name")),
        cpu=parse_number(row.get("cpu")),
        maxcpu=parse_number(row.get("maxcpu")),
        mem=parse_whole(row.get("mem")),
        memhost=parse_whole(row.get("memhost")),
        maxmem=parse_whole(row.get("maxmem")),
        disk=parse_whole(row.get("disk")),
        maxdisk=parse_whole(row.get("maxdisk")),
        uptime=parse_whole(row.get("uptime")),
        template=parse_flag(row.get("template")),
        lock=parse_text(row.get("lock")),
        tags=_word(row.get("tags")),
        hastate=parse_text(row.get("hastate")),
        pool=parse_text(row.get("pool")),
        storage=parse_text(row.get("storage")),
        shared=parse_flag(row.get("shared")),
        plugintype=parse_text(row.get("plugintype")),
        content=parse_text(row.get("content")),
    )


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None

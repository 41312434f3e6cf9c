"""Define the frames in the pipes between the bot and the worker: a letter, a length of 4 bytes, and the data."""

import struct
from typing import BinaryIO

HEAD = struct.Struct(">cI")
WANTED, PICTURE, FAILED, END = b"W", b"P", b"F", b""
"""A drawing to draw (JSON), its picture (PNG), the reason why it has none (text), and the end of the pipe."""
PNG = b"\x89PNG\r\n\x1a\n"
"""The first bytes of every picture."""
BYTES_MOST = 8 * 1024 * 1024
"""Maximum bytes of data in a frame."""


def read_frame(source: BinaryIO) -> tuple[bytes, bytes]:
    """Return the letter and the data of the next frame.

    END without data: the pipe has ended, perhaps within a frame, or the frame is longer than `BYTES_MOST`.
    """
    head = source.read(HEAD.size)
    if len(head) < HEAD.size:
        return END, b""
    kind, length = HEAD.unpack(head)
    data = source.read(length) if length <= BYTES_MOST else b""
    return (kind, data) if len(data) == length else (END, b"")


def write_frame(goal: BinaryIO, kind: bytes, data: bytes) -> None:
    goal.write(HEAD.pack(kind, len(data)) + data)
    goal.flush()

"""Serve Discord's gateway v10 on a websocket: sessions that outlive their socket, replay, compression.

This file knows no guilds or messages: a `GatewayWorld` fills READY and feeds events into `Session.push`.
Source: "Gateway" in Discord's developer documentation (opcodes, close codes, resuming, compression).
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import json
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from enum import IntEnum
from typing import Any, Protocol

from aiohttp import WSCloseCode, WSMsgType, web


class Op(IntEnum):
    """The opcodes that are sent or understood here."""

    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    PRESENCE = 3
    VOICE_STATE = 4
    RESUME = 6
    REQUEST_MEMBERS = 8
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11


_REPLAY_FRAMES = 5000
"""Maximum number of events that a session keeps for RESUME. An older position is answered with INVALID_SESSION."""

_HEARTBEAT_TRIP = 0.02
"""Seconds until a heartbeat is answered.

discord.py 2.7.1 notes the time only after sending. A quicker answer looks to it like an answer that is an interval
late, and it warns that it cannot keep up.
"""

_PATIENCE = 2.0
"""Seconds that a peer has to read its data and to answer a close frame."""

Frame = dict[str, Any]


class GatewayWorld(Protocol):
    """The part of Discord that the gateway needs."""

    token: str

    def identified(self, session: Session, intents: int) -> int | None:
        """Push READY and the guilds into a new session, or return the close code of a refusal."""


class Session:
    """One identified session. Without a socket it is kept until it is resumed, replaced or ended."""

    def __init__(self, session_id: str) -> None:
        self.id = session_id
        self.sequence = 0
        self.socket: _Socket | None = None
        self.feed: Callable[[str, Mapping[str, Any]], None] = lambda _event, _payload: None
        """Set by the World: turns an event of the world into an event of this session, by its intents."""
        self.ask_members: Callable[[Mapping[str, Any]], Awaitable[None]] | None = None
        """Set by the World: answers opcode 8 with GUILD_MEMBERS_CHUNK events."""
        self._sent: deque[Frame] = deque(maxlen=_REPLAY_FRAMES)

    def push(self, event: str, payload: Mapping[str, Any]) -> None:
        self.sequence += 1
        frame = {"op": Op.DISPATCH, "t": event, "s": self.sequence, "d": payload}
        self._sent.append(frame)
        if self.socket is not None:
            self.socket.send(frame)

    def replay(self, after: int) -> list[Frame] | None:
        """Return the events after a sequence number.

        Return None if some of these are no longer kept, or if the number is higher than the last one.
        """
        if after > self.sequence or (self._sent and after + 1 < self._sent[0]["s"]):
            return None
        return [frame for frame in self._sent if frame["s"] > after]


class _Socket:
    """One websocket. Frames are queued, and one task writes them in order."""

    def __init__(
        self, request: web.Request, socket: web.WebSocketResponse, encode: Callable[[str], bytes | str]
    ):
        self.request, self.socket, self._encode = request, socket, encode
        self.ended_here = False
        """Whether the gateway closed the websocket or cut it off."""
        self._frames: asyncio.Queue[Frame] = asyncio.Queue()
        self.writer = asyncio.create_task(self._write())

    def send(self, frame: Frame) -> None:
        self._frames.put_nowait(frame)

    async def flushed(self) -> None:
        """Wait until everything is written, for at most `_PATIENCE`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._frames.join(), _PATIENCE)

    async def close(self, code: int) -> None:
        self.ended_here = True
        await self.flushed()
        await self.socket.close(code=code)

    def abort(self) -> None:
        """Cut the TCP connection. The peer sees no close frame (1006)."""
        self.ended_here = True
        if self.request.transport is not None:
            self.request.transport.abort()

    async def _write(self) -> None:
        while True:
            frame = await self._frames.get()
            try:
                data = self._encode(json.dumps(frame))
                if isinstance(data, str):
                    await self.socket.send_str(data)
                else:
                    await self.socket.send_bytes(data)
            except ConnectionError:
                pass  # the reader notices the end of the socket, and the session keeps the frame for a resume
            finally:
                self._frames.task_done()


class Gateway:
    """Accept the bot's websocket.

    `changed` is called when a session begins or resumes, a websocket ends, or a presence comes.
    """

    def __init__(self, world: GatewayWorld, changed: Callable[[], None]) -> None:
        self._world, self._changed = world, changed
        self._ids = itertools.count(1)
        self._sockets: set[_Socket] = set()
        self.sessions: dict[str, Session] = {}
        self.heartbeat_interval = 41.25
        """Seconds between heartbeats, sent in HELLO."""
        self.answer_heartbeats = True
        """False leaves heartbeats unanswered: the connection is open but dead."""
        self.closed = False
        """True refuses new connections with 503: an outage."""
        self.refuses: int | None = None
        """Close code for every IDENTIFY and RESUME, None to accept them."""
        self.presences: list[list[str]] = []
        """The texts of each presence that the bot has sent. Nobody sees them in the playground."""
        self.identifies = self.resumes = self.refused_resumes = 0

    @property
    def connected(self) -> bool:
        """Whether an identified or resumed session has a socket now."""
        return any(session.socket is not None for session in self.sessions.values())

    def broadcast(self, event: str, payload: Mapping[str, Any]) -> None:
        for session in list(self.sessions.values()):
            session.feed(event, payload)

    async def drop(self, code: int | None) -> None:
        """Close every socket with a close code; None cuts the TCP connections instead."""
        for socket in list(self._sockets):
            if code is None:
                socket.abort()
            else:
                await socket.close(code)

    async def invalidate(self, *, resumable: bool = False) -> None:
        """Send opcode 9. Unless `resumable`, the sessions are forgotten, and the bot must identify again."""
        if not resumable:
            self.sessions.clear()
        for socket in list(self._sockets):
            socket.send(_bare(Op.INVALID_SESSION, resumable))
            await socket.flushed()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.closed:
            return web.Response(status=503, text="upstream connect error")
        encode = _encoder(request.query.get("compress"))
        if encode is None or request.query.get("encoding", "json") != "json":
            return web.Response(status=400, text=f"unsupported transport: {request.query_string}")
        response = web.WebSocketResponse(compress=False, max_msg_size=1 << 20, timeout=_PATIENCE)
        await response.prepare(request)
        socket = _Socket(request, response, encode)
        self._sockets.add(socket)
        socket.send(_bare(Op.HELLO, {"heartbeat_interval": round(self.heartbeat_interval * 1000)}))
        try:
            await self._converse(socket)
        finally:
            self._sockets.discard(socket)
            socket.writer.cancel()
            self._part(socket, response.close_code)
        return response

    def _part(self, socket: _Socket, code: int | None) -> None:
        for session in list(self.sessions.values()):
            if session.socket is socket:
                session.socket = None
                if code in (WSCloseCode.OK, WSCloseCode.GOING_AWAY) and not socket.ended_here:
                    del self.sessions[session.id]  # the client closed normally: nothing to resume
        self._changed()

    async def _converse(self, socket: _Socket) -> None:
        session: Session | None = None
        async for message in socket.socket:
            if message.type is not WSMsgType.TEXT:
                await socket.close(4002)
                return
            try:
                frame = json.loads(message.data)
                op, data = frame["op"], frame.get("d")
            except (ValueError, KeyError, TypeError):
                await socket.close(4002)
                return
            match op:
                case Op.HEARTBEAT:
                    if self.answer_heartbeats:
                        ack = _bare(Op.HEARTBEAT_ACK, None)
                        asyncio.get_running_loop().call_later(_HEARTBEAT_TRIP, socket.send, ack)
                case Op.IDENTIFY | Op.RESUME if session is not None:
                    await socket.close(4005)
                case Op.IDENTIFY:
                    session = await self._identify(socket, data)
                case Op.RESUME:
                    session = await self._resume(socket, data)
                case _ if session is None:
                    await socket.close(4003)
                case Op.PRESENCE:
                    self.presences.append([each["state"] for each in data.get("activities", ())])
                    self._changed()
                case Op.VOICE_STATE:
                    pass  # voice changes nothing in the playground
                case Op.REQUEST_MEMBERS:
                    if session.ask_members is not None:
                        await session.ask_members(data)
                case _:
                    await socket.close(4001)

    async def _identify(self, socket: _Socket, data: Mapping[str, Any]) -> Session | None:
        if data.get("token") != self._world.token:
            await socket.close(4004)
            return None
        if self.refuses is not None:
            await socket.close(self.refuses)
            return None
        session = Session(f"session-{next(self._ids)}")
        refusal = self._world.identified(session, int(data.get("intents", 0)))
        if refusal is not None:
            await socket.close(refusal)
            return None
        for known in list(self.sessions.values()):
            if known.socket is None:
                del self.sessions[known.id]  # the bot gave this one up
        self.sessions[session.id] = session
        for frame in session.replay(0) or []:
            socket.send(frame)
        session.socket = socket
        self.identifies += 1
        self._changed()
        return session

    async def _resume(self, socket: _Socket, data: Mapping[str, Any]) -> Session | None:
        if data.get("token") != self._world.token:
            await socket.close(4004)
            return None
        if self.refuses is not None:
            await socket.close(self.refuses)
            return None
        session = self.sessions.get(str(data.get("session_id")))
        missed = session.replay(int(data.get("seq") or 0)) if session is not None else None
        if session is None or missed is None:
            self.refused_resumes += 1
            socket.send(_bare(Op.INVALID_SESSION, False))
            return None
        for frame in missed:
            socket.send(frame)
        session.socket = socket
        session.push("RESUMED", {})
        self.resumes += 1
        self._changed()
        return session


def _bare(op: int, data: Any) -> Frame:
    return {"op": op, "d": data, "s": None, "t": None}


def _encoder(compress: str | None) -> Callable[[str], bytes | str] | None:
    """Return the function that encodes frames for `?compress=`; None if that compression is not available."""
    match compress:
        case None:
            return lambda text: text
        case "zlib-stream":
            deflate = zlib.compressobj()
            return lambda text: deflate.compress(text.encode()) + deflate.flush(zlib.Z_SYNC_FLUSH)
        case "zstd-stream" if importlib.util.find_spec("zstandard") is not None:
            zstandard = importlib.import_module("zstandard")
            squeeze = zstandard.ZstdCompressor().compressobj()
            block = zstandard.COMPRESSOBJ_FLUSH_BLOCK
            return lambda text: bytes(squeeze.compress(text.encode()) + squeeze.flush(block))
    return None

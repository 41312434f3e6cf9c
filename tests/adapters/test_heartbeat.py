"""Test the heartbeat to an outside monitor: accepted answers, requests, log lines, and the secrecy of the URL."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from adapters.heartbeat import Heartbeat
from playground.pve.network.certificates import make_certificates
from tests.support.walked import walked

PUSH = "k3Jq8Zr0"
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def monitor(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Run a local monitor that answers everything with `handler`. Yield its address without a trailing slash."""
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handler)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw(
    answer: bytes, heard: asyncio.Queue[bytes] | None = None, *, hold: bool = False
) -> AsyncIterator[str]:
    """Run a monitor that sends these bytes for every request.

    `hold`: keep the connection open.
    """
    over, serving = asyncio.Event(), list[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            if heard is not None:
                heard.put_nowait(request)
            writer.write(answer)
            if hold:
                await over.wait()
            else:
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, EOFError):  # the other side closed first
            return
        finally:
            writer.transport.abort()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        over.set()
        await asyncio.gather(*serving)
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def heart(url: str | None, seconds: float = 5.0) -> AsyncIterator[Heartbeat]:
    beating = Heartbeat(url, seconds)
    try:
        yield beating
    finally:
        await beating.close()


def answering(*statuses: int) -> tuple[Handler, list[str]]:
    """Return a handler that answers with these statuses in turn, and the list of requested paths.

    The last status repeats forever.
    """
    left, asked = list(statuses), list[str]()

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.raw_path)
        return web.Response(status=left.pop(0) if len(left) > 1 else left[0])

    return handler, asked


def unused() -> str:
    """Return an address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [(record.levelno, record.getMessage()) for record in caplog.records if record.name == "heartbeat"]


# --- answers that count as accepted ---


@pytest.mark.parametrize("status", [200, 201, 204, 299, 300, 302, 304])
async def test_any_good_answer_counts(status: int, caplog: pytest.LogCaptureFixture) -> None:
    handler, asked = answering(status)
    async with monitor(handler) as address, heart(f"{address}/{PUSH}") as beating:
        assert [await beating.beat(), await beating.beat()] == [True, True]
        assert beating.error is None
    assert asked == [f"/{PUSH}"] * 2
    assert told(caplog) == []


@walked("status", [400, 401, 404, 429, 500, 503, 599])
async def test_any_other_answer_does_not(status: int) -> None:
    handler, _ = answering(status)
    async with monitor(handler) as address, heart(f"{address}/{PUSH}") as beating:
        assert await beating.beat() is False
        assert beating.error == f"HTTP {status}"


KUMA_NO = b'{"ok":false,"msg":"Monitor not found or not active."}'


@walked(
    ("body", "word"),
    [
        (b"OK", None),
        (b"OK (not found)", "not found"),
        (b"OK (rate limited)", "rate limited"),
        (b"OK (not found)\n", "not found"),
        (b"ok (something new)", "not taken"),
        (b'{"ok":true}', None),
        (b'{"ok": true, "msg": "it was not found before"}', None),
        (KUMA_NO, "not found"),
        (b'{"ok":false}', "not taken"),
        (b'{"success": false, "error": "Too Many Requests"}', "rate limited"),
        (b'{"status":"error"}', "not taken"),
        (b'{"status":"up"}', None),
        (b"", None),
        (b"null", None),
        (b"[" * 2000, None),
        (b"Got it, thanks!", None),
        (b"<html>" + b"not found " * 200, "page"),
        (b"\n<!DOCTYPE html><title>Uptime Kuma</title>", "page"),
        (b'{"error": "check does not exist"}', "not found"),
        (b'{"error": "busy"}', "not taken"),
        (b'{"error": null}', None),
        (b'{"ok": 1}', None),
        (b'{"ok": 0}', "not taken"),
        (b'{"ok": "false"}', "not taken"),
        (b'{"status": "failure"}', "not taken"),
        (b'{"status": 0}', None),
        (b"Error: try later", "not taken"),
        (b"invalid push token", "not found"),
        (b"KO", "not taken"),
        (b"Forbidden", "not taken"),
        (b"no errors", None),
        (b"\xff\xfe\x00", None),
    ],
)
async def test_a_beat_counts_only_if_the_service_says_so(body: bytes, word: str | None) -> None:
    """healthchecks.io answers 200 even for a check that was deleted."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with raw(answer) as address, heart(f"{address}/{PUSH}") as beating:
        assert (await beating.beat(), beating.error) == (word is None, word)
        assert (beating.last_beat is None) == (word is not None)


async def test_pieces_of_an_answer_are_read_as_one() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for part in (b"OK (not", b" found)"):
            await response.write(part)
            await asyncio.sleep(0.05)
        return response

    async with monitor(handler) as address, heart(f"{address}/{PUSH}") as beating:
        assert (await beating.beat(), beating.error) == (False, "not found")


async def test_a_body_that_never_comes_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.heartbeat.BODY_SECONDS", 0.1)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    async with raw(answer, hold=True) as address, heart(address) as beating:
        assert await beating.beat() is True


async def test_the_answer_is_asked_for_as_it_is() -> None:
    """A compressed body could not be read, and it may unpack to any size."""
    heard = asyncio.Queue[bytes]()
    async with raw(GOOD, heard) as address, heart(address) as beating:
        await beating.beat()
    assert b"\r\nAccept-Encoding: identity\r\n" in heard.get_nowait()


async def test_without_a_url_nothing_beats() -> None:
    async with heart(None) as beating:
        assert (await beating.beat(), beating.error, beating.is_enabled) == (False, None, False)
    assert Heartbeat(
        "https://uptime.example.com"
    ).is_enabled  # created without an event loop: nothing is opened before the first beat


async def test_nobody_listens() -> None:
    async with heart(f"{unused()}/{PUSH}") as beating:
        assert await beating.beat() is False
        assert beating.error == "ECONNREFUSED"


async def test_no_answer() -> None:
    async with raw(b"", hold=True) as address, heart(f"{address}/{PUSH}", 0.2) as beating:
        assert await beating.beat() is False
        assert beating.error == "timeout"


async def test_half_an_answer() -> None:
    async with raw(b"HTTP/1.1 200 OK\r\nX-A", hold=True) as address, heart(address, 0.2) as beating:
        assert await beating.beat() is False
        assert beating.error == "timeout"


async def test_the_body_is_not_waited_for() -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 200_000
    async with raw(endless, hold=True) as address, heart(address) as beating:
        async with asyncio.timeout(30):
            assert await beating.beat() is True


@walked(
    ("answer", "word"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "not HTTP"),
        (b"", "disconnected"),
        (b"HTTP/1.1 302 Found\r\nLocation: mailto:x@y\r\n\r\n", "redirect"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://[::\r\n\r\n", "redirect"),
    ],
)
async def test_strange_answers(answer: bytes, word: str) -> None:
    async with raw(answer) as address, heart(f"{address}/{PUSH}") as beating:
        assert await beating.beat() is False
        assert beating.error == word


async def test_a_host_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    async with heart(f"https://uptime.invalid/{PUSH}") as beating:
        assert await beating.beat() is False
        assert beating.error == "DNS"


async def test_the_certificate_is_verified(tmp_path: Path) -> None:
    made = make_certificates(tmp_path, "monitor", "127.0.0.1")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(made.cert_file, made.key_file)
    handler, asked = answering(200)
    async with monitor(handler, tls) as address, heart(f"{address}/{PUSH}") as beating:
        assert await beating.beat() is False
        assert beating.error == "certificate"
    assert asked == []
    async with monitor(handler) as address, heart(address.replace("http", "https")) as beating:
        assert await beating.beat() is False
        assert beating.error == "TLS"


@walked("url", ["", "no url", "http://", "http://a:b:c/", "http://a:99999/", "ftp://a", "http://[/"])
async def test_texts_that_are_no_url_raise_nothing(url: str) -> None:
    async with heart(url, 1.0) as beating:
        assert await beating.beat() is False
        assert beating.error


# --- redirects ---


@pytest.mark.parametrize(("steps", "word"), [(1, None), (3, None), (4, "too many redirects")])
async def test_three_redirects_are_followed(steps: int, word: str | None) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        at = int(request.query["at"])
        if at < steps:
            return web.Response(status=302, headers={"Location": f"/?at={at + 1}"})
        return web.Response()

    async with monitor(handler) as address, heart(f"{address}/?at=0") as beating:
        assert (await beating.beat(), beating.error) == (word is None, word)


async def test_where_a_redirect_leads_counts() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/":
            return web.Response(status=301, headers={"Location": "/gone"})
        return web.Response(status=410)

    async with monitor(handler) as address, heart(address) as beating:
        assert (await beating.beat(), beating.error) == (False, "HTTP 410")


# --- what is sent ---


@walked(
    ("rest", "sent"),
    [
        (f"/api/push/{PUSH}?status=up&msg=OK&ping=", f"/api/push/{PUSH}?status=up&msg=OK&ping="),
        ("/a%2Fb%7e//c/../d;e?x=%41+%20&y=a|b&&z", "/a%2Fb%7e//c/../d;e?x=%41+%20&y=a|b&&z"),
        ("", "/"),
        ("?only=query", "/?only=query"),
        ("/x?y#fragment", "/x?y"),
    ],
)
async def test_the_url_is_sent_as_it_was_given(rest: str, sent: str) -> None:
    heard = asyncio.Queue[bytes]()
    async with raw(GOOD, heard) as address, heart(address + rest) as beating:
        assert await beating.beat() is True
    request = heard.get_nowait()
    assert request.split(b"\r\n")[0] == f"GET {sent} HTTP/1.1".encode()
    assert b"uthorization" not in request


async def test_user_and_password_go_into_a_header() -> None:
    heard = asyncio.Queue[bytes]()
    async with raw(GOOD, heard) as address:
        with_password = address.replace("http://", "HTTP://me:p%40ss@") + f"/{PUSH}"
        async with heart(with_password) as beating:
            assert await beating.beat() is True
    request = heard.get_nowait()
    assert b"\r\nAuthorization: Basic bWU6cEBzcw==\r\n" in request  # me:p@ss
    assert request.startswith(f"GET /{PUSH} HTTP/1.1\r\nHost: {address[7:]}\r\n".encode())


async def test_no_proxy_of_the_environment_and_no_cookie(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, unused())
    heard = asyncio.Queue[bytes]()
    answer = GOOD.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\n\r\n")
    async with raw(answer, heard) as address, heart(address) as beating:
        assert [await beating.beat(), await beating.beat()] == [True, True]
    assert heard.qsize() == 2
    assert b"cookie" not in (heard.get_nowait() + heard.get_nowait()).lower()


# --- what is logged ---


async def test_one_line_when_it_begins_to_fail_and_one_when_it_works_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    handler, _ = answering(200, 500, 500, 404, 200, 200, 503)
    async with monitor(handler) as address, heart(f"{address}/{PUSH}") as beating:
        found = [(await beating.beat(), beating.error) for _ in range(7)]
    assert found == [
        (True, None),
        (False, "HTTP 500"),
        (False, "HTTP 500"),
        (False, "HTTP 404"),
        (True, None),
        (True, None),
        (False, "HTTP 503"),
    ]
    assert told(caplog) == [
        (logging.WARNING, "the heartbeat was not accepted: HTTP 500"),
        (logging.INFO, "the heartbeat is accepted again"),
        (logging.WARNING, "the heartbeat was not accepted: HTTP 503"),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        b"nothing of the kind\r\n\r\n",
        b"",
        b"HTTP/1.1 500 Oops\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nSet-Cookie: \x01=;;\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /" + PUSH.encode() + b"\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://" + PUSH.encode() + b"@[::/\r\n\r\n",
        None,
    ],
)
async def test_the_url_is_never_in_the_log(answer: bytes | None, caplog: pytest.LogCaptureFixture) -> None:
    """This holds even with Python's and aiohttp's full debug output."""
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    async with raw(answer or b"", hold=answer is None) as address:
        url = address.replace("//", f"//{PUSH}:{PUSH}@") + f"/{PUSH}?a={PUSH}#{PUSH}"
        async with heart(url, 0.2 if answer is None else 5.0) as beating:
            await beating.beat()
            assert PUSH not in repr(beating) + str(beating.error)
    assert caplog.records
    shown = [record.getMessage() + str(record.exc_info) + str(record.__dict__) for record in caplog.records]
    assert [text for text in shown if PUSH in text] == []


# --- the end ---


async def test_no_beat_after_the_end() -> None:
    handler, asked = answering(200)
    async with monitor(handler) as address:
        beating = Heartbeat(f"{address}/{PUSH}")
        await beating.close()
        assert await beating.beat() is False
        assert beating.error is None
        await beating.close()
    assert asked == []


async def test_the_end_in_the_middle_of_a_beat_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    heard = asyncio.Queue[bytes]()
    async with raw(b"", heard, hold=True) as address:
        beating = Heartbeat(f"{address}/{PUSH}", 30.0)
        under_way = asyncio.create_task(beating.beat())
        async with asyncio.timeout(20):
            await heard.get()
            await beating.close()
            assert await under_way is False
    assert beating.error is None
    assert told(caplog) == []


async def test_a_beat_can_be_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    heard = asyncio.Queue[bytes]()
    async with raw(b"", heard, hold=True) as address, heart(f"{address}/{PUSH}", 30.0) as beating:
        under_way = asyncio.create_task(beating.beat())
        async with asyncio.timeout(20):
            await heard.get()
        under_way.cancel()
        with pytest.raises(asyncio.CancelledError):
            await under_way
        assert beating.error is None
    assert told(caplog) == []

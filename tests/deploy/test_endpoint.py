"""Test that the pages are served with limits, and that a container's check reads them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from startup import healthcheck
from startup.operating import endpoint
from startup.operating.endpoint import CLIENTS_MOST, HEAD_MOST, OperatingEndpoint
from startup.operating.pages import TEXT, Page


@contextlib.asynccontextmanager
async def serving(status: int = 200) -> AsyncIterator[OperatingEndpoint]:
    async def get(path: str) -> Page:
        if path == "/broken":
            raise ValueError
        return (status if path == "/healthz" else 404), TEXT, path.encode()

    opened = OperatingEndpoint(get)
    await opened.open("127.0.0.1", 0)
    try:
        yield opened
    finally:
        await opened.close()


async def say(port: int, *lines: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.writelines(lines)
        return await asyncio.wait_for(reader.read(), 5.0)
    except ConnectionError:
        return b""
    finally:
        await close(writer)


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_page_is_served_and_nothing_else() -> None:
    async with serving() as opened:
        answer = await say(opened.port, b"GET /healthz?x=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\nContent-Length: 8\r\nConnection: close\r\n\r\n/healthz")
        assert (await say(opened.port, b"GET /etc/passwd HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 404")
        assert (await say(opened.port, b"POST /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 405")
        assert not (await say(opened.port, b"x" * (HEAD_MOST + 5000))).startswith(b"HTTP/1.1 200")


HEALTH = b"GET /healthz HTTP/1.1\r\n\r\n"


async def test_slow_clients_lose_their_places_to_those_that_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "SECONDS", 60.0)
    async with serving() as opened:
        slow = [await asyncio.open_connection("127.0.0.1", opened.port) for _ in range(CLIENTS_MOST)]
        assert (await say(opened.port, HEALTH)).startswith(b"HTTP/1.1 200")
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(slow[0][0].read(), 5.0) == b"", "the slowest is dropped"
        found = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", opened.port) for _ in range(150)))
        assert (await say(opened.port, HEALTH)).startswith(b"HTTP/1.1 200")
        assert len(opened._clients) <= CLIENTS_MOST
        for _, writer in (*slow, *found):
            await close(writer)


async def test_a_page_that_is_being_made_is_not_taken_from_whoever_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, asked = asyncio.Event(), asyncio.Semaphore(0)
    async with serving() as opened:
        get = opened._get

        async def slowly(path: str) -> Page:
            asked.release()
            await made.wait()
            return await get(path)

        monkeypatch.setattr(opened, "_get", slowly)
        asking = [asyncio.create_task(say(opened.port, HEALTH)) for _ in range(CLIENTS_MOST)]
        for _ in asking:
            await asyncio.wait_for(asked.acquire(), 5.0)
        assert await say(opened.port, HEALTH) == b"", "no place is free"
        made.set()
        answers = await asyncio.gather(*asking)
        assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)


async def test_a_client_that_says_nothing_is_cut_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "SECONDS", 0.2)
    async with serving() as opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5.0) == b""
        await close(writer)


async def test_an_occupied_address_is_logged_and_not_fatal(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as opened:
        second = OperatingEndpoint(opened._get)
        await second.open("127.0.0.1", opened.port)
        assert "METRICS_LISTEN" in caplog.text
        await second.close()


async def test_a_bug_in_a_page_is_logged_and_ends_only_that_answer(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as opened:
        await say(opened.port, b"GET /broken HTTP/1.1\r\n\r\n")
        assert "a page could not be made" in caplog.text
        assert (await say(opened.port, b"GET /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
async def test_the_check_of_a_container_reads_the_page(status: int, code: int) -> None:
    async with serving(status) as opened:
        environ = {"METRICS_LISTEN": f"0.0.0.0:{opened.port}"}
        assert await asyncio.to_thread(healthcheck.ask, environ) == (code, "/healthz")
        port = opened.port
    gone = await asyncio.to_thread(healthcheck.ask, {"METRICS_LISTEN": f"127.0.0.1:{port}"})
    assert gone == (1, "no answer: ConnectionRefusedError")
    assert healthcheck.ask({})[0] == 1

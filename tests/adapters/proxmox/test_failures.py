"""Test the client's errors for faults on the way to Proxmox."""

import socket
from pathlib import Path
from typing import Any

import pytest

from adapters.proxmox.transport.http import CHANGE_SECONDS, CONNECT_SECONDS, READ_SECONDS
from core.guest import Guest, Kind
from core.operations import Operation
from core.proxmox_errors import (
    BadAnswer,
    MissingPrivilege,
    NodeUnreachable,
    Rejected,
    TimedOut,
    TokenRefused,
    Unreachable,
)
from playground.pve.server import Pve
from proxmox_client import ProxmoxClient
from tests.support import client_stage
from tests.support.client_stage import (
    BOTH,
    CHANGES,
    CT,
    EMPTY_LIST,
    EVERY,
    READS,
    STARTED,
    VM,
    Cut,
    HeldAnswer,
    Rude,
    answer,
    client_of,
    one_thread,
    refusal,
    sent,
    some_of,
    with_every_method,
)

pve, client, hasty = client_stage.pve, client_stage.client, client_stage.hasty

HTML = "<html><head><title>Sign in</title></head></html>"


# -- other nodes


@pytest.mark.parametrize(("status", "open_end"), [(595, False), (596, True), (597, True), (599, True)])
async def test_a_node_that_does_not_answer(
    pve: Pve, client: ProxmoxClient, status: int, open_end: bool
) -> None:
    pve.fail("POST", "/status/stop", status, "Connection timed out")
    pve.fail("GET", "/status/current", status, "Connection timed out")
    changing = await refusal(client.power(VM, Operation.STOP))
    assert str(changing) == str(NodeUnreachable("pve1", changing=open_end))
    assert str(await refusal(client.status(VM))) == str(NodeUnreachable("pve1", changing=False))
    assert len(sent(pve)) == len(sent(pve, "GET")) == 1


@BOTH
async def test_an_offline_node(pve: Pve, client: ProxmoxClient, guest: Guest) -> None:
    pve.node_offline(guest.node)
    for call in (client.status(guest), client.power(guest, Operation.STOP), client.recent_tasks(guest, 5)):
        error = await refusal(call)
        assert isinstance(error, NodeUnreachable)
        assert not error.changing
    assert (await client.cluster()).guests


@pytest.mark.parametrize("status", [502, 504])
async def test_a_proxy_that_gave_up_leaves_the_result_open(
    pve: Pve, client: ProxmoxClient, status: int
) -> None:
    pve.fail("POST", "/status/stop", status, HTML, html=True)
    pve.fail("GET", "/status/current", status, HTML, html=True)
    assert str(await refusal(client.power(VM, Operation.STOP))) == str(TimedOut(pve.host, changing=True))
    assert str(await refusal(client.status(VM))) == str(TimedOut(pve.host, changing=False))


@pytest.mark.parametrize("body", ["", '{"data":null}', HTML, '{"errors":null}', b"\xff\xfe"], ids=range(5))
async def test_a_refusal_counts_whatever_its_body(tmp_path: Path, body: str | bytes) -> None:
    with Rude(tmp_path, answer(body, "500 cluster not ready - no quorum?")) as rude:
        assert type(await refusal(client_of(rude).power(VM, Operation.STOP))).__name__ == "NoQuorum"
        assert rude.asked == ["POST /nodes/pve1/qemu/100/status/stop"]


# -- not an answer of Proxmox


NO_ANSWERS = (
    answer(HTML, kind="text/html"),
    answer(HTML),
    answer("{}"),
    answer("[]"),
    answer("null"),
    answer("7"),
    answer('"data"'),
    answer('{"data":7}'),
    answer('{"data":true}'),
    answer('{"data":"x"}'),
    answer('{"errors":{"a":"b"}}'),
    answer('{"data":[}'),
    answer("[" * 100_000),
    answer(b'{"data":"\xff"}'),
    answer(""),
    b"HTTP/1.1 204 No Content\r\n\r\n",
)


@pytest.mark.parametrize("number", range(len(NO_ANSWERS)))
async def test_everything_but_an_answer_of_proxmox_is_a_bad_answer(
    tmp_path: Path, number: int, deep: bool
) -> None:
    with Rude(tmp_path, NO_ANSWERS[number]) as rude:
        found = await with_every_method(client_of(rude), some_of(EVERY, number, deep))
        assert {name: repr(error) for name, error in found.items() if not isinstance(error, BadAnswer)} == {}
        assert len(rude.received) == len(found)


async def test_null_is_the_answer_to_one_change_only(tmp_path: Path) -> None:
    with Rude(tmp_path, answer('{"data":null}')) as rude:
        found = await with_every_method(client_of(rude), EVERY)
    assert found.pop("resize lxc") is None
    assert {type(error) for error in found.values()} == {BadAnswer}


async def test_rows_that_are_no_objects_are_left_out(tmp_path: Path) -> None:
    with Rude(tmp_path, answer('{"data":[null,7,"x",[],{}]}')) as rude:
        client = client_of(rude)
        assert (await client.cluster()).guests == ()
        assert await client.addresses(CT) is None
        assert await client.task_log(client_stage.UPID, 0, 9) == ("",)


async def test_a_login_page_in_between(pve: Pve, client: ProxmoxClient) -> None:
    pve.html_instead_of_json(1)
    assert isinstance(await refusal(client.cluster()), BadAnswer)
    assert (await client.cluster()).guests


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
async def test_a_redirect_is_not_followed(tmp_path: Path, status: str) -> None:
    there = answer("", status, "Location: /api2/json/nodes/pve1/qemu/101/status/stop")
    with Rude(tmp_path, there) as rude:
        client = client_of(rude)
        assert isinstance(await refusal(client.power(VM, Operation.STOP)), BadAnswer)
        assert isinstance(await refusal(client.cluster()), BadAnswer)
        assert rude.asked == ["POST /nodes/pve1/qemu/100/status/stop", "GET /cluster/resources"]


# -- no connection


async def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Pve() as pve:
        client = client_of(pve, port=port)
        for call in (client.cluster(), client.power(VM, Operation.STOP)):
            assert str(await refusal(call)) == str(Unreachable("127.0.0.1"))


async def test_the_name_is_not_found(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    client = client_of(pve, host="pve.example.jp")
    monkeypatch.setattr(socket, "getaddrinfo", none)
    for call in (client.cluster(), client.power(VM, Operation.STOP)):
        assert str(await refusal(call)) == str(Unreachable("pve.example.jp"))


@pytest.mark.usefixtures("hasty")
async def test_nobody_takes_the_call(pve: Pve) -> None:
    """The backlog is full, so Linux leaves further connections without an answer."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        client = client_of(pve, port=listener.getsockname()[1])
        for call in (client.cluster(), client.power(VM, Operation.STOP)):
            assert str(await refusal(call)) == str(Unreachable("127.0.0.1"))
        for one in waiting:
            one.close()


@pytest.mark.parametrize("handshake", ["cut", "plain"])
async def test_a_failed_handshake_is_no_matter_of_trust(tmp_path: Path, handshake: str) -> None:
    """It looks like a connection that broke later, so it is unknown whether a change arrived."""
    with Rude(tmp_path, handshake=handshake) as rude:
        client = client_of(rude)
        assert str(await refusal(client.cluster())) == str(Unreachable("127.0.0.1"))
        error = await refusal(client.power(VM, Operation.STOP))
        assert str(error) == str(TimedOut("127.0.0.1", changing=True))
        assert rude.received == []


# -- time-outs


@BOTH
@pytest.mark.parametrize("name", list(CHANGES))
@pytest.mark.usefixtures("hasty")
async def test_a_change_without_an_answer_is_sent_once(tmp_path: Path, guest: Guest, name: str) -> None:
    with Rude(tmp_path, HeldAnswer(STARTED)) as rude:
        call: Any = CHANGES[name]
        assert str(await refusal(call(client_of(rude), guest))) == str(TimedOut("127.0.0.1", changing=True))
        assert len(rude.received) == 1


@pytest.mark.usefixtures("hasty")
async def test_a_read_without_an_answer_is_not_repeated_and_changed_nothing(tmp_path: Path) -> None:
    with Rude(tmp_path, HeldAnswer(EMPTY_LIST)) as rude:
        error = await refusal(client_of(rude).cluster())
        assert str(error) == str(TimedOut("127.0.0.1", changing=False))
        assert len(rude.received) == 1


@pytest.mark.usefixtures("hasty")
async def test_the_work_goes_on_after_the_time_out(pve: Pve, client: ProxmoxClient) -> None:
    pve.hang("/status/stop", 30, acts=True)
    assert str(await refusal(client.power(VM, Operation.STOP))) == str(TimedOut(pve.host, changing=True))
    assert len(sent(pve)) == 1
    (task,) = await client.recent_tasks(VM, 10)
    assert (task.type, task.status, task.user) == ("qmstop", "OK", client.identity)


def test_a_change_gets_more_time_than_a_read() -> None:
    assert CHANGE_SECONDS > 30 > READ_SECONDS > CONNECT_SECONDS


# -- connections that break


@pytest.mark.parametrize("reset", [False, True])
async def test_a_kept_connection_that_is_just_being_closed(tmp_path: Path, reset: bool) -> None:
    """pveproxy closes a connection after 5 idle seconds. The next request may cross this in flight."""
    with Rude(tmp_path, EMPTY_LIST, Cut(reset=reset), EMPTY_LIST) as rude:
        client = client_of(rude)
        one_thread()
        await client.cluster()
        assert (await client.cluster()).guests == ()
        assert (len(rude.received), rude.connections) == (3, 2)


@pytest.mark.parametrize("reset", [False, True])
@BOTH
@pytest.mark.parametrize("name", list(CHANGES))
async def test_a_change_on_such_a_connection_is_not_repeated(
    tmp_path: Path, reset: bool, guest: Guest, name: str
) -> None:
    with Rude(tmp_path, EMPTY_LIST, Cut(reset=reset), STARTED) as rude:
        client = client_of(rude)
        one_thread()
        await client.cluster()
        call: Any = CHANGES[name]
        assert str(await refusal(call(client, guest))) == str(TimedOut("127.0.0.1", changing=True))
        assert len(rude.received) == 2


async def test_a_read_is_repeated_once_and_no_more(tmp_path: Path) -> None:
    with Rude(tmp_path, Cut()) as rude:
        assert str(await refusal(client_of(rude).cluster())) == str(Unreachable("127.0.0.1"))
        assert len(rude.received) == 2


async def test_an_answer_that_breaks_off(tmp_path: Path) -> None:
    half = answer('{"data":[{}').replace(b"Length: 11", b"Length: 99")
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n63\r\n" + b'{"data":['
    for first in (half, chunked):
        with Rude(tmp_path, Cut(first)) as rude:
            client = client_of(rude)
            error = await refusal(client.power(VM, Operation.STOP))
            assert str(error) == str(TimedOut("127.0.0.1", changing=True)), first
            assert len(rude.received) == 1
            assert isinstance(await refusal(client.cluster()), Unreachable)


async def test_a_server_that_comes_back(tmp_path: Path) -> None:
    with Rude(tmp_path, EMPTY_LIST) as rude:
        client, port = client_of(rude), rude.port
        await client.cluster()
    assert str(await refusal(client.cluster())) == str(Unreachable("127.0.0.1"))
    assert port


# -- who asks


async def test_a_refused_token(pve: Pve) -> None:
    client = client_of(pve, "wrong")
    found = await with_every_method(client, READS | CHANGES)
    assert {type(error) for error in found.values()} == {TokenRefused}
    pve.apitokens.clear()
    assert isinstance(await refusal(client_of(pve).cluster()), TokenRefused)
    pve.requests.clear()  # Pve records no parameters of these, and the contract would miss them


async def test_refusals_that_name_no_privilege(pve: Pve, client: ProxmoxClient) -> None:
    for words in ("Permission check failed (user != root@pam)", "Permission check failed"):
        pve.fail("GET", "/config", 403, words, times=1)
        assert str(await refusal(client.config(VM))) == str(MissingPrivilege("", ""))


async def test_anything_else_keeps_proxmox_own_words(pve: Pve, client: ProxmoxClient) -> None:
    pve.fail("GET", "/config", 500, "something\tnew   of tomorrow")
    assert str(await refusal(client.config(VM))) == str(Rejected(500, "something new of tomorrow"))
    pve.fail("GET", "/config", 501, "Method 'GET /nodes/pve1' not implemented")
    error = await refusal(client.config(VM))
    assert isinstance(error, Rejected)
    assert error.status == 501


async def test_a_node_that_does_not_exist(client: ProxmoxClient) -> None:
    lost = Guest(100, Kind.QEMU, "nowhere", VM.state)
    error = await refusal(client.status(lost))
    assert isinstance(error, Rejected)
    assert "hostname lookup 'nowhere' failed" in error.message

"""Test at the socket that a proxy's page is never taken for Proxmox' answer.

Proxmox' own words are read from the body or from the reason phrase.
"""

from pathlib import Path

from adapters.proxmox.transport.responses import Response, parse_response
from core.errors import BotError
from core.guest_errors import GuestLocked
from core.operations import Operation
from core.proxmox_errors import (
    BadAnswer,
    MissingPrivilege,
    NodeUnreachable,
    NoQuorum,
    Rejected,
    StorageFull,
    TimedOut,
    TokenRefused,
)
from playground.pve.server import Pve
from proxmox_client import ProxmoxClient
from tests.support import client_stage
from tests.support.client_stage import (
    CHANGES,
    READS,
    VM,
    Rude,
    answer,
    client_of,
    refusal,
    some_of,
    with_every_method,
)
from tests.support.walked import walked

pve, client = client_stage.pve, client_stage.client

HTML = "<html>origin error</html>"
LOCKED = '{"data": null, "message": "VM is locked (backup)\\n"}'

PAGES = {
    "a tunnel's time-out": answer(HTML, "524", kind="text/html"),
    "the same with a phrase": answer(HTML, "524 A Timeout Occurred", kind="text/html"),
    "without a body": answer("", "524 A Timeout Occurred"),
    "origin unreachable": answer("error code: 523", "523 Origin Is Unreachable", kind="text/plain"),
    "unknown error": answer("error code: 520", "520", kind="text/plain"),
    "bad gateway status of a CDN": answer(HTML, "530 <none>", kind="text/html"),
    "a firewall's 403": answer(HTML, "403 Forbidden", kind="text/html"),
    "a firewall's 403 without a body": answer("", "403 Forbidden"),
    "a firewall's JSON": answer('{"message":"Forbidden"}', "403 Forbidden"),
    "a gateway's JSON": answer('{"success":false,"errors":[{"code":1}],"result":null}', "500 Oops"),
    "problem details": answer('{"type":"about:blank","title":"x","status":500}', "500 Internal Server Error"),
    "graphql's": answer('{"data":null,"errors":[{"message":"x"}]}', "500 Internal Server Error"),
    "JSON of another shape": answer('{"data":null,"message":7}', "500 Internal Server Error"),
    "broken JSON": answer('{"data":null,"mess', "500 Internal Server Error"),
    "a 404": answer(HTML, "404 Not Found", kind="text/html"),
    "too large": answer(HTML, "413 Request Entity Too Large", kind="text/html"),
    "too many": answer("", "429 Too Many Requests", "Retry-After: 9"),
    "too many, in other words": answer("", "429 Slow down"),
    "a 500 page": answer(HTML, "500 Internal Server Error", kind="text/html"),
    "a 500 page with a phrase": answer(HTML, "500 Something Went Wrong", kind="text/html"),
    "a host's own trouble": answer(HTML, "500 Disk quota exceeded", kind="text/html"),
    "an empty 500": answer("", "500 Internal Server Error"),
    "an empty 503": answer("", "503 Service Temporarily Unavailable"),
    "a 503 page": answer(HTML, "503 Service Unavailable", kind="text/html"),
    "another login": answer("", "401 Authorization Required", "WWW-Authenticate: Basic realm=x"),
    "a login page": answer(HTML, "401 Unauthorized", kind="text/html"),
    "a proxy's 599": answer(HTML, "599 Network Connect Timeout", kind="text/html"),
    "a 200 page": answer(HTML, kind="text/html"),
    "an empty 200": answer(""),
    "a redirect": answer("", "302 Found", "Location: /login"),
    "a redirect to nowhere": answer("", "302 Found"),
    "not modified": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "accepted": answer("", "202 Accepted"),
    "packed wrongly": answer("no gzip", "200 OK", "Content-Encoding: gzip"),
    "packed by nobody knows what": answer(b"\x1b\x00\xf8", "200 OK", "Content-Encoding: br"),
}


@walked(("number", "name"), list(enumerate(PAGES)))
async def test_answers_that_are_not_proxmox_own_leave_every_change_open(
    tmp_path: Path, deep: bool, number: int, name: str
) -> None:
    with Rude(tmp_path, PAGES[name]) as rude:
        found = await with_every_method(client_of(rude), some_of(CHANGES, number, deep))
        for call, error in found.items():
            assert isinstance(error, BadAnswer | TimedOut), (call, error)
            assert error.changing
        assert len(rude.received) == len(found), "a change is never repeated"


@walked(("number", "name"), list(enumerate(PAGES)))
async def test_a_read_says_which_status_it_was(tmp_path: Path, deep: bool, number: int, name: str) -> None:
    with Rude(tmp_path, PAGES[name]) as rude:
        found = await with_every_method(client_of(rude), some_of(READS, number, deep), [VM])
    status = int(PAGES[name].split()[1])
    assert {repr(error) for error in found.values() if not isinstance(error, BadAnswer)} == set()
    assert {error.status for error in found.values() if isinstance(error, BadAnswer)} <= {status, None}


OWN: dict[str, tuple[bytes, BotError]] = {
    "a lock behind Caddy": (
        answer(LOCKED, "500 Internal Server Error", "Server: Caddy"),
        GuestLocked(100, "web01", "backup"),
    ),
    "a privilege behind Traefik": (
        answer(
            '{"data": null, "message": "Permission check failed (/vms/100, VM.PowerMgmt)\\n"}',
            "403 Forbidden",
        ),
        MissingPrivilege("VM.PowerMgmt", "/vms/100"),
    ),
    "no content type": (
        b"HTTP/1.1 500 \r\nContent-Length: %d\r\n\r\n%b" % (len(LOCKED), LOCKED.encode()),
        GuestLocked(100, "web01", "backup"),
    ),
    "a status of its own": (
        answer(LOCKED, "503 Service Unavailable"),
        GuestLocked(100, "web01", "backup"),
    ),
    "several lines": (
        answer(
            '{"data":null,"message":"command failed:\\nlvcreate: No space left on device\\n"}',
            "500 command failed:",
        ),
        StorageFull("command failed: lvcreate: No space left on device"),
    ),
    "errors of parameters": (
        answer(
            '{"data":null,"message":"Parameter verification failed.\\n","errors":{"x":"no"}}',
            "400 Bad Request",
        ),
        Rejected(400, "Parameter verification failed. x: no"),
    ),
    "before http-server 5.2": (
        answer("", "500 VM is locked (backup)", "Server: pve-api-daemon/3.0"),
        GuestLocked(100, "web01", "backup"),
    ),
    "before 5.2, behind nginx": (
        answer("", "500 something of Proxmox", "Server: nginx"),
        Rejected(500, "something of Proxmox"),
    ),
    "before 5.2, with a body": (
        answer('{"data":null}', "500 cluster not ready - no quorum?"),
        NoQuorum(),
    ),
    "words of its own around which a page was written": (
        answer(HTML, "403 Permission check failed (/vms/100, VM.PowerMgmt)", kind="text/html"),
        MissingPrivilege("VM.PowerMgmt", "/vms/100"),
    ),
    "without a reason": (answer('{"data":null}', "500 Internal Server Error"), Rejected(500, "")),
    "by its server": (
        answer("", "501 Not Implemented", "Server: pve-api-daemon/3.0"),
        Rejected(501, ""),
    ),
    "a token refused": (answer("", "401 Authentication failed!"), TokenRefused()),
    "a token refused behind Caddy": (answer("", "401 Unauthorized", "Server: Caddy"), TokenRefused()),
    "another node": (answer("", "595 No route to host"), NodeUnreachable("pve1")),
    "another node behind Go": (answer("", "595 status code 595"), NodeUnreachable("pve1")),
    "another node that may be at work": (
        answer("", "596 status code 596"),
        NodeUnreachable("pve1", changing=True),
    ),
}


@walked("name", list(OWN))
async def test_the_reason_is_read_from_the_body_first(tmp_path: Path, name: str) -> None:
    page, expected = OWN[name]
    with Rude(tmp_path, page) as rude:
        assert str(await refusal(client_of(rude).power(VM, Operation.STOP))) == str(expected)


async def test_a_read_behind_a_proxy_names_the_privilege_too(tmp_path: Path) -> None:
    with Rude(tmp_path, OWN["a privilege behind Traefik"][0]) as rude:
        found = await with_every_method(
            client_of(rude), {name: READS[name] for name in ("status", "config", "snapshots")}, [VM]
        )
    assert {str(error) for error in found.values()} == {str(MissingPrivilege("VM.PowerMgmt", "/vms/100"))}


async def test_the_playground_writes_standard_phrases(pve: Pve, client: ProxmoxClient) -> None:
    pve.between.standard_phrases()
    pve.fail("POST", "/status/stop", 500, "VM is locked (backup)")
    assert str(await refusal(client.power(VM, Operation.STOP))) == str(GuestLocked(100, "web01", "backup"))
    pve.deny("VM.Audit", "/vms/100")
    assert str(await refusal(client.config(VM))) == str(MissingPrivilege("VM.Audit", "/vms/100"))
    pve.allow_again()
    pve.node_offline("pve1")
    assert str(await refusal(client.status(VM))) == str(NodeUnreachable("pve1"))
    assert isinstance(await refusal(client_of(pve, "wrong").cluster()), TokenRefused)
    pve.requests.pop()


async def test_the_playground_refuses_as_before_5_2(pve: Pve, client: ProxmoxClient) -> None:
    pve.between.old_refusals()
    pve.fail("POST", "/status/stop", 500, "VM is locked (backup)")
    assert str(await refusal(client.power(VM, Operation.STOP))) == str(GuestLocked(100, "web01", "backup"))


async def test_the_playground_answers_as_a_tunnel_does(pve: Pve, client: ProxmoxClient) -> None:
    pve.between.page("/status/stop")
    error = await refusal(client.power(VM, Operation.STOP))
    assert str(error) == str(BadAnswer(pve.host, changing=True, status=524))
    (task,) = await client.recent_tasks(VM, 10)
    assert (task.type, task.user) == ("qmstop", client.identity)
    pve.between.page("/status/start", 403, acts=False)
    assert isinstance(await refusal(client.power(VM, Operation.START)), BadAnswer)
    assert [task.type for task in await client.recent_tasks(VM, 10)] == ["qmstop"]


def test_an_answer_of_any_kind_is_judged_without_an_exception(deep: bool) -> None:
    for status in range(100, 1000) if deep else (*range(100, 1000, 50), 401, 403, 404, 595, 596, 599):
        for reason in ("", "Not Found", "VM is locked (backup)", "x" * 70_000):
            for body in (b"", b"{", b"[]", b"\xff", b'{"data":null}', b"[" * 100_000, b"1" * 5_000):
                parse_response(Response(status, reason, body))

"""Test which servers the client trusts, and that its token reaches nobody else: TLS, environment, errors and log."""

import gc
import logging
import os
import shutil
import socket
import ssl
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.entry_point import EntryPoint
from core.errors import BotError
from core.operations import Operation
from core.proxmox_errors import CertificateNotTrusted
from playground.pve.network.certificates import make_certificates
from proxmox_client import Endpoint, ProxmoxClient
from tests.support import client_stage
from tests.support.client_stage import (
    EVERY,
    SECRET,
    VM,
    Cut,
    HeldAnswer,
    Rude,
    ServerStep,
    answer,
    client_of,
    opened,
    refusal,
    with_every_method,
)

pve, hasty = client_stage.pve, client_stage.hasty


def ipv6_on_loopback() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


# -- certificates


@pytest.mark.parametrize("old_ca", [False, True], ids=["CA", "old CA without keyUsage"])
async def test_the_clusters_own_ca(old_ca: bool) -> None:
    with opened(old_ca=old_ca) as pve:
        assert (await client_of(pve).cluster()).guests


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_the_names_a_node_has(host: str) -> None:
    with opened() as pve:
        assert (await client_of(pve, host=host).cluster()).guests


if ipv6_on_loopback():

    async def test_an_ipv6_address() -> None:
        with opened(host="::1") as pve:
            assert (await client_of(pve).cluster()).guests
            assert (await client_of(pve, verify_ssl=False, fingerprint=pve.fingerprint).cluster()).guests
            error = await refusal(client_of(pve, verify_ssl=True).cluster())
            assert str(error) == str(CertificateNotTrusted("::1", pve.fingerprint))


@pytest.mark.parametrize("old_ca", [False, True])
@pytest.mark.parametrize("trust", ["another CA", "public CAs"])
async def test_another_ca_shows_the_fingerprint_to_compare(tmp_path: Path, old_ca: bool, trust: str) -> None:
    other = make_certificates(tmp_path, "pve9", "127.0.0.1").ca_file
    with opened(old_ca=old_ca) as pve:
        client = client_of(pve, verify_ssl=other if trust == "another CA" else True)
        for call in (client.cluster(), client.power(VM, Operation.STOP)):
            assert str(await refusal(call)) == str(CertificateNotTrusted(pve.host, pve.fingerprint))
        assert pve.requests == []


async def test_another_name_than_the_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def here(host: Any, *rest: Any, **named: Any) -> Any:
        return real("127.0.0.1" if host == "pve.example.jp" else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    with Rude(tmp_path) as rude:
        error = await refusal(client_of(rude, host="pve.example.jp").cluster())
        assert str(error) == str(CertificateNotTrusted("pve.example.jp", rude.fingerprint))
        assert rude.raw == b""


@pytest.mark.parametrize("verify", [True, False, "CA"])
@pytest.mark.parametrize("form", ["AA:BB", "aabb"])
async def test_the_right_pin(tmp_path: Path, verify: Any, form: str) -> None:
    with Rude(tmp_path) as rude:
        pin = rude.fingerprint if form == "AA:BB" else rude.fingerprint.replace(":", "").lower()
        verify_ssl = Path(rude.ca_file) if verify == "CA" else verify
        await client_of(rude, verify_ssl=verify_ssl, fingerprint=pin).cluster()
        assert len(rude.received) == 1


@pytest.mark.parametrize("verify", [True, False, "CA"])
async def test_a_wrong_pin_gets_no_byte(tmp_path: Path, verify: Any) -> None:
    with Rude(tmp_path) as rude:
        verify_ssl = Path(rude.ca_file) if verify == "CA" else verify
        client = client_of(rude, verify_ssl=verify_ssl, fingerprint=":".join(["AB"] * 32))
        for call in (client.cluster(), client.power(VM, Operation.STOP)):
            assert str(await refusal(call)) == str(CertificateNotTrusted("127.0.0.1", rude.fingerprint))
        assert rude.raw == b""


async def test_a_pin_and_a_ca_both_have_to_hold(tmp_path: Path) -> None:
    other = make_certificates(tmp_path, "pve9", "127.0.0.1").ca_file
    with Rude(tmp_path / "rude") as rude:
        client = client_of(rude, verify_ssl=other, fingerprint=rude.fingerprint)
        assert isinstance(await refusal(client.cluster()), CertificateNotTrusted)
        assert rude.raw == b""


# proxmoxer sets this filter when it is imported.
@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
async def test_verification_may_be_switched_off(tmp_path: Path) -> None:
    with Rude(tmp_path) as rude:
        await client_of(rude, verify_ssl=False).cluster()
        assert len(rude.received) == 1


async def test_a_ca_file_without_a_certificate_trusts_nobody(tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("no certificate")
    with Rude(tmp_path / "rude") as rude:
        error = await refusal(client_of(rude, verify_ssl=tmp_path / "junk.pem").cluster())
        assert str(error) == str(CertificateNotTrusted("127.0.0.1", rude.fingerprint))
        error = await refusal(client_of(rude, verify_ssl=tmp_path / "missing.pem").cluster())
        assert str(error) == str(CertificateNotTrusted("127.0.0.1", rude.fingerprint))
        assert rude.raw == b""


async def test_a_renewed_ca_file_counts_at_once(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = make_certificates(tmp_path / "other", "pve9", "127.0.0.1").ca_file
    authorities = tmp_path / "ca.pem"
    with opened() as pve:
        shutil.copy(other, authorities)
        client = client_of(pve, verify_ssl=authorities)
        assert isinstance(await refusal(client.cluster()), CertificateNotTrusted)
        shutil.copy(pve.ca_file, authorities)
        # the clock of the file system may be too coarse to tell the two apart
        os.utime(authorities, ns=(1, 1))
        assert (await client.cluster()).guests
        shutil.copy(other, authorities)
        assert isinstance(await refusal(client.cluster()), CertificateNotTrusted), (
            "an open connection is not used"
        )


async def test_the_authorities_are_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = list[str]()
    load = ssl.SSLContext.load_verify_locations

    def count(context: ssl.SSLContext, cafile: str | None = None, *rest: Any, **more: Any) -> None:
        loaded.append(str(cafile))
        load(context, cafile, *rest, **more)

    with opened() as pve:
        shutil.copy(pve.ca_file, tmp_path / "ca.pem")
        monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", count)
        client = client_of(pve, verify_ssl=tmp_path / "ca.pem")
        for _ in range(3):
            await client.cluster()
            for point in client._calls._entry_points._points:
                point.connections.drop_idle()
        assert loaded == [str(tmp_path / "ca.pem")]


# -- the environment


async def test_proxies_and_cas_of_the_environment_are_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else")
    with Rude(tmp_path / "proxy") as proxy, Rude(tmp_path / "rude") as rude:
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.setenv(name, str(proxy.ca_file))
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        await client_of(rude).cluster()
        assert proxy.connections == 0
        assert f"Authorization: PVEAPIToken=discordbot@pve!bot={SECRET}" in rude.received[0]
        untrusted = client_of(rude, verify_ssl=Path(proxy.ca_file))
        assert isinstance(await refusal(untrusted.cluster()), CertificateNotTrusted)
        assert proxy.connections == 0


# -- the secret


class _Everything(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.__dict__}")


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Capture all logging at DEBUG, with proxmoxer's own loggers enabled."""
    handler, root = _Everything(), logging.getLogger()
    names = [
        "",
        "proxmoxer.core",
        "proxmoxer.backends.https",
        "urllib3",
        "urllib3.connectionpool",
        "requests",
    ]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield handler.lines
    root.removeHandler(handler)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def told(error: BaseException) -> str:
    """Return all text that a log may write about an exception and its causes."""
    parts = ["".join(traceback.format_exception(error))]
    seen: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in seen:
        seen.append(link)
        parts += [str(link), repr(link), repr(link.args), repr(vars(link))]
        link = link.__cause__ or link.__context__
    return "\n".join(parts)


TROUBLES: dict[str, list[ServerStep]] = {
    "html": [answer("<html>", kind="text/html")],
    "refused": [answer('{"data":null,"errors":{"cores":"no"}}', "400 Parameter verification failed.")],
    "401": [answer("", "401 Authentication failed!")],
    "cut": [Cut()],
    "late": [HeldAnswer(answer("{}"))],
    "elsewhere": [answer("", "302 Found", "Location: https://127.0.0.1:1/login")],
    "half": [Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")],
}


@pytest.mark.parametrize("trouble", list(TROUBLES))
@pytest.mark.usefixtures("hasty")
async def test_the_token_is_in_no_error_and_no_log(tmp_path: Path, log: list[str], trouble: str) -> None:
    calls = EVERY if trouble != "late" else {"cluster": EVERY["cluster"], "stop": EVERY["stop"]}
    with Rude(tmp_path, *TROUBLES[trouble]) as rude:
        found = await with_every_method(client_of(rude), calls, [VM])
        assert SECRET in rude.received[0]
    assert len(found) == len(calls)
    for error in found.values():
        assert isinstance(error, BotError)
        assert SECRET not in told(error)
    assert log
    assert not [line for line in log if SECRET in line]


async def test_no_secret_shows_where_nobody_answers(log: list[str]) -> None:
    with opened() as pve:
        ways: list[dict[str, Any]] = [
            {"verify_ssl": True},
            {"port": 1},
            {"fingerprint": "00" * 32},
            {"fingerprint": "0"},
        ]
        for trust in ways:
            error = await refusal(client_of(pve, **trust).cluster())
            assert SECRET not in told(error)
    assert not [line for line in log if SECRET in line]


def test_no_secret_shows_in_the_clients_repr() -> None:
    end = Endpoint((EntryPoint("pve.example.jp", 8006),), "discordbot@pve", "bot", SECRET)
    assert SECRET not in f"{end!r} {end}"
    assert "pve.example.jp" in repr(end)


async def test_identity_is_the_token_without_its_secret() -> None:
    with opened() as pve:
        client: ProxmoxClient = client_of(pve)
        assert client.identity == "discordbot@pve!bot"
        upid = await client.power(VM, Operation.STOP)
        assert upid.endswith(f":{client.identity}:")


async def test_a_connection_that_is_not_trusted_is_closed_at_once(tmp_path: Path) -> None:
    """It must not wait for the garbage collector, because the cause of the refusal may hold the socket."""
    gc.disable()
    try:
        with Rude(tmp_path) as rude:
            client = client_of(rude, fingerprint=":".join(["AB"] * 32))
            kept = await refusal(client.cluster())
            for thread in rude.serving:
                thread.join(5.0)
            assert not any(thread.is_alive() for thread in rude.serving)
            assert isinstance(kept, CertificateNotTrusted)
    finally:
        gc.enable()

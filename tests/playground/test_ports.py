"""Test that a port that something else uses does not keep the demo from starting."""

import contextlib
import socket

import pytest

from playground import __main__ as command_line
from playground.discord.server import DiscordServer
from playground.panel import page
from playground.panel.page import LOOPBACK, DemoPage, PageAddress, PortTaken, build_guild, free_ports


@pytest.mark.parametrize("port", ["-1", "65534", "65536", "x"])  # the page takes three: 65533 is the last
def test_an_impossible_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(["--port", port])
    assert ended.value.code == 2
    assert "--port" in capsys.readouterr().err


async def test_a_port_taken_after_the_choice_is_no_obstacle_either() -> None:
    """A start takes seconds, and any program may get a port meanwhile."""
    async with DiscordServer() as server:
        chosen = free_ports(42001)
        with socket.create_server((LOOPBACK, chosen[1])):
            pages = DemoPage(server, build_guild(server), PageAddress(LOOPBACK, chosen))
            await pages.start()
            assert pages.place.ports[0] >= chosen[0] + 3
            found = pages.place
            await pages.stop()
            again = DemoPage(server, build_guild(server), PageAddress(LOOPBACK, chosen, found.secret))
            with pytest.raises(PortTaken):
                await again.start()


def test_a_taken_port_is_no_obstacle(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page has three ports. If one of them is taken, the next three are tried, and so on."""
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(socket.socket()) for _ in range(2)]
        for other in others:
            other.bind(("127.0.0.1", 0))
            other.listen()
        port = others[0].getsockname()[1]
        found = free_ports(port - 1)
        assert set(found).isdisjoint(other.getsockname()[1] for other in others)
        assert port - 1 < found[0] == found[1] - 1 == found[2] - 2
        assert free_ports(found[0]) == found
        assert free_ports(0) == (0, 0, 0)
        monkeypatch.setattr(page, "_TRIES", 1)
        with pytest.raises(PortTaken):
            free_ports(port - 1)
        for language_, words in (
            ("en", "is used by another program"),
            ("ja", "ほかのプログラムが使っています"),
        ):
            monkeypatch.setenv("LANGUAGE", language_)
            assert command_line.main(["--port", str(port)]) == 1
            told = capsys.readouterr().err
            assert str(port) in told
            assert words in told
            assert len(told.splitlines()) == 1


def test_an_address_of_another_machine_is_not_called_a_taken_port(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LANGUAGE", "en")
    assert command_line.main(["--host", "192.0.2.1", "--port", "42001"]) == 1
    told = capsys.readouterr().err
    assert "The demo did not start: " in told
    assert "another program" not in told

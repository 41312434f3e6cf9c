"""Test single steps of the first run, in which a person answers questions."""

from __future__ import annotations

import io
import os
import pty
import select
import signal
import termios
from pathlib import Path

import pytest

from core.entry_point import EntryPoint
from core.health.result import error
from playground.pve.server import Pve
from startup.first_run.command import introduce, write
from startup.first_run.config_file import write_config
from startup.first_run.discord_steps import ask_token
from startup.first_run.draft import Draft, SiteDraft
from startup.first_run.host_steps import _trust, ask_hosts, ask_name
from startup.first_run.proxmox_steps import ask_access
from startup.first_run.talk import Talk
from startup.first_run.terminal import Cancelled, Terminal
from tests.startup.test_answers import VALUE, draft_of
from tests.support.home_guild import PATIENCE
from tests.support.process_stage import ROOT
from tests.support.walked import walked


@pytest.mark.parametrize(
    ("name", "value"), [("DISCORD_TOKEN", "Bot abc.DEF.xyz"), ("PROXMOX_TOKEN_VALUE", f"a@pve!b={VALUE}")]
)
def test_a_secret_of_the_environment_is_taken_as_the_bot_will_read_it(
    tmp_path: Path, name: str, value: str
) -> None:
    file, shown = tmp_path / "secret", io.StringIO()
    file.write_text(value)
    ask = {"DISCORD_TOKEN": ask_token, "PROXMOX_TOKEN_VALUE": ask_access}[name]
    talk = Talk(
        Terminal({}, io.StringIO("\n" * 3), shown), {f"{name}_FILE": str(file)}, tmp_path, Draft("en")
    )
    with pytest.raises(Cancelled):
        ask(talk)
    assert name in shown.getvalue()
    assert "Fix this" not in shown.getvalue()


def test_ctrl_c_while_config_py_is_written_comes_too_late(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sync, shown = os.fsync, io.StringIO()

    def interrupted(handle: int) -> None:
        signal.raise_signal(signal.SIGINT)
        sync(handle)

    monkeypatch.setattr(os, "fsync", interrupted)
    talk = Talk(Terminal({}, io.StringIO(), shown), {}, tmp_path, Draft("en"))
    write(talk, tmp_path / "config.py", ROOT)
    assert [path.name for path in tmp_path.iterdir()] == ["config.py"]
    assert "was written" in shown.getvalue()


def test_a_template_that_cannot_be_read_costs_the_notes_only(tmp_path: Path) -> None:
    shown, copied = io.StringIO(), tmp_path / "copied"
    copied.mkdir()
    (copied / "config.py.example").write_bytes(b"# \xff\n#\nGUILD_ID = 0\n")
    talk = Talk(Terminal({}, io.StringIO(), shown), {}, tmp_path, draft_of("en", tmp_path))
    write(talk, tmp_path / "config.py", copied)
    told = " ".join(shown.getvalue().split())
    assert "config.py.example cannot be read (UTF-8): config.py gets no notes." in told
    assert "GUILD_ID = 423456789012345679" in (tmp_path / "config.py").read_text()


def test_an_empty_config_py_is_neither_asked_about_nor_kept(tmp_path: Path) -> None:
    path, shown = tmp_path / "config.py", io.StringIO()
    path.touch()
    introduce(Talk(Terminal({}, io.StringIO(), shown), {}, tmp_path, Draft("en")), path)
    assert "already exists" not in shown.getvalue()
    assert write_config(path, "# 1\n", "2026-11-27") is None
    assert [each.name for each in tmp_path.iterdir()] == ["config.py"]
    path.unlink()
    (tmp_path / "empty").touch()
    path.symlink_to(tmp_path / "empty")
    with pytest.raises(Cancelled):
        introduce(Talk(Terminal({}, io.StringIO("n\n"), shown), {}, tmp_path, Draft("en")), path)
    assert "already exists" in shown.getvalue(), "a link may be there for a reason"


@walked("language", ["ja", "en"])
def test_an_untrusted_certificate_is_explained_by_what_is_known_of_it(language: str) -> None:
    """It may be the first one seen here, a different one from the confirmed one, or not signed by the given CA."""
    now, former = ":".join(["AB"] * 32), ":".join(["CD"] * 32)
    told = []
    for pin, verify in ((None, True), (former, True), (None, Path("/etc/ssl/my ca.pem"))):
        shown, draft = io.StringIO(), Draft("ja" if language == "ja" else "en")
        draft.site.points, draft.site.verify = (EntryPoint("pve", 8006, pin),), verify
        talk = Talk(Terminal({}, io.StringIO("n\n"), shown), {}, Path(), draft)
        assert not _trust(talk, 0, error("proxmox.tls", "tls_untrusted", fingerprint=now, line=""))
        told.append(" ".join(shown.getvalue().split()))
        assert now in told[-1]
    assert [former in text for text in told] == [False, True, False]
    assert ["/etc/ssl/my ca.pem" in text for text in told] == [False, False, True]
    assert len({text.partition("SHA-256")[0] for text in told}) == 3


@walked("word", ["true", "False", "on", "0"])
def test_a_word_of_the_setting_is_no_answer_about_a_certificate(word: str) -> None:
    """PROXMOX_VERIFY_SSL is True or False in config.py. Nobody is told to enter that here."""
    shown, draft = io.StringIO(), Draft("en")
    draft.site.points = (EntryPoint("pve", 8006),)
    talk = Talk(Terminal({}, io.StringIO(f"{word}\nn\n"), shown), {}, Path(), draft)
    assert not _trust(talk, 0, error("proxmox.tls", "tls_untrusted", fingerprint="AB", line=""))
    assert "Answer y or n, or type the path of a CA file." in shown.getvalue()
    assert "PROXMOX_VERIFY_SSL" not in shown.getvalue()


def test_each_answer_about_a_certificate_is_enough_to_trust_it() -> None:
    """A CA file takes the place of confirmed fingerprints, and a confirmed fingerprint that of a CA file."""
    with Pve() as pve, Pve(old_ca=True) as other:
        for pin, verify, answer in (
            (":".join(["AB"] * 32), True, str(pve.ca_file)),
            (None, Path(other.ca_file), "y"),
        ):
            draft = Draft("en")
            draft.site.points, draft.site.verify = (EntryPoint(pve.host, pve.port, pin),), verify
            shown = io.StringIO()
            ask_hosts(Talk(Terminal({}, io.StringIO(f"\n{answer}\n"), shown), {}, Path(), draft))
            (point,) = draft.site.points
            assert (point.fingerprint is None) == (draft.site.verify is not True) == (answer != "y")


def test_hosts_are_tested_again_after_an_answer_that_concerns_all() -> None:
    """A fingerprint for the second host ends the trust in the CA file that the first host needs."""
    with Pve() as pve, Pve(old_ca=True) as other:
        draft, shown = Draft("en"), io.StringIO()
        draft.site.verify = Path(pve.ca_file)
        hosts = f"{pve.host}:{pve.port}, {other.host}:{other.port}"
        ask_hosts(Talk(Terminal({}, io.StringIO(f"{hosts}\ny\ny\n"), shown), {}, Path(), draft))
        assert draft.site.settings()["PROXMOX_VERIFY_SSL"] is True
        assert all(point.fingerprint for point in draft.site.points)
        assert [shown.getvalue().count(f"Testing {pve.host}:{each.port}") for each in (pve, other)] == [3, 2]


def test_the_first_cluster_is_not_left_out_and_the_person_is_told() -> None:
    draft, shown = Draft("en", sites=[SiteDraft(), SiteDraft("colo")]), io.StringIO()
    draft.site = draft.sites[0]
    ask_name(Talk(Terminal({}, io.StringIO("-\nhome\n"), shown), {}, Path(), draft))
    assert [site.name for site in draft.sites] == ["home", "colo"]
    assert shown.getvalue().count("Each cluster needs a short name.") == 2, "before the question, and after -"


@pytest.mark.parametrize("name", ["DISCORD_TOKEN", "PROXMOX_TOKEN_VALUE"])
def test_a_secret_that_the_environment_gives_twice_is_refused_as_the_bot_would(
    tmp_path: Path, name: str
) -> None:
    ask = {"DISCORD_TOKEN": ask_token, "PROXMOX_TOKEN_VALUE": ask_access}[name]
    environ = {name: "x", f"{name}_FILE": "y"}
    talk = Talk(Terminal({}, io.StringIO("\n" * 3), io.StringIO()), environ, tmp_path, Draft("en"))
    with pytest.raises(Cancelled, match=rf"{name} \(environment\) and {name}_FILE are both set"):
        ask(talk)


def test_the_variable_that_overrides_a_typed_secret_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Terminal, "ask_secret", lambda *_: "MTIz.typed.token")
    (tmp_path / "token").write_text("MTIz.other.token")
    for variable, value in (("DISCORD_TOKEN", "MTIz.other.token"), ("DISCORD_TOKEN_FILE", "token")):
        terminal = Terminal({}, io.StringIO(), shown := io.StringIO())
        terminal.interactive = True
        Talk(terminal, {variable: value}, tmp_path, Draft("en")).secret("DISCORD_TOKEN", "Token", first=False)
        assert f"The environment sets {variable}, which overrides config.py." in shown.getvalue()


def test_nothing_typed_ahead_during_a_probe_is_shown(tmp_path: Path) -> None:
    """It may be a secret whose question has not come yet."""
    ours, theirs = pty.openpty()

    def echoes() -> bool:
        return bool(termios.tcgetattr(theirs)[3] & termios.ECHO)

    async def probe() -> bool:
        os.write(ours, b"a secret\n")
        assert select.select([theirs], [], [], PATIENCE)[0], "typed"
        return echoes()

    with os.fdopen(theirs, encoding="utf-8") as source:
        talk = Talk(Terminal({}, source, io.StringIO()), {}, tmp_path, Draft("en"))
        assert echoes()
        assert not talk.run(probe())
        assert echoes()
        assert not select.select([ours, theirs], [], [], 0)[0], "neither shown nor kept"
    os.close(ours)


def test_a_directory_is_not_moved_away_for_config_py(tmp_path: Path) -> None:
    talk = Talk(Terminal({}, io.StringIO("y\n"), io.StringIO()), {}, tmp_path, Draft("en"))
    (tmp_path / "config.py").mkdir()
    with pytest.raises(Cancelled, match="EISDIR"):
        introduce(talk, tmp_path / "config.py")

"""Test that each log record is one line without secrets, whatever comes from outside and whoever logs it."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.logging_setup import (
    BAR,
    MaskedFormatter,
    escape_line,
    is_useful,
    secrets_of,
    set_up_logging,
    unverified_sites,
)
from adapters.settings.load import load
from core.guest import Kind
from core.watch.incidents.model import (
    BackupFact,
    GuestEvent,
    GuestFact,
    Incident,
    Metric,
    Severity,
    SourceFault,
    Topic,
)
from core.watch.persistence import incident_line
from tests.support.walked import walked

LIBRARIES = ("aiohttp", "proxmoxer", "urllib3", "asyncio")
TOKEN = "aW50ZXJhY3Rpb246MTIzNDU2Nzg5MDEyMzQ1Njc4OnNlY3JldA"
FORGED = "web\n2026-11-26 12:00:00,000 INFO    core.audit.trail: ended: stop by 'akiko' (1)"


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """Yield a logger with the bot's formatter, and its output."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(MaskedFormatter(["s3cret-token", "s3cret-token-longer"]))
    logger = logging.getLogger("some.library")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield logger, written
    logger.removeHandler(handler)
    logger.propagate = True


@pytest.mark.parametrize(
    "end", ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"], ids=ascii
)
def test_no_line_end_of_any_kind_makes_another_line(
    log: tuple[logging.Logger, io.StringIO], end: str
) -> None:
    logger, written = log
    logger.warning("node %s is away", FORGED.replace("\n", end))
    told = written.getvalue()
    assert len(told.splitlines()) == 1
    assert "core.audit.trail" in told, "it is shown, as a part of its own line"


@walked("seen", ["x1b[2K", "x08", "x00", "x7f", "x9b", "u202e", "u2066", "u200b", "ud83d"])
def test_control_and_hidden_characters_are_shown_as_escapes(seen: str) -> None:
    text = f"a\\{seen}b".encode().decode("unicode_escape")
    record = logging.LogRecord("some.library", logging.INFO, "", 1, "%s", (text,), None)
    assert MaskedFormatter([]).format(record).endswith(f"a\\{seen}b")


def test_other_text_is_left_as_it_is() -> None:
    for text in ("ゲスト “ウェブ01” 全角\u3000空白", "❌ ⚠️ ✅", "C:\\pve", "naïve"):
        assert escape_line(text) == text


def test_a_traceback_keeps_its_lines_and_forges_none(log: tuple[logging.Logger, io.StringIO]) -> None:
    """The error's own text may look like a line of the log."""
    logger, written = log
    try:
        raise RuntimeError(f"{FORGED}\x1b[2K s3cret-token")
    except RuntimeError:
        logger.exception("failed", stack_info=True)
    first, *rest = written.getvalue().rstrip("\n").split("\n")
    assert first.endswith("failed")
    assert any("Traceback" in line for line in rest)
    assert any("core.audit.trail" in line for line in rest)
    assert all(line.startswith(BAR) for line in rest)
    assert "\x1b" not in written.getvalue()
    assert "s3cret" not in written.getvalue()


def test_the_longer_of_two_secrets_is_masked_whole(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, written = log
    logger.debug("s3cret-token-longer and s3cret-token")
    assert "*** and ***" in written.getvalue()


@pytest.mark.parametrize(
    "line",
    [
        "POST https://discord.com/api/v10/interactions/123456789012345678/{}/callback with None has returned 204",
        "PATCH https://discord.com/api/v10/webhooks/123456789012345678/{}/messages/@original has returned 200",
        "POST http://127.0.0.1:80/api/v10/webhooks/1/{}?wait=true",
        "Cannot connect, url='https://discord.com/api/v10/webhooks/1/{}'",
        "For Shard ID None: WebSocket Event: {{'t': 'INTERACTION_CREATE', 'd': {{'token': '{}', 'type': 2}}}}",
        'b\'{{"t":"INTERACTION_CREATE","d":{{"token":"{}","type":2}}}}\'',
        '"{{\\"token\\": \\"{}\\"}}"',
        "<Webhook id=1 token='{}'>",
        "Interaction(id=1, token={}, type=2)",
        "Route(webhook_id=1, webhook_token='{}')",
        "{{'webhook_id': 1, 'webhook_token': '{}'}}",
        '"Token": u"{}"',
        "a proxy was asked for discord.com%2Fapi%2Fv10%2Fwebhooks%2F1%2F{}%2Fmessages",
    ],
)
def test_tokens_of_interactions_are_masked_in_every_form(
    log: tuple[logging.Logger, io.StringIO], line: str
) -> None:
    logger, written = log
    logger.debug("%s", line.format(TOKEN))
    try:
        raise RuntimeError(line.format(TOKEN))
    except RuntimeError:
        logger.debug("again", exc_info=sys.exc_info())
    assert TOKEN not in written.getvalue()
    assert written.getvalue().count("***") == 2


def test_the_secrets_of_every_site_are_masked(tmp_path: Path) -> None:
    """A site without a check of the certificate is named, unless each of its entry points has a fingerprint."""
    site = {
        "PROXMOX_USER": "bot@pve",
        "PROXMOX_TOKEN_NAME": "discord",
        "NODE_NAME": "pve1",
        "PROXMOX_VERIFY_SSL": False,
    }
    pin = ":".join(["AB"] * 32)
    sites = {
        "home": site | {"PROXMOX_HOST": ["a", "b"], "PROXMOX_TOKEN_VALUE": "of-home"},
        "colo": site
        | {"PROXMOX_HOST": ["c", "d"], "PROXMOX_TOKEN_VALUE": "of-colo", "PROXMOX_FINGERPRINT": {"c": pin}},
        "lab": site | {"PROXMOX_HOST": "e", "PROXMOX_TOKEN_VALUE": "of-lab", "PROXMOX_FINGERPRINT": pin},
    }
    (tmp_path / "config.py").write_text(f"SITES = {sites!r}")
    ids = dict.fromkeys(("GUILD_ID", "ALLOWED_CATEGORY_ID", "ALERT_CHANNEL_ID"), "123456789012345678")
    urls = {"DISCORD_TOKEN": "of-discord", "HEARTBEAT_URL": "https://uptime/push"}
    settings = load(tmp_path / "config.py", ids | urls)
    assert set(secrets_of(settings)) == {"of-home", "of-colo", "of-lab", *urls.values()}
    assert unverified_sites(settings) == ("home", "colo")


@pytest.fixture
def logging_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the root logger its handlers back, and each logger that the bot sets up its level and filters."""
    loggers = [logging.getLogger(name) for name in (None, "discord", "discord.client", *LIBRARIES)]
    before = [(logger, logger.level, logger.filters[:]) for logger in loggers]
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    yield
    for logger, level, filters in before:
        logger.setLevel(level)
        logger.filters = filters


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize(
    ("level", "own", "of_libraries"),
    [
        ("DEBUG", "DEBUG INFO WARNING ERROR", "DEBUG INFO WARNING ERROR"),
        ("INFO", "INFO WARNING ERROR", "WARNING ERROR"),
        ("WARNING", "WARNING ERROR", "WARNING ERROR"),
        ("ERROR", "ERROR", "ERROR"),
    ],
)
def test_the_level_holds_for_libraries_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], level: str, own: str, of_libraries: str
) -> None:
    ids = dict.fromkeys(("GUILD_ID", "ALLOWED_CATEGORY_ID", "ALERT_CHANNEL_ID"), "123456789012345678")
    proxmox = {
        "PROXMOX_HOST": "a",
        "PROXMOX_USER": "bot@pve",
        "PROXMOX_TOKEN_NAME": "bot",
        "NODE_NAME": "pve1",
    }
    secrets = {"DISCORD_TOKEN": "of-discord", "PROXMOX_TOKEN_VALUE": "of-proxmox", "LOG_LEVEL": level}
    set_up_logging(load(tmp_path / "config.py", ids | proxmox | secrets))
    for name, expected in {"bot": own, **dict.fromkeys(("discord.http", *LIBRARIES), of_libraries)}.items():
        for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            logging.getLogger(name).log(number, "said")
        lines = capsys.readouterr().out.splitlines()
        assert " ".join(line.split()[2] for line in lines) == expected, name


def test_warnings_about_missing_voice_packages_are_dropped() -> None:
    def record(text: str) -> logging.LogRecord:
        return logging.LogRecord("discord.client", logging.WARNING, "", 1, text, (), None)

    assert not is_useful(record("PyNaCl is not installed, voice will NOT be supported"))
    assert not is_useful(record("davey is not installed, voice will NOT be supported"))
    assert is_useful(record("something else is not installed"))


def test_an_incident_is_logged_in_words() -> None:
    fact = GuestFact(101, GuestEvent.STOPPED, Kind.QEMU, "pve1", "web01", by="root@pam")
    whole = Incident(17, Topic.GUEST, "guest/101", Severity.CRITICAL, 1.0, 1.0, (fact,), acked_by="Akiko")
    assert incident_line(whole) == (
        "incident 17 (critical, open, acknowledged by Akiko): guest 101, 101 web01 on pve1: stopped by root@pam"
    )
    for topic in Topic:
        full = Incident(
            18,
            topic,
            "node/pve1",
            Severity.WARNING,
            1.0,
            1.0,
            (fact,) * 30,
            metric=Metric.CPU,
            percent=95.0,
            fault=SourceFault("Unreachable"),
            backups=(BackupFact("pve1", None, "root@pam", "job errors"),) * 9,
            ended=9.0,
            seconds=8.0,
        )
        line = incident_line(full)
        assert "over after 8 s" in line
        assert "and 20 more" in line
        assert len(line) < 900
        assert not any(mark in line for mark in ("Incident(", "=", "<", "None"))

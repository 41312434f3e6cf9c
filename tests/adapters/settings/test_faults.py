"""Test that every fault of the settings and of the watch list's file has one clear line."""

from __future__ import annotations

import errno
import gettext
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.files.data_lock import DataDirInUse
from adapters.journal.store import JournalError, JournalErrorKind
from adapters.settings import faults as setting_faults
from adapters.settings import load as settings
from adapters.settings.faults import Fault, FaultKind, Source
from adapters.settings.load import SETTINGS, SettingsError
from monitor_store import StoreError, StoreErrorKind
from tests.support.walked import walked
from ui.formatting import plain
from ui.i18n import Text
from ui.messages import faults
from ui.messages.faults import (
    FILE_ERRORS,
    fault_lines,
    in_use_line,
    journal_error_line,
    store_error_line,
)
from ui.messages.settings import FAULTS

EN = Text("en", gettext.NullTranslations())
K = FaultKind
ERRNO = ("EACCES", "EPERM", "ENOENT", "ENOTDIR", "EEXIST", "EISDIR", "EROFS", "ENOSPC", "EIO")
FORMS = sorted({row.form for row in SETTINGS} | {"path", "site"})


def reasons() -> dict[FaultKind, tuple[str, ...]]:
    """Return the possible reasons of each kind, as its comment in adapters/settings/faults.py lists them."""
    source = Path(setting_faults.__file__).read_text(encoding="utf-8")
    found: dict[FaultKind, tuple[str, ...]] = {}
    for kind in FaultKind:
        (comment,) = re.findall(rf"^    {kind.name} = \"{kind.value}\"(.*)$", source, re.M)
        words = re.search(r"reason: ([a-z_]+(?: \| [a-z_]+)*)", comment)
        listed = words[1].split(" | ") if words else []
        found[kind] = tuple(word for name in listed for word in (ERRNO if name == "errno" else (name,)))
    return found


REASONS = reasons()
CASES = [(kind, reason) for kind, words in REASONS.items() for reason in words or (None,)]
assert len(CASES) > 40


def line_of(fault: Fault) -> str:
    (line,) = fault_lines(EN, [fault])
    return line


def assert_is_a_sentence(line: str) -> None:
    assert line == plain(line, 1000)  # one line, nothing invisible, no controls
    assert line.endswith(".")
    assert not re.search(r"[`*{}<>]|\bNone\b|  |“”|\(\)| ,", line)


# --- every kind and reason ---


def test_the_reasons_are_those_of_the_source() -> None:
    sources = Path(settings.__file__).parent.glob("*.py")
    text = "".join(source.read_text(encoding="utf-8") for source in sources)
    used = set(re.findall(r'reason="(\w+)"', text)) | set(re.findall(r'reason = "(\w+)" if', text))
    listed = {reason for words in REASONS.values() for reason in words}
    assert used >= {"whole_token", "characters", "empty", "no_certificate"}
    assert used <= listed
    assert REASONS[K.BAD_HOST] == ("url", "path", "port", "name")
    assert REASONS[K.BAD_TOKEN_NAME] == ("whole_token", "secret", "pattern")


@walked("full", [True, False])
@walked("source", ["environment", "config", "file", "default"])
@walked(("kind", "reason"), CASES)
def test_every_kind_and_reason_has_a_sentence_with_the_setting(
    kind: FaultKind, reason: str | None, source: Source, full: bool
) -> None:
    for form in FORMS if kind is K.WRONG_TYPE else (None,):
        fault = Fault(kind, "SOME_SETTING", source=source, expected=form, reason=reason, low=1, high=2)
        if kind in (K.BOTH_GIVEN, K.USER_WITH_TOKEN):
            fault = Fault(kind, "SOME_SETTING", source=source, other="OTHER_SETTING")
        if full:
            fault = Fault(
                kind, "SOME_SETTING", "given", source, form, "int", reason, "NEAREST", "OTHER", 1, 2, 3
            )
        line = line_of(fault)
        assert_is_a_sentence(line)
        assert "SOME_SETTING" in line
        assert len(re.findall(r"\.(?: |$)", line)) >= 2, "what is wrong, and the remedy"
        assert ("(environment)" in line) == (source == "environment")
        assert ("(read from its file)" in line) == (source == "file")


def test_every_kind_has_its_own_sentence_and_the_table_nothing_else() -> None:
    assert {kind for kind, _ in FAULTS} == {kind.value for kind in FaultKind}
    assert all((kind, "") in FAULTS for kind in FaultKind)
    accepted = {(kind.value, word) for kind, word in CASES} | {("wrong_type", form) for form in FORMS}
    assert {key for key in FAULTS if key[1]} <= accepted
    for kind, words in REASONS.items():
        told = [
            line_of(Fault(kind, "X", "v", reason=word)) for word in words if word not in ("EPERM", "ENOTDIR")
        ]
        assert len(set(told)) == len(told)
    told = [line_of(Fault(K.WRONG_TYPE, "X", "v", expected=form)) for form in FORMS]
    assert len(set(told)) == len(FORMS)


@walked("number", sorted(errno.errorcode))
def test_any_errno_is_reported(number: int) -> None:
    word = errno.errorcode[number]
    for kind in (K.UNREADABLE_FILE, K.DATA_DIR_NOT_WRITABLE):
        line = line_of(Fault(kind, "DATA_DIR", "/x", reason=word))
        assert_is_a_sentence(line)
        known = {key for key in FAULTS if key[0] == kind and key[1]}
        same = faults._SAME_AS.get(word, word)
        assert ((kind.value, word) in known or (kind.value, same) in known) != (f"({word})" in line)


def test_an_unknown_reason_is_shown_too() -> None:
    for kind in FaultKind:
        assert "X" in line_of(Fault(kind, "X", "v", reason="of tomorrow", expected="nothing known"))


# --- the words themselves ---


@walked(
    ("fault", "line"),
    [
        (
            Fault(K.NO_CONFIG, "config.py", "/srv/bot/config.py"),
            "config.py not found at “/srv/bot/config.py”. Run “python bot.py --init”, or copy "
            "config.py.example there and fill it in.",
        ),
        (
            Fault(K.CONFIG_SYNTAX, "config.py", line=7),
            "config.py, line 7: invalid Python syntax. Check the quotes, brackets and commas.",
        ),
        (
            Fault(K.CONFIG_ERROR, "config.py", "NameError", line=3),
            "config.py, line 3: cannot be run (NameError). Correct the line; text needs quotes.",
        ),
        (
            Fault(K.MISSING, "DISCORD_TOKEN", other="DISCORD_TOKEN_FILE"),
            "DISCORD_TOKEN is not set. Set it in config.py or the environment, or set "
            "DISCORD_TOKEN_FILE to a file that contains it.",
        ),
        (
            Fault(K.UNKNOWN_NAME, "NODE_NAM", nearest="NODE_NAME"),
            "NODE_NAM is not a setting. Did you mean NODE_NAME? Correct it or remove it.",
        ),
        (
            Fault(K.OUT_OF_RANGE, "MONITOR_INTERVAL_SECONDS", "4", "environment", low=5, high=3600),
            "MONITOR_INTERVAL_SECONDS (environment): “4” is out of range. Enter a number from 5 to 3600.",
        ),
        (
            Fault(K.ZERO_OR_RANGE, "ALERT_REPEAT_MINUTES", "3", "environment", low=5, high=10080),
            "ALERT_REPEAT_MINUTES (environment): “3” is out of range. Enter a number from 5 to "
            "10080, or 0 to turn this off.",
        ),
        (
            Fault(K.GUILD_AS_ROLE, "ALERT_MENTION_ROLE_ID", "123456789012345678"),
            "ALERT_MENTION_ROLE_ID: “123456789012345678” is the server ID, which stands for "
            "@everyone. Enter the ID of another role, or leave it empty to mention nobody.",
        ),
        (
            Fault(K.BAD_QUIET_HOURS, "QUIET_HOURS", "23-7", reason="pattern"),
            "QUIET_HOURS: “23-7” is not a time range. Use 24-hour times, as in 23:00-07:00.",
        ),
        (
            Fault(K.BAD_QUIET_HOURS, "QUIET_HOURS", "07:00-07:00", reason="same"),
            "QUIET_HOURS: “07:00-07:00” starts and ends at the same time. Enter two different "
            "times, or leave it empty for no quiet hours.",
        ),
        (
            Fault(K.BAD_TIMEZONE, "TIMEZONE", "Tokio", nearest="Asia/Tokyo"),
            "TIMEZONE: “Tokio” is not a time zone. Did you mean Asia/Tokyo? Correct it.",
        ),
        (
            Fault(K.BAD_TIMEZONE, "TIMEZONE", "here"),
            "TIMEZONE: “here” is not a time zone. Use an IANA name, as in Asia/Tokyo.",
        ),
        (
            Fault(K.BAD_URL, "HEARTBEAT_URL", source="file", reason="scheme"),
            "HEARTBEAT_URL (read from its file) does not start with http:// or https://. Copy "
            "the whole URL again.",
        ),
        (
            Fault(K.WRONG_TYPE, "MONITOR_VM_IDS", "101", "config", "list_of_whole_numbers", "int"),
            "MONITOR_VM_IDS: “101” (type int) is not a list of VMIDs. Enter whole numbers, as in [101, 102].",
        ),
        (
            Fault(K.WRONG_TYPE, "MONITOR_VM_IDS", "x", "environment", "list_of_whole_numbers", "str"),
            "MONITOR_VM_IDS (environment): “x” is not a list of VMIDs. Enter whole numbers, as in 101, 102.",
        ),
        (
            Fault(K.BAD_HOST, "PROXMOX_HOST", "https://pve1:8006/", reason="url", nearest="pve1:8006"),
            "PROXMOX_HOST: “https://pve1:8006/” is a URL. Enter only the host, as in pve1:8006.",
        ),
        (
            Fault(K.BAD_HOST, "PROXMOX_HOST", reason="url"),
            "PROXMOX_HOST: the value is a URL. Enter only the host, as in pve.example.com.",
        ),
        (
            Fault(K.USER_WITH_TOKEN, "PROXMOX_USER", "bot@pve", other="PROXMOX_TOKEN_NAME"),
            "PROXMOX_USER contains more than the user. Enter only bot@pve here, and the token "
            "name in PROXMOX_TOKEN_NAME.",
        ),
        (
            Fault(K.BAD_TOKEN_NAME, "PROXMOX_TOKEN_NAME", reason="whole_token", nearest="discord"),
            "PROXMOX_TOKEN_NAME contains more than the token name. Enter only discord.",
        ),
        (
            Fault(K.BAD_SECRET, "DISCORD_TOKEN", source="file", reason="characters"),
            "DISCORD_TOKEN (read from its file) contains spaces, quotes or other characters "
            "that are not allowed in a token. Copy only the token again.",
        ),
        (
            Fault(K.UNREADABLE_FILE, "PROXMOX_VERIFY_SSL", "/ca.pem", reason="EIO"),
            "PROXMOX_VERIFY_SSL: the file at “/ca.pem” cannot be read (EIO). Check the file and its permissions.",
        ),
        (
            Fault(K.MISSING, 'SITES["home"].NODE_NAME'),
            'SITES["home"].NODE_NAME is not set. Set it in config.py or the environment.',
        ),
        (
            Fault(K.UNKNOWN_NAME, 'SITES["home"].NODE_NAM', nearest="NODE_NAME", reason="in_site"),
            'SITES["home"].NODE_NAM is not a setting of a site. Did you mean NODE_NAME? '
            "Correct it or remove it.",
        ),
        (
            Fault(K.UNKNOWN_NAME, 'SITES["home"].GUILD_ID', reason="in_site"),
            'SITES["home"].GUILD_ID is not a setting of a site. Remove it.',
        ),
        (
            Fault(K.BOTH_FORMS, "SITES", other="PROXMOX_HOST, NODE_NAME"),
            "SITES is set together with PROXMOX_HOST, NODE_NAME. Move these settings into a site, "
            "or remove them.",
        ),
        (
            Fault(K.DUPLICATE_HOST, 'SITES["colo"].PROXMOX_HOST', "pve1", other='SITES["home"].PROXMOX_HOST'),
            'SITES["colo"].PROXMOX_HOST: “pve1” is also in SITES["home"].PROXMOX_HOST. A host '
            "belongs to one site; remove it from one of them.",
        ),
        (
            Fault(K.DUPLICATE_HOST, "SITE_HOME_PROXMOX_HOST", "pve1", "environment"),
            "SITE_HOME_PROXMOX_HOST (environment): “pve1” is listed twice. Remove one of them.",
        ),
        (
            Fault(K.UNKNOWN_SITE, "FIRST_SITE", "lab", other="home, colo"),
            "FIRST_SITE: “lab” is not a configured site. Choose from home, colo.",
        ),
        (
            Fault(K.UNKNOWN_SITE, "FIRST_SITE", "lab", other=""),
            "FIRST_SITE: “lab” is not a configured site. Define it in SITES, or remove it here.",
        ),
        (
            Fault(K.BAD_SCOPE, "ROLE_SCOPES", "tag:web", reason="any_site", other="423456789012345678"),
            "ROLE_SCOPES, role 423456789012345678: “tag:web” could be on any of the sites. Name the "
            "site, as in tag:home/web, or set FIRST_SITE.",
        ),
        (
            Fault(K.BAD_SCOPE, "ROLE_SCOPES", "web", other="423456789012345678"),
            "ROLE_SCOPES, role 423456789012345678: “web” does not name guests. Enter them as in "
            "tag:web, pool:lab, node:pve1 or 101.",
        ),
        (
            Fault(K.WRONG_TYPE, "PROXMOX_HOST", "5", "config", "hosts", "int"),
            "PROXMOX_HOST: “5” (type int) is not a host or a list of hosts. Enter it as in "
            '["pve1", "pve2:8006"].',
        ),
        (
            Fault(K.WRONG_TYPE, "PROXMOX_HOST", None, "environment", "hosts", "list"),
            "PROXMOX_HOST (environment): the value is not a host or a list of hosts. Enter it "
            "as in pve1, pve2:8006.",
        ),
        (
            Fault(K.DATA_DIR_NOT_WRITABLE, "DATA_DIR", "/a/b", reason="ENOTDIR"),
            "DATA_DIR: the parent directory of “/a/b” does not exist. Create it first, or correct the path.",
        ),
    ],
)
def test_the_words(fault: Fault, line: str) -> None:
    assert line_of(fault) == line


def test_real_faults_are_reported_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(
        "GUILD_ID = 0\nNODE_NAM = 1\nLOG_LEVEL = 'LOUD'\nPROXMOX_HOST = 'https://root:hunter2hunter2@pve1/'\n"
    )
    with pytest.raises(SettingsError) as caught:
        settings.load(tmp_path / "config.py", {"LANGUAGE": "en"})
    lines = fault_lines(EN, caught.value.faults)
    assert len(lines) == len(caught.value.faults)
    assert [
        fault.name for fault, line in zip(caught.value.faults, lines, strict=True) if fault.name not in line
    ] == []
    assert "hunter2" not in "".join(lines)
    for line in lines:
        assert_is_a_sentence(line)
    assert fault_lines(EN, []) == []


# --- foreign values ---


@given(st.sampled_from(FaultKind), st.text(max_size=90), st.text(max_size=90), st.text(max_size=90))
def test_no_value_breaks_a_line(kind: FaultKind, value: str, nearest: str, name: str) -> None:
    odd = "{0.__class__}\u202e\x1b[2J\n" + value
    line = line_of(
        Fault(kind, "X" + name, odd, "config", found=odd, reason=odd, nearest="N" + nearest, other=odd)
    )
    assert line.isprintable()
    assert "\x1b" not in line
    assert "\u202e" not in line


# --- the watch list's file ---


@walked("kind", StoreErrorKind)
@walked("reason", [*ERRNO, "ENOSPC", "EDQUOT", "2"])
def test_every_store_error_has_a_sentence_with_the_path(kind: StoreErrorKind, reason: str) -> None:
    line = store_error_line(EN, StoreError(kind, Path("/data/monitor_list.json"), reason))
    assert_is_a_sentence(line)
    assert "“/data/monitor_list.json”" in line
    assert len(re.findall(r"\.(?: |$)", line)) >= 2
    assert {key[0] for key in FILE_ERRORS} == {each.value for each in StoreErrorKind}
    assert all((each, "") in FILE_ERRORS for each in StoreErrorKind)


def test_the_words_for_store_errors() -> None:
    def told(kind: StoreErrorKind, reason: str) -> str:
        return store_error_line(EN, StoreError(kind, Path("/d/\x1b\u202elist.json"), reason))

    assert told(StoreErrorKind.NEWER_VERSION, "2") == (
        "The watch list “/d/list.json” was written by a newer version of the bot (format 2). "
        "Update the bot, or move the file away."
    )
    assert told(StoreErrorKind.NOT_WRITABLE, "EDQUOT") == told(StoreErrorKind.NOT_WRITABLE, "ENOSPC")
    assert "disk is full" in told(StoreErrorKind.NOT_WRITABLE, "ENOSPC")
    assert "(EIO)" in told(StoreErrorKind.UNREADABLE, "EIO")


# --- the journal and the lock ---

SQLITE = ("SQLITE_FULL", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR")


@walked("kind", JournalErrorKind)
@walked("reason", [*ERRNO, "EDQUOT", *SQLITE, "OperationalError", "2"])
def test_every_journal_error_has_a_sentence_with_the_path(kind: JournalErrorKind, reason: str) -> None:
    line = journal_error_line(EN, JournalError(kind, Path("/data/journal.db"), reason))
    assert_is_a_sentence(line)
    assert "“/data/journal.db”" in line
    assert len(re.findall(r"\.(?: |$)", line)) >= 2
    assert {key[0] for key in FILE_ERRORS} == {each.value for each in JournalErrorKind}
    assert all((each, "") in FILE_ERRORS for each in JournalErrorKind)
    known = (kind, faults._SAME_AS.get(reason, reason)) in FILE_ERRORS
    assert (f"({reason})" in line or f"(format {reason})" in line) != known


def test_the_words_for_journal_errors() -> None:
    def told(kind: JournalErrorKind, reason: str) -> str:
        return journal_error_line(EN, JournalError(kind, Path("/d/\x1b\u202ejournal.db"), reason))

    assert told(JournalErrorKind.NEWER_VERSION, "2") == (
        "The journal “/d/journal.db” was written by a newer version of the bot (format 2). "
        "Update the bot, or move the file away."
    )
    assert told(JournalErrorKind.NOT_WRITABLE, "SQLITE_FULL") == told(JournalErrorKind.NOT_WRITABLE, "ENOSPC")
    assert "another program" in told(JournalErrorKind.NOT_WRITABLE, "SQLITE_BUSY")
    assert "(SQLITE_IOERR)" in told(JournalErrorKind.UNREADABLE, "SQLITE_IOERR")
    assert "\x1b" not in told(JournalErrorKind.UNREADABLE, "\x1b")


def test_the_user_of_the_directory_is_named_if_known() -> None:
    known = in_use_line(EN, DataDirInUse(Path("/d/\u202edata"), 4711))
    unknown = in_use_line(EN, DataDirInUse(Path("/d/\u202edata"), None))
    assert known == "Another bot (process 4711) already uses “/d/data”. Stop it, or set another DATA_DIR."
    assert unknown == "Another bot already uses “/d/data”. Stop it, or set another DATA_DIR."
    for line in (known, unknown):
        assert_is_a_sentence(line)

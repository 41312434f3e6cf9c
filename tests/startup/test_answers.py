"""Test the rules of the first run: how answers are cleaned, what is printed, and what is written."""

from __future__ import annotations

import errno
import os
import shlex
import stat
from pathlib import Path

import pytest

from adapters.settings.load import Secret, SettingsError, load
from core.entry_point import EntryPoint
from core.health.grants import Use, needs_of, token_commands
from core.health.privileges import Inventory, Token, judge_token
from core.health.readiness import ChannelKind, ChannelView
from startup.first_run.answers import (
    clean,
    clean_secret,
    find_row,
    find_rows,
    find_vmids,
    split_hosts,
    split_token,
    token_value,
    yes_or_no,
)
from startup.first_run.command import SERVICE_CONFIG, start_command
from startup.first_run.config_file import write_config
from startup.first_run.config_text import config_text
from startup.first_run.discord_reads import ChannelPlace, SeenGuild
from startup.first_run.draft import Draft, Given, SiteDraft
from startup.first_run.host_steps import proposed_name
from startup.first_run.steps import STEPS, system_timezone
from startup.first_run.terminal import columns_of, wrap
from tests.support.process_stage import ROOT
from tests.support.walked import walked

EXAMPLE = (ROOT / "config.py.example").read_text("utf-8")
VALUE = "12345678-90ab-cdef-1234-567890abcdef"
NAMES = ["Admin", "運用", "admin-2", '"quoted" \\ name']


@walked(
    ("pasted", "secret"),
    [
        ("  abc.DEF-1_2.xyz\n", "abc.DEF-1_2.xyz"),
        ("Bot abc.DEF.xyz", "abc.DEF.xyz"),
        ("bot  'abc.DEF.xyz'", "abc.DEF.xyz"),
        ("Authorization: Bot abc.DEF.xyz", "abc.DEF.xyz"),
        ('DISCORD_TOKEN = "abc.DEF.xyz"', "abc.DEF.xyz"),
        ("export DISCORD_TOKEN=abc.DEF.xyz", "abc.DEF.xyz"),
        ("\x1b[200~abc.\nDEF.xyz\x1b[201~", "abc.DEF.xyz"),
        ("「abc.DEF.xyz」", "abc.DEF.xyz"),
        ("ａｂｃ.DEF\u200b.xyz", "abc.DEF.xyz"),
        ("", ""),
    ],
)
def test_characters_copied_along_with_a_secret_are_left_out(pasted: str, secret: str) -> None:
    assert clean_secret(pasted) == secret


@walked(
    ("pasted", "parts"),
    [
        ("discord-bot@pve!bot", ("discord-bot@pve", "bot", "")),
        (f"discord-bot@pve!bot={VALUE}", ("discord-bot@pve", "bot", VALUE)),
        (f"PVEAPIToken=discord-bot@pve!bot={VALUE}", ("discord-bot@pve", "bot", VALUE)),
        (f'Authorization: PVEAPIToken=discord-bot@pve!bot={VALUE}"', ("discord-bot@pve", "bot", VALUE)),
        (f"'discord-bot@pve!bot' {VALUE}", None),
        ("discord-bot@pve", None),
        (VALUE, None),
    ],
)
def test_a_whole_token_is_taken_apart(pasted: str, parts: tuple[str, str, str] | None) -> None:
    assert split_token(pasted) == parts


def test_the_value_of_a_token_is_found_in_the_table_that_proxmox_prints() -> None:
    table = f"│ full-tokenid │ discord-bot@pve!bot │\n│ value │ {VALUE} │"
    assert token_value(table) == token_value(f" {VALUE}\n") == VALUE
    assert token_value("0123456789abcdef") == "0123456789abcdef"


@walked(
    ("typed", "hosts"),
    [
        ("https://pve:8006/", ["pve:8006"]),
        ("https://root@pve1.lan:8006/#v1:0:=node", ["pve1.lan:8006"]),
        ("pve1, pve2、 pve3:443 pve1", ["pve1", "pve2", "pve3:443"]),
        ("ｐｖｅ１．ｌａｎ", ["pve1.lan"]),
        ('["pve1", "pve2"]', ["pve1", "pve2"]),
        ("[fe80::1]:8006", ["[fe80::1]:8006"]),
        ("https://[fe80::1]:8006/", ["[fe80::1]:8006"]),
        ("  ", []),
    ],
)
def test_hosts_are_taken_out_of_pasted_text(typed: str, hosts: list[str]) -> None:
    assert split_hosts(typed) == hosts


def test_rows_are_chosen_by_number_name_or_id() -> None:
    ids = [10**17 + at for at in range(len(NAMES))]
    chosen = {"1": 0, "２": 1, "運用": 1, "@admin": 0, "admin-": 2, str(ids[3]): 3, '"quoted" \\ name': 3}
    assert {typed: find_row(typed, NAMES, ids) for typed in chosen} == chosen
    assert [find_row(typed, NAMES, ids) for typed in ("", "0", "5", "adm", "x", "-1", "1 2")] == [None] * 7
    several = {"1, 3": [0, 2], "2-4": [1, 2, 3], "1 2": [0, 1], "運用、1": [1, 0], "1,1": [0], "": []}
    assert {typed: find_rows(typed, NAMES, ids) for typed in several} == several
    assert [find_rows(typed, NAMES, ids) for typed in ("1, 9", "3-1", "1-9", "web")] == [None] * 4
    guests = {101: "web", 102: "DB", 105: "twin", 109: "twin", 110: ""}
    vmids = {"101、 102,101": [101, 102], "db, web": [102, 101], "101-105, 110": [101, 102, 105, 110]}
    assert {typed: find_vmids(typed, guests) for typed in vmids} == vmids
    assert [find_vmids(typed, guests) for typed in ("101, 7", "twin", "we", "103-104", "105-101")] == [
        None
    ] * 5
    answers = [yes_or_no(text, default=True) for text in ("", "Ｙ", "はい", "n", "いいえ", "maybe")]
    assert answers == [True, True, True, False, False, None]
    assert clean("\x1b[A 'C:\\データ\\pve ca.pem' \u202e") == "C:\\データ\\pve ca.pem"


def test_lines_break_between_words_and_commands_stay_whole() -> None:
    assert wrap("one two three", 8) == ["one two", "three"]
    assert wrap("日本語の、とても長い文章です。", 12) == ["日本語の、と", "ても長い文章", "です。"]
    assert [columns_of(line) <= 20 for line in wrap("ゲストは 14 台です。" * 5, 20)]
    assert "`pveum role add A`" in wrap("Run on a node: `pveum role add A` now.", 12)
    assert "`/dashboard create`" in "\n".join(wrap("ありません。`/dashboard create` を使えます", 24))
    assert wrap("a: ", 20) == ["a: "]
    assert wrap(" 1  a long name", 8, 4) == [" 1  a", "    long", "    name"]


@walked("version", [8, 9])
@walked("use", Use)
def test_the_printed_commands_grant_exactly_the_needed_privileges(use: Use, version: int) -> None:
    user, name = "discord-bot@pve", "bot"
    commands = token_commands(use, version, user, name, ["local-lvm"])
    roles = {line.split()[3]: line.split('"')[1].split() for line in commands if " role add " in line}
    rights = {
        line.split()[3]: dict.fromkeys(roles[line.split()[-1]], 1)
        for line in commands
        if " acl modify " in line
    }
    inventory = Inventory({101: None}, ("local-lvm",), ())
    found = judge_token(Token(user, name, rights, version), inventory, "", needs_of(use, version))
    assert [result.word for result in found] == ["privileges_ok"]
    held = {privilege for each in rights.values() for privilege in each}
    assert ("VM.PowerMgmt" in held, "VM.Allocate" in held) == (use is not Use.WATCH, use is Use.ALL)
    assert "VM.Monitor" not in held or (use, version) == (Use.ALL, 8)
    assert ("/storage/local-lvm" in rights) == (use is Use.ALL)
    strange = token_commands(use, version, "a;reboot@pve", "b", ["x y"])
    assert any("--users 'a;reboot@pve' --tokens 'a;reboot@pve!b'" in line for line in strange)


def draft_of(language: str, base: Path) -> Draft:
    view = ChannelView("通知 \"'\\", ChannelKind.MESSAGES)
    place = ChannelPlace(423456789012345678, view)
    authority = base / 'CA "証明書" \\ a.pem'
    return Draft(
        language="ja" if language == "ja" else "en",
        discord_token=Given(Secret("abc.def.ghi'\"")),
        seen=SeenGuild(423456789012345679, "自宅", (), (), {}),
        category=place,
        alerts=ChannelPlace(423456789012345677, view),
        roles={"ADMIN_ROLE_IDS": (423456789012345670,)},
        site=SiteDraft(
            points=(EntryPoint("pve1", 8006, ":".join(["AB"] * 32)), EntryPoint("fe80::1", 443)),
            verify=authority,
            token=Given(Secret(VALUE), str(base / "token")),
            node="pve1",
            watched=(101,),
        ),
        timezone="Asia/Tokyo",
    )


@pytest.mark.parametrize("language", ["ja", "en"])
def test_config_py_is_the_example_with_the_answers(language: str, tmp_path: Path) -> None:
    draft = draft_of(language, tmp_path)
    text = config_text(EXAMPLE, draft.settings(), draft.language)
    values: dict[str, object] = {}
    exec(compile(text, "config.py", "exec"), values)  # noqa: S102 - what the bot does with config.py
    assert {name: values[name] for name in draft.settings()} == draft.settings()
    assert "PROXMOX_TOKEN_VALUE" not in values
    example: dict[str, object] = {}
    exec(compile(EXAMPLE, "example", "exec"), example)  # noqa: S102 - the same
    order = [name for name in values if name.isupper()]
    assert [name.removesuffix("_FILE") for name in order] == [name for name in example if name.isupper()]
    other = "ボット" if language == "en" else "The Discord bot's token"
    notes = [line for line in text.splitlines() if line.startswith("#")]
    assert not any(other in line for line in notes)
    assert [line for line in notes if "Pool.Audit" in line] == [
        "# pool: needs Pool.Audit for the token"
        if language == "en"
        else "# pool: にはトークンの Pool.Audit が必要です"
    ]
    assert len(notes) > 60
    for block in text.split("\n\n"):  # no setting has lost its note
        assert block.startswith("#") or block.strip() == "", block
    plain = config_text("", draft.settings(), draft.language)
    exec(compile(plain, "config.py", "exec"), values := {})  # noqa: S102 - the same
    assert values["GUILD_ID"] == 423456789012345679


def test_config_py_is_private_and_nothing_is_lost(tmp_path: Path) -> None:
    path, target = tmp_path / "config.py", tmp_path / "target"
    assert write_config(path, "# 1 秘密\n", "2026-11-27") is None
    assert (path.read_text("utf-8"), stat.S_IMODE(path.stat().st_mode)) == ("# 1 秘密\n", 0o600)
    kept = [write_config(path, f"# {number}\n", "2026-11-27") for number in (2, 3)]
    assert [each.name for each in kept if each] == ["config.py.old-2026-11-27", "config.py.old-2026-11-27-2"]
    assert [each.read_text("utf-8") for each in kept if each] == ["# 1 秘密\n", "# 2\n"]
    target.write_text("# elsewhere\n")
    path.unlink()
    path.symlink_to(target)
    link = write_config(path, "# 4\n", "2026-11-28")
    assert link is not None
    assert (link.is_symlink(), path.is_symlink(), target.read_text()) == (True, False, "# elsewhere\n")
    before = sorted(tmp_path.iterdir())
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError, match="name"):
        write_config(folder / ("x" * 250), "# 5\n", "2026-11-28")
    assert list(folder.iterdir()) == []
    assert sorted(tmp_path.iterdir()) == sorted([*before, folder])


def test_a_config_py_in_its_place_is_written_even_if_its_name_cannot_be_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", sync)
    path = tmp_path / "config.py"
    path.write_text("# 1\n")
    kept = write_config(path, "# 2\n", "2026-11-27")
    assert (path.read_text("utf-8"), kept and kept.read_text("utf-8")) == ("# 2\n", "# 1\n")


def test_a_written_config_is_read_by_the_bot(tmp_path: Path) -> None:
    draft = draft_of("ja", tmp_path)
    draft.site.verify, draft.discord_token = True, Given(Secret("abc.def.ghi"))
    (tmp_path / "token").write_text(VALUE)
    write_config(tmp_path / "config.py", config_text(EXAMPLE, draft.settings(), "ja"), "2026-11-27")
    settings = load(tmp_path / "config.py", {})
    site = settings.sites[0]
    assert (site.entry_points, site.proxmox_token_value.reveal()) == (draft.site.points, VALUE)
    assert (settings.admin_role_ids, site.monitor_vm_ids) == ((423456789012345670,), (101,))
    assert str(settings.timezone) == "Asia/Tokyo"


def test_several_clusters_are_written_as_sites_and_need_no_settings_of_their_own(tmp_path: Path) -> None:
    draft = draft_of("en", tmp_path)
    draft.site.verify, draft.discord_token = True, Given(Secret("abc.def.ghi"))
    (tmp_path / "token").write_text(VALUE)
    draft.site.name = "home"
    other = SiteDraft(name="co-lo", points=(EntryPoint("pve1", 8007),), token=Given(Secret(VALUE)), node="a")
    environ = {"PROXMOX_TOKEN_VALUE_FILE": "token", "NODE_NAME": "pve1", "LANGUAGE": "en"}
    assert draft.in_the_way(environ) == []
    draft.sites.append(other)
    text = config_text(EXAMPLE, draft.settings(), "en")
    assert not any(line.startswith(("PROXMOX_", "NODE_NAME", "MONITOR_VM_IDS")) for line in text.splitlines())
    assert "\n# The default node" not in text
    assert '\nSITES = {\n    "home": {\n        "PROXMOX_HOST": ["pve1", "[fe80::1]:443"],\n' in text
    for block in text.split("\n\n"):  # no setting has lost its note
        assert block.startswith("#") or block.strip() == "", block
    write_config(tmp_path / "config.py", text, "2026-11-27")
    settings = load(tmp_path / "config.py", {})
    assert [site.name for site in settings.sites] == ["home", "co-lo"]
    assert [site.entry_points for site in settings.sites] == [draft.site.points, other.points]
    assert [site.monitor_vm_ids for site in settings.sites] == [(101,), ()]
    assert {site.proxmox_token_value.reveal() for site in settings.sites} == {VALUE}
    assert settings.first_site == "home"
    assert draft.in_the_way(environ) == ["PROXMOX_TOKEN_VALUE_FILE", "NODE_NAME"]
    with pytest.raises(SettingsError):
        load(tmp_path / "config.py", {"NODE_NAME": "pve1"})


@walked(
    ("hosts", "others", "proposed"),
    [
        (["pve1.example.com", "pve2"], [], "pve1"),
        (["PVE"], ["home"], "pve"),
        (["192.0.2.7"], [], "site1"),
        (["fe80::1"], ["home"], "site2"),
        (["a-name-longer-than-16.example"], [], "site1"),
        (["home.example"], ["home"], "site2"),
        ([], ["home", "colo"], "site3"),
        ([], ["home", "site3"], "site4"),
    ],
)
def test_a_name_is_proposed_for_a_cluster(hosts: list[str], others: list[str], proposed: str) -> None:
    site = SiteDraft(points=tuple(EntryPoint(host, 8006) for host in hosts))
    assert proposed_name(site, others) == proposed


def test_the_service_is_started_by_its_installer(tmp_path: Path) -> None:
    assert start_command(ROOT, SERVICE_CONFIG) == shlex.join(["sh", f"{ROOT}/deploy/install.sh"])
    assert start_command(ROOT, tmp_path / "config.py").endswith(f"--config {tmp_path}/config.py")
    assert start_command(tmp_path, SERVICE_CONFIG).endswith(f"bot.py --config {SERVICE_CONFIG}")


def test_the_time_zone_of_the_machine_is_offered(tmp_path: Path) -> None:
    link = tmp_path / "localtime"
    assert system_timezone({}, link) == ""
    link.symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    assert system_timezone({}, link) == "Europe/Berlin"
    assert system_timezone({"TZ": ":Asia/Tokyo"}, link) == "Asia/Tokyo"
    for rule in ("Etc/UTC", "JST-9", ":/etc/localtime", "../Asia/Tokyo"):
        assert system_timezone({"TZ": rule}, link) == ""


def test_the_steps_to_repeat_exist() -> None:
    titles = [step.title for step in STEPS]
    assert [name for step in STEPS for name in step.again if name not in titles] == []

"""Test the documents against the code: commands, settings, privileges, sentences, links and versions."""

import re
from collections.abc import Awaitable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import discord
import pytest
from babel.messages.pofile import read_po
from discord import app_commands

from adapters.proxmox.health_reads import HealthReads
from adapters.settings.load import SETTINGS
from core.clock import Clock
from core.guest import Guest, Kind, State
from core.health.privileges import NEEDS, ON_8, Scene, Token, judge_token
from core.operations import Operation
from core.proxmox import Proxmox
from core.proxmox_errors import ProxmoxError
from core.tasks import TaskEnd, follow
from playground.pve.server import BOT_PRIVILEGES, Pve
from proxmox_client import Address, Endpoint, ProxmoxClient
from tests.support import stage
from tests.support.stage import Stage

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

ROOT = Path(__file__).resolve().parents[2]
README = {"ja": ROOT / "README.md", "en": ROOT / "README.en.md"}
DOCUMENTS = (*sorted(ROOT.glob("*.md")), ROOT / "tests/README.md", *sorted((ROOT / "docs").glob("*.md")))
BOTH = pytest.mark.parametrize("language", ["ja", "en"])
HEADINGS = {  # what the tests look for
    "commands": ("できること", "What it does"),
    "proxmox": ("Proxmox の準備", "Setting up Proxmox"),
    "settings": ("設定", "Settings"),
    "trouble": ("困ったとき", "Troubleshooting"),
}
REQUIRED, NONE = ("必須", "required"), ("なし", "none")

USER, TOKEN = "discord-bot@pve", "discord-bot@pve!bot"
# The published schemas' `permissions` of 8.4, 9.1 and 9.2, and the checks by key behind them: cores and memory of a
# configuration, and what a clone uses. With VM.Snapshot a rollback needs no VM.Snapshot.Rollback. A guest's tasks
# are the bot's own; the lists are filtered by VM.Audit, Datastore.Audit, Pool.Audit and, for all tasks, Sys.Audit.
NEEDED: dict[str, set[str]] = {
    "close": set(),
    "cluster": {"VM.Audit", "Datastore.Audit", "Pool.Audit"},
    "cluster_tasks": {"Sys.Audit"},
    "status": {"VM.Audit"},
    "config": {"VM.Audit"},
    "pending": {"VM.Audit"},
    "config_with_pending": {"VM.Audit"},
    "snapshots": {"VM.Audit"},
    "snapshot_config": {"VM.Audit"},
    "can_snapshot": {"VM.Audit"},
    "backups": {"VM.Backup", "Datastore.AllocateSpace", "Datastore.Audit"},
    "addresses": {"VM.Audit", "VM.GuestAgent.Audit"},
    "file_systems": {"VM.GuestAgent.Audit"},
    "guest_history": {"VM.Audit"},
    "node_history": {"Sys.Audit"},
    "recent_tasks": set(),
    "node_tasks": {"Sys.Audit"},
    "node_status": {"Sys.Audit"},
    "ha_status": {"Sys.Audit"},
    "storage_history": {"Datastore.Audit"},
    "failed_backups": {"Sys.Audit"},
    "task_status": set(),
    "task_log": set(),
    "next_id": set(),
    "power": {"VM.PowerMgmt"},
    "clone": {"VM.Clone", "VM.Allocate", "Datastore.AllocateSpace", "SDN.Use"},
    "resize": {"VM.Config.CPU", "VM.Config.Memory"},
    "delete": {"VM.Allocate"},
    "snapshot_create": {"VM.Snapshot"},
    "snapshot_rollback": {"VM.Snapshot"},
    "snapshot_delete": {"VM.Snapshot"},
}
OPTIONAL = {"Sys.Audit", "Datastore.Audit", "Pool.Audit", "VM.Backup"}
"""Optional privileges. Without them nothing is refused but /graph node, and less is visible."""


def text_of(language: str) -> str:
    return README[language].read_text("utf-8")


def without_code(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S)


def section(language: str, name: str) -> str:
    """Return the text under a heading of the second level, including its subheadings."""
    heading = HEADINGS[name][language == "en"]
    match = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text_of(language), re.M | re.S)
    assert match, f"no section {heading}"
    return match[1]


def table(text: str) -> list[list[str]]:
    """Return the cells of the first table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def in_code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# --- commands ---

AnyCommand = app_commands.Command[Any, ..., Any] | app_commands.Group | app_commands.ContextMenu


def usages_of(tree: Iterable[AnyCommand]) -> Iterator[str]:
    """Yield `/snapshot list vmid` for every command, with optional options in brackets."""
    for command in tree:
        if isinstance(command, app_commands.Group):
            yield from usages_of(command.commands)
        elif isinstance(command, app_commands.Command):
            options = (
                option.name if option.required else f"[{option.name}]" for option in command.parameters
            )
            yield " ".join((f"/{command.qualified_name}", *options))


async def test_the_command_tables_are_the_command_tree(scene: Stage) -> None:
    commands = scene.bot.tree.get_commands(guild=discord.Object(scene.guild.id))
    real = sorted(usages_of(commands))
    assert len(real) > 10
    for language in README:
        assert sorted(row[0].strip("`") for row in table(section(language, "commands"))) == real


@BOTH
async def test_every_command_named_anywhere_exists(scene: Stage, language: str) -> None:
    commands = scene.bot.tree.get_commands(guild=discord.Object(scene.guild.id))
    names = {usage.split()[0] for usage in usages_of(commands)}
    found = re.findall(r"`(/[a-z]+)(?: [^`/]*)?`", without_code(text_of(language)))
    assert set(found) - names <= {
        "/vms",
        "/nodes",
        "/healthz",
        "/metrics",
    }  # paths, of Proxmox and of METRICS_LISTEN


@BOTH
def test_the_invitation_asks_for_what_the_bot_needs(language: str) -> None:
    match = re.search(r"https://discord\.com/oauth2/authorize\S+", text_of(language))
    assert match
    query = parse_qs(urlsplit(match[0]).query)
    assert set(query["scope"][0].split()) == {"bot", "applications.commands"}
    needed = discord.Permissions(
        view_channel=True,
        send_messages=True,
        send_messages_in_threads=True,
        read_message_history=True,
        pin_messages=True,
        attach_files=True,
    )
    assert int(query["permissions"][0]) == needed.value


# --- settings ---


@BOTH
def test_every_setting_stands_in_the_table_with_its_default(language: str) -> None:
    english = language == "en"
    rows = table(section(language, "settings"))
    assert [row[0] for row in rows] == [f"`{row.name}`" for row in SETTINGS]
    for row, setting in zip(rows, SETTINGS, strict=True):
        if setting.required:
            default = REQUIRED[english]
        elif setting.default is None:
            default = NONE[english]
        elif isinstance(setting.default, str):
            default = f'`"{setting.default}"`'
        else:
            default = f"`{[] if setting.default == () else setting.default}`"
        assert row[1] == default, setting.name
        if setting.file_name:
            assert f"`{setting.file_name}`" in row[2]


# --- privileges ---


def granted(language: str) -> dict[str, dict[str, set[str]]]:
    """Parse the `pveum` lines of the first block into who -> path -> privileges."""
    match = re.search(r"```sh\n(.*?)```", section(language, "proxmox"), re.S)
    assert match
    block = match[1]
    roles = {
        name: set(privileges.split())
        for name, privileges in re.findall(r'^pveum role add (\S+) --privs "([^"]+)"', block, re.M)
    }
    assert re.search(rf"^pveum user add {USER} ", block, re.M)
    assert re.search(rf"^pveum user token add {USER} bot --privsep 1$", block, re.M)
    acl: dict[str, dict[str, set[str]]] = {USER: {}, TOKEN: {}}
    for path, option, who, role in re.findall(
        r"^pveum acl modify (\S+) --(users|tokens) '?([^\s']+)'? --roles (\w+)$", block, re.M
    ):
        assert (option == "tokens") is ("!" in who)
        acl[who].setdefault(path, set()).update(roles[role])
    return acl


def test_every_call_of_the_client_has_its_privileges() -> None:
    calls = {name for name, what in vars(Proxmox).items() if callable(what) and not name.startswith("_")}
    assert calls == set(NEEDED)
    assert {name for need in NEEDS for name in need.privileges} == set().union(*NEEDED.values())


@BOTH
def test_the_pveum_lines_give_what_the_calls_need_and_no_more(language: str) -> None:
    acl, needed = granted(language), set().union(*NEEDED.values())
    assert acl[USER] == acl[TOKEN]
    assert set().union(*acl[USER].values()) == needed
    told = {word for row in table(section(language, "proxmox")) for word in in_code(row[0])}
    assert told == needed | set(ON_8.values())


@BOTH
def test_the_table_says_which_privileges_are_optional(language: str) -> None:
    word = ("任意", "optional")[language == "en"]
    rows = table(section(language, "proxmox"))
    assert {name for row in rows if row[1].startswith(word) for name in in_code(row[0])} == OPTIONAL


def test_the_demo_and_the_tests_have_these_privileges_too() -> None:
    """Otherwise a command could work there and be refused for a reader of the README."""
    assert sorted(BOT_PRIVILEGES) == sorted(set().union(*NEEDED.values()))


async def everything(pve: Pve, client: ProxmoxClient) -> list[str]:
    """Do everything to a VM and to a container that the bot can do. Return the failures in Proxmox' words."""
    trouble: list[str] = []
    pve.pools.setdefault("lab", set())

    async def done(call: Awaitable[object]) -> None:
        try:
            answer = await call
            if isinstance(answer, str):
                result = await follow(client, Clock(), answer)
                if result.end not in (TaskEnd.OK, TaskEnd.WARNINGS):
                    trouble.append(result.message)
        except ProxmoxError as error:
            trouble.append(repr(error))

    for vmid, template, kind in ((101, 9000, Kind.QEMU), (201, 9100, Kind.LXC)):
        guest = Guest(vmid, kind, pve.guest(vmid).node, State.RUNNING)
        source = Guest(template, kind, pve.guest(template).node, State.STOPPED)
        copy = replace(source, vmid=await client.next_id())
        for read in (client.status, client.config, client.pending, client.snapshots, client.can_snapshot):
            await done(read(guest))
        await done(client.addresses(guest))
        pve.keep_backup(vmid, 1.0, storage="local")
        if not (await client.backups(guest)).found:
            trouble.append("its backup is not visible: VM.Backup, Datastore.AllocateSpace, Datastore.Audit")
        await done(client.snapshot_create(guest, "before", "", False))
        await done(client.snapshot_rollback(guest, "before"))
        await done(client.snapshot_delete(guest, "before"))
        for operation in (Operation.START, Operation.REBOOT, Operation.STOP):
            await done(client.power(guest, operation))
        await done(client.resize(guest, 3, None, None))
        await done(client.resize(guest, None, 1536, None))
        await done(client.clone(source, copy.vmid, "copy", target=None, full=False))
        if pve.guest(copy.vmid) is not None:
            await done(client.delete(copy))
        if not (await client.cluster()).guests:
            trouble.append("nothing visible: VM.Audit")
    if {storage.name for storage in (await client.cluster()).storages} != set(pve.storages):
        trouble.append("not every storage is visible: Datastore.Audit")
    if set((await client.cluster()).pools) != {*pve.pools}:
        trouble.append("not every pool is visible: Pool.Audit")
    pve.backup_job(None, "pve1")
    if "root@pam" not in {task.user for task in await client.cluster_tasks()}:
        trouble.append("another's task is not visible: Sys.Audit")
    return trouble


@pytest.mark.parametrize("without", [None, *sorted(set().union(*NEEDED.values()))])
async def test_the_pveum_lines_are_enough_and_each_is_needed(pve: Pve, without: str | None) -> None:
    """The test uses fakepve, which checks every request against the privileges of Proxmox' own schema."""
    pve.apitokens[TOKEN] = "secret"
    for who, paths in granted("ja").items():
        for path, privileges in paths.items():
            pve.grant(who, path, *(privileges - {without}))
    endpoint = Endpoint((Address(pve.host, pve.port),), USER, "bot", "secret", Path(str(pve.ca_file)))
    client = ProxmoxClient(endpoint, Clock())
    reads = HealthReads(endpoint)
    try:
        seen = await client.cluster()
        guests = {guest.vmid: guest.pool for guest in seen.guests}
        scene = Scene(guests, tuple(storage.name for storage in seen.storages), ("lab",))
        judged = judge_token(Token(USER, "bot", await reads.rights(), 9), scene, "")
        trouble = await everything(pve, client)
    finally:
        client.close()
        reads.close()
    missing = {
        name for each in judged if each.level != "ok" for name in each.values["privileges"].split(", ")
    }
    assert missing == ({without} if without else set()), "the check says otherwise"
    if without is None:
        assert trouble == []
    else:
        # where either of two privileges would do (VM.Allocate on the VMID or the pool) Proxmox names none
        assert any(without in words or "privilege=''" in words for words in trouble), trouble


# --- sentences, links, headings, versions ---


@BOTH
def test_troubleshooting_quotes_what_the_bot_says(language: str) -> None:
    with (ROOT / "locales/ja/LC_MESSAGES/bot.po").open("rb") as file:
        catalogue = read_po(file, locale="ja")
    patterns = []
    for message in catalogue:
        source, translation = message.id, message.string
        text = source if language == "en" else translation
        if isinstance(text, str) and text:
            patterns.append(re.compile(re.sub(r"\\{\w+\\}", ".+", re.escape(text))))
    rows = table(section(language, "trouble"))
    assert len(rows) > 5
    for sentence, _ in rows:
        assert any(pattern.fullmatch(sentence) for pattern in patterns), sentence


def test_log_lines_to_look_for_are_lines_of_the_log() -> None:
    """The log lines that Troubleshooting tells people to search for must exist in the source."""
    source = "".join(
        path.read_text("utf-8") for name in ("core", "ui", "cogs") for path in (ROOT / name).rglob("*.py")
    )
    for language in README:
        quoted = re.findall(r"`(an alert could[^`]*)`", section(language, "trouble"))
        assert quoted
        for line in quoted:
            assert re.search(re.escape(line).replace("…", "%d"), source), line


def test_both_readmes_have_the_same_outline() -> None:
    outlines = []
    for language in README:
        text = text_of(language)
        outline = re.findall(r"^(#+) ", without_code(text), re.M)
        blocks = re.findall(r"^ *```(\w+)", text, re.M)
        tables = [len(row) for row in re.findall(r"(?:^\|.*\n)+", text, re.M)]
        outlines.append((outline, blocks, len(tables), len(re.findall(r"^(?:- |\d\. )", text, re.M))))
    assert outlines[0] == outlines[1]
    for heading in HEADINGS.values():
        assert [f"## {word}\n" in text_of(name) for word, name in zip(heading, README, strict=True)] == [
            True
        ] * 2


def test_both_readmes_have_the_same_commands_to_copy() -> None:
    blocks = []
    for language in README:
        code = "".join(re.findall(r"^ *```\w+\n(.*?)^ *```$", text_of(language), re.M | re.S))
        blocks.append(
            [line.split("#")[0].rstrip() for line in code.splitlines() if line.split("#")[0].strip()]
        )
    assert blocks[0] == blocks[1]


def anchor(heading: str) -> str:
    """Return the anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_files_exist(path: Path) -> None:
    text = without_code(path.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("https://"):
            continue
        name, _, place = target.partition("#")
        file = path.parent / name if name else path
        assert file.exists(), target
        if place:
            headings = re.findall(r"^#+ (.+)$", without_code(file.read_text("utf-8")), re.M)
            assert place in map(anchor, headings), target
    made = {"bench.json", "config.py", "monitor_list.json", "readonly.json"}
    for name in in_code(text):
        if re.fullmatch(r"(?:[\w-]+/)*[\w-]*(?:\.(?:py|md|txt|json|example)){1,2}|[a-z]+/", name):
            assert name in made or (ROOT / name).exists(), name


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "CONTRIBUTING.ja.md"])
def test_the_lines_of_contributing_stand_in_the_code(name: str) -> None:
    paths = (
        path
        for folder in ("adapters", "core", "ui", "cogs", "tests")
        for path in (ROOT / folder).rglob("*.py")
    )
    code = "\n".join(path.read_text("utf-8") for path in (*paths, ROOT / "proxmox_client.py"))
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / name).read_text("utf-8"), re.M | re.S)
    assert len(blocks) > 10
    assert [block for block in blocks if block not in code] == []


@pytest.mark.parametrize(("name", "picture"), [("README.md", "demo.png"), ("README.en.md", "demo.en.png")])
def test_each_readme_has_the_picture_of_its_language_and_it_is_small(name: str, picture: str) -> None:
    assert re.findall(r"!\[[^]]*\]\(docs/([\w.]+)\)", (ROOT / name).read_text("utf-8")) == [picture]
    assert (ROOT / "docs" / picture).stat().st_size <= 250_000


def test_every_dependency_is_explained() -> None:
    text = (ROOT / "docs/dependencies.md").read_text("utf-8")
    listed = dict(re.findall(r"^\| ([\w.-]+) \| ([\w.]+) \|", text, re.M))
    pinned: dict[str, str] = {}
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = (ROOT / name).read_text("utf-8")
        if name == "requirements-dev.txt":  # their own dependencies are not explained
            lines = lines.partition("# needed by the ones above")[0]
        pinned.update(re.findall(r"^([\w.-]+)(?:\[\w+\])?==([\w.]+)", lines, re.M))
    assert listed == pinned


def test_the_changelog_is_about_this_version() -> None:
    match = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.M)
    assert match
    assert f"## [{match[1]}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")

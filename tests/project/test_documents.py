"""Test the documents against the code: commands, settings, sentences, links and versions."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import discord
import pytest
from babel.messages.pofile import read_po
from discord import app_commands

from adapters.settings.load import SETTINGS
from core.health.discord import BITS
from tests.support import stage
from tests.support.documents.halves import (
    DOCS,
    ROOT,
    anchors,
    half_of,
    headings,
    in_code,
    is_in_halves,
    made,
    table,
    text_of,
    without_code,
)
from tests.support.stage import Stage
from tests.support.walked import walked
from tools.documents import renewed

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

DOCUMENTS = (*sorted(ROOT.glob("*.md")), ROOT / "tests/README.md", *sorted(DOCS.glob("*.md")))
HALVES = [path for path in sorted(DOCS.glob("*.md")) if is_in_halves(path)]
BOTH = pytest.mark.parametrize("language", ["ja", "en"])


@walked("path", sorted(DOCS.glob("*.md")))
def test_the_parts_made_from_the_code_are_current(path: Path) -> None:
    assert renewed(text_of(path)) == text_of(path), "run: python -m tools.documents"


# --- the two languages ---


@walked("path", HALVES)
def test_both_halves_tell_the_same(path: Path) -> None:
    outlines = []
    for name in ("ja", "en"):
        text = half_of(path, name)
        levels = [level for level, _ in headings(text)]
        blocks = re.findall(r"^ *```(\w*)", text, re.M)
        rows = [len(block.splitlines()) for block in re.findall(r"(?:^\|.*\n)+", text, re.M)]
        items = len(re.findall(r"^(?:- |\d\. )", text, re.M))
        pictures = [re.sub(r"\.(ja|en)\.", ".", each) for each in re.findall(r"!\[[^]]*\]\(([^)]+)\)", text)]
        outlines.append((levels, blocks, rows, items, pictures))
        assert not re.search(rf"\.{'en' if name == 'ja' else 'ja'}\.(390|1280)?\.?png", text)
    assert outlines[0] == outlines[1]


READ_ON_A_PHONE = ("commands", "configuration", "discord", "proxmox", "alerts", "security", "faq", "demo")


@walked("name", READ_ON_A_PHONE)
def test_a_document_is_readable_on_a_phone(name: str) -> None:
    text = without_code(text_of(DOCS / f"{name}.md"))
    assert max((len(row) for row in table(text)), default=0) <= 3
    longest = max(text.splitlines(), key=len)
    assert len(longest) <= 560, longest


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


async def test_the_commands_named_anywhere_are_those_of_the_command_tree(scene: Stage) -> None:
    real = sorted(usages_of(scene.bot.tree.get_commands(guild=discord.Object(scene.guild.id))))
    assert len(real) > 10
    for name in ("ja", "en"):
        rows = table(made(name, "commands", DOCS / "commands.md"))
        assert sorted(row[0].strip("`") for row in rows) == real
    names = {usage.split()[0] for usage in real}
    paths = {
        "/",
        "/vms",
        "/nodes",
        "/storage",
        "/pool",
        "/healthz",
        "/metrics",
        "/data",
        "/cluster/resources",
    }
    for path in DOCUMENTS:
        if path.name not in ("architecture.md", "CONTRIBUTING.md", "CONTRIBUTING.ja.md", "README.md"):
            found = re.findall(r"`(/[a-z]+)(?: [^`/]*)?`", without_code(text_of(path)))
            assert set(found) - names <= paths, path.name


@BOTH
def test_the_invitation_asks_for_the_needed_permissions(language: str) -> None:
    match = re.search(r"https://discord\.com/oauth2/authorize\S+", half_of(DOCS / "discord.md", language))
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
    assert int(query["permissions"][0]) == needed.value == sum(1 << bit for bit in BITS.values())


# --- settings ---


@BOTH
def test_every_setting_is_listed_with_its_default(language: str) -> None:
    english = language == "en"
    text = half_of(DOCS / "configuration.md", language)
    rows = re.findall(r"^- \*\*`([A-Z_]+)`\*\*(?: \((.+?)\)|（(.+?)）) — (.+)$", text, re.M)
    assert [row[0] for row in rows] == [row.name for row in SETTINGS]
    for (_, *told, meaning), setting in zip(rows, SETTINGS, strict=True):
        if setting.required:
            default = ("必須", "required")[english]
        elif setting.default is None:
            default = ("なし", "none")[english]
        elif isinstance(setting.default, str):
            default = f'`"{setting.default}"`'
        else:
            default = f"`{[] if setting.default == () else setting.default}`"
        assert "".join(told) == default, setting.name
        if setting.file_name:
            assert f"`{setting.file_name}`" in meaning


# --- sentences ---


@cache
def catalogue() -> dict[str, str]:
    """Return the Japanese of every message by its English."""
    with (ROOT / "locales/ja/LC_MESSAGES/bot.po").open("rb") as file:
        return {each.id: str(each.string) for each in read_po(file, locale="ja") if isinstance(each.id, str)}


def sources(english: str, japanese: str) -> list[str]:
    """Return the messages that have these two texts, with values filled in."""
    return [
        message
        for message, translated in catalogue().items()
        if len(re.sub(r"\{\w+\}", "", message)) > len(english) / 3  # else "{value}" would fit anything
        and _fits(message, english)
        and _fits(translated, japanese)
    ]


def _fits(message: str, said: str) -> bool:
    """Return whether a text is a message with values. The spaces beside a value may be missing, as in Japanese."""
    if not said.startswith(message.partition("{")[0].rstrip(" ")):
        return False  # most messages; to compile their patterns takes far longer
    pattern = re.sub(r"(?:\\ )?\\\{\w+\\\}(?:\\ )?", " ?.+ ?", re.escape(message))
    return re.fullmatch(pattern, said) is not None


def quotes(language: str) -> list[str]:
    found = re.findall(r"(?:^> .*\n)+", half_of(DOCS / "faq.md", language), re.M)
    return [re.sub(r"^> ", "", block, flags=re.M).rstrip("\n") for block in found]


def test_the_faq_quotes_the_bot() -> None:
    japanese, english = quotes("ja"), quotes("en")
    assert len(japanese) == len(english) > 40
    for pair in zip(english, japanese, strict=True):
        assert sources(*pair), pair
    for language in ("ja", "en"):
        text = half_of(DOCS / "faq.md", language)
        remedies = re.findall(r"^- \*\*(?:直し方|Remedy)\*\*: .+$", text, re.M)
        assert len(remedies) == len(re.findall(r"^- \*\*(?:原因|Cause)\*\*: .+$", text, re.M)) == len(english)


def test_log_lines_to_look_for_are_lines_of_the_log() -> None:
    source = "".join(
        path.read_text("utf-8") for name in ("core", "ui", "cogs") for path in (ROOT / name).rglob("*.py")
    )
    for language in ("ja", "en"):
        quoted = re.findall(r"`(an alert could[^`]*)`", half_of(DOCS / "alerts.md", language))
        assert quoted
        assert all(line in source for line in quoted)


# --- links, files, versions ---


@walked("path", DOCUMENTS)
def test_links_and_files_exist(path: Path) -> None:
    text = without_code(text_of(path))
    for target in (*re.findall(r"\]\(([^)]+)\)", text), *re.findall(r'<img src="([^"]+)"', text)):
        if target.startswith("https://"):
            continue
        name, _, place = target.partition("#")
        file = path.parent / name if name else path
        assert file.exists(), target
        if place:
            assert place in anchors(text_of(file)), target
    created = {"bench.json", "config.py", "monitor_list.json", "readonly.json"}
    for name in in_code(text):
        if re.fullmatch(r"(?:[\w-]+/)*[\w-]*(?:\.(?:py|md|txt|json|example)){1,2}|[a-z]+/", name):
            assert name in created or (ROOT / name).exists(), name


def test_the_walks_name_what_is_in_the_files() -> None:
    """Check every name with its file behind it, as in `Reply.start` (`ui/interaction/reply.py`)."""
    pairs = re.findall(r"`([\w.]+)` ?[（(]`([\w/]+\.py)`[)）]", text_of(DOCS / "architecture.md"))
    assert len(pairs) > 60
    for name, file in pairs:
        *holders, last = name.split(".")
        body = ast.parse((ROOT / file).read_text("utf-8")).body
        for holder in holders:
            (body,) = (node.body for node in body if isinstance(node, ast.ClassDef) and node.name == holder)
        assert last in set(defined(body)), (name, file)


def defined(body: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield the functions, classes and variables that a module or a class defines itself."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_the_glossary_is_short_and_names_each_word_once() -> None:
    glossary = text_of(DOCS / "architecture.md").split("## 用語 · Glossary")[1]
    rows = [line for line in glossary.splitlines() if line.strip()]
    words = [word for row in rows for word in re.split(", ", row.split("**")[1])]
    assert 20 < len(rows) <= 30
    assert all(row.startswith("- **") for row in rows)
    assert len(set(words)) == len(words)


def test_the_names_in_the_guides_are_in_the_code() -> None:
    folders = ("adapters", "startup", "core", "ui", "cogs", "playground", "tests", "tools")
    paths = [*ROOT.glob("*.py"), *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]
    known = {word for path in paths for word in re.findall(r"\w+", text_of(path))}
    known |= {"_vm_perm", "check_vm_perm"}  # fakepve's and Proxmox'
    guides = ("CONTRIBUTING.md", "CONTRIBUTING.ja.md", "docs/architecture.md", "tests/README.md")
    named = {(guide, name) for guide in guides for name in in_code(without_code(text_of(ROOT / guide)))}
    words = [(guide, name) for guide, name in named if re.fullmatch(r"\w*_\w*(?:\.\w+)*|\w+\.\w*_\w*", name)]
    assert len(words) > 100
    assert [each for each in words if not {*re.findall(r"\w+", each[1])} <= known] == []


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


def test_every_dependency_is_explained() -> None:
    text = (ROOT / "docs/dependencies.md").read_text("utf-8")
    listed = dict(re.findall(r"^\| ([\w.-]+) \| ([\w.]+) \|", text, re.M))
    pinned: dict[str, str] = {}
    for name in ("requirements.txt", "requirements-demo.txt", "requirements-dev.txt"):
        lines = (ROOT / name).read_text("utf-8")
        if name != "requirements.txt":  # their own dependencies are not explained
            lines = lines.partition("# needed by the ones above")[0]
        pinned.update(re.findall(r"^([\w.-]+)(?:\[\w+\])?==([\w.]+)", lines, re.M))
    assert listed == pinned


def test_the_changelog_is_about_this_version() -> None:
    match = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.M)
    assert match
    assert f"## [{match[1]}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")

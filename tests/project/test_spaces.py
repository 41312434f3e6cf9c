"""Test the rule for spaces in Japanese: one between a Japanese letter and a Latin letter or a digit, none elsewhere.

"1 分 56 秒", "18:42 に", "`/info` で". There is none beside 、。（）「」・ or between two Japanese letters.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from core.guest import Kind, State
from core.levels import Level
from tests.support.walked import walked
from tools.messages import read
from ui.formatting import format_duration, format_percent, kind_word, level_word, state_word, timestamp
from ui.i18n import Texts
from ui.sizes import format_usage

ROOT = Path(__file__).parent.parent.parent
T = Texts("ja").of("ja")
LETTER = "[\u3005\u3041-\u3096\u30a1-\u30fa\u30fc\u3400-\u9fff]"
LATIN = r"[A-Za-z0-9`%{}<>#]"
MARK = "[\u3001\u3002\uff08\uff09\u300c\u300d\u30fb\uff5e]"
RULES = {
    "a space is missing": re.compile(f"{LETTER}{LATIN}|{LATIN}{LETTER}"),
    "a space between Japanese letters": re.compile(f"{LETTER} +{LETTER}"),
    "a space beside a mark": re.compile(f"(?:{LETTER}|{LATIN}) +{MARK}|{MARK} +(?:{LETTER}|{LATIN})"),
    "two spaces": re.compile(f"(?<=\\S)  +{LETTER}|{LETTER}  +(?=\\S)"),
}


def breaches(text: str) -> list[str]:
    """Return the places that break the rule. The reader does not see bold marks, so they do not count."""
    shown = text.replace("**", "")
    return [
        f"{rule}: …{shown[max(0, hit.start() - 12) : hit.end() + 12]}…"
        for rule, pattern in RULES.items()
        for hit in pattern.finditer(shown)
    ]


def sentences() -> Iterator[str]:
    for message in read("ja"):
        if message.id:
            yield from (message.string,) if isinstance(message.string, str) else message.string or ()


def test_the_whole_catalogue_keeps_the_rule() -> None:
    """Let a placeholder count as Latin: where its value is Japanese, `fill_japanese` drops the space."""
    found = [breach for sentence in sentences() for line in sentence.split("\n") for breach in breaches(line)]
    assert not found, "\n".join(found)


@walked("seconds", [0, 1, 59, 60, 116, 3600, 3661, 86_400, 90_000, 2_592_000])
def test_durations_keep_the_rule(seconds: float) -> None:
    shown = format_duration(T, seconds)
    assert not breaches(shown)
    for sentence in ("Connected to Proxmox again after {time}. Monitoring resumed.",
                     "Changes are limited to {most} per minute. Try again in {time}."):  # fmt: skip
        assert not breaches(T(sentence, time=shown, most=10))


def test_a_timestamp_counts_with_the_length_that_discord_shows() -> None:
    """Try relative times and dates, which end in Japanese ("3 分前"), and times of day, which end in a digit."""
    for style, joined in (("R", "から"), ("D", "から"), ("t", " から"), ("f", " から")):
        time = timestamp(1_790_000_000, style)
        assert T("since {time}", time=time) == f"{time}{joined}"


def test_other_values_keep_the_rule() -> None:
    assert format_duration(T, 116) == "1 分 56 秒"
    assert format_percent(0.91) == "91%"
    values = [format_percent(0.91), format_usage(2**30, 2**32), format_usage(None, 2**40)]
    values += [state_word(T, state) for state in State] + [level_word(T, level) for level in Level]
    values += [kind_word(T, kind) for kind in Kind]
    assert not [breach for value in values for breach in breaches(value)]


def prose(path: Path) -> Iterator[str]:
    """Yield the lines of a Markdown file, or the comments of another file.

    Code blocks, HTML, the content of code spans and the targets of links are left out.
    """
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        text = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
        text = re.sub(r"<!--.*?-->|<[a-z/][^>]*>", "", text, flags=re.DOTALL)
        text = re.sub(r"\]\([^)]*\)", "]", text)
        text = text.replace("。** ", "。")  # Markdown ends bold text here only with the space
    else:
        text = "\n".join(line.partition("#")[2] for line in text.splitlines())
    for line in text.splitlines():
        quoted = line.removeprefix("> ")
        yield re.sub(r"`[^`]*`", "`x`", quoted).replace("[", "").replace("]", "").strip()


WRITTEN = [
    path for pattern in ("*.md", "docs/*.md", "config.py.example") for path in sorted(ROOT.glob(pattern))
]


@walked("path", WRITTEN)
def test_the_documents_keep_the_rule(path: Path) -> None:
    found = [breach for line in prose(path) for breach in breaches(line)]
    assert not found, "\n".join(found)


@walked(
    ("text", "kept"),
    [
        ("1 分 56 秒", True), ("1分 56秒", False), ("18:42 に復旧", True), ("は18:42 に", False),
        ("`/info` で", True),
        ("`/info`で", False), ("{name} を", True), ("{name}を", False), ("91% に", True), ("マシン の", False),
        ("（VM）", True), ("（VM） を", False), ("VM（2 台）", True), ("VM （2 台）", False), ("CPU・メモリ", True),
        ("**102** は", True), ("**102**は", False), ("状態: 停止", True), ("a  の", False), ("1～2 分", True),
    ]
)  # fmt: skip
def test_the_rule(text: str, kept: bool) -> None:
    assert bool(breaches(text)) is not kept

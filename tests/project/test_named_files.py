"""Test that each Python file named in a docstring or comment exists, by its path or beside the file that names it."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("adapters", "startup", "core", "ui", "cogs", "playground", "tests", "tools")
FILES = sorted([*ROOT.glob("*.py"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))])
NAMED = re.compile(r"(?<![\w./-])[\w/]+\.py\b(?!\w)")
KNOWN = {"discord.py", "coverage.py", "Coverage.py", "config.py"}
"""Libraries, and the settings, which are made by whoever runs the bot."""


def prose_of(source: str) -> Iterator[str]:
    """Yield the docstrings, the strings that describe a constant, and the comments."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield str(node.value.value)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def unknown_files(path: Path) -> list[str]:
    source = path.read_text("utf-8")
    if not {*NAMED.findall(source)} - KNOWN:
        return []  # most files; to read one token by token takes far longer
    named = {name for text in prose_of(source) for name in NAMED.findall(text)}
    return sorted(
        name for name in named - KNOWN if not (ROOT / name).exists() and not (path.parent / name).exists()
    )


def test_named_files_exist() -> None:
    wrong = [f"{path.relative_to(ROOT)}: {name}" for path in FILES for name in unknown_files(path)]
    assert len(FILES) > 50
    assert not wrong, "\n".join(wrong)


def test_a_stale_name_is_found(tmp_path: Path) -> None:
    (tmp_path / "beside.py").touch()
    file = tmp_path / "one.py"
    file.write_text(
        '"""See beside.py, core/guest.py, discord.py and gone.py."""\nx = 1  # as in core/gone.py\n'
    )
    assert unknown_files(file) == ["core/gone.py", "gone.py"]

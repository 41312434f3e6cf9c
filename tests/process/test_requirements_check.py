"""Test that an old Python, or one without the packages, gets a sentence with the command that helps."""

from __future__ import annotations

import ast
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

from startup import requirements_check

ROOT = Path(__file__).resolve().parents[2]
OLD = [
    python
    for python in sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"))
    if int(python.parts[-3].split(".")[1]) < 11
]
"""Old Pythons on this machine, if there are any."""


def run(python: str | Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Return exit code and all output."""
    done = subprocess.run(  # noqa: S603 - our own files
        [str(python), *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("file", ["bot.py", "startup/requirements_check.py"])
def test_an_old_python_can_read_as_far_as_the_check(file: str) -> None:
    """Python compiles the whole file before its first line runs."""
    with tokenize.open(ROOT / file) as source:
        tree = ast.parse(source.read(), feature_version=(3, 7))
    first = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    if file == "bot.py":
        assert [ast.unparse(node) for node in first[:2]] == [
            "import sys",
            "from startup.requirements_check import missing_requirements",
        ]
        assert isinstance(tree.body[3], ast.If), "the check comes before the other imports"


def test_an_old_python_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))
    assert "3.10.13" in requirements_check.missing_requirements()
    assert "python3.11 bot.py" in requirements_check.missing_requirements()
    assert requirements_check.missing_requirements() == requirements_check.old_python()


def test_with_the_real_old_pythons_of_this_machine() -> None:
    for python in OLD:
        for arguments in (("bot.py",), ("bot.py", "--demo"), ("bot.py", "--help")):
            code, told = run(python, *arguments)
            assert code == 2, python
            assert "python3.11 bot.py" in told
            assert "Traceback" not in told
            assert "SyntaxError" not in told
            assert len(told.splitlines()) == 2, "one sentence, in two languages"


def test_missing_packages_are_named_with_the_command() -> None:
    """The test uses a Python without site-packages, which has no packages."""
    code, told = run(
        sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); import bot"
    )
    assert code == 2
    assert "discord.py" in told
    assert "pip install -r requirements.txt" in told
    assert "Traceback" not in told
    assert len(told.splitlines()) == 2


def test_a_package_that_only_another_package_needs_is_missed_too(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(
        "# some\nBabel==2.18.0 \\\n    --hash=sha256:00\nnot-there==1.0\n"
        "never[extra]==2 ; python_full_version >= '3.99' \\\n    --hash=sha256:00\n"
    )
    assert requirements_check.missing_packages(str(file)) == ["not-there"]
    assert requirements_check.missing_packages(str(tmp_path / "none.txt")) == []
    assert requirements_check.missing_requirements() == ""

"""Test that installations, public checks and hooks fetch only what is pinned."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.walked import walked
from tools.pins import FILES, PIN, bare, name_of, with_hashes

ROOT = Path(__file__).resolve().parents[2]
TEXTS = {name: (ROOT / name).read_text("utf-8") for name in FILES}
every_file = pytest.mark.parametrize("name", FILES)


def entries(name: str) -> list[str]:
    """Return the logical lines of a requirements file, without comments."""
    joined = TEXTS[name].replace("\\\n", " ")
    return [line for line in joined.splitlines() if line and not line.startswith("#")]


@every_file
def test_each_pin_has_its_hashes(name: str) -> None:
    """Check that each pin has the hash of at least one wheel or source archive."""
    pins = [entry for entry in entries(name) if not entry.startswith("-r ")]
    for entry in pins:
        assert PIN.match(entry), entry
        hashes = re.findall(r"--hash=(\S+)", entry)
        assert hashes, entry
        assert len(set(hashes)) == len(hashes)
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), entry
    assert len(pins) > 10


@every_file
def test_no_line_says_where_to_fetch_from(name: str) -> None:
    """Find registries and links in the files. The pip settings of each person name the registry."""
    lines = [entry for entry in entries(name) if not PIN.match(entry)]
    before = [f"-r {earlier}" for earlier, later in pairwise(FILES) if later == name]
    assert lines == before
    assert not re.search(r"https?://|--(?:extra-)?index|--find-links|--trusted-host| @ ", TEXTS[name])


def test_no_package_is_pinned_twice() -> None:
    names = [name_of(entry) for name in FILES for entry in entries(name) if PIN.match(entry)]
    assert len(names) == len(set(names))


@walked("file", ["Makefile", "README.md", "README.en.md", "docs/install.md"])
def test_every_pip_command_in_the_guides_requires_hashes(file: str) -> None:
    installs = re.findall(r"pip install(?:(?! && ).)*-r requirements\S*", (ROOT / file).read_text("utf-8"))
    assert installs
    assert all("--require-hashes" in line for line in installs)


def test_new_hashes_leave_the_rest_as_it_is_written() -> None:
    for text in TEXTS.values():
        lines = bare(text)
        found = {
            name_of(entry): (
                entry.split("--hash")[0].strip(),
                re.findall(r"sha256:[0-9a-f]{64}", entry),
            )
            for entry in text.replace("\\\n", " ").splitlines()
            if PIN.match(entry)
        }
        assert with_hashes(lines, found) == text


def test_the_public_checks_run_only_pinned_actions_and_images() -> None:
    """Check that actions are pinned to commits, and images to versions or digests.

    The check for known vulnerabilities is among the steps.
    """
    workflows = sorted((ROOT / ".github/workflows").glob("*.yml"))
    texts = [path.read_text("utf-8") for path in workflows]
    images = [name for text in texts for name in re.findall(r"\bdocker\.io/(\S+)", text)]
    assert images
    assert [name for name in images if not re.search(r":\d+\.\d+\.\d+$|@sha256:[0-9a-f]{64}$", name)] == []
    assert texts
    for text in texts:
        uses = re.findall(r"uses:\s*(\S+)", text)
        assert all(re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", each) for each in uses), uses
        assert len(re.findall(r"uses: \S+ # v\d", text)) == len(uses), "the version stands behind each hash"
        assert re.search(r"^permissions:\n  contents: read$", text, re.M)
    assert any("pip-audit" in text and "requirements.txt" in text for text in texts)


def test_the_public_checks_run_on_every_python_from_the_oldest_that_is_allowed() -> None:
    text = (ROOT / ".github/workflows/check.yml").read_text("utf-8")
    lowest = re.search(r'requires-python = ">=3\.(\d+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    pythons = re.search(r"python: \[(.+)\]", text)
    assert lowest
    assert pythons
    assert pythons[1] == ", ".join(f'"3.{minor}"' for minor in range(int(lowest[1]), 15))
    assert "make check PYTHON=python" in text


def test_hooks_download_nothing() -> None:
    """Check that each hook is a program of .venv."""
    text = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    entries = re.findall(r"^ +entry: (.+)$", text, re.M)
    assert len(entries) == text.count("- id: ") == text.count("language: system")
    assert all(entry.startswith(".venv/bin/python -m ") for entry in entries)
    assert re.findall(r"- repo: (\S+)", text) == ["local"]

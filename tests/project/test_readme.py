"""Test the READMEs: short, alike in both languages, with pictures of their language and a link to each document."""

import re
from pathlib import Path

import pytest
from PIL import Image

from tests.support.documents.halves import DOCS, README, ROOT, headings, in_code, text_of, without_code

BOTH = pytest.mark.parametrize("language", ["ja", "en"])
LINES_MOST = 80
MOVING = "answer"
"""The picture that moves. The others stand still."""


def pictures(language: str) -> list[Path]:
    return [ROOT / name for name in re.findall(r'<img src="([^"]+)"', text_of(README[language]))]


@BOTH
def test_a_readme_is_read_in_half_a_minute(language: str) -> None:
    assert len(text_of(README[language]).splitlines()) <= LINES_MOST


def test_both_have_the_same_outline() -> None:
    outlines = []
    for path in README.values():
        text = text_of(path)
        outline = [level for level, _ in headings(text)]
        blocks = re.findall(r"^```(\w+)", text, re.M)
        rows = len(re.findall(r"^\|", text, re.M))
        items = len(re.findall(r"^- ", text, re.M))
        outlines.append((outline, blocks, rows, items, in_code(without_code(text))))
    assert outlines[0][:4] == outlines[1][:4]
    assert set(outlines[0][4]) == set(outlines[1][4])


def test_both_have_the_same_commands_to_copy() -> None:
    blocks = []
    for path in README.values():
        code = "".join(re.findall(r"^```\w+\n(.*?)^```$", text_of(path), re.M | re.S))
        blocks.append([line.split("#")[0].rstrip() for line in code.splitlines()])
    assert blocks[0] == blocks[1]
    assert "make demo" in blocks[0]


@BOTH
def test_every_document_is_a_press_away(language: str) -> None:
    text = text_of(README[language])
    linked = set(re.findall(r"\]\((?:docs/)?([\w.-]+\.md)", text))
    wanted = {path.name for path in DOCS.glob("*.md")} - {"README.md"}
    wanted |= {"SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.ja.md" if language == "ja" else "CONTRIBUTING.md"}
    assert wanted <= linked
    index = text_of(DOCS / "README.md")
    assert {path.name for path in DOCS.glob("*.md")} - {"README.md"} <= set(
        re.findall(r"\]\(([\w.-]+\.md)", index)
    )


@BOTH
def test_the_pictures_are_in_its_language_and_have_descriptions(language: str) -> None:
    found = pictures(language)
    assert len(found) == text_of(README[language]).count("alt=") >= 5
    assert all(path.name.split(".")[1] == language for path in found)
    assert sum(path.stat().st_size for path in found) < 1_000_000


@BOTH
def test_the_moving_picture_is_small_and_tells_its_story_in_seconds(language: str) -> None:
    path = next(path for path in pictures(language) if path.name.startswith(MOVING))
    assert path.stat().st_size <= 600_000
    with Image.open(path) as image:
        assert image.width <= 390
        seconds = 0.0
        frames = getattr(image, "n_frames", 1)
        for number in range(frames):
            image.seek(number)
            seconds += image.info["duration"] / 1000
    assert frames > 3
    assert 4 <= seconds <= 9


def test_ci_runs_the_tests_as_the_readmes_say() -> None:
    script = (ROOT / ".ci/run").read_text("utf-8").splitlines()
    for path in README.values():
        commands = [word for word in in_code(text_of(path)) if word.startswith("make ")]
        assert "make test" in commands
    assert "make test" in script

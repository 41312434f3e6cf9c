"""Test the picture of docs/architecture.md against the real imports between folders."""

import re
from collections.abc import Mapping, Set

from tests.project.test_architecture import FOR_TYPES_ONLY, ROOT, graph_of_files, graph_of_folders

HOLDERS = ("adapters", "core", "ui")
"""Folders that the picture shows as frames. Their own files are a box such as `core/*.py`."""


def real_arrows() -> set[tuple[str, str]]:
    """Return the imports between folders, without those that other arrows imply and those for types only."""
    types_only = {
        (f"{who.replace('.', '/')}.py", f"{whom.replace('.', '/')}.py") for who, whom in FOR_TYPES_ONLY
    }
    files = {
        who: {whom: names for whom, names in imported.items() if (who, whom) not in types_only}
        for who, imported in graph_of_files().items()
    }
    graph = {who: set(imported) for who, imported in graph_of_folders(files).items()}
    return {
        (box_of(who), box_of(whom))
        for who, imported in graph.items()
        for whom in imported
        if not any(whom in reached(graph, other) for other in imported - {whom})
    }


def reached(graph: Mapping[str, Set[str]], start: str) -> set[str]:
    """Return everything that `start` imports, directly or through others."""
    found: set[str] = set()
    waiting = set(graph[start])
    while waiting:
        folder = waiting.pop()
        found.add(folder)
        waiting |= graph[folder] - found
    return found


def box_of(folder: str) -> str:
    return f"{folder}/*.py" if folder in HOLDERS else folder


def drawn_arrows() -> set[tuple[str, str]]:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    (picture,) = re.findall(r"```mermaid\n(.*?)```", text, re.S)
    boxes = dict(re.findall(r'^ *(\w+)\["(.+)"\]$', picture, re.M))
    return {(boxes[who], boxes[whom]) for who, whom in re.findall(r"^ *(\w+) --> (\w+)$", picture, re.M)}


def test_the_picture_shows_the_imports() -> None:
    real, drawn = real_arrows(), drawn_arrows()
    assert len(real) > 30
    assert sorted(real - drawn) == [], "draw these in docs/architecture.md"
    assert sorted(drawn - real) == [], "take these out of docs/architecture.md"

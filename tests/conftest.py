"""Configure all tests: Hypothesis, snapshots, languages, memory, bytecode, and the order and workers of tests.

`pytest --update-snapshots` rewrites the files in tests/snapshots/. Read the difference before keeping it.
"""

import compileall
import contextlib
import gc
import importlib
import os
import shutil
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from _pytest.nodeid import NodeId
from hypothesis import HealthCheck, settings
from hypothesis.strategies import characters

SNAPSHOTS = Path(__file__).parent / "snapshots"
LONG_FIRST = (
    "tests/bench/test_bench.py::test_every_measurement_works",
    "tests/long_runs/",
    "tests/bot/access/test_table.py",
    "tests/bot/sites/test_table.py",
    "tests/bot/data/test_journal_refuses.py",
    "tests/bot/data/test_waiting_disk.py",
    "tests/bot/access/test_guest_index.py",
    "tests/bot/actions/test_recovery.py",
    "tests/bot/charts/test_graph.py",
    "tests/bot/options/test_completions.py",
    "tests/bot/sites/test_trouble.py",
)
"""The longest tests, computing or waiting. They start first, so that no worker is left alone with one at the end.

Groups of many tests, such as those of processes, start even earlier by themselves.
"""

ONE_READING = ("tests/project/", "tests/bot/access/test_three_calls.py::test_there_is_no_other_way_in")
"""Tests that share parsed data: the syntax trees of all files, the published schemas, the catalogues."""
SETTING_UP = (
    "tests/process/test_health.py",
    "tests/process/test_readiness.py",
    "tests/startup/test_first_run.py",
)
"""Files of tests about setting up the bot. They are a group of their own."""
ONE_PROCESS = ("tests/ui/charts/test_pictures.py", "tests/playground/test_discord_server.py")
"""Files whose tests share a process. Each other worker would start its own."""

settings.register_profile(
    "bot",
    max_examples=10,  # new ones in every run
    deadline=None,  # a busy machine is not a failure
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("deep", settings.get_profile("bot"), max_examples=100)


MEMORY = Path("/dev/shm")
ROOM = 1 << 30
"""Free bytes in memory that the temporary files of a run may need."""


GC_THRESHOLDS = (10_000, 10, 10)
"""With Python's lower defaults, a test that makes many objects has all objects of the worker walked again and again.
"""


def pytest_configure(config: pytest.Config) -> None:
    """Choose the examples of Hypothesis, collect garbage less often, and keep temporary files in memory.

    If the memory has little room, they stay on the disk, and SQLite waits for it.
    """
    settings.load_profile("deep" if config.getoption("--deep") else "bot")
    if config.getoption("--deep"):
        os.environ["DEEP"] = "1"  # tests/support/walked.py reads it when the tables are imported
    gc.set_threshold(*GC_THRESHOLDS)
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Make bytecode and Hypothesis' tables of characters, before each worker of a fresh clone makes its own."""
    if not sys.dont_write_bytecode:
        for part in ("adapters", "cogs", "core", "playground", "startup", "ui", "tests/support"):
            compileall.compile_dir(config.rootpath / part, quiet=2, workers=os.cpu_count() or 1)
    characters(codec="utf-8").validate()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-snapshots", action="store_true", help="write tests/snapshots/ anew instead of comparing"
    )
    parser.addoption(
        "--deep",
        action="store_true",
        help="try more examples and cells, and each test of the bot in both languages",
    )


def pytest_collection(session: pytest.Session) -> None:
    """Let each worker begin with different files, and find the rest compiled by its siblings.

    pytest compiles assertions slowly. In a fresh clone every worker would compile every file.
    """
    worker = getattr(session.config, "workerinput", None)
    if worker is None:
        return
    given = [Path(argument.split("::")[0]).resolve() for argument in session.config.args]
    files = sorted(
        {file for path in given for file in (path.rglob("test_*.py") if path.is_dir() else [path])}
    )
    first = len(files) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
    for file in files[first:] + files[:first]:
        # pytest reports both when it collects the file
        with contextlib.suppress(Exception, pytest.skip.Exception):
            importlib.import_module(".".join(file.relative_to(session.config.rootpath).with_suffix("").parts))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Put tests that share something, or that wait for processes, into groups. One worker runs a whole group.

    Tests of processes wait more than they compute, so that the other workers keep the cores busy meanwhile. The
    processes are forked from one starter in each worker (tests/support/warm_start.py).
    """
    if "/process/test_process.py" in item.nodeid:
        item.add_marker(pytest.mark.xdist_group("process"))
    elif item.nodeid.startswith(SETTING_UP):
        item.add_marker(pytest.mark.xdist_group("setting up"))
    elif "/process/" in item.nodeid or "stage" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.xdist_group("connection"))
    elif item.nodeid.startswith(ONE_READING):
        item.add_marker(pytest.mark.xdist_group("one reading"))
    elif item.nodeid.startswith(ONE_PROCESS):
        item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


def _is_turn_of_the_other_language(item: pytest.Item) -> bool:
    """Return whether to leave out this test of the bot, because only its twin in the other language runs this time.

    The words themselves are compared in both languages by tests/ui and the tests of the catalogues.
    """
    cell = getattr(item, "callspec", None)
    if cell is None or "pve" not in getattr(item, "fixturenames", ()):
        return False
    others = sorted((name, index) for name, index in cell.indices.items() if name != "language")
    turn = zlib.crc32(repr((item.nodeid.partition("[")[0], others)).encode()) % 2
    return bool(cell.params.get("language") == ("ja", "en")[turn])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not (config.getoption("--deep") or config.getoption("--update-snapshots")):
        left = {item for item in items if _is_turn_of_the_other_language(item)}
        config.hook.pytest_deselected(items=list(left))
        items[:] = [item for item in items if item not in left]
    items.sort(key=lambda item: not item.nodeid.startswith(LONG_FIRST))
    if getattr(config.option, "loadgroup", False):  # set by pytest-xdist in its workers
        _name_groups(items)


def _name_groups(items: list[pytest.Item]) -> None:
    """Append the name of its group to each test's id. `--dist loadgroup` keeps a group in one worker by this name.

    pytest-xdist 3.8 does so by an attribute that pytest 9.2 no longer reads, and then splits the groups silently.
    """
    for item in items:
        groups = sorted({str(mark.args[0]) for mark in item.iter_markers("xdist_group")})
        if groups and "@" not in item.nodeid:
            item._id = NodeId.parse(f"{item.nodeid}@{'_'.join(groups)}")


def _freeze_present_objects() -> None:
    """Freeze all present objects, so that later garbage collections do not walk them."""
    gc.collect()
    gc.freeze()


def pytest_collection_finish() -> None:
    _freeze_present_objects()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Freeze the objects of former tests, which each scene would otherwise walk in its garbage collection at the end.

    No fixture of `item` exists yet.
    """
    if "pve" in getattr(item, "fixturenames", ()):
        _freeze_present_objects()


@pytest.fixture
def deep(request: pytest.FixtureRequest) -> bool:
    """Whether a test should try all that it can (`--deep`)."""
    return bool(request.config.getoption("--deep"))


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Return a function that compares a text with its snapshot.

    `golden("panel.ja", text)` compares with tests/snapshots/panel.ja.txt.
    """
    update = bool(request.config.getoption("--update-snapshots"))

    def compare(name: str, text: str) -> None:
        path = SNAPSHOTS / f"{name}.txt"
        if update:
            path.write_text(text + "\n", "utf-8")
        assert path.exists(), f"no snapshot {name}: run pytest --update-snapshots and read what it wrote"
        assert text + "\n" == path.read_text("utf-8"), (
            f"{path.name}: if the change is meant, run pytest --update-snapshots and read the diff"
        )

    return compare

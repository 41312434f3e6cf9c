"""Test that the watch list survives corrupt files, failing disks and the death of the process at any moment."""

from __future__ import annotations

import errno
import json
import os
import random
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

import monitor_store
from core.errors import StoreFailed
from core.guest import State
from core.watch.incidents.model import WatchEntry
from monitor_store import LoadOutcome, LoadReport, MonitorStore, StoreError, StoreErrorKind
from tests.support.random_deaths import RandomDeaths

ROOT = Path(monitor_store.__file__).parent
NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z
STAMP = "20260921T141320Z"
OLD = (WatchEntry(101, cpu=90), WatchEntry(102, 1, 100, 80))
NEW = (*OLD, WatchEntry(103))


def store(tmp: Path) -> MonitorStore:
    return MonitorStore(tmp / "monitor_list.json", lambda: NOW)


def ids(report: LoadReport) -> list[int]:
    return [entry.vmid for entry in report.entries]


def because(failed: StoreFailed) -> tuple[StoreErrorKind, str]:
    assert isinstance(failed.__cause__, StoreError)
    return failed.__cause__.kind, failed.reason


def names(tmp: Path) -> list[str]:
    return sorted(path.name for path in tmp.iterdir())


# --- what load finds ---


def test_first_start_takes_the_initial_list_and_afterwards_the_file_rules(tmp_path: Path) -> None:
    first = store(tmp_path).load([105, 101, 105])
    assert (ids(first), first.outcome, first.set_aside) == ([105, 101], LoadOutcome.CREATED, None)
    assert first.entries[0] == WatchEntry(105, cpu=None, memory=None, disk=None)
    again = store(tmp_path).load([999])
    assert (ids(again), again.outcome) == ([105, 101], LoadOutcome.READ)
    store(tmp_path).save(())
    assert store(tmp_path).load([999]) == LoadReport((), LoadOutcome.READ)


@pytest.mark.parametrize("text", ["[100, 101]", '["100", 101, 100]', "\ufeff[100,101]"])
def test_a_plain_list_of_an_older_bot_is_upgraded(tmp_path: Path, text: str) -> None:
    (tmp_path / "monitor_list.json").write_text(text, encoding="utf-8")
    report = store(tmp_path).load([999])
    assert (ids(report), report.outcome) == ([100, 101], LoadOutcome.UPGRADED)
    assert json.loads((tmp_path / "monitor_list.json").read_text())["version"] == 1
    assert (tmp_path / "monitor_list.json.bak").read_text(encoding="utf-8") == text
    assert store(tmp_path).load([]).outcome is LoadOutcome.READ


def document(*guests: object, **more: object) -> bytes:
    return json.dumps({"version": 1, "guests": list(guests), **more}).encode()


UNREADABLE: list[bytes] = [
    b"",
    b" ",
    b"{",
    b"null",
    b"7",
    b'"101"',
    b"\xff\xfe\x00",
    b"\x00" * 64,
    b"[101",
    b"[[101]]",
    b"[true]",
    b"[99]",
    b"[1000000000]",
    b"[101.0]",
    b'["1o1"]',
    b'["-101"]',
    '["１０１"]'.encode(),
    b"[null]",
    b"{}",
    b'{"version": 1}',
    b'{"version": true, "guests": []}',
    b'{"version": 0, "guests": []}',
    b'{"version": "1", "guests": []}',
    b'{"version": 1.0, "guests": []}',
    b'{"guests": []}',
    b'{"version": 1, "guests": {}}',
    b'{"version": 1, "guests": [{"vmid": 101, "since": NaN}]}',
    b'{"version": 1, "guests": [{"vmid": 101, "since": 1e999}]}',
    b"[" * 100_000,
    b"9" * 5000,
    b'{"version": 1, "guests": [{"vmid": 101, "since": ' + b"9" * 400 + b"}]}",
    b'["' + b"9" * 5000 + b'"]',
    document(101),
    document({}),
    document({"vmid": None}),
    document({"vmid": 99}),
    document({"vmid": True}),
    document({"vmid": 101, "state": 5}),
    document({"vmid": 101, "since": "now"}),
    document({"vmid": 101, "since": True}),
    document({"vmid": 101}, {"vmid": 0}),
    document({"vmid": 101, "state": None}),
    document({"vmid": 101, "alarmed": 1}),
    document({"vmid": 101, "alarmed": None}),
    document({"vmid": 101, "alarmed": "true"}),
    document({"vmid": 101, "cpu": 0}),
    document({"vmid": 101, "cpu": 101}),
    document({"vmid": 101, "memory": -1}),
    document({"vmid": 101, "memory": True}),
    document({"vmid": 101, "disk": 90.0}),
    document({"vmid": 101, "disk": "90"}),
    document({"vmid": 101, "cpu": [90]}),
    document({"vmid": 101}, {"vmid": 101, "cpu": {}}),
]


@pytest.mark.parametrize("content", UNREADABLE, ids=range(len(UNREADABLE)))
def test_an_unreadable_file_is_set_aside(tmp_path: Path, content: bytes) -> None:
    main = tmp_path / "monitor_list.json"
    main.write_bytes(content)
    report = store(tmp_path).load([105])
    aside = tmp_path / f"monitor_list.json.corrupt-{STAMP}"
    assert report == LoadReport((WatchEntry(105),), LoadOutcome.UNREADABLE_NO_BACKUP, aside)
    assert aside.read_bytes() == content

    store(tmp_path).save(OLD)
    store(tmp_path).save(NEW)
    main.write_bytes(content)
    report = store(tmp_path).load([999])
    second = tmp_path / f"monitor_list.json.corrupt-{STAMP}-2"
    assert report == LoadReport(OLD, LoadOutcome.RECOVERED_FROM_BACKUP, second)
    assert aside.read_bytes() == second.read_bytes() == content
    assert store(tmp_path).load([]) == LoadReport(OLD, LoadOutcome.READ)


def test_the_backup_is_never_replaced_by_a_spoilt_file(tmp_path: Path) -> None:
    tested = store(tmp_path)
    tested.load([])
    tested.save(OLD)
    tested.save(NEW)
    (tmp_path / "monitor_list.json").write_bytes(b"spoilt while running")
    tested.save((WatchEntry(200),))
    assert (tmp_path / f"monitor_list.json.corrupt-{STAMP}").read_bytes() == b"spoilt while running"
    (tmp_path / "monitor_list.json").write_bytes(b"spoilt again")
    assert tested.load([]).entries == OLD


def test_a_spoilt_backup_is_set_aside_too(tmp_path: Path) -> None:
    (tmp_path / "monitor_list.json").write_bytes(b"one")
    (tmp_path / "monitor_list.json.bak").write_bytes(b"two")
    report = store(tmp_path).load([105])
    assert (ids(report), report.outcome) == ([105], LoadOutcome.UNREADABLE_NO_BACKUP)
    assert report.set_aside == tmp_path / f"monitor_list.json.corrupt-{STAMP}"
    assert report.set_aside.read_bytes() == b"one"
    assert (tmp_path / f"monitor_list.json.bak.corrupt-{STAMP}").read_bytes() == b"two"


def test_a_vanished_file_comes_back_from_the_backup(tmp_path: Path) -> None:
    store(tmp_path).save(OLD)
    store(tmp_path).save(NEW)
    (tmp_path / "monitor_list.json").unlink()
    assert store(tmp_path).load([999]) == LoadReport(OLD, LoadOutcome.RECOVERED_FROM_BACKUP)


@pytest.mark.parametrize("which", ["monitor_list.json", "monitor_list.json.bak"])
def test_a_newer_version_is_left_alone(tmp_path: Path, which: str) -> None:
    (tmp_path / "monitor_list.json").write_bytes(b"spoilt")
    content = b'{"version": 3, "anything": "else"}'
    (tmp_path / which).write_bytes(content)
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    with pytest.raises(StoreError) as caught:
        store(tmp_path).load([105])
    assert (caught.value.kind, caught.value.reason) == (StoreErrorKind.NEWER_VERSION, "3")
    assert caught.value.path == tmp_path / which
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before
    (tmp_path / "monitor_list.json").write_bytes(content)
    with pytest.raises(StoreFailed) as failed:
        store(tmp_path).save(NEW)
    assert failed.value.reason == "newer version 3"
    assert (tmp_path / "monitor_list.json").read_bytes() == content


def test_a_file_that_cannot_be_read_is_not_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path).save(OLD)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", raising(errno.EACCES))
        with pytest.raises(StoreError) as caught:
            store(tmp_path).load([105])
        assert (caught.value.kind, caught.value.reason) == (StoreErrorKind.UNREADABLE, "EACCES")
        with pytest.raises(StoreFailed) as failed:
            store(tmp_path).save(NEW)
        assert because(failed.value) == (StoreErrorKind.UNREADABLE, "EACCES")
    assert store(tmp_path).load([]).entries == OLD
    assert names(tmp_path) == ["monitor_list.json"]
    directory = tmp_path / "sub"
    (directory / "monitor_list.json").mkdir(parents=True)
    with pytest.raises(StoreError) as caught:
        store(directory).load([105])
    assert (caught.value.kind, caught.value.reason) == (StoreErrorKind.UNREADABLE, "EISDIR")


def test_stale_temporary_files_go_and_nothing_else(tmp_path: Path) -> None:
    store(tmp_path).save(OLD)
    stale = ".monitor_list.json.00aa.tmp", ".monitor_list.json.bak.00aa.tmp"
    for name in (*stale, "other.tmp", ".other.json.1.tmp"):
        (tmp_path / name).touch()
    store(tmp_path).load([])
    assert names(tmp_path) == [".other.json.1.tmp", "monitor_list.json", "other.tmp"]


def saved(tmp: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((tmp / "monitor_list.json").read_bytes())
    return content


class Saves(Protocol):
    """Describe the store's methods that the watch uses."""

    def save(self, guests: tuple[WatchEntry, ...]) -> str | None: ...


def test_the_store_has_the_methods_that_the_watch_uses(tmp_path: Path) -> None:
    tested: Saves = store(tmp_path)
    tested.save(NEW)
    assert saved(tmp_path) == {
        "version": 1,
        "guests": [
            {"vmid": 101, "cpu": 90},
            {"vmid": 102, "cpu": 1, "memory": 100, "disk": 80},
            {"vmid": 103},
        ],
    }


def test_a_guest_may_have_no_thresholds(tmp_path: Path) -> None:
    content = document({"vmid": 101}, {"vmid": "102", "cpu": None, "disk": 7}, {"vmid": 101, "cpu": 3})
    (tmp_path / "monitor_list.json").write_bytes(content)
    assert store(tmp_path).load([]) == LoadReport(
        (WatchEntry(101), WatchEntry(102, disk=7)), LoadOutcome.READ
    )
    assert (tmp_path / "monitor_list.json").read_bytes() == content


FORMER = document(
    {"vmid": 101, "state": "running", "since": 7},
    {"vmid": 102, "state": "stopped", "since": 2.5, "alarmed": True, "cpu": 80},
    {"vmid": 103, "state": "unknown", "since": None},
    {"vmid": 104, "state": "hibernated", "alarmed": False},
    {"vmid": 105, "state": "io-error", "note": "x"},
    {"vmid": 106},
    {"vmid": 106, "state": "running"},
)
FORMER_ENTRIES = (WatchEntry(101), WatchEntry(102, cpu=80), *map(WatchEntry, range(103, 107)))
FORMER_STATES = {101: State.RUNNING, 102: State.STOPPED, 105: State.IO_ERROR}


def test_the_states_of_a_former_version_are_passed_on_until_a_list_is_saved(tmp_path: Path) -> None:
    (tmp_path / "monitor_list.json").write_bytes(FORMER)
    for _ in range(2):  # a bot that dies before storing them elsewhere finds them again
        assert store(tmp_path).load([]) == LoadReport(FORMER_ENTRIES, LoadOutcome.READ, states=FORMER_STATES)
    tested = store(tmp_path)
    tested.load([])
    tested.save((*FORMER_ENTRIES, WatchEntry(107)))
    assert saved(tmp_path)["guests"] == [
        {"vmid": 101},
        {"vmid": 102, "cpu": 80},
        {"vmid": 103},
        {"vmid": 104},
        {"vmid": 105, "note": "x"},
        {"vmid": 106},
        {"vmid": 107},
    ]
    assert tested.load([]) == LoadReport((*FORMER_ENTRIES, WatchEntry(107)), LoadOutcome.READ)


def test_the_states_of_a_former_version_survive_a_recovery(tmp_path: Path) -> None:
    (tmp_path / "monitor_list.json").write_bytes(b"spoilt")
    (tmp_path / "monitor_list.json.bak").write_bytes(FORMER)
    report = store(tmp_path).load([])
    assert (report.outcome, report.states) == (LoadOutcome.RECOVERED_FROM_BACKUP, FORMER_STATES)
    assert store(tmp_path).load([]) == LoadReport(FORMER_ENTRIES, LoadOutcome.READ, states=FORMER_STATES)


def test_a_plain_list_comes_back_from_the_backup(tmp_path: Path) -> None:
    (tmp_path / "monitor_list.json.bak").write_text("[101]")
    assert store(tmp_path).load([]).outcome is LoadOutcome.RECOVERED_FROM_BACKUP
    assert store(tmp_path).load([]) == LoadReport((WatchEntry(101),), LoadOutcome.UPGRADED)
    assert saved(tmp_path) == {"version": 1, "guests": [{"vmid": 101}]}


def test_unknown_keys_of_a_newer_version_survive(tmp_path: Path) -> None:
    guest = {"vmid": 101, "cpu": 90, "muted": {"until": [1, None]}}
    content = document(guest, {"vmid": 101, "muted": "twice"}, {"vmid": 103, "note": "x"}, rules=["x"])
    (tmp_path / "monitor_list.json").write_bytes(content)
    tested = store(tmp_path)
    entries = tested.load([]).entries
    assert entries == (WatchEntry(101, cpu=90), WatchEntry(103))
    changed = WatchEntry(101, memory=80)
    tested.save((changed, WatchEntry(102)))
    assert saved(tmp_path)["rules"] == ["x"]
    assert saved(tmp_path)["guests"] == [
        {"vmid": 101, "memory": 80, "muted": {"until": [1, None]}},
        {"vmid": 102},
    ]
    tested.save((changed, WatchEntry(103)))  # watched again: its former state was forgotten
    assert saved(tmp_path)["guests"][1] == {"vmid": 103}
    assert saved(tmp_path)["guests"][0]["muted"] == {"until": [1, None]}


def test_unknown_keys_survive_a_save_that_fails_and_a_recovery(tmp_path: Path) -> None:
    content = document({"vmid": 101, "note": "x"}, rules=["x"])
    (tmp_path / "monitor_list.json").write_bytes(content)
    tested = store(tmp_path)
    (entry,) = tested.load([]).entries
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", raising(errno.ENOSPC))
        with pytest.raises(StoreFailed):
            tested.save(())
    tested.save((entry,))
    assert saved(tmp_path)["guests"] == [{"vmid": 101, "note": "x"}]
    (tmp_path / "monitor_list.json").write_bytes(b"spoilt")
    assert tested.load([]).outcome is LoadOutcome.RECOVERED_FROM_BACKUP
    assert saved(tmp_path) == {"rules": ["x"], "version": 1, "guests": [{"note": "x", "vmid": 101}]}
    tested.save((entry, WatchEntry(102)))
    assert saved(tmp_path)["guests"] == [{"vmid": 101, "note": "x"}, {"vmid": 102}]


def test_mode_is_private_and_a_link_is_not_followed(tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere.json"
    data.mkdir()
    (data / "monitor_list.json").write_text("[100]")
    assert store(data).load([]).outcome is LoadOutcome.UPGRADED
    assert {stat.S_IMODE(path.stat().st_mode) for path in data.iterdir()} == {0o600}
    elsewhere.write_text("[100]")
    (data / "monitor_list.json").unlink()
    (data / "monitor_list.json").symlink_to(elsewhere)
    tested = store(data)
    with pytest.raises(StoreError) as caught:
        tested.load([])
    assert (caught.value.kind, caught.value.reason) == (StoreErrorKind.UNREADABLE, "ELOOP")
    with pytest.raises(StoreFailed):
        tested.save((WatchEntry(101),))
    assert elsewhere.read_text() == "[100]"


@pytest.mark.parametrize(
    "entry",
    [
        WatchEntry(99),
        WatchEntry(True),
        WatchEntry(10**9),
        WatchEntry(101, cpu=0),
        WatchEntry(101, memory=101),
        WatchEntry(101, disk=True),
    ],
)
def test_values_that_no_file_can_hold_are_refused_before_writing(tmp_path: Path, entry: WatchEntry) -> None:
    store(tmp_path).save(OLD)
    with pytest.raises(ValueError, match=r"True|[0-9]"):
        store(tmp_path).save((entry,))
    assert names(tmp_path) == ["monitor_list.json"]
    with pytest.raises(ValueError, match="5"):
        store(tmp_path).load([5])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
KNOWN = {"vmid", "cpu", "memory", "disk", "state", "since", "alarmed"}
EXTRA = st.dictionaries(st.text().filter(lambda key: key not in KNOWN), JSON, max_size=3)
ENTRIES = st.lists(
    st.builds(
        WatchEntry,
        st.integers(100, 999_999_999),
        *[st.none() | st.integers(1, 100)] * 3,
    ),
    unique_by=lambda entry: entry.vmid,
    max_size=5,
).map(tuple)


@given(ENTRIES)
def test_a_saved_list_is_loaded(entries: tuple[WatchEntry, ...]) -> None:
    with tempfile.TemporaryDirectory() as tmp:
        store(Path(tmp)).save(entries)
        assert store(Path(tmp)).load([999]) == LoadReport(entries, LoadOutcome.READ)


@given(ENTRIES, st.lists(EXTRA, min_size=5, max_size=5), EXTRA)
def test_any_unknown_keys_survive(
    entries: tuple[WatchEntry, ...], extras: list[dict[str, object]], more: dict[str, object]
) -> None:
    with tempfile.TemporaryDirectory() as tmp:
        guests = [extra | {"vmid": each.vmid} for each, extra in zip(entries, extras, strict=False)]
        written = {key: value for key, value in more.items() if key not in {"version", "guests"}}
        (Path(tmp) / "monitor_list.json").write_bytes(
            json.dumps(written | {"version": 1, "guests": guests}).encode()
        )
        tested = store(Path(tmp))
        assert len(tested.load([]).entries) == len(entries)
        tested.save(entries)
        found = saved(Path(tmp))
        assert {key: found[key] for key in written} == written
        kept = [{key: value for key, value in guest.items() if key not in KNOWN} for guest in found["guests"]]
        assert kept == extras[: len(entries)]
        assert store(Path(tmp)).load([]).entries == entries


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_content_is_read_or_kept(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as tmp:
        (Path(tmp) / "monitor_list.json").write_bytes(content)
        report = store(Path(tmp)).load([105])
        if report.outcome is LoadOutcome.UNREADABLE_NO_BACKUP:
            assert report.set_aside is not None
            assert report.set_aside.read_bytes() == content
        else:
            assert report.outcome is LoadOutcome.UPGRADED


# --- failing disks: an error at every system call ---

CALLS = ("open", "write", "fsync", "close", "replace")


def raising(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


class Faults:
    """Count the writing calls of `os` and let call number `at` fail.

    `lasting`: all later calls fail too.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, lasting: bool) -> None:
        self.at, self.lasting, self.seen = at, lasting, list[str]()
        for name in CALLS:
            monkeypatch.setattr(os, name, self.wrapped(name, getattr(os, name)))

    def wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            self.seen.append(name)
            step = len(self.seen) - 1
            if name == "close":
                real(*args, **more)  # Linux closes even when it reports an error
            if step == self.at or (self.lasting and step > self.at):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return None if name == "close" else real(*args, **more)

        return call


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
def test_a_failure_at_any_call_of_save_leaves_the_old_list(tmp_path: Path, lasting: bool) -> None:
    for at in range(100):
        here = tmp_path / str(at)
        here.mkdir()
        store(here).save(())
        store(here).save(OLD)
        with pytest.MonkeyPatch.context() as patch:
            faults = Faults(patch, at, lasting)
            try:
                store(here).save(NEW)
            except StoreFailed as error:
                assert because(error) == (StoreErrorKind.NOT_WRITABLE, "ENOSPC")
                failed = True
            else:
                failed = False
        assert failed == (at < len(faults.seen))
        step = faults.seen[at] if failed else "none"
        report = store(here).load([999])
        assert report.outcome is LoadOutcome.READ
        # the directory is synced last: on a disk that no longer writes at all, only the new list is left
        last = failed and lasting and faults.seen[: at + 1].count("replace") == 2 and step != "replace"
        assert report.entries == (NEW if not failed or last else OLD), (at, step)
        assert names(here) == ["monitor_list.json", "monitor_list.json.bak"]
        (here / "monitor_list.json").write_bytes(b"spoilt")
        assert store(here).load([999]).outcome is LoadOutcome.RECOVERED_FROM_BACKUP
        if not failed:
            assert at > 10
            return
    pytest.fail("save never ended")


def test_a_first_save_that_fails_leaves_nothing(tmp_path: Path) -> None:
    for at in range(100):
        here = tmp_path / str(at)
        here.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            faults = Faults(patch, at, lasting=False)
            try:
                store(here).load([105])
            except StoreError as error:
                assert error.kind is StoreErrorKind.NOT_WRITABLE
        if at >= len(faults.seen):
            assert names(here) == ["monitor_list.json"]
            return
        assert names(here) == []
    pytest.fail("load never ended")


def test_a_recovery_that_fails_loses_nothing(tmp_path: Path) -> None:
    for at in range(100):
        here = tmp_path / str(at)
        here.mkdir()
        store(here).save(OLD)
        store(here).save(NEW)
        (here / "monitor_list.json").write_bytes(b"spoilt")
        with pytest.MonkeyPatch.context() as patch:
            faults = Faults(patch, at, lasting=False)
            try:
                store(here).load([105])
            except StoreError as error:
                assert error.kind is StoreErrorKind.NOT_WRITABLE
        assert store(here).load([105]).entries == OLD
        kept = [path.read_bytes() for path in here.glob("monitor_list.json.corrupt-*")]
        assert kept
        assert set(kept) == {b"spoilt"}
        if at >= len(faults.seen):
            return
    pytest.fail("load never ended")


def test_content_is_synced_before_it_is_put_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path).save(OLD)
    faults = Faults(monkeypatch, -1, lasting=False)
    store(tmp_path).save(NEW)
    put = ["open", "write", "fsync", "close", "replace"]
    assert faults.seen == [*put, *put, "open", "fsync", "close"]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:7]))
    store(tmp_path).save(NEW)
    assert store(tmp_path).load([]).entries == NEW


def test_a_full_disk_and_a_missing_directory_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError) as caught:
        store(tmp_path / "missing").load([105])
    assert (caught.value.kind, caught.value.reason) == (StoreErrorKind.NOT_WRITABLE, "ENOENT")
    store(tmp_path).save(OLD)
    monkeypatch.setattr(os, "write", raising(errno.ENOSPC))
    with pytest.raises(StoreFailed) as failed:
        store(tmp_path).save(NEW)
    assert because(failed.value) == (StoreErrorKind.NOT_WRITABLE, "ENOSPC")
    assert store(tmp_path).load([]).entries == OLD


def test_a_good_file_is_read_from_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    store(tmp_path).save(OLD)
    (tmp_path / ".monitor_list.json.aa.tmp").touch()
    with pytest.MonkeyPatch.context() as patch:
        for name in (*CALLS, "unlink"):
            patch.setattr(os, name, raising(errno.EROFS))
        patch.setattr(Path, "read_bytes", lambda _: document({"vmid": 101}))
        assert ids(store(tmp_path).load([])) == [101]


def test_a_file_system_that_cannot_sync_directories_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    store(tmp_path).save(NEW)
    assert store(tmp_path).load([]).entries == NEW


# --- kill -9 ---

# Makes one directory per step, forks, and kills the child with SIGKILL just before that step's system call; a
# write is torn in half first. Ends with the first child that comes through alive.
DIE_AT_EACH_STEP = """
import os, signal, sys
from pathlib import Path
from core.watch.incidents.model import WatchEntry
from monitor_store import MonitorStore
root, scenario = Path(sys.argv[1]), sys.argv[2]

def prepare(here):
    store = MonitorStore(here / "monitor_list.json", lambda: 1790000000.0)
    if scenario == "upgrade":
        (here / "monitor_list.json").write_text("[101, 102]")
        return lambda: store.load([999])
    store.save((WatchEntry(101),))
    store.save((WatchEntry(101), WatchEntry(102)))
    if scenario == "save":
        return lambda: store.save((WatchEntry(101), WatchEntry(102), WatchEntry(103)))
    store.save((WatchEntry(101), WatchEntry(102), WatchEntry(103)))
    (here / "monitor_list.json").write_bytes(b"spoilt")
    return lambda: store.load([999])

def deadly(name, real, state):
    def call(*args, **more):
        state[0] -= 1
        if state[0] < 0:
            if name == "write":
                real(args[0], args[1][: len(args[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **more)
    return call

for step in range(100):
    here = root / str(step)
    here.mkdir()
    act = prepare(here)
    child = os.fork()
    if child == 0:
        state = [step]
        for name in ("open", "write", "fsync", "close", "replace", "unlink"):
            setattr(os, name, deadly(name, getattr(os, name), state))
        act()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status == 0:
        break
    assert os.WTERMSIG(status) == signal.SIGKILL
print(step)
"""


@pytest.mark.parametrize("scenario", ["save", "upgrade", "recover"])
def test_kill_9_before_every_system_call(tmp_path: Path, scenario: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own text
        [sys.executable, "-c", DIE_AT_EACH_STEP, str(tmp_path), scenario],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    steps = int(done.stdout)
    assert steps >= 12
    for step in range(steps + 1):
        here = tmp_path / str(step)
        report = store(here).load([999])
        accepted = [[101, 102]] if scenario != "save" else [[101, 102], [101, 102, 103]]
        assert ids(report) in accepted, (step, report)
        assert not [name for name in names(here) if name.endswith(".tmp")]
        assert (scenario == "recover") or report.set_aside is None
        whole = json.loads((here / "monitor_list.json").read_bytes())
        assert [guest["vmid"] for guest in whole["guests"]] == ids(report)


SAVE_FOR_EVER = """
from pathlib import Path
from core.watch.incidents.model import WatchEntry
from monitor_store import MonitorStore

def work(start):
    store, number = MonitorStore(Path(sys.argv[1]), lambda: 0.0), int(start)
    while True:
        number += 1
        others = [WatchEntry(10**6 + n) for n in range(number % 50)]
        store.save((WatchEntry(100 + number, cpu=1 + number % 100), *others))
        told(number)
"""


def test_kill_9_at_random_moments(tmp_path: Path, deep: bool) -> None:
    store(tmp_path).save((WatchEntry(100),))
    with RandomDeaths(SAVE_FOR_EVER, str(tmp_path / "monitor_list.json")) as deaths:
        survive(deaths, tmp_path, 40 if deep else 15)


def survive(deaths: RandomDeaths, tmp_path: Path, kills: int) -> None:
    chance = random.Random(2)  # noqa: S311 - moments, no secrets
    number = 0
    for _ in range(kills):
        acknowledged = int(deaths.start_and_kill(str(number), chance.uniform(0, 0.02))[-1])
        report = store(tmp_path).load([999])
        assert report.outcome is LoadOutcome.READ
        number = ids(report)[0] - 100
        assert number in (acknowledged, acknowledged + 1)
        assert len(report.entries) == 1 + number % 50
        assert not [name for name in names(tmp_path) if name.endswith(".tmp")]

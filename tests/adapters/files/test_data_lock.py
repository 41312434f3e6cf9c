"""Test the lock of the data directory: one process at a time, and a dead process keeps nobody out."""

from __future__ import annotations

import errno
import logging
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.files import data_lock
from adapters.files.data_lock import DataDirInUse, lock_data_dir

ROOT = Path(data_lock.__file__).parents[2]

# Takes the lock, says so, and starts a child process that outlives it.
HOLD = """
import subprocess, sys, time
from pathlib import Path
from adapters.files.data_lock import DataDirInUse, lock_data_dir
try:
    lock = lock_data_dir(Path(sys.argv[1]))
except DataDirInUse as error:
    print("refused", error.pid, flush=True)
    sys.exit(3)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False, stdout=2)
print("held", child.pid, flush=True)
time.sleep(60)
"""


@contextmanager
def holder(directory: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Start another process that tries to take the lock, and yield it with its output."""
    process = subprocess.Popen(  # noqa: S603 - our own text
        [sys.executable, "-c", HOLD, str(directory)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        said = process.stdout.readline().split()
        try:
            yield process, said
        finally:
            if said[:1] == ["held"]:
                os.kill(int(said[1]), signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def written(directory: Path) -> str:
    return (directory / ".lock").read_text("ascii")


def test_a_second_process_is_refused_and_the_first_is_named(tmp_path: Path) -> None:
    lock = lock_data_dir(tmp_path)
    with holder(tmp_path) as (process, said):
        assert said == ["refused", str(os.getpid())]
        assert process.wait() == 3
    lock.release()
    with holder(tmp_path) as (process, said):
        assert said[0] == "held"
        assert written(tmp_path) == f"{process.pid}\n"
        with pytest.raises(DataDirInUse) as caught:
            lock_data_dir(tmp_path)
        assert (caught.value.path, caught.value.pid) == (tmp_path, process.pid)


def test_kill_9_frees_it_even_if_a_child_lives_on(tmp_path: Path) -> None:
    with holder(tmp_path) as (process, said):
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        os.kill(int(said[1]), 0)  # the child still runs and holds nothing
        lock_data_dir(tmp_path).release()


def test_two_locks_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    lock = lock_data_dir(tmp_path)
    for _ in range(3):
        with pytest.raises(DataDirInUse) as caught:
            lock_data_dir(tmp_path)
        assert caught.value.pid == os.getpid()
    lock.release()
    lock.release()
    again = lock_data_dir(tmp_path)
    lock.release()  # the former lock object no longer controls it
    with pytest.raises(DataDirInUse):
        lock_data_dir(tmp_path)
    again.release()


def test_the_file_is_private_and_stays(tmp_path: Path) -> None:
    lock = lock_data_dir(tmp_path)
    assert stat.S_IMODE((tmp_path / ".lock").stat().st_mode) == 0o600
    assert written(tmp_path) == f"{os.getpid()}\n"
    lock.release()
    assert written(tmp_path) == ""
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize("content", ["", "nobody", "-5\n", "12 13", "\x00\x00", "９"])
def test_a_holder_that_wrote_nothing_of_use(tmp_path: Path, content: str) -> None:
    lock = lock_data_dir(tmp_path)
    (tmp_path / ".lock").write_text(content, "utf-8")
    with pytest.raises(DataDirInUse) as caught:
        lock_data_dir(tmp_path)
    assert caught.value.pid is None
    lock.release()


def test_digits_of_a_longer_pid_are_gone(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("123456789012345\n")
    lock = lock_data_dir(tmp_path)
    assert written(tmp_path) == f"{os.getpid()}\n"
    lock.release()


def test_a_file_system_without_locks_is_used_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_handle: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(data_lock, "_lock", refuse)
    with caplog.at_level(logging.WARNING):
        lock_data_dir(tmp_path).release()
    assert "ENOLCK" in caplog.text


def test_a_full_disk_is_no_reason_to_go_without_a_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        lock = lock_data_dir(tmp_path)
    with pytest.raises(DataDirInUse) as caught:
        lock_data_dir(tmp_path)
    assert caught.value.pid is None
    lock.release()


def test_other_errors_are_not_taken_for_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError):
        lock_data_dir(tmp_path / "missing")

    def broken(_handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    handles = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0  # noqa: PTH208 - numbers, no paths
    monkeypatch.setattr(data_lock, "_lock", broken)
    for _ in range(5):
        with pytest.raises(OSError, match="Input/output"):
            lock_data_dir(tmp_path)
    if handles:
        assert len(os.listdir("/proc/self/fd")) == handles  # noqa: PTH208 - numbers, no paths

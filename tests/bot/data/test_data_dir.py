"""Test a data directory that changes while the bot runs: it is mounted read-only, or the list is edited by hand."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.watch.incidents.model import WatchEntry
from monitor_store import MonitorStore
from tests.process.test_process import refused
from tests.support import stage as stages
from tests.support.process_stage import ProcessStage, process_stage
from tests.support.stage import Stage

pve, bare_scene, scene, language = stages.pve, stages.bare_scene, stages.scene, stages.language

NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ProcessStage]:
    async with process_stage(tmp_path) as made:
        yield made


# --- a file system that is mounted read-only ---


def ran(*words: str) -> int:
    return subprocess.run(words, capture_output=True, check=False).returncode  # noqa: S603 - our own words


@pytest.mark.parametrize("used", [False, True], ids=["new", "used before"])
async def test_a_read_only_file_system_is_reported_as_one(
    stage: ProcessStage, tmp_path: Path, used: bool
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    mount, unmount = shutil.which("mount") or "", shutil.which("umount") or ""
    if not mount or not unmount or ran(mount, "-t", "tmpfs", "tmpfs", str(data)):
        pytest.skip("no file system can be mounted here")
    try:
        if used:
            await stage.start(DATA_DIR=str(data))
            await stage.bot.end()
        assert ran(mount, "-o", "remount,ro", str(data)) == 0
        for directory in (data, data / "missing"):
            code, told = await refused(stage, DATA_DIR=str(directory))
            assert code == 1
            assert told.splitlines()[-1] == (
                f"“{directory}” is on a read-only file system. Mount it writable, or set another DATA_DIR."
            )
    finally:
        assert ran(unmount, str(data)) == 0


# --- a list that was edited by hand ---


def written(*vmids: int, **more: object) -> bytes:
    return json.dumps({"version": 1, "guests": [{"vmid": vmid} for vmid in vmids], **more}).encode()


async def test_a_list_that_was_edited_under_the_bot_is_kept_aside_and_reported(scene: Stage) -> None:
    await scene.say(scene.emma, "monitor add", vmid=101)
    path, edited = scene.directory / "monitor_list.json", written(102, 103, note="mine")
    path.write_bytes(edited)
    scene.expected_errors.append("edited while the bot was running")
    await scene.say(scene.emma, "monitor add", vmid=201)
    assert [guest["vmid"] for guest in json.loads(path.read_bytes())["guests"]] == [101, 201]
    (aside,) = scene.directory.glob("monitor_list.json.edited-*")
    assert aside.read_bytes() == edited
    await scene.delivered()
    (told,) = scene.alerts_told()
    assert "edited while the bot was running" in told
    assert aside.name in told
    await scene.say(scene.emma, "monitor remove", vmid=201)
    assert len(scene.alerts_told()) == 1, "once"


@pytest.mark.parametrize(
    "content", [written(103), b"{", b"", b"[104]"], ids=["list", "spoilt", "empty", "old"]
)
def test_nothing_of_a_hand_edit_is_lost(tmp_path: Path, content: bytes) -> None:
    store = MonitorStore(tmp_path / "monitor_list.json", lambda: NOW)
    store.load([101])
    assert store.save((WatchEntry(101), WatchEntry(102))) is None
    (tmp_path / "monitor_list.json").write_bytes(content)
    name = store.save((WatchEntry(102),))
    assert name is not None
    assert (tmp_path / name).read_bytes() == content
    assert store.save((WatchEntry(101),)) is None
    again = MonitorStore(tmp_path / "monitor_list.json", lambda: NOW)
    assert [each.vmid for each in again.load([]).entries] == [101]


def test_the_same_content_again_is_no_edit(tmp_path: Path) -> None:
    path = tmp_path / "monitor_list.json"
    store = MonitorStore(path, lambda: NOW)
    store.load([101])
    path.write_bytes(path.read_bytes())
    assert store.save((WatchEntry(102),)) is None
    path.unlink()
    assert store.save((WatchEntry(103),)) is None
    assert path.exists(), "what was deleted is written again"

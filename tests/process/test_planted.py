"""Test that files and links that somebody else put in the bot's places are neither followed nor written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from adapters.files.data_lock import KEPT_NAMES, ForeignFile, lock_data_dir, others_may_write
from tests.support.process_stage import process_stage
from ui.i18n import Texts
from ui.messages.faults import foreign_file_line
from ui.messages.startup import open_to_all


@pytest.mark.parametrize("name", [*KEPT_NAMES, "readonly-colo.json"])
@pytest.mark.parametrize("target", ["there", "missing"])
def test_a_link_is_refused_and_its_target_untouched(tmp_path: Path, name: str, target: str) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    data.mkdir()
    if target == "there":
        elsewhere.write_text("precious")
    (data / name).symlink_to(elsewhere)
    with pytest.raises(ForeignFile) as caught:
        lock_data_dir(data)
    assert (caught.value.path, caught.value.reason) == (data / name, "link")
    assert [path.name for path in data.iterdir()] == [name]
    assert not elsewhere.exists() or elsewhere.read_text() == "precious"


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "journal.db")
    with pytest.raises(ForeignFile) as caught:
        lock_data_dir(tmp_path)
    assert caught.value.reason == "kind"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused_unless_the_directory_is_theirs(tmp_path: Path) -> None:
    """A directory mounted into a container belongs, with its files, to a user outside the container."""
    (tmp_path / "journal.db").write_bytes(b"")
    os.chown(tmp_path / "journal.db", 12345, -1)
    with pytest.raises(ForeignFile) as caught:
        lock_data_dir(tmp_path)
    assert (caught.value.reason, caught.value.owner) == ("owner", 12345)
    os.chown(tmp_path, 12345, -1)
    lock_data_dir(tmp_path).release()


def test_the_directory_itself_may_be_a_link(tmp_path: Path) -> None:
    """Somebody who names a link in DATA_DIR means its target."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    lock_data_dir(tmp_path / "link").release()
    assert (tmp_path / "real/.lock").exists()


def test_files_that_everybody_may_write_are_found(tmp_path: Path) -> None:
    directory = tmp_path / "open"
    directory.mkdir(0o700)
    file = directory / "config.py"
    file.write_text("")
    file.chmod(0o600)
    assert others_may_write(file) is None
    file.chmod(0o606)
    assert others_may_write(file) == file
    file.chmod(0o600)
    directory.chmod(0o777)
    assert others_may_write(file) == directory.resolve()
    assert others_may_write(directory) == directory
    directory.chmod(0o1777)
    assert others_may_write(file) is None, "the sticky bit keeps others from replacing it"
    assert others_may_write(directory / "none.py") == directory.resolve(), "anybody can put one there"
    directory.chmod(0o755)
    assert others_may_write(directory / "none.py") is None
    assert others_may_write(tmp_path / "missing/config.py") is None


@pytest.mark.parametrize("language", ["ja", "en"])
def test_each_fault_is_one_line_that_says_what_to_do(language: str) -> None:
    t = Texts("ja").of("ja" if language == "ja" else "en")
    path = Path("/data/journal.db")
    lines = [foreign_file_line(t, ForeignFile(path, reason, 12345)) for reason in ("link", "kind", "owner")]
    lines.append(open_to_all(t, str(path)))
    assert len(set(lines)) == 4
    assert all("/data/journal.db" in line and "\n" not in line for line in lines)


async def test_the_bot_says_so_and_ends(tmp_path: Path) -> None:
    """The journal is a link. A warning about a directory that everybody can write to comes first."""
    outside = tmp_path / "outside.db"
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)
    (data / "journal.db").symlink_to(outside)
    async with process_stage(tmp_path) as stage:
        bot = await stage.launch(DATA_DIR=str(data))
        assert await bot.wait() == 1
        output = bot.output()
        assert "journal.db” is a link" in output.splitlines()[-1]
        assert "Anyone on this machine can write to" in output
        assert f"chmod o-w {data}" in output
        assert not outside.exists()
        assert not stage.server.journal


async def test_a_config_that_everybody_may_write_is_warned_of(tmp_path: Path) -> None:
    config = tmp_path / "config.py"
    config.write_text("LANGUAGE = 'en'\n")
    config.chmod(stat.S_IMODE(config.stat().st_mode) | stat.S_IWOTH)
    async with process_stage(tmp_path) as stage:
        await stage.start("bot.py", "--config", str(config), LANGUAGE="")
        assert "can write to “" in stage.bot.output()
        assert "config.py”" in stage.bot.output()

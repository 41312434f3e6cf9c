"""Test what install.sh refuses, and how it moves its links, in a folder of its own."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SH = shutil.which("sh") or "/bin/sh"


def run(place: Path, word: str = "install") -> subprocess.CompletedProcess[str]:
    """Run the script of a copy whose folders are all below `place`, as if by root."""
    script = (ROOT / "deploy/install.sh").read_text("utf-8")
    for folder in ("/opt/", "/etc/"):
        script = script.replace(folder, f"{place}{folder}")
    script = script.replace("/run/systemd/system", f"{place}/none").replace('$(id -u)" = 0', '0" = 0')
    copy = place / "a copy/deploy/install.sh"
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(script, "utf-8")
    return subprocess.run(  # noqa: S603  # the script is ours
        [SH, str(copy), word],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/nonexistent"},
    )


def test_half_a_copy_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert (done.returncode, "is missing" in done.stderr) == (1, True)
    assert not (tmp_path / "opt").exists()


def test_the_check_has_the_settings_of_the_service(tmp_path: Path) -> None:
    assert "nothing is installed" in run(tmp_path, "check").stderr
    python = tmp_path / "opt/proxmox-bot/current/.venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$CREDENTIALS_DIRECTORY $DATA_DIR $GUILD_ID $NODE_NAME $*"\nexit 2\n')
    python.chmod(0o755)
    settings = tmp_path / "etc/proxmox-bot"
    arguments = f"bot.py --check --config {settings}/config.py\n"
    done = run(tmp_path, "check")
    assert (done.returncode, done.stdout) == (2, f"{settings} /var/lib/proxmox-bot   {arguments}")
    settings.mkdir(parents=True)
    (settings / "environment").write_text(
        '# of the unit\n\nGUILD_ID="1 = 2"\nDATA_DIR=/mnt/bot\nNODE_NAME=pve1'
    )
    done = run(tmp_path, "check")
    assert (done.returncode, done.stdout) == (2, f"{settings} /mnt/bot 1 = 2 pve1 {arguments}")


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_rollback_goes_back_once_and_survives_an_interruption(tmp_path: Path, interrupted: bool) -> None:
    app, settings = tmp_path / "opt/proxmox-bot", tmp_path / "etc/proxmox-bot"
    settings.mkdir(parents=True)
    for name in ("config.py", "discord_token", "proxmox_token_value"):
        (settings / name).write_text('X = "<missing>"\n')
    for name in ("a", "b"):
        shutil.copytree(ROOT / "deploy", app / "releases" / name / "deploy")
        (app / "releases" / name / "complete").touch()
    (app / "current").symlink_to("releases/a")
    assert "no release before" in run(tmp_path, "rollback").stderr
    (app / "previous").symlink_to("releases/a" if interrupted else "releases/b")
    (app / ".current.new").symlink_to("releases/a")
    done = run(tmp_path, "rollback")
    if interrupted:  # between its two links
        assert "no release before" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert "bot.py --init --config" in done.stdout
    assert "Or fill in" in done.stdout
    assert [str((app / name).readlink()) for name in ("current", "previous")] == ["releases/b", "releases/a"]
    assert not list((app / "releases").glob("*/[ab]"))

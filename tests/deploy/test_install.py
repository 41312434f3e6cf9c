"""Test install.sh in a folder of its own: its refusals, its layout, its links, and the check that it runs.

The programs that would change this machine are stand-ins (`STAND_INS`). Some note their arguments (`Machine.asked`).
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SH = shutil.which("sh") or "/bin/sh"
NAME = "proxmox-bot"
Done = subprocess.CompletedProcess[str]
STAND_INS = {
    # makes environments whose Python is this stand-in; everything else does nothing
    "python3": """case "$*" in
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    *--check*) echo "$CREDENTIALS_DIRECTORY $DATA_DIR $GUILD_ID $NODE_NAME $*"; exit 2 ;;
    esac""",
    # a check is started as its unit says
    "systemctl": """echo "systemctl $*" >>"$PLACE/asked"
    case "$*" in
    "start $NAME-check") cp -r "$PLACE/none/$NAME-check.service" "$PLACE/none/$NAME-check.service.d" "$PLACE/seen"
        echo "❌ checked" >"$PLACE/$NAME-check.txt" ;;
    show*) echo 2 ;;
    esac""",
    "systemd-detect-virt": "echo none",
    "id": "exit 1",
    "useradd": 'echo "useradd $*" >>"$PLACE/asked"',
    "chown": 'echo "chown $*" >>"$PLACE/asked"',
}


@dataclass(frozen=True)
class Machine:
    """A machine whose folders are all below `place`."""

    place: Path

    @property
    def app(self) -> Path:
        return self.place / "opt" / NAME

    @property
    def settings(self) -> Path:
        return self.place / "etc" / NAME

    @property
    def drop_in(self) -> Path:
        return self.place / f"etc/systemd/system/{NAME}.service.d/lxc-without-nesting.conf"

    @property
    def asked(self) -> str:
        """Return the calls that the stand-ins noted, one a line."""
        noted = self.place / "asked"
        return noted.read_text("utf-8") if noted.exists() else ""

    def take_source(self, folder: Path, version: str = "0.1.0") -> Path:
        """Put empty modules and the real files of deploy/ into a folder. Its install.sh stays below `place`."""
        for part in ("bot.py", "bootstrap.py", "monitor_store.py", "proxmox_client.py", "requirements.txt"):
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            (folder / part).write_text(f"# {part}\n")
        for name in ("adapters", "cogs", "core", "locales", "startup", "ui"):
            (folder / name).mkdir(exist_ok=True)
            (folder / name / "part.py").touch()
        (folder / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')
        for name in ("config.py.example", "LICENSE", "CHANGELOG.md"):
            shutil.copy(ROOT / name, folder / name)
        shutil.copytree(ROOT / "deploy", folder / "deploy", dirs_exist_ok=True)
        script = (ROOT / "deploy/install.sh").read_text("utf-8")
        for path in ("/opt/", "/etc/"):
            script = script.replace(path, f"{self.place}{path}")
        script = script.replace("/run/systemd/system", f"{self.place}/none").replace(
            "/run/$", f"{self.place}/$"
        )
        script = script.replace('$(id -u)" = 0', '0" = 0').replace(
            "\nPATH=", f"\nPATH={self.place}/stand-ins:"
        )
        (folder / "deploy/install.sh").write_text(script, "utf-8")
        return folder

    def run(self, word: str = "install", source: Path | None = None, **environ: str) -> Done:
        """Run the script as if by root, without anybody at the terminal."""
        return subprocess.run(  # noqa: S603  # the script is ours
            [SH, str((source or self.place / "a copy") / "deploy/install.sh"), word],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env={"PATH": "/nonexistent", "PLACE": str(self.place), "NAME": NAME, **environ},
        )

    def releases(self) -> list[str]:
        """Return the targets of the links `current` and `previous`, "" for a missing link."""
        links = [self.app / name for name in ("current", "previous")]
        return [str(link.readlink()) if link.is_symlink() else "" for link in links]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    (tmp_path / "stand-ins").mkdir()
    (tmp_path / "seen").mkdir()
    for name, lines in STAND_INS.items():
        program = tmp_path / "stand-ins" / name
        program.write_text(f"#!/bin/sh\n{lines}\n")
        program.chmod(0o755)
    made.take_source(tmp_path / "a copy")
    return made


def test_half_a_copy_is_refused_before_anything_is_made(machine: Machine) -> None:
    (machine.place / "a copy/bootstrap.py").unlink()
    done = machine.run()
    assert (done.returncode, "bootstrap.py is missing" in done.stderr) == (1, True)
    assert not (machine.place / "opt").exists()


def test_the_layout_is_the_one_of_the_community_scripts(machine: Machine) -> None:
    """Check their paths /opt/<name>, /etc/<name>, /var/lib/<name> and <name>.service, and update as they do.

    Their update stops the service, empties /opt/<name>, unpacks the new release there, and starts the service again.
    """
    source = machine.take_source(machine.app)
    assert machine.run(source=source).returncode == 0
    assert f"{machine.place}/etc/systemd/system/{NAME}.service" in (
        str(path) for path in (machine.place / "etc/systemd/system").iterdir()
    )
    unit = (ROOT / f"deploy/{NAME}.service").read_text("utf-8")
    assert f"ExecStart=/opt/{NAME}/current/.venv/bin/python bot.py" in unit
    assert f"LoadCredential=config.py:/etc/{NAME}/config.py" in unit
    assert f"StateDirectory={NAME}\n" in unit, "/var/lib/proxmox-bot"
    assert {path.name for path in machine.settings.iterdir()} == {
        "config.py",
        "discord_token",
        "proxmox_token_value",
    }
    (machine.settings / "config.py").write_text("mine = 1\n")
    first = machine.releases()[0]
    shutil.rmtree(machine.app)
    machine.take_source(machine.app, "0.2.0")
    assert machine.run(source=source).returncode == 0
    assert machine.releases()[0].startswith("releases/0.2.0-") != first.startswith("releases/0.2.0-")
    assert (machine.settings / "config.py").read_text() == "mine = 1\n"
    assert machine.run("status", source).stdout.startswith("current:  releases/0.2.0-")
    assert machine.run("remove", source).returncode == 0
    assert not machine.app.exists()
    assert (machine.settings / "config.py").read_text() == "mine = 1\n"
    assert not list((machine.place / "etc/systemd/system").glob(f"{NAME}*"))


def test_an_update_keeps_the_release_before_it_and_a_failed_one_changes_nothing(machine: Machine) -> None:
    assert machine.run().returncode == 0
    (first, nothing) = machine.releases()
    assert nothing == ""
    assert machine.run().returncode == 0, "it can be repeated"
    assert machine.releases() == [first, ""]
    machine.take_source(machine.place / "a copy", "0.2.0")
    assert machine.run().returncode == 0
    second, before = machine.releases()
    assert (before, "0.2.0" in second) == (first, True)
    machine.take_source(machine.place / "a copy", "0.3.0")
    python = machine.place / "stand-ins/python3"
    python.write_text(python.read_text().replace("esac", '*"pip install"*) exit 1 ;;\nesac'))
    assert machine.run().returncode != 0
    assert machine.releases() == [second, first]
    assert machine.run("rollback").returncode == 0
    assert machine.releases() == [first, second]


def test_a_container_without_nesting_is_remembered(machine: Machine) -> None:
    """Keep the choice for updates and after a removal, until another choice is made."""
    assert machine.run(LXC_WITHOUT_NESTING="yes").returncode == 1
    assert not machine.app.exists()
    assert machine.run().returncode == 0
    assert not machine.drop_in.exists()
    assert machine.run(LXC_WITHOUT_NESTING="1").returncode == 0
    assert machine.drop_in.exists()
    assert f"chown root:{NAME} {machine.settings}" in machine.asked
    machine.take_source(machine.place / "a copy", "0.2.0")
    assert machine.run().returncode == 0
    assert machine.drop_in.exists()
    assert machine.run("rollback").returncode == 0
    assert machine.drop_in.exists()
    machine.run("remove")
    assert not machine.drop_in.exists()
    assert machine.run().returncode == 0
    assert machine.drop_in.exists()
    assert machine.run(LXC_WITHOUT_NESTING="0").returncode == 0
    assert not machine.drop_in.exists()
    assert machine.run().returncode == 0
    assert not machine.drop_in.exists()


def test_the_check_without_systemd_has_the_settings_of_the_service(machine: Machine) -> None:
    assert "nothing is installed" in machine.run("check").stderr
    assert machine.run().returncode == 0
    arguments = f"bot.py --check --config {machine.settings}/config.py\n"
    done = machine.run("check")
    assert (done.returncode, done.stdout) == (2, f"{machine.settings} /var/lib/{NAME}   {arguments}")
    (machine.settings / "environment").write_text(
        '# of the unit\n\nGUILD_ID="1 = 2"\nDATA_DIR=/mnt/bot\nNODE_NAME=pve1'
    )
    done = machine.run("check")
    assert (done.returncode, done.stdout) == (2, f"{machine.settings} /mnt/bot 1 = 2 pve1 {arguments}")


def test_the_check_runs_as_the_service_does(machine: Machine) -> None:
    """Run the check as a unit: root could write everywhere, and read secrets that the service does not get."""
    (machine.place / "none").mkdir()
    assert machine.run().returncode == 0
    machine.drop_in.parent.mkdir(exist_ok=True)
    (machine.drop_in.parent / "override.conf").write_text(
        "[Unit]\nOnFailure=mail@%n.service\n[Service]\nReadWritePaths=/mnt/bot\nRestart=always\n"
    )
    done = machine.run("check")
    assert (done.returncode, done.stdout) == (2, "❌ checked\n")
    unit = (machine.place / f"seen/{NAME}-check.service").read_text("utf-8")
    original = (ROOT / f"deploy/{NAME}.service").read_text("utf-8")
    kept = [
        line for line in original.splitlines() if line.startswith(("Protect", "Private", "Load", "State"))
    ]
    assert set(kept) <= set(unit.splitlines())
    assert f"\nDynamicUser=yes\nUser={NAME}\n" in unit, "so that both have the same number"
    assert "/bin/python bot.py --check --config ${CREDENTIALS_DIRECTORY}/config.py\n" in unit
    assert not any(line.startswith(("Type=", "Restart", "WatchdogSec=")) for line in unit.splitlines())
    added = {
        path.name: path.read_text() for path in (machine.place / f"seen/{NAME}-check.service.d").iterdir()
    }
    assert added["override.conf"] == "[Unit]\n[Service]\nReadWritePaths=/mnt/bot\n"
    assert "Type=oneshot\n" in added["zz-check.conf"]
    assert not list((machine.place / "none").iterdir()), "nothing is left"
    ending = f"systemctl --quiet reset-failed {NAME}-check\nsystemctl daemon-reload\n"
    assert machine.asked.endswith(ending), "no failed unit remains"


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_rollback_goes_back_once_and_survives_an_interruption(machine: Machine, interrupted: bool) -> None:
    assert machine.run().returncode == 0
    assert "no release before" in machine.run("rollback").stderr
    machine.take_source(machine.place / "a copy", "0.2.0")
    assert machine.run().returncode == 0
    new, old = machine.releases()
    if interrupted:  # between its two links
        (machine.app / "previous").unlink()
        (machine.app / "previous").symlink_to(new)
    (machine.app / ".current.new").symlink_to(new)
    done = machine.run("rollback")
    if interrupted:
        assert "no release before" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert "bot.py --init --config" in done.stdout
    assert "Or fill in" in done.stdout
    assert machine.releases() == [old, new]

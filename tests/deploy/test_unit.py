"""Test the files with which systemd runs the bot: they fit its code, and take all needless rights from it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from adapters.settings.load import SETTINGS
from startup.signals import ENDING

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNIT, DROP_IN = DEPLOY / "proxmox-bot.service", DEPLOY / "lxc-without-nesting.conf"
NAMESPACED = [
    "ProtectSystem",
    "ProtectHome",
    "ProtectProc",
    "ProcSubset",
    "PrivateTmp",
    "PrivateDevices",
    "PrivateUsers",
    "PrivateIPC",
    "ProtectControlGroups",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
]
"""Options for which systemd makes a namespace."""


def directives(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in path.read_text("utf-8").splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_the_unit_fits_the_bots_behaviour() -> None:
    unit = directives(UNIT)
    assert unit["Type"] == ["notify"]
    assert int(unit["WatchdogSec"][0]) >= 30
    assert unit["DynamicUser"] == ["yes"]
    assert unit["StateDirectory"] == ["proxmox-bot"]
    assert any("DATA_DIR=%S/proxmox-bot" in each.split() for each in unit["Environment"])
    loaded = {each.partition(":")[0] for each in unit["LoadCredential"]}
    secrets = {row.name.lower() for row in SETTINGS if row.secret and row.required}
    assert loaded == {"config.py"} | secrets
    assert unit["ExecStart"][0].endswith("bot.py --config ${CREDENTIALS_DIRECTORY}/config.py")
    assert "15" in {str(int(number)) for number in ENDING}, "KillSignal is SIGTERM"


def test_the_unit_takes_everything_unneeded_from_the_bot() -> None:
    unit = directives(UNIT)
    assert unit["CapabilityBoundingSet"] == [""]
    assert unit["RestrictAddressFamilies"] == ["AF_INET AF_INET6 AF_UNIX"]
    assert unit["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]
    for name in (
        *NAMESPACED,
        "NoNewPrivileges",
        "MemoryDenyWriteExecute",
        "RestrictNamespaces",
        "ProtectClock",
    ):
        assert unit[name][0] in ("yes", "strict", "invisible", "pid"), name


def test_the_drop_in_removes_exactly_the_options_that_need_a_namespace() -> None:
    unit, drop_in = directives(UNIT), directives(DROP_IN)
    assert [name for name in drop_in if drop_in[name][0] in ("no", "all", "default")] == [
        "DynamicUser",
        *NAMESPACED,
    ]
    assert drop_in["LoadCredential"] == [""]
    assert drop_in["ExecStart"][0] == "", "a second ExecStart alone is refused"
    assert drop_in["ExecStart"][1].split()[:2] == unit["ExecStart"][0].split()[:2]


def test_every_package_of_the_bot_is_installed_and_no_secret() -> None:
    """Compare the list in install.sh with the bot's packages."""
    text = (DEPLOY / "install.sh").read_text("utf-8")
    parts = re.search(r"PARTS='([^']+)'", text)
    assert parts
    root = DEPLOY.parent
    code = {path.name for path in root.glob("*.py")} | {
        path.parent.name for path in root.glob("*/__init__.py")
    }
    installed = set(parts[1].split())
    assert code - {"tests", "playground", "tools"} <= installed
    assert all((root / part).exists() for part in installed)
    assert {f"deploy/{path.name}" for path in (UNIT, DROP_IN)} | {"deploy/install.sh"} <= installed
    secret = {line.strip("/") for line in (root / ".gitignore").read_text("utf-8").split()}
    for part in installed:  # everybody may read what is installed
        assert not [name for name in secret if name == part or name.startswith(f"{part}/")], part


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_nothing_to_complain_of(tmp_path: Path) -> None:
    """Read the lines that systemd prints, because it ignores an unknown option and exits with 0."""
    python = tmp_path / "opt/proxmox-bot/current/.venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/bin/true")
    unit, drop_in = tmp_path / UNIT.name, tmp_path / f"{UNIT.name}.d" / DROP_IN.name
    drop_in.parent.mkdir()
    for source, copy in ((UNIT, unit), (DROP_IN, drop_in)):
        copy.write_text(source.read_text("utf-8").replace("/opt/", f"{tmp_path}/opt/"), "utf-8")
        done = ran("systemd-analyze", "verify", "--man=no", str(unit))
        assert [line for line in done.stderr.splitlines() if UNIT.name in line] == []
        assert done.returncode == 0, done.stderr
    with drop_in.open("a") as file:
        file.write("[Service]\nNoSuchOption=yes\n")
    assert "NoSuchOption" in ran("systemd-analyze", "verify", "--man=no", str(unit)).stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_the_exposure_is_small(tmp_path: Path) -> None:
    units = tmp_path / "etc/systemd/system"
    (units / f"{UNIT.name}.d").mkdir(parents=True)
    shutil.copy(UNIT, units)
    assert exposure(tmp_path) <= 2.0
    shutil.copy(DROP_IN, units / f"{UNIT.name}.d")
    assert exposure(tmp_path) <= 3.0


def exposure(root: Path) -> float:
    """Return how exposed systemd judges the service to be, from 0 to 10."""
    done = ran("systemd-analyze", "security", "--offline=true", f"--root={root}", UNIT.name)
    return float(done.stdout.rpartition("level for")[2].split()[1])


def ran(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # the command is ours


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
def test_shellcheck_finds_nothing_in_the_installer() -> None:
    done = ran("shellcheck", str(DEPLOY / "install.sh"))
    assert (done.returncode, done.stdout) == (0, "")


def test_no_command_of_install_touches_the_data() -> None:
    text = (DEPLOY / "install.sh").read_text("utf-8")
    commands = [
        line for line in text.splitlines() if "/var/lib" in line and not line.lstrip().startswith("#")
    ]
    shown = [line for line in commands if not line.strip().startswith("say ")]
    assert [" ".join(line.split()) for line in shown] == [
        'set -- CREDENTIALS_DIRECTORY="$ETC" DATA_DIR="/var/lib/$NAME"'
    ], "for --check, which only looks"
    assert not re.search(r"rm -rf? .*\$ETC", text)

"""Plant faults in the settings and files of the machine that the bot runs on."""

from __future__ import annotations

from collections.abc import Iterator

from playground.pve.server import BOT_USER
from tests.support.misconfigured.fault import BAD, DOUBT, Faults, Settings
from tests.support.process_stage import ProcessStage

FAULTS = Faults()
fault = FAULTS.add


@fault("told", BAD, "GUILD_ID")
def guild_is_a_name(_s: ProcessStage) -> Iterator[Settings]:
    yield {"GUILD_ID": "home"}


@fault("told", BAD, "PROXMOX_TOKEN_VALUE")
def whole_token_as_value(_s: ProcessStage) -> Iterator[Settings]:
    yield {"PROXMOX_TOKEN_VALUE": f"{BOT_USER}!bot=7f3c"}


@fault("told", BAD, "DATA_DIR")
def data_dir_is_a_file(s: ProcessStage) -> Iterator[Settings]:
    path = s.directory / "file"
    path.write_text("")
    yield {"DATA_DIR": str(path)}


@fault("told", BAD, r"\.lock|journal\.db")
def data_dir_with_a_planted_link(s: ProcessStage) -> Iterator[Settings]:
    path = s.directory / "planted"
    path.mkdir()
    (path / "journal.db").symlink_to("/etc/hostname")
    yield {"DATA_DIR": str(path)}


@fault("told", BAD, "PROXMOX_VERIFY_SSL")
def ca_file_is_missing(s: ProcessStage) -> Iterator[Settings]:
    yield {"PROXMOX_VERIFY_SSL": str(s.directory / "no.pem")}


@fault("file_open", DOUBT, r"chmod o-rwx \S*secret")
def secret_is_open_to_all(s: ProcessStage) -> Iterator[Settings]:
    path = s.directory / "secret"
    path.write_text(s.server.token)
    path.chmod(0o644)
    yield {"DISCORD_TOKEN": "", "DISCORD_TOKEN_FILE": str(path)}

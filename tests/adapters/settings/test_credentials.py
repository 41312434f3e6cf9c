"""Test that secrets are found where systemd puts them, and that the environment alone is enough."""

from pathlib import Path

from adapters.settings.load import load

PLAIN = {
    "GUILD_ID": "123456789012345678",
    "ALLOWED_CATEGORY_ID": "223456789012345678",
    "ALERT_CHANNEL_ID": "323456789012345678",
    "PROXMOX_HOST": "pve.example.com",
    "PROXMOX_USER": "discord-bot@pve",
    "PROXMOX_TOKEN_NAME": "bot",
    "NODE_NAME": "pve1",
}


def test_credentials_are_read_and_the_environment_has_priority(tmp_path: Path) -> None:
    directory, data = tmp_path / "credentials", tmp_path / "data"
    directory.mkdir()
    data.mkdir()
    (directory / "discord_token").write_text("from-credentials\n")
    (directory / "PROXMOX_TOKEN_VALUE").write_text("value-of-the-token")
    (directory / "heartbeat_url").write_text("")
    (directory / "config.py").write_text("raise SystemExit")
    environ = PLAIN | {"CREDENTIALS_DIRECTORY": str(directory), "DATA_DIR": str(data)}
    settings = load(tmp_path / "none.py", environ)
    assert settings.discord_token.reveal() == "from-credentials"
    assert settings.sites[0].proxmox_token_value.reveal() == "value-of-the-token"
    assert settings.heartbeat_url is None
    given = load(tmp_path / "none.py", environ | {"DISCORD_TOKEN": "from-environment"})
    assert given.discord_token.reveal() == "from-environment"


def test_each_site_has_its_credential(tmp_path: Path) -> None:
    (tmp_path / "site_home_proxmox_token_value").write_text("home-secret")
    (tmp_path / "discord_token").write_text("token")
    sites = {
        f"SITE_HOME_{name}": value for name, value in PLAIN.items() if name.startswith(("PROXMOX", "NODE"))
    }
    own = {name: value for name, value in PLAIN.items() if f"SITE_HOME_{name}" not in sites}
    environ = own | sites | {"CREDENTIALS_DIRECTORY": str(tmp_path), "DATA_DIR": str(tmp_path)}
    assert load(tmp_path / "none.py", environ).sites[0].proxmox_token_value.reveal() == "home-secret"

"""The bot's log: lines without secrets, and without pages about an outage of Discord."""

import logging
import sys
from collections.abc import Iterable

from settings import Settings

_log = logging.getLogger("bot")


class MaskedFormatter(logging.Formatter):
    """Keeps the secrets out of every line, tracebacks included."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._secrets = [secret for secret in secrets if secret]

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return line


def without_reconnect_traceback(record: logging.LogRecord) -> bool:
    """An outage of Discord is one line a try in the log, not a page."""
    if record.exc_info and str(record.msg).startswith("Attempting a reconnect"):
        record.msg, record.args = "%s: %r", (record.getMessage(), record.exc_info[1])
        record.exc_info = None
    return True


def set_up_logging(settings: Settings) -> None:
    """To standard output, for everything in this process."""
    handler = logging.StreamHandler(sys.stdout)
    secrets = (settings.discord_token, settings.proxmox_token_value, settings.heartbeat_url)
    handler.setFormatter(MaskedFormatter(secret.reveal() for secret in secrets if secret))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    logging.getLogger("discord.client").addFilter(without_reconnect_traceback)
    if settings.proxmox_verify_ssl is False and not settings.proxmox_fingerprint:
        _log.warning("PROXMOX_VERIFY_SSL = False: whoever sits in between can read the API token")

r"""Set up the bot's log, without secrets and without the chatter of libraries.

A line may contain text from outside, for example names from Proxmox and error messages. So every line of every
logger is escaped: characters that a terminal or a reader could take for another line or for a command are shown
as an escape (`\n`, `\x1b`). In the text format a traceback keeps its lines, each behind a bar with which no other
line begins. In the JSON format it is a part of the entry's line.
"""

import json
import logging
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime

from adapters.settings.load import Settings
from core.audit.measures import interaction_id

_log = logging.getLogger("bot")

BAR = "    | "
"""Begins each line of a traceback."""
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
"""Control characters, line ends of every kind, invisible characters, characters that change the text direction, and
single surrogates.
"""
_TOKENS = (
    re.compile(r"((?:interactions|webhooks)(?:/|%2F)[0-9]{1,20}(?:/|%2F))[^/\s?#\"'&%]+", re.IGNORECASE),
    re.compile(r"(\\?[\"'][a-z_]{0,20}token\\?[\"']\s*:\s*[bu]?\\?[\"'])[^\"'\\]+", re.IGNORECASE),
    re.compile(r"(\b[a-z_]{0,20}token=[bu]?[\"']?)[^\"'\s,)>&]+", re.IGNORECASE),
)
"""Places of the tokens of interactions: in addresses, in payloads of the gateway, and in reprs.

With such a token, anybody can answer in the bot's name for 15 minutes.
"""
_QUIET = ("discord", "aiohttp", "proxmoxer", "urllib3", "asyncio")
"""Libraries that log only warnings and errors if LOG_LEVEL = INFO. Other levels hold for them, too."""
_NO_VOICE = ("PyNaCl is not installed", "davey is not installed")


def escape_line(text: str) -> str:
    """Escape characters that are invisible or would begin another line."""
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


class MaskedFormatter(logging.Formatter):
    """Mask secrets and prevent forged lines, in tracebacks too."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._secrets = sorted((secret for secret in secrets if secret), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        record.message = record.getMessage()
        record.asctime = self.formatTime(record, self.datefmt)
        lines = [self._safe(self.formatMessage(record))]
        if record.exc_info:
            lines += self._with_bars(self.formatException(record.exc_info))
        if record.stack_info:
            lines += self._with_bars(self.formatStack(record.stack_info))
        return "\n".join(lines)

    def _with_bars(self, text: str) -> list[str]:
        return [BAR + self._safe(line) for line in self._masked(text).split("\n")]

    def _safe(self, line: str) -> str:
        return escape_line(self._masked(line))

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        for pattern in _TOKENS:
            text = pattern.sub(r"\1***", text)
        return text


class JsonFormatter(MaskedFormatter):
    """Write each record as one line of JSON, with the interaction that it belongs to."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._masked(record.getMessage()),
        }
        if number := interaction_id.get():
            line["interaction"] = str(number)
        traces = (record.exc_info and self.formatException(record.exc_info), record.stack_info)
        if trace := "\n".join(filter(None, traces)):
            line["traceback"] = self._masked(trace)
        text = json.dumps(line, ensure_ascii=False)
        return _UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], text)  # all of these are inside strings


def is_useful(record: logging.LogRecord) -> bool:
    """Return False for discord.py's warnings about missing voice packages, because this bot has no voice."""
    return not str(record.msg).startswith(_NO_VOICE)


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Return all texts that must not be in the log: those of the bot and of every site."""
    tokens = (site.proxmox_token_value for site in settings.sites)
    secrets = (settings.discord_token, settings.heartbeat_url, *tokens)
    return tuple(secret.reveal() for secret in secrets if secret)


def unverified_sites(settings: Settings) -> tuple[str, ...]:
    """Return the names of the sites with an entry point that is trusted without a check."""
    return tuple(
        site.name
        for site in settings.sites
        if site.proxmox_verify_ssl is False and not all(point.fingerprint for point in site.entry_points)
    )


def set_up_logging(settings: Settings) -> None:
    """Write the log of this process to standard output, and warn of sites whose certificate is not checked."""
    if hasattr(sys.stdout, "reconfigure"):  # a terminal with another encoding must not lose a line
        sys.stdout.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler(sys.stdout)
    formatter = JsonFormatter if settings.log_format == "json" else MaskedFormatter
    handler.setFormatter(formatter(secrets_of(settings)))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING if settings.log_level == "INFO" else logging.NOTSET)
    logging.getLogger("discord.client").addFilter(is_useful)
    for name in unverified_sites(settings):
        _log.warning(
            "%sPROXMOX_VERIFY_SSL = False: anybody between the bot and Proxmox can read the API token",
            f"{name}: " if name else "",
        )

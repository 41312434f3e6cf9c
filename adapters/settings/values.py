"""Parse the settings of the bot itself, of Discord and of Proxmox. Each parser raises SettingRejected."""

from __future__ import annotations

import os
import re
import ssl
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Literal

from adapters.files.atomic_file import errno_name, mounted_read_only
from adapters.settings.faults import (
    UUID,
    Fault,
    FaultKind,
    RawSetting,
    Secret,
    SettingRejected,
    bytes_of,
    printable,
)

Language = Literal["ja", "en"]
LogFormat = Literal["text", "json"]
VMIDS = (100, 999_999_999)  # pve-common, JSONSchema.pm: pve-vmid
INTERVALS = (5, 3600)  # seconds
_YES, _NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
SWITCH_WORDS = (*_YES, *_NO)
"""Words that mean True or False in the environment, in lower case."""
_REALM = r"[A-Za-z][A-Za-z0-9._-]+"  # pve-access-control: realm_regex, the same as token_subid_regex
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"  # the name of a node
_DNS = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"  # a part of a host's name; DNS allows `_`, too
_PREFIX = r"(?:sha-?256(?: fingerprint)?\s*[=:]\s*)?"  # as openssl prints it
_WEB_TEXT = re.compile(r"[!#-;=?-\[\]_a-z~]{1,300}")
"""Printable ASCII except spaces, backticks and these: " < > \\ ^ { | }

The length leaves room for the rest of a link: that of a Discord button has at most 512 characters.
"""
_WEB_URL = re.compile(r"https://([^/?#]*)((?:/[\w.~%-]*)*)(.*)", re.I | re.A)
_FINGERPRINT = re.compile(_PREFIX + r"((?:[0-9a-f]{2}[: ]?){31}[0-9a-f]{2})", re.I)


def parse_interval(given: RawSetting) -> int:
    return given.whole(given.value, *INTERVALS, digits=given.source == "environment")


def parse_vmids(given: RawSetting) -> tuple[int, ...]:
    items, found, faults = given.value, list[int](), list[Fault]()
    if given.source == "environment" and isinstance(items, str):
        items = [item for item in re.split(r"[,\s]+", items.strip().strip("[]")) if item]
    if not isinstance(items, (list, tuple)):
        raise SettingRejected(given.wrong_type(items))
    for item in items:
        try:
            found.append(given.part(item).whole(item, *VMIDS, digits=True))
        except SettingRejected as refused:
            faults.extend(refused.faults)
    if faults:
        raise SettingRejected(*faults)
    return tuple(dict.fromkeys(found))


def parse_snowflake(given: RawSetting) -> int:
    """Parse an id. A role or channel mention is accepted, too.

    Discord's ids are unsigned 64-bit; https://discord.com/developers/docs/reference#snowflakes.
    """
    value = given.value
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise SettingRejected(given.wrong_type(value))
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(?:([0-9]{17,20})|<(?:@&|#)([0-9]{17,20})>)\s*", value)
        value = int(match[1] or match[2]) if match else 0
    return value if 10**16 <= value < 2**64 else given.reject(FaultKind.NOT_AN_ID)


def parse_secret(given: RawSetting) -> Secret:
    text = given.text()
    if given.name.endswith("PROXMOX_TOKEN_VALUE") and ("!" in text or "=" in text):
        given.reject(FaultKind.BAD_SECRET, reason="whole_token")
    if not re.fullmatch(r"[!#-&(-~]+", text):  # printable ASCII without spaces and quotes
        given.reject(FaultKind.BAD_SECRET, reason="characters")
    return Secret(text)


def parse_host(given: RawSetting) -> tuple[str, int]:
    text = given.text()
    if re.search(r"://|[/\\?#@]", text):
        rest = re.split(r"[/\\?#]", re.sub(r"^.*?://", "", text, flags=re.S))[0].rpartition("@")[2]
        reason = "url" if "://" in text else "path"
        fits = isinstance(host_port(rest), tuple) and not given.holds_secret
        nearest = printable(rest, given.hide) if fits else None
        given.reject(FaultKind.BAD_HOST, value=None if "@" in text else text, reason=reason, nearest=nearest)
    found = host_port(text)
    return found if isinstance(found, tuple) else given.reject(FaultKind.BAD_HOST, reason=found)


def host_port(text: str) -> tuple[str, int] | str:
    """Return host and port (8006 if none is given), or the word for the fault: name | port.

    The forms are host, host:port, v6, [v6] and [v6]:port.
    """
    host, port = text, "8006"
    if match := re.fullmatch(r"\[([^\[\]]*)\](?::(.*))?|([^:]*):([^:]*)", text, re.S):
        host = match[1] if match[3] is None else match[3]
        port = next((part for part in (match[2], match[4]) if part is not None), port)
    if ":" in host or text.startswith("["):
        try:
            host = str(IPv6Address(host)) if "%" not in host else ""
        except ValueError:
            return "name"
    elif re.fullmatch(r"[0-9.]+", host):
        try:
            host = str(IPv4Address(host))
        except ValueError:
            return "name"
    elif not re.fullmatch(rf"{_DNS}(?:\.{_DNS})*", host) or len(host) > 253:
        return "name"
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        return "port"
    return (host, int(port)) if host else "name"


def parse_web_url(given: RawSetting) -> str:
    """Parse the address of Proxmox' web interface, for links to it. Behind a proxy it may have a path.

    The text may contain a password by mistake, so a fault never shows it whole. If it is the address of a page, the
    fault proposes the part before the page.
    """
    text = given.text()
    if not _WEB_TEXT.fullmatch(text):
        given.reject(FaultKind.BAD_WEB_URL, value=None, reason="characters")
    match = _WEB_URL.fullmatch(text)
    if match is None:
        given.reject(FaultKind.BAD_WEB_URL, value=None, reason="scheme")
    host, folder, page = match.groups()
    if "@" in host:
        given.reject(FaultKind.BAD_WEB_URL, value=None, reason="credentials")
    found = host_port(host)
    if not isinstance(found, tuple) or (":" in found[0] and not host.startswith("[")):
        given.reject(FaultKind.BAD_WEB_URL, value=None, reason="port" if found == "port" else "host")
    meant = f"https://{host}{folder.rstrip('/')}"
    if page:
        nearest = None if given.holds_secret else printable(meant, given.hide)
        given.reject(FaultKind.BAD_WEB_URL, value=None, reason="page", nearest=nearest)
    return meant


def parse_user(given: RawSetting) -> str:
    text = given.text()
    if match := re.match(rf"([^\s:/]+?@{_REALM})!", text):
        other = given.name.removesuffix("PROXMOX_USER") + "PROXMOX_TOKEN_NAME"
        given.reject(FaultKind.USER_WITH_TOKEN, value=match[1], other=other)
    if len(text) > 64 or not text.isprintable() or not re.fullmatch(rf"[^\s:/]+@{_REALM}", text):
        given.reject(FaultKind.BAD_USER)
    return text


def parse_token_name(given: RawSetting) -> str:
    text = given.text()
    if "!" in text:
        nearest = text.partition("!")[2].partition("=")[0]
        fits = re.fullmatch(_REALM, nearest) and not UUID.search(nearest)
        nearest_shown = printable(nearest, given.hide) if fits else None
        given.reject(FaultKind.BAD_TOKEN_NAME, reason="whole_token", nearest=nearest_shown)
    if UUID.search(text):
        given.reject(FaultKind.BAD_TOKEN_NAME, reason="secret")
    return text if re.fullmatch(_REALM, text) else given.reject(FaultKind.BAD_TOKEN_NAME, reason="pattern")


def parse_node_name(given: RawSetting) -> str:
    text = given.text()
    return text if re.fullmatch(_LABEL, text) else given.reject(FaultKind.BAD_NODE_NAME)


def parse_verify_ssl(given: RawSetting) -> bool | Path:
    value = given.value
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in SWITCH_WORDS:
        if given.source != "environment":  # the text "False" in config.py is more likely a slip than a file
            raise SettingRejected(given.wrong_type(value))
        return word in _YES
    path = given.path(FaultKind.UNREADABLE_FILE)
    bytes_of(given, path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (OSError, ValueError):
        given.reject(FaultKind.UNREADABLE_FILE, reason="no_certificate")
    return path


def parse_fingerprint(given: RawSetting) -> str:
    match = _FINGERPRINT.fullmatch(given.text())
    if match is None:
        given.reject(FaultKind.BAD_FINGERPRINT)
    digits = re.sub(r"[: ]", "", match[1]).upper()
    return ":".join(digits[at : at + 2] for at in range(0, 64, 2))


def parse_language(given: RawSetting) -> Language:
    word = given.text().lower()
    return "ja" if word == "ja" else "en" if word == "en" else given.reject(FaultKind.BAD_LANGUAGE)


def parse_log_level(given: RawSetting) -> str:
    word = given.text().upper()
    return word if word in {"DEBUG", "INFO", "WARNING", "ERROR"} else given.reject(FaultKind.BAD_LOG_LEVEL)


def parse_log_format(given: RawSetting) -> LogFormat:
    word = given.text().lower()
    if word == "json":
        return "json"
    return "text" if word == "text" else given.reject(FaultKind.BAD_LOG_FORMAT)


def parse_listen(given: RawSetting) -> tuple[str, int]:
    """Parse the address at which to listen: host:port, where the host is an IP address or localhost."""
    text = given.text()
    found = host_port(text)
    if not isinstance(found, tuple) or not re.search(r"(?:^[^:]*|\]):[0-9]+$", text):
        return given.reject(FaultKind.BAD_LISTEN)
    host = "127.0.0.1" if found[0].lower() == "localhost" else found[0]
    if ":" not in host and not re.fullmatch(r"[0-9.]+", host):
        return given.reject(FaultKind.BAD_LISTEN)
    return host, found[1]


def parse_data_dir(given: RawSetting) -> Path:
    """Parse a directory. Create its last level only: a mistake higher up must not create a new tree."""
    path = given.path(FaultKind.DATA_DIR_NOT_WRITABLE)
    reason = "EACCES"
    try:
        if not path.is_dir():
            path.mkdir(mode=0o700)
        if os.access(path, os.W_OK | os.X_OK):
            return path
    except OSError as error:
        reason = errno_name(error)
    if mounted_read_only(path):  # not a fault of the configuration: the start reports it
        return path
    return given.reject(FaultKind.DATA_DIR_NOT_WRITABLE, value=path, reason=reason)

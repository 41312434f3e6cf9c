"""One value at a time: what a setting may be, and the `Fault` that says why it is not.

No sentences are made here: a `Fault` names its kind and its values, the ui renders it. No secret ever stands
in a fault or a repr.
"""

from __future__ import annotations

import errno
import os
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, Literal, NoReturn

Language = Literal["ja", "en"]
Source = Literal["environment", "config", "file", "default"]
VMIDS = (100, 999_999_999)  # pve-common, JSONSchema.pm: pve-vmid
INTERVALS = (5, 3600)  # seconds
_YES, _NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
_REALM = r"[A-Za-z][A-Za-z0-9._-]+"  # pve-access-control: realm_regex, which is token_subid_regex too
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DNS = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_PREFIX = r"(?:sha-?256(?: fingerprint)?\s*[=:]\s*)?"  # as openssl prints it
_FINGERPRINT = re.compile(_PREFIX + r"((?:[0-9a-f]{2}[: ]?){31}[0-9a-f]{2})", re.I)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.I)
_SECRET_LIKE = re.compile(_UUID.pattern + r"|[\w-]{20,}\.[\w-]{4,}\.[\w-]{20,}|!.*=", re.I | re.S)


class FaultKind(StrEnum):
    """What is wrong with a setting. Behind each kind: the fields of `Fault` it fills; errno: its name."""

    NO_CONFIG = "no_config"  # value (path of config.py): neither the file nor any required variable is there
    CONFIG_SYNTAX = "config_syntax"  # line; name is the file's name, as in the next
    CONFIG_ERROR = "config_error"  # value (class of the exception), line
    MISSING = "missing"  # other (the name that may hold a file instead; secrets only)
    PLACEHOLDER_LEFT = "placeholder_left"  # value
    UNKNOWN_NAME = "unknown_name"  # nearest
    BOTH_GIVEN = "both_given"  # other (X_FILE)
    WRONG_TYPE = "wrong_type"  # expected (a Setting.form), found (a Python type), value
    OUT_OF_RANGE = "out_of_range"  # value, low, high
    NOT_AN_ID = "not_an_id"  # value
    BAD_HOST = "bad_host"  # value, reason: url | path | port | name; nearest (what was meant; url, path)
    BAD_USER = "bad_user"  # value
    USER_WITH_TOKEN = "user_with_token"  # noqa: S105 - a word; value (user@realm only), other (setting for the rest)
    BAD_TOKEN_NAME = "bad_token_name"  # noqa: S105 - a word; value, reason: whole_token | secret | pattern; nearest
    BAD_SECRET = "bad_secret"  # noqa: S105 - a word; reason: whole_token | characters
    BAD_NODE_NAME = "bad_node_name"  # value
    BAD_FINGERPRINT = "bad_fingerprint"  # value
    BAD_LANGUAGE = "bad_language"  # value
    BAD_LOG_LEVEL = "bad_log_level"  # value
    NO_SUCH_FILE = "no_such_file"  # value (path)
    UNREADABLE_FILE = "unreadable_file"  # value (path), reason: errno | empty | no_certificate | bad_path
    DATA_DIR_NOT_WRITABLE = "data_dir_not_writable"  # value (path), reason: errno | bad_path


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `value` is one printable line of at most 80 characters, None if it is or may be a secret."""

    kind: FaultKind
    name: str
    value: str | None = None
    source: Source = "config"
    expected: str | None = None
    found: str | None = None
    reason: str | None = None
    nearest: str | None = None
    other: str | None = None
    low: int | None = None
    high: int | None = None
    line: int | None = None


class Secret:
    """A text that shows itself only to `reveal()`: masked in repr, str and format, never pickled."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        return self.__text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return self.__text == other.__text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.__text)

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self  # for dataclasses.asdict

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")


class Rejected(Exception):
    """A parser's refusal; never leaves `load`."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(*faults)
        self.faults = faults


@dataclass(frozen=True, slots=True, repr=False)
class Given:
    """A raw value on its way to a parser. `hide`: never shown in a fault; `base`: of relative paths."""

    name: str
    form: str
    value: object
    source: Source
    base: Path
    hide: tuple[str, ...] = ()
    secret: bool = False

    def fault(self, kind: FaultKind, value: object, **more: Any) -> Fault:
        return Fault(kind, self.name, None if self.secret else shown(value, self.hide), self.source, **more)

    def reject(self, kind: FaultKind, **more: Any) -> NoReturn:
        raise Rejected(self.fault(kind, more.pop("value", self.value), **more))

    def wrong_type(self, value: object) -> Fault:
        return self.fault(FaultKind.WRONG_TYPE, value, expected=self.form, found=type(value).__name__)

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise Rejected(self.wrong_type(self.value))
        return self.value.strip()

    def path(self, kind: FaultKind) -> Path:
        """Absolute path; relative ones start at config.py's directory. `kind` is for what no path can be."""
        text = str(self.value) if isinstance(self.value, Path) else self.text()
        try:
            path = self.base / Path(text).expanduser()
            os.fsencode(path)
            return path if "\0" not in text else self.reject(kind, reason="bad_path")
        except (RuntimeError, ValueError):
            self.reject(kind, reason="bad_path")


def shown(value: object, hide: Iterable[str] = ()) -> str | None:
    """A value as a fault may show it: one printable line, at most 80 characters; None: perhaps a secret."""
    if not isinstance(value, str | int | float | Path):
        return None
    if isinstance(value, int) and value.bit_length() > 100:
        return None  # str() of a huge int is an error
    text = str(value)
    if _SECRET_LIKE.search(text) or any(part in text for part in hide):
        return None
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:81])
    return text if len(text) <= 80 else text[:79] + "…"


def _whole(given: Given, value: object, low: int, high: int, *, digits: bool) -> int:
    if digits and isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,30}", value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Rejected(given.wrong_type(value))
    if not low <= value <= high:
        given.reject(FaultKind.OUT_OF_RANGE, value=value, low=low, high=high)
    return value


def parse_interval(given: Given) -> int:
    return _whole(given, given.value, *INTERVALS, digits=given.source == "environment")


def parse_vmids(given: Given) -> tuple[int, ...]:
    items, found, faults = given.value, list[int](), list[Fault]()
    if given.source == "environment" and isinstance(items, str):
        items = [item for item in re.split(r"[,\s]+", items.strip().strip("[]")) if item]
    if not isinstance(items, (list, tuple)):
        raise Rejected(given.wrong_type(items))
    for item in items:
        try:
            found.append(_whole(given, item, *VMIDS, digits=True))
        except Rejected as refused:
            faults.extend(refused.faults)
    if faults:
        raise Rejected(*faults)
    return tuple(dict.fromkeys(found))


def parse_snowflake(given: Given) -> int:
    """Discord's ids are unsigned 64-bit; https://discord.com/developers/docs/reference#snowflakes."""
    value = given.value
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise Rejected(given.wrong_type(value))
    if isinstance(value, str):
        value = int(value) if re.fullmatch(r"\s*[0-9]{17,20}\s*", value) else 0
    return value if 10**16 <= value < 2**64 else given.reject(FaultKind.NOT_AN_ID)


def parse_secret(given: Given) -> Secret:
    text = given.text()
    if given.name == "PROXMOX_TOKEN_VALUE" and ("!" in text or "=" in text):
        given.reject(FaultKind.BAD_SECRET, reason="whole_token")
    if not re.fullmatch(r"[!#-&(-~]+", text):  # printable ASCII without spaces and quotes
        given.reject(FaultKind.BAD_SECRET, reason="characters")
    return Secret(text)


def parse_host(given: Given) -> tuple[str, int]:
    text = given.text()
    if re.search(r"://|[/\\?#@]", text):
        rest = re.split(r"[/\\?#]", re.sub(r"^.*?://", "", text, flags=re.S))[0].rpartition("@")[2]
        reason = "url" if "://" in text else "path"
        nearest = shown(rest, given.hide) if isinstance(_host_port(rest), tuple) else None
        given.reject(FaultKind.BAD_HOST, value=None if "@" in text else text, reason=reason, nearest=nearest)
    found = _host_port(text)
    return found if isinstance(found, tuple) else given.reject(FaultKind.BAD_HOST, reason=found)


def _host_port(text: str) -> tuple[str, int] | str:
    """Host and port, or the word for what is wrong. Takes host, host:port, v6, [v6] and [v6]:port."""
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


def parse_user(given: Given) -> str:
    text = given.text()
    if match := re.match(rf"([^\s:/]+?@{_REALM})!", text):
        given.reject(FaultKind.USER_WITH_TOKEN, value=match[1], other="PROXMOX_TOKEN_NAME")
    if len(text) > 64 or not text.isprintable() or not re.fullmatch(rf"[^\s:/]+@{_REALM}", text):
        given.reject(FaultKind.BAD_USER)
    return text


def parse_token_name(given: Given) -> str:
    text = given.text()
    if "!" in text:
        nearest = text.partition("!")[2].partition("=")[0]
        fits = re.fullmatch(_REALM, nearest) and not _UUID.search(nearest)
        nearest_shown = shown(nearest, given.hide) if fits else None
        given.reject(FaultKind.BAD_TOKEN_NAME, reason="whole_token", nearest=nearest_shown)
    if _UUID.search(text):
        given.reject(FaultKind.BAD_TOKEN_NAME, reason="secret")
    return text if re.fullmatch(_REALM, text) else given.reject(FaultKind.BAD_TOKEN_NAME, reason="pattern")


def parse_node_name(given: Given) -> str:
    text = given.text()
    return text if re.fullmatch(_LABEL, text) else given.reject(FaultKind.BAD_NODE_NAME)


def parse_verify_ssl(given: Given) -> bool | Path:
    value = given.value
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in (*_YES, *_NO):
        if given.source != "environment":  # the text "False" in config.py is more likely a slip than a file
            raise Rejected(given.wrong_type(value))
        return word in _YES
    path = given.path(FaultKind.UNREADABLE_FILE)
    bytes_of(given, path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (OSError, ValueError):
        given.reject(FaultKind.UNREADABLE_FILE, reason="no_certificate")
    return path


def parse_fingerprint(given: Given) -> str:
    match = _FINGERPRINT.fullmatch(given.text())
    if match is None:
        given.reject(FaultKind.BAD_FINGERPRINT)
    digits = re.sub(r"[: ]", "", match[1]).upper()
    return ":".join(digits[at : at + 2] for at in range(0, 64, 2))


def parse_language(given: Given) -> Language:
    word = given.text().lower()
    return "ja" if word == "ja" else "en" if word == "en" else given.reject(FaultKind.BAD_LANGUAGE)


def parse_log_level(given: Given) -> str:
    word = given.text().upper()
    return word if word in {"DEBUG", "INFO", "WARNING", "ERROR"} else given.reject(FaultKind.BAD_LOG_LEVEL)


def parse_data_dir(given: Given) -> Path:
    """Makes the last level of the path if only that is missing: a slip higher up must not grow a new tree."""
    path = given.path(FaultKind.DATA_DIR_NOT_WRITABLE)
    reason = "EACCES"
    try:
        if not path.is_dir():
            path.mkdir(mode=0o700)
        if os.access(path, os.W_OK | os.X_OK):
            return path
    except OSError as error:
        reason = errno_name(error)
    return given.reject(FaultKind.DATA_DIR_NOT_WRITABLE, value=path, reason=reason)


def bytes_of(given: Given, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(65536)
    except FileNotFoundError:
        given.reject(FaultKind.NO_SUCH_FILE)
    except OSError as error:
        given.reject(FaultKind.UNREADABLE_FILE, reason=errno_name(error))


def errno_name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "EIO")

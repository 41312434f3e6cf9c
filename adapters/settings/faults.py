"""Define how a setting is refused: the `RawSetting` value for a parser, and the `Fault` that it may become.

No sentences are made here: a `Fault` has a kind and values, and the ui renders it. No secret ever appears in a
fault or a repr.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, NoReturn

from adapters.files.atomic_file import errno_name

Source = Literal["environment", "config", "file", "default"]
UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.I)
"""Form of the value of an API token."""
_SECRET_LIKE = re.compile(UUID.pattern + r"|[\w-]{20,}\.[\w-]{4,}\.[\w-]{20,}|!.*=", re.I | re.S)


class FaultKind(StrEnum):
    """Kinds of faults in settings. Each comment lists the fields of `Fault` that it fills; errno means its name."""

    NO_CONFIG = "no_config"  # value (path of config.py): neither the file nor any required variable exists
    CONFIG_SYNTAX = "config_syntax"  # line; name is the file's name, as in the next kind
    CONFIG_ERROR = "config_error"  # value (class of the exception), line
    MISSING = "missing"  # other (the name that may give a file instead; secrets only)
    PLACEHOLDER_LEFT = "placeholder_left"  # value
    UNKNOWN_NAME = "unknown_name"  # nearest, reason: in_site | key
    BOTH_GIVEN = "both_given"  # other (X_FILE)
    WRONG_TYPE = "wrong_type"  # expected (a Setting.form, path or site), found (a Python type), value
    OUT_OF_RANGE = "out_of_range"  # value, low, high
    ZERO_OR_RANGE = "zero_or_range"  # value, low, high: neither 0 nor between low and high
    NOT_AN_ID = "not_an_id"  # value
    GUILD_AS_ROLE = "guild_as_role"  # value (the server's id: @everyone); reason: level (it gives a level)
    DUPLICATE_HOST = "duplicate_host"  # value; other (the other setting with it; None: this one has it twice)
    # with empty and no_level, the value is the role, and there is no `other`
    BAD_SCOPE = "bad_scope"  # value, other (role), reason: shape | empty | no_level | no_site | any_site
    BAD_SITE_NAME = "bad_site_name"  # value
    UNKNOWN_SITE = "unknown_site"  # value, other (the names of the sites)
    ALL_SITES = "all_sites"  # every site is in a list that must leave one out
    BOTH_FORMS = "both_forms"  # other (the names of the plain settings): both these and sites are configured
    BAD_HOST = "bad_host"  # value, reason: url | path | port | name; nearest (of url and path: the host)
    BAD_USER = "bad_user"  # value
    USER_WITH_TOKEN = "user_with_token"  # noqa: S105 - a word; value (user@realm only), other (setting for the rest)
    BAD_TOKEN_NAME = "bad_token_name"  # noqa: S105 - a word; value, reason: whole_token | secret | pattern; nearest
    BAD_SECRET = "bad_secret"  # noqa: S105 - a word; reason: whole_token | characters
    BAD_NODE_NAME = "bad_node_name"  # value
    BAD_FINGERPRINT = "bad_fingerprint"  # value, reason: several | no_host
    BAD_LANGUAGE = "bad_language"  # value
    BAD_LOG_LEVEL = "bad_log_level"  # value
    BAD_LOG_FORMAT = "bad_log_format"  # value
    BAD_LISTEN = "bad_listen"  # value
    BAD_QUIET_HOURS = "bad_quiet_hours"  # value, reason: pattern | same
    BAD_TIMEZONE = "bad_timezone"  # value, nearest
    BAD_URL = "bad_url"  # reason: characters | scheme | host | port
    BAD_WEB_URL = "bad_web_url"  # reason: characters | scheme | credentials | host | port | page; nearest
    NO_SUCH_FILE = "no_such_file"  # value (path)
    UNREADABLE_FILE = "unreadable_file"  # value (path), reason: errno | empty | no_certificate | bad_path
    DATA_DIR_NOT_WRITABLE = "data_dir_not_writable"  # value (path), reason: errno | bad_path


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `name`: of the setting, or of config.py. `value`: one printable line of at most 80 characters.

    `value` is None if it is or may be a secret. The comments of `FaultKind` say what the other fields hold.
    """

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
    """A text that only `reveal()` returns. It is masked in repr, str and format, and cannot be pickled."""

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


class SettingRejected(Exception):
    """A parser refuses a value. Never leaves `load`."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(*faults)
        self.faults = faults


@dataclass(frozen=True, slots=True, repr=False)
class RawSetting:
    """A raw value for a parser. `hide`: texts never shown in a fault. `base`: directory of relative paths.

    `sites`: the configured names of sites, empty if none has a name; None: they could not be read.
    """

    name: str
    form: str
    value: object
    source: Source
    base: Path
    hide: tuple[str, ...] = ()
    secret: bool = False
    sites: tuple[str, ...] | None = ()

    def has_site(self, name: str) -> bool:
        """Return whether a site has this name. Any name is accepted while the names are not known."""
        return self.sites is None or name in self.sites

    @property
    def site_list(self) -> str:
        """The names of the sites, for a fault."""
        return ", ".join(self.sites or ())

    @property
    def holds_secret(self) -> bool:
        """Whether no piece of the value may be shown. A piece of a hidden text would not be recognized as such."""
        return self.secret or (isinstance(self.value, str) and any(text in self.value for text in self.hide))

    def part(self, value: object) -> RawSetting:
        """Return a part of this value for a parser. It is shown only if the whole may be."""
        return replace(self, value=value, secret=self.holds_secret)

    def fault(self, kind: FaultKind, value: object, **more: Any) -> Fault:
        shown = None if self.secret else printable(value, self.hide)
        return Fault(kind, self.name, shown, self.source, **more)

    def reject(self, kind: FaultKind, **more: Any) -> NoReturn:
        """Refuse the value.

        Raises: SettingRejected.
        """
        raise SettingRejected(self.fault(kind, more.pop("value", self.value), **more))

    def wrong_type(self, value: object) -> Fault:
        return self.fault(FaultKind.WRONG_TYPE, value, expected=self.form, found=type(value).__name__)

    def text(self) -> str:
        """Return the value as a text without spaces around it.

        Raises: SettingRejected.
        """
        if not isinstance(self.value, str):
            raise SettingRejected(self.wrong_type(self.value))
        return self.value.strip()

    def whole(self, value: object, low: int, high: int, *, digits: bool, or_zero: bool = False) -> int:
        """Return a whole number from low to high, or 0 with `or_zero`. Text counts only with `digits`.

        Raises: SettingRejected.
        """
        if digits and isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,30}", value.strip()):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise SettingRejected(self.wrong_type(value))
        if not (low <= value <= high or (or_zero and value == 0)):
            kind = FaultKind.ZERO_OR_RANGE if or_zero else FaultKind.OUT_OF_RANGE
            self.reject(kind, value=value, low=low, high=high)
        return value

    def path(self, kind: FaultKind) -> Path:
        """Return an absolute path; relative ones start at config.py's directory.

        `kind`: the fault to report for an invalid path.
        Raises: SettingRejected.
        """
        text = str(self.value) if isinstance(self.value, Path) else self.text()
        try:
            path = self.base / Path(text).expanduser()
            os.fsencode(path)
            return path if "\0" not in text else self.reject(kind, reason="bad_path")
        except (RuntimeError, ValueError):
            self.reject(kind, reason="bad_path")


def printable(value: object, hide: Iterable[str] = ()) -> str | None:
    """Return a value for a fault: one printable line of at most 80 characters.

    None if it may be a secret, is a huge number, or is no text, number or path.
    """
    if not isinstance(value, str | int | float | Path):
        return None
    if isinstance(value, int) and value.bit_length() > 100:
        return None  # str() of a huge int is an error
    text = str(value)
    if _SECRET_LIKE.search(text) or any(part in text for part in hide):
        return None
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:81])
    return text if len(text) <= 80 else text[:79] + "…"


def with_value(values: Mapping[str, object]) -> dict[str, object]:
    """Return the values that count as given: neither None nor a blank text."""
    return {
        name: value
        for name, value in values.items()
        if value is not None and not (isinstance(value, str) and not value.strip())
    }


def bytes_of(given: RawSetting, path: Path) -> bytes:
    """Return the first 64 KiB of a file. Raises: SettingRejected if the file cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(65536)
    except FileNotFoundError:
        given.reject(FaultKind.NO_SUCH_FILE)
    except OSError as error:
        given.reject(FaultKind.UNREADABLE_FILE, reason=errno_name(error))

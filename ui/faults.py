"""One sentence for every fault of the settings and of the stored watch list, as a terminal shows it.

What an adapter found is told here without knowing the adapter: the tables go by the words of its enums. All
values are made safe in one place, `_told`; no Discord markdown, no line breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from ui.render import plain
from ui.text import Text

if TYPE_CHECKING:  # ui does not know the adapters
    from monitor_store import StoreError
    from settings import Fault

_MOST = 100
_PATH_MOST = 300
_HOST = "pve.example.com"

_Told = Mapping[str, object]
"""The safe values, by the names the sentences know them by; what is left open is an empty text or None."""
_Say = Callable[[Text, _Told], str]
_Table = dict[tuple[str, str], _Say]


def _no_config(t: Text, x: _Told) -> str:
    if not x["bare"]:
        return t("There is no {name}. Copy config.py.example to {name} and fill it in.", **x)
    return t("There is no {name} at {path}. Copy config.py.example there and fill it in.", **x)


def _syntax(t: Text, x: _Told) -> str:
    if x["line"] is None:
        return t("{name} is not valid Python. Check its quotes, brackets and encoding (UTF-8).", **x)
    return t(
        "{name}, line {line}: this is not valid Python. Check the quotes, brackets and commas there.", **x
    )


def _config_error(t: Text, x: _Told) -> str:
    if x["line"] is None:
        return t("{name} cannot be run ({error}). Compare it with config.py.example.", **x)
    return t("{name}, line {line}: this cannot be run ({error}). Correct the line; text needs quotes.", **x)


def _missing(t: Text, x: _Told) -> str:
    if x["other"]:
        return t(
            "{name} is not set. Set it in config.py or the environment, or name a file that holds it in {other}.",
            **x,
        )
    return t("{name} is not set. Set it in config.py or the environment.", **x)


def _unknown_name(t: Text, x: _Told) -> str:
    if x["nearest"]:
        return t("{name} is not a setting. Did you mean {nearest}? Correct or remove it.", **x)
    return t("{name} is not a setting. Remove it; names of your own are written in lower case.", **x)


def _whole_token_name(t: Text, x: _Told) -> str:
    if x["nearest"]:
        return t("{name} holds more than the token's name. Write only {nearest} there.", **x)
    return t("{name} holds more than the token's name. Write only what stands between “!” and “=”.", **x)


# By kind and reason (for wrong_type: the form expected); "" is for every other reason, such as an errno name.
FAULTS: _Table = {
    ("no_config", ""): _no_config,
    ("config_syntax", ""): _syntax,
    ("config_error", ""): _config_error,
    ("missing", ""): _missing,
    ("placeholder_left", ""): lambda t, x: t(
        "{name}: {value} is still the placeholder of the example. Put your own value there.", **x
    ),
    ("unknown_name", ""): _unknown_name,
    ("both_given", ""): lambda t, x: t("{name} and {other} are both set. Remove one of them.", **x),
    ("wrong_type", ""): lambda t, x: t(
        "{name}: {value} cannot be used. Compare it with config.py.example.", **x
    ),
    ("wrong_type", "text"): lambda t, x: t("{name}: {value} is not text. Write text in quotes.", **x),
    ("wrong_type", "id"): lambda t, x: t(
        "{name}: {value} is not a Discord ID. Write the ID's 17 to 20 digits.", **x
    ),
    ("wrong_type", "list_of_whole_numbers"): lambda t, x: t(
        "{name}: {value} is not a list of VMIDs. Write whole numbers, as in {example}.", **x
    ),
    ("wrong_type", "whole_number"): lambda t, x: t(
        "{name}: {value} is not a whole number. Write digits alone, without quotes or a unit.", **x
    ),
    ("wrong_type", "yes_no_or_path"): lambda t, x: t(
        "{name}: {value} does not fit. Write True or False without quotes, or the path of a CA file in quotes.",
        **x,
    ),
    ("wrong_type", "path"): lambda t, x: t("{name}: {value} is not a path. Write a path in quotes.", **x),
    ("out_of_range", ""): lambda t, x: t(
        "{name}: {value} is out of range. Choose a number from {low} to {high}.", **x
    ),
    ("not_an_id", ""): lambda t, x: t(
        "{name}: {value} is not a Discord ID. Turn on Developer Mode in Discord, then copy the ID "
        "(17 to 20 digits) from the right-click menu.",
        **x,
    ),
    ("bad_host", ""): lambda t, x: t(
        "{name}: {value} is not a host. Write a host name or an IP address, as in {example}.", **x
    ),
    ("bad_host", "url"): lambda t, x: t(
        "{name}: {value} is a URL. Write only the host, as in {example}.", **x
    ),
    ("bad_host", "path"): lambda t, x: t(
        "{name}: {value} contains more than a host. Write only the host, as in {example}.", **x
    ),
    ("bad_host", "port"): lambda t, x: t(
        "{name}: the port in {value} is not a number from 1 to 65535. Correct it, or leave it out for 8006.",
        **x,
    ),
    ("bad_user", ""): lambda t, x: t(
        "{name}: {value} is not a Proxmox user. Write user@realm, as in discord-bot@pve.", **x
    ),
    ("user_with_token", ""): lambda t, x: t(
        "{name} holds more than the user. Write only {user} there, and the token's name in {other}.", **x
    ),
    ("bad_token_name", ""): lambda t, x: t(
        "{name}: {value} is not a token name. Use letters, digits and . _ -, beginning with a letter "
        "(2 characters or more).",
        **x,
    ),
    ("bad_token_name", "whole_token"): _whole_token_name,
    ("bad_token_name", "secret"): lambda t, x: t(
        "{name} holds the token's value. Write its name there, and the value in PROXMOX_TOKEN_VALUE.", **x
    ),
    ("bad_secret", ""): lambda t, x: t("{name} cannot be right. Copy the token again.", **x),
    ("bad_secret", "whole_token"): lambda t, x: t(
        "{name} holds more than the token's value. Write only what follows the “=”.", **x
    ),
    ("bad_secret", "characters"): lambda t, x: t(
        "{name} contains spaces, quotes or other characters that no token has. Copy the token again, alone.",
        **x,
    ),
    ("bad_node_name", ""): lambda t, x: t(
        "{name}: {value} is not a node name. Write it as Proxmox shows it, without a domain, as in pve1.", **x
    ),
    ("bad_fingerprint", ""): lambda t, x: t(
        "{name}: {value} is not a SHA-256 fingerprint. Copy the 32 pairs of digits (AA:BB:…) that "
        "“pvenode cert info” shows on the node.",
        **x,
    ),
    ("bad_language", ""): lambda t, x: t(
        "{name}: {value} is not a language of the bot. Choose ja or en.", **x
    ),
    ("bad_log_level", ""): lambda t, x: t(
        "{name}: {value} is not a log level. Choose DEBUG, INFO, WARNING or ERROR.", **x
    ),
    ("no_such_file", ""): lambda t, x: t(
        "{name}: there is no file at {path}. Correct the path; a relative one starts beside config.py.", **x
    ),
    ("unreadable_file", ""): lambda t, x: t(
        "{name}: the file at {path} cannot be read ({reason}). Check the file and its permissions.", **x
    ),
    ("unreadable_file", "EACCES"): lambda t, x: t(
        "{name}: the bot may not read the file at {path}. Give its user permission to read it.", **x
    ),
    ("unreadable_file", "EISDIR"): lambda t, x: t(
        "{name}: there is a directory at {path}. Give the path of a file.", **x
    ),
    ("unreadable_file", "empty"): lambda t, x: t(
        "{name}: the file at {path} is empty. Write the token into it.", **x
    ),
    ("unreadable_file", "no_certificate"): lambda t, x: t(
        "{name}: the file at {path} holds no certificate. Give a CA file in PEM format.", **x
    ),
    ("unreadable_file", "bad_path"): lambda t, x: t("{name}: {value} cannot be a path. Correct it.", **x),
    ("data_dir_not_writable", ""): lambda t, x: t(
        "{name}: the directory at {path} cannot be used ({reason}). Choose another one.", **x
    ),
    ("data_dir_not_writable", "EACCES"): lambda t, x: t(
        "{name}: the bot may not write to {path}. Give its user permission to, or choose another directory.",
        **x,
    ),
    ("data_dir_not_writable", "ENOENT"): lambda t, x: t(
        "{name}: the directory that {path} should stand in does not exist. Make it first, or correct the path.",
        **x,
    ),
    ("data_dir_not_writable", "EEXIST"): lambda t, x: t(
        "{name}: there is a file at {path}. Give the path of a directory.", **x
    ),
    ("data_dir_not_writable", "EROFS"): lambda t, x: t(
        "{name}: the file system at {path} is read-only. Choose another directory.", **x
    ),
    ("data_dir_not_writable", "bad_path"): lambda t, x: t(
        "{name}: {value} cannot be a path. Correct it.", **x
    ),
}

STORE_ERRORS: _Table = {
    ("unreadable", ""): lambda t, x: t(
        "The watch list {path} cannot be read ({reason}). Check the file and its permissions.", **x
    ),
    ("unreadable", "EACCES"): lambda t, x: t(
        "The bot may not read the watch list {path}. Give its user permission to read it.", **x
    ),
    ("unreadable", "EISDIR"): lambda t, x: t(
        "There is a directory where the watch list {path} should be. Move it away.", **x
    ),
    ("not_writable", ""): lambda t, x: t(
        "The watch list {path} cannot be written ({reason}). Check the disk and the permissions.", **x
    ),
    ("not_writable", "EACCES"): lambda t, x: t(
        "The bot may not write the watch list {path}. Give its user permission to write to the directory.",
        **x,
    ),
    ("not_writable", "ENOENT"): lambda t, x: t(
        "The directory of the watch list {path} does not exist. Make it, or correct DATA_DIR.", **x
    ),
    ("not_writable", "ENOSPC"): lambda t, x: t(
        "The watch list {path} cannot be written: the disk is full. Make room on it.", **x
    ),
    ("not_writable", "EROFS"): lambda t, x: t(
        "The watch list {path} cannot be written: the file system is read-only. Set another DATA_DIR.", **x
    ),
    ("newer_version", ""): lambda t, x: t(
        "The watch list {path} was written by a newer version of the bot (format {reason}). "
        "Update the bot, or move the file away.",
        **x,
    ),
}

_SAME_AS = {"EPERM": "EACCES", "ENOTDIR": "ENOENT", "EDQUOT": "ENOSPC"}


def fault_lines(t: Text, faults: Iterable[Fault]) -> list[str]:
    """One line for each fault, in their order: the setting, what is wrong with it and what to do."""
    return [_fault_line(t, fault) for fault in faults]


def store_error_line(t: Text, error: StoreError) -> str:
    """Why the watch list cannot be used, and what to do."""
    say = _entry(STORE_ERRORS, error.kind, error.reason) or STORE_ERRORS["not_writable", ""]
    return say(t, {"path": _quoted(t, plain(str(error.path), _PATH_MOST)), "reason": plain(error.reason)})


def _fault_line(t: Text, fault: Fault) -> str:
    say = _entry(FAULTS, fault.kind, fault.reason or fault.expected) or FAULTS["wrong_type", ""]
    return say(t, _told(t, fault))


def _entry(table: _Table, kind: str, reason: str | None) -> _Say | None:
    words = (reason or "", _SAME_AS.get(reason or "", ""), "")
    return next((table[kind, word] for word in words if (kind, word) in table), None)


def _told(t: Text, fault: Fault) -> _Told:
    bare = plain(fault.value or "", _MOST)
    nearest = plain(fault.nearest or "", _MOST)
    value = _quoted(t, bare) if bare else t("the value")
    if fault.source == "config" and fault.found:  # 5 and "5" look alike, and one of them is wrong
        value = t("{value} (type {type})", value=value, type=plain(fault.found, _MOST))
    example = nearest or _HOST
    if fault.expected == "list_of_whole_numbers":
        example = "101, 102" if fault.source == "environment" else "[101, 102]"
    return {
        "name": _label(t, plain(fault.name, _MOST), fault.source),
        "value": value,
        "path": _quoted(t, bare) if bare else t("the path given"),
        "bare": bare,
        "error": bare or "Exception",
        "user": bare or "user@realm",
        "example": example,
        "nearest": nearest,
        "other": plain(fault.other or "", _MOST),
        "reason": plain(fault.reason or "", _MOST),
        "low": fault.low,
        "high": fault.high,
        "line": fault.line,
    }


def _label(t: Text, name: str, source: str) -> str:
    if source == "environment":
        return t("{name} (environment)", name=name)
    return t("{name} (read from its file)", name=name) if source == "file" else name


def _quoted(t: Text, value: str) -> str:
    return t("“{value}”", value=value)

"""Explain the faults of the settings and of the files in DATA_DIR, for the terminal and the health check.

This module does not import the adapters that find the faults, so its tables use the values of their enums as keys.
`_values_of` makes all values of a setting's fault safe. The sentences contain no Discord markdown and no line breaks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ui.formatting import plain
from ui.i18n import N_, Text
from ui.messages.settings import FAULTS, FaultValues, Table

if TYPE_CHECKING:  # `ui` must not import the adapters at run time
    from adapters.files.data_lock import DataDirInUse, ForeignFile
    from adapters.files.stored_sites import SiteFault
    from adapters.journal.store import JournalError
    from adapters.settings.load import Fault, SettingsError
    from monitor_store import StoreError

_MOST = 100  # characters
_PATH_MOST = 300  # characters
_HOST = "pve.example.com"

_EXAMPLES = {
    "list_of_ids": ("[423456789012345678]", "[423456789012345678]"),
    "list_of_whole_numbers": ("101, 102", "[101, 102]"),
    "list_of_sites": ("home, colo", '["home", "colo"]'),
    "hosts": ("pve1, pve2:8006", '["pve1", "pve2:8006"]'),
}
"""Examples by the form of a setting: in the environment, and in config.py."""

FILE_ERRORS: Table = {
    ("unreadable", ""): N_("Cannot read the {file} {path} ({reason}). Check the file and its permissions."),
    ("unreadable", "EACCES"): N_(
        "The bot has no permission to read the {file} {path}. Grant it to the bot's user."
    ),
    ("unreadable", "EISDIR"): N_("The {file} {path} is a directory. Move it away."),
    ("not_writable", ""): N_(
        "Cannot write the {file} {path} ({reason}). Check the disk and the permissions."
    ),
    ("not_writable", "EACCES"): N_(
        "The bot has no permission to write the {file} {path}. Grant its user write "
        "permission for the directory."
    ),
    ("not_writable", "ENOENT"): N_(
        "The directory of the {file} {path} does not exist. Create it, or correct DATA_DIR."
    ),
    ("not_writable", "ENOSPC"): N_("Cannot write the {file} {path}: the disk is full. Free up space."),
    ("not_writable", "EROFS"): N_(
        "Cannot write the {file} {path}: the file system is read-only. Set another DATA_DIR."
    ),
    ("not_writable", "SQLITE_BUSY"): N_(
        "The {file} {path} is in use by another program. Close that program."
    ),
    ("newer_version", ""): N_(
        "The {file} {path} was written by a newer version of the bot (format {reason}). Update the bot, or move "
        "the file away."
    ),
}
"""Sentences for errors of the watch list and the journal, by kind and reason. "" stands for all other reasons."""

SITE_FAULTS = {
    "missing": N_(
        "DATA_DIR has data from when there was only one site. Set FIRST_SITE to the site that it belongs to: {sites}."
    ),
    "changed": N_(
        "DATA_DIR has data from when there was only one site. It belongs to the site {site}. Set FIRST_SITE to "
        "{site}."
    ),
    "gone": N_(
        "DATA_DIR has data from when there was only one site. It belongs to the site {site}, which is not configured "
        "any more. Remove FIRST_SITE, or configure {site} again and set FIRST_SITE to it."
    ),
    "taken": N_(
        "FIRST_SITE is {site}, but DATA_DIR already has data of this site and also data from when there was only one "
        "site. Give this site another name, or set FIRST_SITE to another site."
    ),
    "unneeded": N_(
        "FIRST_SITE is {site}, but DATA_DIR already has data of this site and no data from when there was only one "
        "site. Remove FIRST_SITE, or give this site another name."
    ),
    "unclear": N_(
        "Only one site is configured, but the watch list has the lists of several sites: {sites}. Configure these "
        "sites again, or keep only the right list in monitor_list.json."
    ),
}

_SAME_AS = {
    "EPERM": "EACCES",
    "ENOTDIR": "ENOENT",
    "EDQUOT": "ENOSPC",
    "SQLITE_FULL": "ENOSPC",
    "SQLITE_LOCKED": "SQLITE_BUSY",
}
"""Reasons that have the sentence of another reason."""


def fault_lines(t: Text, faults: Iterable[Fault]) -> list[str]:
    """Return one line per fault, in the same order: the setting, the fault and what to do."""
    return [_fault_line(t, fault) for fault in faults]


def store_error_line(t: Text, error: StoreError) -> str:
    """Explain why the watch list cannot be used, and what to do."""
    return _file_line(t, t("watch list"), error)


def journal_error_line(t: Text, error: JournalError) -> str:
    """Explain why the journal cannot be used, and what to do."""
    return _file_line(t, t("journal"), error)


def _file_line(t: Text, file: str, error: StoreError | JournalError) -> str:
    values = {
        "file": file,
        "path": _quoted(t, plain(str(error.path), _PATH_MOST)),
        "reason": plain(error.reason),
    }
    return _line(t, FILE_ERRORS, (error.kind, error.reason), ("not_writable", ""), values)


def site_fault_line(t: Text, error: SiteFault) -> str:
    """Explain why the data in `DATA_DIR` does not fit the configured sites, and what to do."""
    sites = " ".join(_quoted(t, plain(name, _MOST)) for name in error.sites)
    return t(SITE_FAULTS[error.kind.value], site=_quoted(t, plain(error.site, _MOST)), sites=sites)


def in_use_line(t: Text, error: DataDirInUse) -> str:
    """Explain that another process uses `DATA_DIR`."""
    path = _quoted(t, plain(str(error.path), _PATH_MOST))
    if error.pid is None:
        return t("Another bot already uses {path}. Stop it, or set another DATA_DIR.", path=path)
    return t(
        "Another bot (process {pid}) already uses {path}. Stop it, or set another DATA_DIR.",
        pid=error.pid,
        path=path,
    )


def foreign_file_line(t: Text, error: ForeignFile) -> str:
    """Explain that a file in `DATA_DIR` is not the bot's own: a link, another user's file, or not a regular file."""
    path = _quoted(t, plain(str(error.path), _PATH_MOST))
    if error.reason == "link":
        return t(
            "{path} is a link. The bot does not follow links to its own files. Put the file "
            "itself there, or set DATA_DIR to the directory that contains it.",
            path=path,
        )
    if error.reason == "owner":
        return t(
            "{path} belongs to another user (ID {user}). Change its owner to the bot's user, or "
            "move it away.",
            path=path,
            user=error.owner,
        )
    return t("{path} is not a regular file. Move it away.", path=path)


def _fault_line(t: Text, fault: Fault) -> str:
    reason = fault.reason or fault.expected or ""
    return _line(t, FAULTS, (fault.kind, reason), ("wrong_type", ""), _values_of(t, fault))


def _line(
    t: Text, table: Table, wanted: tuple[str, str], otherwise: tuple[str, str], values: FaultValues
) -> str:
    """Fill in the row for the wanted kind and reason, or its reason in `_SAME_AS`.

    Without such a row take that for the kind alone, or else the row `otherwise`.
    """
    kind, reason = wanted
    rows = [(kind, word) for word in (reason, _SAME_AS.get(reason, ""), "")]
    message = table[next((row for row in rows if row in table), otherwise)]
    return t(message if isinstance(message, str) else message(values), **values)


def _values_of(t: Text, fault: Fault) -> FaultValues:
    bare = plain(fault.value or "", _MOST)
    nearest = plain(fault.nearest or "", _MOST)
    value = _quoted(t, bare) if bare else t("the value")
    if fault.source == "config" and fault.found:  # 5 and "5" look alike, but only one of them is right
        value = t("{value} (type {type})", value=value, type=plain(fault.found, _MOST))
    examples = _EXAMPLES.get(fault.expected or "", (nearest or _HOST,) * 2)
    example = examples[0 if fault.source == "environment" else 1]
    return {
        "name": _label(t, plain(fault.name, _MOST), fault.source),
        "value": value,
        "path": _quoted(t, bare) if bare else t("the specified path"),
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


def config_report(t: Text, error: SettingsError) -> list[str]:
    """Return a heading with the number of faults, and a line for each fault with its remedy."""
    head = t.plural(
        "The configuration has {n} error:", "The configuration has {n} errors:", len(error.faults)
    )
    return [head, *(f"- {line}" for line in fault_lines(t, error.faults))]

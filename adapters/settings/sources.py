"""Find the raw values of the settings: in the environment, in config.py and in the files that these name."""

from __future__ import annotations

import difflib
import os
import re
import runpy
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from adapters.files.atomic_file import errno_name
from adapters.settings.faults import (
    Fault,
    FaultKind,
    RawSetting,
    SettingRejected,
    Source,
    bytes_of,
    printable,
    with_value,
)
from adapters.settings.table import KNOWN_NAMES, SETTINGS, Setting
from adapters.settings.written_sites import WrittenSite

ConfigState = Literal["read", "absent", "broken"]


@dataclass(frozen=True, slots=True, repr=False)
class Origin:
    """Where some settings are given: in the environment and in config.py, by the names of their rows.

    `base`, `hide` and `sites`: as in `RawSetting`.
    `variable` and `label`: put before the name of a setting, in the environment and in config.py.
    """

    variables: Mapping[str, object]
    config: Mapping[str, object]
    base: Path
    hide: tuple[str, ...]
    sites: tuple[str, ...] | None = ()
    variable: str = ""
    label: str = ""

    def of_site(self, site: WrittenSite) -> Origin:
        """Return the origin of the settings of one site."""
        return replace(
            self,
            variables=site.variables,
            config=site.config or {},
            variable=site.variable_prefix,
            label=site.label,
        )

    def find(self, row: Setting) -> RawSetting | None:
        """Return the value of a row: from the environment, else config.py, else the default. None if there is none.

        Raises: SettingRejected.
        """
        source: Source
        for source, where in (("environment", self.variables), ("config", self.config)):
            prefix = self.variable if source == "environment" else self.label
            name, file_name = prefix + row.name, prefix + (row.file_name or "")
            value, file = where.get(row.name), where.get(row.file_name or "")
            if value is not None and file is not None:
                raise SettingRejected(Fault(FaultKind.BOTH_GIVEN, name, source=source, other=file_name))
            given = RawSetting(name, row.form, value, source, self.base, self.hide, row.secret, self.sites)
            if file is not None:  # shown only with a separator in it: else it may be the secret itself
                secret = not isinstance(file, str | Path) or not {"/", os.sep} & set(str(file))
                from_file = RawSetting(file_name, "path", file, source, self.base, self.hide, secret)
                return _from_file(name, row.form, from_file)
            if isinstance(value, str) and re.fullmatch(r"\s*<(?![@#]).*>\s*", value, re.S):
                given.reject(FaultKind.PLACEHOLDER_LEFT)
            if row.form == "id" and row.required and not isinstance(value, bool) and value in (0, "0"):
                given.reject(FaultKind.PLACEHOLDER_LEFT)
            if value is not None:
                return given
        if row.default is None:
            return None
        name = self.label + row.name
        return RawSetting(name, row.form, row.default, "default", self.base, sites=self.sites)

    def missing(self, row: Setting) -> Fault:
        """Return the fault of a required setting that is given nowhere."""
        file_name = self.label + row.file_name if row.file_name else None
        return Fault(FaultKind.MISSING, self.label + row.name, other=file_name)


@dataclass(frozen=True, slots=True, repr=False)
class Parsed:
    """Parsed settings: their values by field name, None without a value, and the raw values by row name."""

    values: dict[str, Any]
    given: dict[str, RawSetting]


def parse_rows(
    rows: Iterable[Setting], origin: Origin, faults: list[Fault], *, complete: bool = True
) -> Parsed:
    """Parse rows, and add all their faults to `faults`. `complete=False`: a missing one is not a fault."""
    values, raw = dict[str, Any](), dict[str, RawSetting]()
    for row in rows:
        try:
            given = origin.find(row)
            if given is None and row.required and complete:
                faults.append(origin.missing(row))
            value = row.parse(given) if given is not None else None
            if given is not None and value is not None and value == values.get(row.unlike):
                given.reject(FaultKind.GUILD_AS_ROLE)
            values[row.name.lower()] = value
            if given is not None:
                raw[row.name] = given
        except SettingRejected as refused:
            faults.extend(refused.faults)
    return Parsed(values, raw)


def _from_file(name: str, form: str, given: RawSetting) -> RawSetting:
    content = bytes_of(given, given.path(FaultKind.UNREADABLE_FILE))
    text = content.decode("utf-8-sig", "replace").strip()
    if not text:
        given.reject(FaultKind.UNREADABLE_FILE, reason="empty")
    return RawSetting(name, form, text, "file", given.base, secret=True)


def secrets_in(places: Iterable[Mapping[str, object]]) -> tuple[str, ...]:
    """Return the secrets in these places, except those of up to five characters, which would mask too much.

    Each place has values by the name of their row.
    """
    names = [row.name for row in SETTINGS if row.secret]
    return tuple(
        text.strip()
        for place in places
        for name in names
        if isinstance(text := place.get(name), str) and len(text.strip()) > 5
    )


def read_config(path: Path, faults: list[Fault]) -> tuple[dict[str, object], ConfigState]:
    """Return the settings of config.py that have a value, and whether it was read. Add its faults to `faults`.

    Warnings are silenced: those of the compiler print the source line, and with it a secret.
    """
    try:
        path.read_bytes()
    except FileNotFoundError:
        return {}, "absent"
    except OSError as error:
        faults.append(Fault(FaultKind.UNREADABLE_FILE, path.name, printable(path), reason=errno_name(error)))
        return {}, "broken"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            names = runpy.run_path(str(path))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - config.py is foreign code and may raise anything
        faults.append(_config_fault(path, error))
        return {}, "broken"
    found = {name: value for name, value in names.items() if name.isupper() and not name.startswith("_")}
    for name in sorted(found.keys() - set(KNOWN_NAMES)):
        if not isinstance(found.pop(name), ModuleType | type) and not callable(names[name]):
            nearest = difflib.get_close_matches(name, KNOWN_NAMES, 1)
            faults.append(Fault(FaultKind.UNKNOWN_NAME, name[:80], nearest=nearest[0] if nearest else None))
    return with_value(found), "read"


def _config_fault(path: Path, error: BaseException) -> Fault:
    if isinstance(error, SyntaxError) and error.filename in (str(path), None):
        return Fault(FaultKind.CONFIG_SYNTAX, path.name, line=error.lineno)
    line, frame = None, error.__traceback__
    while frame is not None:
        line = frame.tb_lineno if frame.tb_frame.f_code.co_filename == str(path) else line
        frame = frame.tb_next
    return Fault(FaultKind.CONFIG_ERROR, path.name, type(error).__name__, line=line)

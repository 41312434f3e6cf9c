"""Find the sites as they are written: in SITES of config.py, and in variables SITE_<NAME>_<SETTING>.

A variable has the name in upper case, with `_` for `-`. A name contains no `_`, so no two names share variables.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from adapters.settings.faults import Fault, FaultKind, RawSetting, SettingRejected, printable, with_value

_NAME = re.compile(r"[a-z0-9-]{1,16}")
_SETTING_LIKE = re.compile(r"[A-Z][A-Z_]{0,39}")


@dataclass(frozen=True, slots=True, repr=False)
class WrittenSite:
    """One site with its raw values, by the names of their settings.

    `config`: the values in config.py, None if config.py does not have the site.
    """

    name: str
    variables: dict[str, object] = field(default_factory=dict)
    config: Mapping[str, object] | None = None

    @property
    def variable_prefix(self) -> str:
        return variable_prefix_of(self.name)

    @property
    def label(self) -> str:
        """Return the text before the name of a setting, for a fault."""
        return self.variable_prefix if self.config is None else _config_prefix_of(self.name)


def variable_prefix_of(name: str) -> str:
    """Return the beginning of the variables of a site."""
    return f"SITE_{name.upper().replace('-', '_')}_"


def _config_prefix_of(name: str) -> str:
    return f'SITES["{name}"].'


def parse_sites(known: Sequence[str], given: RawSetting) -> dict[str, Mapping[str, object]]:
    """Check the form of SITES, `{name: {setting: value}}`, and return it. `known`: the settings that a site may have.

    Raises: SettingRejected.
    """
    rows = given.value
    if not isinstance(rows, dict):
        given.reject(FaultKind.WRONG_TYPE, value=None, expected=given.form, found=type(rows).__name__)
    faults = list[Fault]()
    for name, site in rows.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            faults.append(given.fault(FaultKind.BAD_SITE_NAME, name))
        elif not isinstance(site, dict):
            found = type(site).__name__
            label = _config_prefix_of(name).rstrip(".")
            faults.append(Fault(FaultKind.WRONG_TYPE, label, expected="site", found=found))
        else:
            faults += [
                _unknown(_config_prefix_of(name), key, known, given) for key in site if key not in known
            ]
    if faults:
        raise SettingRejected(*faults)
    return rows


def _unknown(label: str, key: object, known: Sequence[str], given: RawSetting) -> Fault:
    """Return the fault of a key that is not a setting. Show the key only if it looks like a setting, not a secret."""
    if not isinstance(key, str) or printable(key, given.hide) != key or len(key) > 40:
        return Fault(FaultKind.UNKNOWN_NAME, label.rstrip("."), reason="key")
    nearest = next(iter(difflib.get_close_matches(key.upper(), known, 1)), None)
    if nearest is None and not _SETTING_LIKE.fullmatch(key):
        return Fault(FaultKind.UNKNOWN_NAME, label.rstrip("."), reason="key")
    return Fault(FaultKind.UNKNOWN_NAME, label + key, reason="in_site", nearest=nearest)


def find_sites(known: Sequence[str], environ: Mapping[str, str], rows: Any) -> tuple[WrittenSite, ...]:
    """Return the sites with a valid name: those of SITES in its order, then those that only variables define.

    `rows`: SITES. Invalid parts are left out: `parse_sites` and `variable_faults` report them.
    """
    found = {
        name: WrittenSite(name, config=with_value(site))
        for name, site in (rows.items() if isinstance(rows, dict) else ())
        if isinstance(name, str) and _NAME.fullmatch(name) and isinstance(site, dict)
    }
    for _, written, setting, value in _variables(known, environ):
        name = written.lower().replace("_", "-")
        if _NAME.fullmatch(name) and variable_prefix_of(name) == f"SITE_{written}_":
            found.setdefault(name, WrittenSite(name)).variables[setting] = value
    return tuple(found.values())


def values_of_sites(
    known: Sequence[str], environ: Mapping[str, str], rows: Any
) -> Iterator[Mapping[str, object]]:
    """Yield the raw values of all sites, even of those with an invalid name: they may contain secrets."""
    yield from (site for site in (rows.values() if isinstance(rows, dict) else ()) if isinstance(site, dict))
    yield from ({setting: value} for _, _, setting, value in _variables(known, environ))


def variable_faults(
    known: Sequence[str], environ: Mapping[str, str], sites: Iterable[WrittenSite]
) -> list[Fault]:
    """Return the faults in the names of variables: an invalid site, and a setting that is likely misspelled."""
    prefixes = sorted((site.variable_prefix for site in sites), key=len, reverse=True)
    faults, valid = list[Fault](), set[str]()
    for variable, written, _, _ in _variables(known, environ):
        valid.add(variable)
        if f"SITE_{written}_" not in prefixes:
            shown = printable(written)
            faults.append(Fault(FaultKind.BAD_SITE_NAME, variable[:80], shown, source="environment"))
    for variable in sorted(name for name in environ if name not in valid and environ[name].strip()):
        prefix = next(filter(variable.startswith, prefixes), None)
        nearest = difflib.get_close_matches(variable.removeprefix(prefix), known, 1, 0.8) if prefix else []
        if prefix and nearest:  # others may have such variables: only a name similar to a setting is a fault
            fault = Fault(FaultKind.UNKNOWN_NAME, variable[:80], source="environment", reason="in_site")
            faults.append(replace(fault, nearest=prefix + nearest[0]))
    return faults


def _variables(known: Sequence[str], environ: Mapping[str, str]) -> Iterator[tuple[str, str, str, str]]:
    """Yield the whole name, the site as written, the setting and the value of each variable that has a value."""
    pattern = re.compile(rf"SITE_(.+)_({'|'.join(known)})", re.S)
    for variable in sorted(environ):
        match = pattern.fullmatch(variable)
        if match and environ[variable].strip():
            yield variable, match[1], match[2], environ[variable]

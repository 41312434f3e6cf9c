"""Parse the addresses of a site's API, and the certificates that are trusted there.

Each parser raises SettingRejected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from adapters.settings.faults import Fault, FaultKind, RawSetting, SettingRejected
from adapters.settings.values import parse_fingerprint, parse_host
from core.entry_point import EntryPoint

Address = tuple[str, int]
"""Host and port."""
Pins = str | Mapping[Address, str]
"""One fingerprint, or one per `address_key`."""


def parse_hosts(given: RawSetting) -> tuple[Address, ...]:
    """Parse one address or a list of them. In the environment, commas separate them."""
    items = given.value
    if isinstance(items, str):
        parts = items.split(",") if given.source == "environment" else [items]
        items = [part.strip() for part in parts if part.strip()]
    if not isinstance(items, (list, tuple)) or not items:
        raise SettingRejected(given.wrong_type(items))
    found, faults = list[Address](), list[Fault]()
    for item in items:
        part = given.part(item)
        try:
            address = parse_host(part)
            if address_key(address) in map(address_key, found):
                part.reject(FaultKind.DUPLICATE_HOST)
            found.append(address)
        except SettingRejected as refused:
            faults.extend(refused.faults)
    if faults:
        raise SettingRejected(*faults)
    return tuple(found)


def parse_fingerprints(given: RawSetting) -> Pins:
    """Parse one fingerprint, or a table `{host: fingerprint}`: in the environment `host=AA:BB:…`, with commas."""
    rows = given.value
    if isinstance(rows, str):
        text = rows.strip()
        if given.source != "environment" or "=" not in text or re.match("sha-?256", text, re.I):
            return parse_fingerprint(given)
        pairs = [_pair(each) for each in re.split(r"[,\s]+", text) if each]
    elif isinstance(rows, Mapping):
        pairs = list(rows.items())
    else:
        raise SettingRejected(given.wrong_type(rows))
    found, faults = dict[Address, str](), list[Fault]()
    for host, pin in pairs:
        try:
            address = address_key(parse_host(given.part(host)))
            if address in found:
                given.part(host).reject(FaultKind.DUPLICATE_HOST)
            found[address] = parse_fingerprint(given.part(pin))
        except SettingRejected as refused:
            faults.extend(refused.faults)
    if faults:
        raise SettingRejected(*faults)
    return found


def _pair(text: str) -> tuple[object, object]:
    host, equals, pin = text.rpartition("=")
    return (host, pin) if equals else (pin, host)


def entry_points(
    addresses: tuple[Address, ...], pins: Pins | None, given: RawSetting | None
) -> tuple[EntryPoint, ...]:
    """Give each address its fingerprint. `given`: the setting of the fingerprints, for its faults.

    One fingerprint for several addresses is refused: each node has a certificate of its own, and the mistake would
    only show when the first node fails.
    Raises: SettingRejected.
    """
    if given is not None and isinstance(pins, str) and len(addresses) > 1:
        given.reject(FaultKind.BAD_FINGERPRINT, reason="several", value=None)
    if given is not None and isinstance(pins, Mapping):
        strays = pins.keys() - set(map(address_key, addresses))
        if strays:
            raise SettingRejected(
                *(
                    given.fault(FaultKind.BAD_FINGERPRINT, written(stray), reason="no_host")
                    for stray in sorted(strays)
                )
            )
    if isinstance(pins, Mapping):
        return tuple(EntryPoint(*address, pins.get(address_key(address))) for address in addresses)
    return tuple(EntryPoint(*address, pins) for address in addresses)


def address_key(address: Address) -> Address:
    """Return the address in a normal form: two spellings of one address become equal."""
    host, port = address
    return host.casefold(), port


def written(address: Address) -> str:
    """Return an address as in PROXMOX_HOST."""
    host, port = address
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if port == 8006 else f"{bracketed}:{port}"

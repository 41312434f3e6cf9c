"""Ask for the name of a cluster, its hosts and their certificates.

Every step raises Back or Cancelled (startup/first_run/terminal.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from adapters.settings.entry_points import Address, address_key, written
from adapters.settings.faults import Fault, FaultKind
from adapters.settings.values import SWITCH_WORDS
from core.entry_point import EntryPoint
from core.health.result import Result, Verdict
from startup.first_run.answers import (
    is_none,
    split_hosts,
    yes_or_no,
)
from startup.first_run.draft import SiteDraft
from startup.first_run.talk import Talk
from startup.health.proxmox import check_entry_point
from ui.formatting import plain
from ui.messages.startup import PATH_MOST

UNTRUSTED = ("tls_untrusted", "tls_other_fingerprint")


def ask_name(talk: Talk) -> None:
    """Ask for the name of one of several clusters. The answer `-` removes the cluster, unless it is the first."""
    t, site, sites = talk.t, talk.draft.site, talk.draft.sites
    others = [other.name for other in sites if other is not site]
    first = site is sites[0]
    needed = t("Each cluster needs a short name. People type it before a VMID, as in home/101.")
    if first:
        talk.say(needed)
    question = t("Name of the first cluster") if first else t("Name of the other cluster (- leaves it out)")
    while True:
        name = talk.ask(question, site.name or proposed_name(site, others))
        if is_none(name) and not first:
            sites.remove(site)
            return
        if is_none(name):
            talk.refuse(needed)
        elif name in others:
            talk.refuse(t("Another cluster has this name."))
        elif talk.parsed("SITES", {name: {}}) is not None:
            site.name = name
            return


def proposed_name(site: SiteDraft, others: Sequence[str]) -> str:
    """Return the first part of the first host's name if it is a free site name, else the next of site2, site3, …."""
    host = site.points[0].host.lower() if site.points else ""
    found = re.match(r"[a-z][a-z0-9-]{0,15}(?=\.|$)", host)
    numbered = (f"site{number}" for number in count(len(others) + 1))
    return next(name for name in chain([found[0]] if found else [], numbered) if name not in others)


def ask_hosts(talk: Talk) -> None:
    """Ask for the hosts, and test name, connection, certificate and clock of each."""
    t, site = talk.t, talk.draft.site
    talk.say(
        t(
            "The name or IP address of a Proxmox node. Several nodes of one cluster: separate them with commas."
        )
    )
    before = ", ".join(label(point) for point in site.points)
    while True:
        hosts = split_hosts(talk.ask(t("Proxmox host"), before))
        if not hosts:
            continue
        before = ", ".join(hosts)
        addresses = talk.parsed("PROXMOX_HOST", hosts)
        if addresses is None or _is_taken(talk, addresses):
            continue
        pins = {(point.host, point.port): point.fingerprint for point in site.points}
        site.points = tuple(EntryPoint(host, port, pins.get((host, port))) for host, port in addresses)
        usable = _test_hosts(talk)
        if all(usable):
            return
        if any(usable) and talk.yes(t("Not all of them work. Keep them and continue?"), default=True):
            return
        if not talk.terminal.interactive:
            talk.wait("")
        talk.say(t("Press Enter to test them again."))


def _test_hosts(talk: Talk) -> list[bool]:
    """Test each host, and return whether it can be used. Test it again after an answer that changes the trusted CAs.

    Raises: Back, Cancelled.
    """
    site = talk.draft.site
    tested: list[tuple[bool | Path, bool] | None] = [None] * len(site.points)
    while True:
        at = next((at for at, found in enumerate(tested) if found is None or found[0] != site.verify), None)
        if at is None:
            return [found[1] for found in tested if found is not None]
        usable = _test_host(talk, at)
        tested[at] = site.verify, usable


def _is_taken(talk: Talk, addresses: Sequence[Address]) -> bool:
    """Return whether another cluster has one of these addresses, after saying so."""
    others = {
        address_key((point.host, point.port)): other.name
        for other in talk.draft.sites
        if other is not talk.draft.site
        for point in other.points
    }
    twice = [address for address in addresses if address_key(address) in others]
    talk.tell_faults(
        Fault(FaultKind.DUPLICATE_HOST, "PROXMOX_HOST", written(address), other=others[address_key(address)])
        for address in twice
    )
    return bool(twice)


def _test_host(talk: Talk, at: int) -> bool:
    """Test a host, and ask about its certificate if it is not trusted. Return whether the host can be used.

    Raises: Back, Cancelled.
    """
    site, told = talk.draft.site, set[str]()
    while True:
        point = site.points[at]
        talk.say(talk.t("Testing {host}…", host=label(point)))
        results = talk.run(check_entry_point(site.probe, point))
        untrusted = next((result for result in results if result.word in UNTRUSTED), None)
        fresh = [result for result in results if result.word not in told and result is not untrusted]
        talk.tell(result for result in fresh if result.level is not Verdict.UNCHECKED)
        told |= {result.word for result in results if result.level is Verdict.OK}
        if untrusted is None:
            return all(result.level is not Verdict.ERROR for result in results)
        if not _trust(talk, at, untrusted):
            return False


def _trust(talk: Talk, at: int, untrusted: Result) -> bool:
    """Ask about a certificate that is not trusted. Return whether to test the host again.

    The bot wants a confirmed fingerprint and the signature of a CA file, if it has both. So each replaces the other.

    Raises: Back, Cancelled.
    """
    t, site = talk.t, talk.draft.site
    fingerprint, former = untrusted.values["fingerprint"], site.points[at].fingerprint
    if former is not None:
        talk.say(
            t(
                "The certificate is not the one that you confirmed (SHA-256 {former}). If you have not renewed it, "
                "something else may be answering. Its SHA-256 fingerprint is now:",
                former=former,
            )
        )
    elif isinstance(site.verify, Path):
        talk.say(
            t(
                "The certificate is not signed by the CA in {path}. Its SHA-256 fingerprint is:",
                path=plain(str(site.verify), PATH_MOST),
            )
        )
    else:
        talk.say(
            t(
                "The certificate is not signed by a known CA, which is usual for Proxmox. Its SHA-256 fingerprint is:"
            )
        )
    talk.terminal.copy(f"  {fingerprint}")
    talk.say(
        t(
            "Compare it on the node: `pvenode cert info`, the line of pveproxy-ssl.pem (of pve-ssl.pem if there is "
            "none). Answer y only if they are the same. With a copy of /etc/pve/pve-root-ca.pem on this machine, "
            "type its path instead."
        )
    )
    while True:
        typed = talk.ask(t("Are they the same? [y/N or path]"))
        answer = yes_or_no(typed, default=False)
        if answer:
            points = list(site.points)
            points[at] = replace(points[at], fingerprint=fingerprint)
            site.points = tuple(points)
            if isinstance(site.verify, Path):
                site.verify = True
            return True
        if answer is False:
            talk.refuse(t("Something else is answering at this address. Check the address."))
            return False
        if typed.lower() in SWITCH_WORDS:  # the advice of the setting itself would be to enter True or False
            talk.refuse(t("Answer y or n, or type the path of a CA file."))
            continue
        path = talk.parsed("PROXMOX_VERIFY_SSL", typed)
        if isinstance(path, Path):
            site.verify = path.absolute()
            site.points = tuple(replace(point, fingerprint=None) for point in site.points)
            return True


def label(point: EntryPoint) -> str:
    """Return an address as it is typed."""
    host = f"[{point.host}]" if ":" in point.host else point.host
    return host if point.port == 8006 else f"{host}:{point.port}"

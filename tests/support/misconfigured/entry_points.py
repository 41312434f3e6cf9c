"""Plant faults on the way to Proxmox: name, port, certificate and clock."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator

from startup.health.deadline import in_time
from tests.support.misconfigured.fault import BAD, DOUBT, Faults, Settings
from tests.support.process_stage import ProcessStage

FAULTS = Faults()
fault = FAULTS.add
HURRY = 1.0
"""Seconds that a step of the health check has while nobody answers."""


@contextlib.contextmanager
def hurried() -> Iterator[None]:
    """Give each step of the health check little time, so that a silence is short."""
    before = in_time.__defaults__
    in_time.__defaults__ = (HURRY,)
    try:
        yield
    finally:
        in_time.__defaults__ = before


@fault("dns_failed", BAD, "PROXMOX_HOST")
def name_is_unknown(_s: ProcessStage) -> Iterator[Settings]:
    yield {"PROXMOX_HOST": "pve.invalid"}


@fault("tcp_refused", BAD, "PROXMOX_HOST.*systemctl status pveproxy")
def port_is_closed(_s: ProcessStage) -> Iterator[Settings]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield {"PROXMOX_HOST": f"127.0.0.1:{free.getsockname()[1]}"}


@fault("tcp_failed", BAD, "(?i)firewall|ファイアウォール")
def nothing_leads_to_the_address(_s: ProcessStage) -> Iterator[Settings]:
    # no connection can be made to it, and the kernel says so at once
    yield {"PROXMOX_HOST": "255.255.255.255:8006"}


@fault("tls_failed", BAD, r"127\.0\.0\.1.*\d{4}")
def port_never_answers(_s: ProcessStage) -> Iterator[Settings]:
    with socket.create_server(("127.0.0.1", 0)) as silent, hurried():
        yield {"PROXMOX_HOST": f"127.0.0.1:{silent.getsockname()[1]}"}


@fault("no_tls", BAD, "8006.*PROXMOX_HOST|PROXMOX_HOST.*8006")
def port_speaks_no_tls(s: ProcessStage) -> Iterator[Settings]:
    yield {"PROXMOX_HOST": re.sub(r"^\w+://|/.*$", "", s.server.environment()["DISCORD_API_BASE"])}


@fault("tls_untrusted", BAD, r'pvenode cert info.*PROXMOX_FINGERPRINT = "(..:){31}..')
def ca_is_another(_s: ProcessStage) -> Iterator[Settings]:
    yield {"PROXMOX_VERIFY_SSL": "true"}


@fault("tls_other_fingerprint", BAD, r'pvenode cert info.*PROXMOX_FINGERPRINT = "(..:){31}..')
def fingerprint_is_another(_s: ProcessStage) -> Iterator[Settings]:
    yield {"PROXMOX_FINGERPRINT": ":".join(["AB"] * 32)}


@fault("tls_unverified", DOUBT, r'pvenode cert info.*PROXMOX_FINGERPRINT = "')
def certificate_is_not_verified(_s: ProcessStage) -> Iterator[Settings]:
    yield {"PROXMOX_VERIFY_SSL": "false"}


@fault("tls_expired", BAD, "pvecm updatecerts --force")
def certificate_has_expired(s: ProcessStage) -> Iterator[Settings]:
    s.pve.show_certificate(-2)
    yield {}
    s.pve.show_certificate()


@fault("tls_future", BAD, r"\d{4}-\d\d-\d\d.*(clock|時計)")
def certificate_is_not_valid_yet(s: ProcessStage) -> Iterator[Settings]:
    s.pve.show_certificate(begins=5)
    yield {}
    s.pve.show_certificate()


@fault("tls_ends_soon", DOUBT, "pvecm updatecerts --force")
def certificate_expires_soon(s: ProcessStage) -> Iterator[Settings]:
    s.pve.show_certificate(10)
    yield {}
    s.pve.show_certificate()


@fault("clock_behind", DOUBT, r"10\.0.*timedatectl set-ntp true")
def clock_is_ten_minutes_behind(s: ProcessStage) -> Iterator[Settings]:
    s.pve.clock_ahead = 600.0
    yield {}
    s.pve.clock_ahead = 0.0


@fault("clock_ahead", DOUBT, r"10\.0.*timedatectl set-ntp true")
def clock_is_ten_minutes_ahead(s: ProcessStage) -> Iterator[Settings]:
    s.pve.clock_ahead = -600.0
    yield {}
    s.pve.clock_ahead = 0.0

"""Judge the certificate of an entry point: its dates, and whether the bot trusts it."""

from dataclasses import dataclass

from core.health.result import Result, error, ok, warning

SOON_DAYS = 21
"""A certificate, user or token that expires within this many days is reported."""
_DAY = 86400.0  # seconds


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that a server showed. `begins` and `ends`: Unix times. `begins_on` and `ends_on`: their dates."""

    fingerprint: str
    begins: float
    ends: float
    begins_on: str
    ends_on: str


def judge_certificate(
    seen: Certificate, now: float, where: str, *, trusted: bool, pinned: str | None, verified: bool, hint: str
) -> list[Result]:
    """Judge the certificate of one entry point.

    `trusted`: the bot's own client accepts it. `pinned`: PROXMOX_FINGERPRINT. `verified`: PROXMOX_VERIFY_SSL is
    not False. `hint`: the line for config.py that would pin this certificate.
    """
    values = {"fingerprint": seen.fingerprint, "line": hint, "date": seen.ends_on}
    found = []
    if seen.ends <= now:
        found.append(error("proxmox.tls", "tls_expired", where, **values))
    elif seen.begins > now:
        found.append(error("proxmox.tls", "tls_future", where, **values | {"date": seen.begins_on}))
    elif not trusted:
        word = "tls_other_fingerprint" if pinned else "tls_untrusted"
        found.append(error("proxmox.tls", word, where, **values))
    elif not verified and not pinned:
        found.append(warning("proxmox.tls", "tls_unverified", where, **values))
    if not found and seen.ends - now < SOON_DAYS * _DAY:
        days = str(int((seen.ends - now) // _DAY))
        found.append(warning("proxmox.tls", "tls_ends_soon", where, **values, days=days))
    return found or [ok("proxmox.tls", "tls_ok", where, **values)]

"""Give the demo a past: an incident that is over. It is written to the journal before the bot starts.

The bot posts this incident first, and then the first message that every new directory gets.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from adapters.files.stored_sites import SiteNames
from adapters.journal.store import SqliteJournal
from core.guest import Kind
from core.watch.greeting import OWED
from core.watch.incidents.model import (
    GuestEvent,
    GuestFact,
    Incident,
    Message,
    MessageKind,
    Severity,
    Topic,
    guest_subject,
)
from core.watch.journal import Batch
from playground.discord.people import Person
from startup.data_dir import JOURNAL_NAME

AGO, LASTED, ACKED_AFTER = 2 * 3600.0, 127.0, 41.0
"""Seconds since the incident began, until it was over, and until somebody acknowledged it."""
VMID, NAME, NODE = 103, "minecraft", "pve2"


def write_history(directory: Path, sites: Sequence[str], by: Person, display: str) -> None:
    """Create the journal with the incident, which happened at the first site.

    `sites`: their names; ("",) for one without a name. `by`, `display`: the person who acknowledged the incident, and
    their name.
    """
    now = time.time()
    opened = now - AGO
    guest = GuestFact(VMID, GuestEvent.BACK, Kind.QEMU, NODE, NAME)
    incident = Incident(
        1,
        Topic.GUEST,
        guest_subject(VMID),
        Severity.CRITICAL,
        opened,
        began=0.0,
        guests=(guest,),
        ended=opened + LASTED,
        seconds=LASTED,
        acked_by=display,
        acked_by_id=by.id,
        acked=opened + ACKED_AFTER,
        told=True,
    )
    messages = (
        Message(2, MessageKind.OPENING, now, (incident.id,)),
        Message(3, MessageKind.RECOVERY, now, (incident.id,), silent=True),
    )
    journal = SqliteJournal(directory / JOURNAL_NAME)
    journal.open(SiteNames(tuple(sites)))
    journal.of_site(sites[0]).commit(Batch(dict(OWED), (incident,), messages))
    journal.close()

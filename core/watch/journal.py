"""What must survive a crash, as a protocol; adapters/journal/store.py at the top keeps it in SQLite.

Every call blocks for about a millisecond and is made on the event loop, so that nothing comes between a decision
and its storing. Each is one transaction: it has happened whole or not at all, whenever the process dies.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from core.audit.trail import AuditStore
from core.watch.incidents.model import Incident, Message


@dataclass(frozen=True, slots=True)
class Batch:
    """What is written together. `records` by key, None removes the key; incidents replace those of their id.

    Of a message that was posted already and speaks of a changed incident (Post.OPENING), a new edition is wanted.
    """

    records: Mapping[str, str | None] = field(default_factory=dict)
    incidents: tuple[Incident, ...] = ()
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message on its way. `incidents` are as they are now, in the order of the message.

    `posted` is Discord's id of it, None until it is there; `wanted` and `shown` count its editions (0: the first).
    `tried`: the content of a try of which it is not known whether Discord took it, "" where there is none;
    `tried_at` (Unix seconds) when that was, `late` how many seconds after it was made; `run`: which run of the
    process tried it (Journal.run).
    """

    message: Message
    incidents: tuple[Incident, ...]
    posted: int | None = None
    wanted: int = 0
    shown: int = 0
    tried: str = ""
    tried_at: float = 0.0
    late: float = 0.0
    run: int = 0
    attempts: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Backlog:
    """`waiting` messages are not posted yet, the oldest since `oldest` (Unix seconds); `given_up` were never
    taken. `error`: what Discord said last of one of them. `blocked` messages are shown with fewer words than they
    have, since Discord blocks these; `blocked_error`: what it said last of one."""

    waiting: int = 0
    oldest: float | None = None
    given_up: int = 0
    error: str = ""
    blocked: int = 0
    blocked_error: str = ""


@dataclass(frozen=True, slots=True)
class JournalRenewal:
    """The file was not there any more, or damaged, and was made anew. `whole`: nothing is lost; otherwise the state
    of the watch has to be written again. `aside`: the name under which is kept what stood in its place."""

    whole: bool
    aside: str | None = None


class Journal(AuditStore, Protocol):
    """Every method raises JournalFailed (core/errors.py) when the disk refuses; then nothing was changed. The audit
    trail stands in the same file (core/audit/trail.py)."""

    run: int
    """Counts the starts of the bot on this journal."""
    nonce_prefix: str
    """Ten characters of this journal's own, so that its nonces are no other journal's."""

    def check_file(self) -> JournalRenewal | None:
        """Whether the file is the one that was opened, made anew if it is not, and takes what is written: tried by
        writing something. JournalFailed, too, where a damaged file cannot be made anew yet."""

    def records(self) -> dict[str, str]:
        """All records by key."""

    def open_incidents(self) -> tuple[Incident, ...]:
        """Those not over, by id."""

    def commit(self, batch: Batch) -> None:
        """All of it, durably (synchronous=FULL), or nothing."""

    # -- delivery

    def to_post(self) -> tuple[OutboxMessage, ...]:
        """The messages that are not posted and not given up, by id."""

    def to_edit(self) -> tuple[OutboxMessage, ...]:
        """The posted messages of which a newer edition is wanted, by id."""

    def discord_ids(self) -> frozenset[int]:
        """Discord's ids of all messages that are there."""

    def outbox_message(self, message_id: int) -> OutboxMessage | None:
        """One message by its own id (not Discord's), whatever became of it."""

    def note_try(
        self, message_id: int, content: str, at: float, absorbs: int | None = None, *, late: float = 0.0
    ) -> None:
        """Just before it is sent: from now on it may be there. Counts the attempts.

        `absorbs`: another message that it says too, and which is therefore not sent (no failure).
        """

    def absorb(self, message_ids: Iterable[int]) -> None:
        """These waiting messages are not sent (no failure): others say what they say."""

    def note_posted(self, message_id: int, discord_id: int, edition: int) -> None:
        """Discord has it, in this edition (-1: in one that is older than any)."""

    def note_edited(self, message_id: int, edition: int) -> None:
        """Discord shows this edition."""

    def note_blocked(self, message_id: int, error: str) -> None:
        """Why a message that is there has fewer words than it should; "" once it has them all."""

    def note_refused(self, message_id: int, error: str, *, not_taken: bool) -> None:
        """The try failed; `not_taken`: Discord surely does not have it."""

    def give_up(self, message_id: int, error: str) -> None:
        """It is not sent any more."""

    # -- reading

    def incident(self, incident_id: int) -> Incident | None: ...

    def history(
        self, vmids: Collection[int] | None, offset: int, limit: int
    ) -> tuple[tuple[Incident, ...], int]:
        """Incidents newest first (of these guests, also within groups and nodes; None: all), and their number."""

    def counts(self, since: float) -> dict[int, int]:
        """Incidents opened since then (Unix seconds) by VMID, NOTEs left out."""

    def backlog(self, since: float = 0.0) -> Backlog:
        """`since` (Unix seconds): older messages with fewer words are not counted."""

    def prune(self, before: float) -> bool:
        """Forget some of what ended, and of messages settled, before then (Unix seconds); whether there is more."""

"""Define the journal as a protocol. It stores everything that must survive a crash, except the watch list.

adapters/journal/off_loop.py implements it in SQLite, in threads of its own: no call holds up the event loop. Each
call is one transaction: it happens completely or not at all, whenever the process dies. Changes are made in their
order, and a read sees every change that its caller has stored. core/watch/change_queue.py lets no other change begin
between a decision and its storing.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from core.audit.store import AuditStore
from core.watch.incidents.model import Incident, Message


@dataclass(frozen=True, slots=True)
class Batch:
    """Data that is written together.

    `records`: by key; None deletes the key. `incidents` replace those with the same id.
    The opening (MessageKind.OPENING) of a changed incident gets a new version. A posted one is then due for an edit.
    """

    records: Mapping[str, str | None] = field(default_factory=dict)
    incidents: tuple[Incident, ...] = ()
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message on its way to Discord.

    `stored`: the message as the watch made it. `incidents`: its incidents as they are now, in its order.

    `posted`: Discord's id of the message, None until it is posted.
    `wanted`: number of the newest version of the text (0: the first). `shown`: of the version that Discord shows.
    `tried`: of an unposted message, the content of an attempt whose outcome is unknown, "" if there is none.
    `tried_at`: Unix seconds of the last attempt to post. `late`: its delay in seconds. `run`: its `Journal.run`.
    `attempts`: number of attempts to post.
    `error`: why the last attempt failed; of a posted message, why its text is shortened. "" if neither.
    `opening`: for a recovery, Discord's id of the message that it replies to. None if there is none.
    """

    stored: Message
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
    opening: int | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """Messages that did not arrive as they should.

    `waiting`: number not posted yet, the oldest since `oldest` (Unix seconds).
    `given_up`: number never posted, without tests. `error`: the last reason why a waiting or given up one failed.
    `blocked`: number shown with fewer words because Discord blocked the text. `blocked_error`: Discord's last reason.
    """

    waiting: int = 0
    oldest: float | None = None
    given_up: int = 0
    error: str = ""
    blocked: int = 0
    blocked_error: str = ""


@dataclass(frozen=True, slots=True)
class JournalRenewal:
    """The journal was missing or damaged, and was recreated.

    `whole`: nothing is lost. Otherwise the state of the watch must be written again.
    `aside`: the name under which the old file is kept, if it was there.
    """

    whole: bool
    aside: str | None = None


class Journal(AuditStore, Protocol):
    """The durable store of the bot, including the audit trail (core/audit/store.py).

    Every method raises JournalFailed (core/errors.py) if the disk refuses, does not answer for two seconds, or holds
    data that cannot be read. Nothing was changed then, except perhaps if the disk hangs: a call that has begun may
    still be carried out. Methods that wait longer for a hung disk say so.
    """

    @property
    def run(self) -> int:
        """Number of the bot's starts on this journal."""

    @property
    def nonce_prefix(self) -> str:
        """Ten characters unique to this journal: no other journal has its nonces."""

    async def first_id(self, unix: float) -> int:
        """Return the id from which a new watch counts its incidents and messages. `unix`: Unix seconds now."""

    async def check_file(self) -> JournalRenewal | None:
        """Check that the file is still the opened one, and make a test write. Recreate a missing or damaged file.

        Return how it was recreated, None if it was not. A check that has begun is waited for, however long it takes.
        Raises: JournalFailed, also if a damaged file cannot be recreated yet.
        """

    async def records(self) -> dict[str, str]:
        """Return all records by key."""

    async def open_incidents(self) -> tuple[Incident, ...]:
        """Return the open incidents, ordered by id."""

    async def commit(self, batch: Batch) -> None:
        """Write the whole batch durably (synchronous=FULL), or nothing.

        It returns, or raises, only when it is known whether the batch is stored, however long a hung disk takes.
        """

    async def put_record(self, key: str, text: str | None) -> None:
        """Write one record; None removes it."""

    # -- delivery

    async def to_post(self) -> tuple[OutboxMessage, ...]:
        """Return the messages that are not posted, given up or absorbed, ordered by id."""

    async def to_edit(self) -> tuple[OutboxMessage, ...]:
        """Return the posted messages that need an edit, ordered by id."""

    async def discord_ids(self) -> frozenset[int]:
        """Return Discord's ids of the posted messages of all sites."""

    async def outbox_message(self, message_id: int) -> OutboxMessage | None:
        """Return one message by its own id (not Discord's), whatever its state."""

    async def note_try(
        self, message_id: int, content: str, at: float, absorbs: int | None = None, *, late: float = 0.0
    ) -> None:
        """Note an attempt just before it is sent, because from then on Discord may have the message.

        Also count the attempt. `at`: Unix seconds now. `late`: seconds since the message was made.
        `absorbs`: id of another message that is not sent, because this one includes it (no failure).
        """

    async def absorb(self, message_ids: Iterable[int]) -> None:
        """Mark waiting messages as not to be sent, because others include them (no failure)."""

    async def note_posted(self, message_id: int, discord_id: int, edition: int) -> None:
        """Note that Discord has the message in this version (-1: in one older than the first)."""

    async def note_edited(self, message_id: int, edition: int) -> None:
        """Note the version that Discord shows, or that need not be shown any more."""

    async def note_blocked(self, message_id: int, error: str) -> None:
        """Note why a posted message is shortened; "" once it is complete."""

    async def note_refused(self, message_id: int, error: str, *, not_taken: bool) -> None:
        """Note a failed attempt. `not_taken`: Discord certainly does not have the message."""

    async def give_up(self, message_id: int, error: str) -> None:
        """Mark a message as not to be sent any more."""

    # -- reading

    async def incident(self, incident_id: int) -> Incident | None: ...

    async def history(
        self, vmids: Collection[int] | None, offset: int, limit: int
    ) -> tuple[tuple[Incident, ...], int]:
        """Return a page of incidents, newest first, and the number on all pages.

        The newest is the one that opened last. It may have begun earlier than another (`Incident.opened`).
        `vmids`: only incidents that name one of these guests, also among others; None: all incidents.
        """

    async def earliest_beginning(self, vmids: Collection[int] | None, count: int) -> float:
        """Return the earliest `Incident.opened` among the `count` newest of `history`, 0.0 if there is none."""

    async def counts(self, since: float) -> dict[int, int]:
        """Return the number of incidents by VMID, without NOTEs, opened at or after `since` (Unix seconds)."""

    async def backlog(self, since: float = 0.0) -> Backlog:
        """Count the undelivered messages. `since` (Unix seconds): older shortened messages are not counted."""

    async def prune(self, before: float) -> bool:
        """Delete a limited number of incidents that ended before `before`, and of messages settled by then.

        `before`: Unix seconds. Return whether there may be more.
        """

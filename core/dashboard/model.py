"""Define a dashboard as it is stored: its channel, its extent and the state of its message."""

from dataclasses import dataclass

DASHBOARDS_MOST = 10
"""Maximum number of dashboards of one site."""
LIMITED_MOST = 3
"""Maximum number of dashboards of one person who is limited to some guests, so that others have room."""
_NONCE_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Extent:
    """The part of its site that a dashboard shows. Each field that is not empty limits the part further.

    `node`: this node and its guests. `tag`, `pool`: guests with this tag or in this pool, as in `Scope`
    (core/access/policy.py).
    `roles`: ids of the creator's admin roles, if these cover only some guests. Only guests of these roles are shown.
    """

    node: str = ""
    tag: str = ""
    pool: str = ""
    roles: tuple[int, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether it shows the whole cluster."""
        return self == WHOLE


WHOLE = Extent()


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard.

    `mark`: 16 hex digits, at random. Its buttons contain them, and its message is found again by them.
    `by`, `by_id`, `made`: who made it, and when (Unix seconds).
    `message_id`: Discord's id of its message, None if there is none yet or none any more.
    `message`: counts its messages. It is part of the nonce, so that each message has another nonce.
    `posted`: when the last message was posted (Unix seconds), 0 for never.
    `tried`: when a message was sent whose arrival is not known (Unix seconds), 0 if there is none.
    `run`: the bot's run (`Journal.run`) that sent it or has last searched for it.
    `pinned`: its message was pinned.
    `ending`: it is being removed, and its message is still to be deleted.
    """

    mark: str
    channel_id: int
    extent: Extent
    by: str
    by_id: int
    made: float
    message_id: int | None = None
    message: int = 0
    posted: float = 0.0
    tried: float = 0.0
    run: int = 0
    pinned: bool = False
    ending: bool = False

    @property
    def nonce(self) -> str:
        """The nonce of the current message. Discord allows 25 characters."""
        return f"d{self.mark}{self.message % 10**_NONCE_DIGITS}"

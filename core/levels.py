"""Define the levels of access, and the reach and effect of an operation."""

from enum import IntEnum, StrEnum


class Level(IntEnum):
    """Access level of a role or a person. Each level includes the lower ones."""

    NONE = 0
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


class Reach(StrEnum):
    """The guests on which the person needs the level of an operation."""

    GUEST = "guest"  # the guest that the operation is about
    SEEN = "seen"  # any guest, or a scope without one; the answer shows only guests that the person may see
    WHOLE = "whole"  # the whole cluster


class Effect(IntEnum):
    """Kind of change that an operation makes."""

    NOTHING = 0
    WORDS = 1  # the bot's own messages and settings: alerts, mutes, dashboards, the read-only switch
    LIST = 2  # the watch list
    GUEST = 3  # a guest

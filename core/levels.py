"""Define the levels of access, and the reach and effect of an operation."""

from enum import IntEnum, StrEnum


class Level(IntEnum):
    """Access level of a role. Each level includes the lower ones."""

    NONE = 0
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


class Reach(StrEnum):
    """The guests on which the person needs the level for an operation."""

    GUEST = "guest"  # one guest
    SEEN = "seen"  # the guests that the person may see
    WHOLE = "whole"  # the whole cluster


class Effect(IntEnum):
    """Kind of change that an operation makes."""

    NOTHING = 0
    WORDS = 1  # only the bot's messages: acknowledging, muting
    LIST = 2  # the watch list
    GUEST = 3  # a guest

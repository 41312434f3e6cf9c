"""The lanes on the way to Proxmox: people's reads never delay the watch, nor a change that was ordered."""

from enum import StrEnum


class Lane(StrEnum):
    """For whom a request is sent."""

    READS = "reads"  # what people look at
    CHANGES = "changes"  # a change, from its plan to its end
    WATCH = "watch"  # the cluster's list, which everybody shares, and the watch's own questions

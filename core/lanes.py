"""Separate the requests to Proxmox into lanes: people's reads never delay the watch or an ordered change."""

from enum import StrEnum


class Lane(StrEnum):
    """Purpose of a request."""

    READS = "reads"  # people's reads
    CHANGES = "changes"  # a change, from its plan to its end
    WATCH = "watch"  # the cluster's list, shared by everybody, and the watch's other reads

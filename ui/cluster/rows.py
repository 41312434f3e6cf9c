"""Show nodes and storages as rows, for all cards that list them."""

from collections.abc import Iterable
from dataclasses import dataclass

from core.guest import Node, Storage
from ui.bars import usage_bar
from ui.formatting import ALARM, UNSURE, code
from ui.guests.figures import cores_of
from ui.i18n import Text
from ui.sizes import format_size, format_usage

SLOTS = 8
"""Maximum number of rows and headings on a page of nodes or storages. Each has at most 450 characters."""
NAME_MOST = 40  # characters


def fill(used: int | None, total: int | None) -> float | None:
    """Return the used fraction, None if it is unknown."""
    return used / total if used is not None and total else None


def node_row(t: Text, node: Node) -> str:
    """Show a node with its bars."""
    if not node.online:
        return f"{ALARM} {code(node.name)} · {t('offline')}"
    used = fill(node.memory, node.memory_total)
    size = [cores_of(t, node.cpus)] if node.cpus else []
    size += [format_size(node.memory_total)] if node.memory_total else []
    head = " · ".join((f"{'🟢' if node.known else UNSURE} {code(node.name)}", *size))
    if not node.known:
        head += f" · {t('no new data')}"
    if node.cpu is None and used is None:
        return f"{head}\n{usage_bar(None)} {t('CPU and memory unknown')}"
    return f"{head}\n{usage_bar(node.cpu)} {t('CPU')}\n{usage_bar(used)} {t('memory')}"


@dataclass(frozen=True, slots=True)
class ListedStorage:
    """A storage as it is listed. A shared storage is listed once: as the node that finds it fullest reports it.

    `nodes`: the nodes that have it. `away`: the nodes among them where it is not available now.
    """

    storage: Storage
    nodes: tuple[str, ...]
    away: tuple[str, ...]

    @property
    def fill(self) -> float | None:
        """The used fraction, None if it is unknown."""
        return fill_of(self.storage)


def listed_storages(storages: Iterable[Storage]) -> list[ListedStorage]:
    """Return the storages as they are listed: of a shared one, only the row with the greatest used fraction."""
    groups: dict[tuple[str, str], list[Storage]] = {}
    for storage in storages:
        groups.setdefault((storage.name, "" if storage.shared else storage.node), []).append(storage)
    return [
        ListedStorage(
            max(rows, key=lambda each: -1.0 if (used := fill_of(each)) is None else used),
            tuple(each.node for each in rows),
            tuple(each.node for each in rows if not each.available),
        )
        for rows in groups.values()
    ]


def fullest_first(storages: Iterable[Storage]) -> list[ListedStorage]:
    """Return the storages, the fullest first, but keep those with the same name together."""
    found = sorted(listed_storages(storages), key=lambda each: -(each.fill or 0.0))
    places: dict[str, int] = {}
    for place, each in enumerate(found):
        places.setdefault(each.storage.name, place)
    return sorted(found, key=lambda each: places[each.storage.name])


def storage_row(t: Text, storage: Storage) -> str:
    usage = format_usage(storage.used, storage.total)
    return f"{storage_and_place(t, storage)}\n{usage_bar(fill_of(storage))} {usage}"


def storage_and_place(t: Text, storage: Storage) -> str:
    where = t("shared") if storage.shared else code(storage.node, NAME_MOST)
    return f"{code(storage.name, NAME_MOST)} · {where}"


def fill_of(storage: Storage) -> float | None:
    return fill(storage.used, storage.total) if storage.available else None

"""Show the paragraphs about a cluster: its open incidents, and its nodes and storages with bars.

Each gets its share of a message, so that a cluster of any size fits. If there are too many nodes or storages,
those that need attention most are shown. The others are counted.
"""

from collections.abc import Iterable, Sequence

from core.guest import Node, Storage
from core.watch.incidents.model import Incident, Severity
from ui.bars import usage_bar
from ui.cluster.rows import NAME_MOST, fill, fill_of, listed_storages, node_row, storage_and_place
from ui.formatting import OK, UNSURE, code, fit_lines, more_word, timestamp
from ui.i18n import Text
from ui.phone_lines import SMALL, SMALL_PRINT, phone_lines
from ui.sizes import format_usage
from ui.watch.incidents.text import brief_text, short_text, sign_of

NODES_MOST, STORAGES_MOST, INCIDENTS_MOST = 8, 6, 5
"""Maximum rows of nodes, storages and incidents of one site on the cards of a cluster."""
_GRAVITY = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)


def incidents_text(
    t: Text, incidents: Iterable[Incident], room: int, *, unsure: bool, most: int = INCIDENTS_MOST
) -> str:
    """Return the open incidents, the gravest first. Of equally grave ones the newest come first.

    `room`: maximum characters of their rows. `most`: maximum number of rows.
    `unsure`: a part of the cluster is not seen now, so an empty list is not good news.
    """
    ordered = sorted(incidents, key=lambda each: (_GRAVITY.index(each.level), -each.opened))
    if not ordered:
        return f"{UNSURE} {t('No known open incidents')}" if unsure else f"{OK} {t('No open incidents')}"
    head = f"**{t('Open incidents')}** {t('{incidents}', incidents=len(ordered))}"
    rows = [_incident(each, short_text(t, each)) for each in ordered[:most]]
    if not _fits(rows, room):  # with fewer names, more incidents fit
        rows = [_incident(each, brief_text(t, each)) for each in ordered[:most]]
    return f"{head}\n{fold_rows(t, rows, len(ordered), room)}"


def _incident(incident: Incident, text: str) -> str:
    """Show an incident with its time: beside it, or below it in small print if a phone has no room beside it."""
    parts = (f"{sign_of(incident)} {text}", timestamp(incident.opened))
    return phone_lines(parts).replace("\n", f"\n{SMALL_PRINT}")


def nodes_text(t: Text, nodes: Sequence[Node], room: int, most: int) -> str:
    """Return the nodes that need attention most and fit, in their own order."""
    if not nodes:
        return ""

    def urgency(node: Node) -> tuple[float, ...]:
        return not node.online, not node.known, max(node.cpu or 0, fill(node.memory, node.memory_total) or 0)

    kept: dict[int, str] = {}
    for place in sorted(range(len(nodes)), key=lambda place: urgency(nodes[place]), reverse=True)[:most]:
        row = node_row(t, nodes[place])
        if not _fits((*kept.values(), row), room):
            break
        kept[place] = row
    rows = [kept[place] for place in sorted(kept)]
    return f"**{t('Nodes')}**\n{fold_rows(t, rows, len(nodes), room)}"


def storages_text(t: Text, storages: Iterable[Storage], room: int, most: int) -> str:
    """Return the storages, the fullest first. Those without figures share one line.

    A shared storage is shown once. Of several with the same name, only the fullest is shown.
    """
    once = [each.storage for each in listed_storages(storages)]
    unknown = [storage_and_place(t, each) for each in once if fill_of(each) is None]
    alike: dict[str, list[Storage]] = {}
    for each in sorted(once, key=lambda each: -(fill_of(each) or 0)):
        if fill_of(each) is not None:
            alike.setdefault(each.name, []).append(each)
    rows = [_storage(t, each) for each in list(alike.values())[:most]]
    parts = [fold_rows(t, rows, len(alike), room * 4 // 5)] if rows else []
    if unknown:
        parts.append(f"{UNSURE} {t('unknown')}: {fit_lines(t, unknown, max(60, room // 5), t(', '))}")
    return "\n".join((f"**{t('Storages')}**", *parts)) if parts else ""


def _storage(t: Text, alike: Sequence[Storage]) -> str:
    """Show storages with the same name as one. `alike`: these storages, the fullest first."""
    fullest = alike[0]
    where = t("shared") if fullest.shared else code(fullest.node, NAME_MOST)
    small = [format_usage(fullest.used, fullest.total), where]
    small += [t("fullest of {n}", n=len(alike))] if len(alike) > 1 else []
    bar = f"{usage_bar(fill_of(fullest))} {code(fullest.name, NAME_MOST)}"
    return f"{bar}\n{phone_lines(small, SMALL_PRINT, SMALL)}"


def _fits(rows: Iterable[str], room: int) -> bool:
    """Return whether the rows, and a count of further ones, fit into `room` characters."""
    return sum(len(row) + 1 for row in rows) + 40 <= room


def fold_rows(t: Text, rows: Sequence[str], total: int, room: int) -> str:
    """Join as many rows as fit into `room` characters, and count the rest of `total`."""
    kept: list[str] = []
    for row in rows:
        if not _fits((*kept, row), room):
            break
        kept.append(row)
    left = total - len(kept)
    return "\n".join([*kept, more_word(t, left)] if left else kept)

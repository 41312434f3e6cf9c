"""Show the storages of clusters in pages: how full they are, their content, and when they will be full."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from discord import ui

from core.guest import Storage
from ui.cards import card
from ui.cluster.rows import SLOTS, ListedStorage, fill_of, storage_and_place, storage_row
from ui.formatting import UNSURE, WARNING, Colour, code, listed, more_word
from ui.guests.lists.cards import list_footer
from ui.i18n import N_, Marked, Text
from ui.interaction.buttons import list_buttons
from ui.phone_lines import SMALL, SMALL_PRINT, phone_lines
from ui.sites.sections import Section, page_text, rows_on

PAGE = "capacity"
"""The word of these pages in a `custom_id`."""
AUDIT = "Datastore.Audit"
FULL, NEARLY = 0.95, 0.85
"""Used fractions at which a storage turns the card red, and yellow."""
_TYPES: Mapping[str, str] = {
    "lvmthin": "LVM-Thin", "lvm": "LVM", "nfs": "NFS", "cifs": "SMB/CIFS", "rbd": "RBD", "cephfs": "CephFS",
    "zfspool": "ZFS", "zfs": "ZFS over iSCSI", "pbs": "Proxmox Backup Server", "btrfs": "BTRFS", "iscsi": "iSCSI",
    "iscsidirect": "iSCSI", "glusterfs": "GlusterFS", "esxi": "ESXi",
}  # fmt: skip
_CONTENTS: Mapping[str, Marked] = {
    "images": N_("disk images"),
    "rootdir": N_("containers"),
    "backup": N_("backups"),
    "iso": N_("ISO images"),
    "vztmpl": N_("container templates"),
    "snippets": N_("snippets"),
    "import": N_("imports"),
}
WORDS_MOST, NODES_MOST = 7, 2
"""Maximum number of words about the content of a storage, and of nodes where it is not available."""


@dataclass(frozen=True, slots=True)
class SiteStorages:
    """The storages of one site, as a person may see them.

    `empty`: the text to show if there are none, such as why the site cannot be read.
    `note`: why the list may be outdated, "" if it is not.
    """

    site: str
    storages: Sequence[ListedStorage]
    empty: str
    note: str = ""


def sections_of(
    t: Text, sites: Sequence[SiteStorages], ahead: Mapping[tuple[str, Storage], float], *, several: bool
) -> list[Section]:
    """Return a section for each site. `ahead`: by site and storage, days until it is full."""
    return [_section(t, each, ahead, several=several) for each in sites]


def _section(
    t: Text, site: SiteStorages, ahead: Mapping[tuple[str, Storage], float], *, several: bool
) -> Section:
    note = f"-# {site.note}" if site.note else ""
    head = "\n".join(filter(None, (f"### {site.site}" if several else "", note)))
    if not site.storages:
        return Section(head, 1, lambda _: site.empty)

    def row(place: int, *, top: bool = False) -> str:
        each = site.storages[place]
        again = not top and _is_alike(site.storages[place - 1].storage, each.storage)
        return _row(t, each, ahead.get((site.site, each.storage)), again=again)

    return Section(head, len(site.storages), row, partial(row, top=True))


def shown_on(
    sections: Sequence[Section], sites: Sequence[SiteStorages], page: int
) -> list[tuple[str, Storage]]:
    """Return the storages on the nearest existing page, each with its site."""
    _, page, _ = page_text(sections, page, SLOTS)
    places = ((sites[section], row) for section, row in rows_on(sections, page, SLOTS))
    return [(site.site, site.storages[row].storage) for site, row in places if site.storages]


def storages_card(
    t: Text,
    sections: Sequence[Section],
    sites: Sequence[SiteStorages],
    named: str,
    page: int,
    now: float,
) -> ui.LayoutView:
    """Build one page. `named`: the site in the buttons."""
    text, page, pages = page_text(sections, page, SLOTS)
    every = [storage for each in sites for storage in each.storages]
    fullest = max((each.fill or 0.0 for each in every), default=0.0)
    troubled = any(each.note or not each.storages for each in sites)
    troubled = troubled or any(each.fill is None for each in every)
    colour = Colour.WARN if fullest >= NEARLY or troubled else Colour.GOOD
    head = f"### {t('Storages')} · {len(every)}"
    buttons = list_buttons(t, PAGE, page, pages, ("", "", ""), named)
    return card(
        head,
        text,
        list_footer(t, page, pages, now),
        colour=Colour.BAD if fullest >= FULL else colour,
        more=[buttons],
    )


def _is_alike(one: Storage, other: Storage) -> bool:
    """Return whether two storages have the same name, type and content."""
    return (one.name, one.type, one.content) == (other.name, other.type, other.content)


def _row(t: Text, each: ListedStorage, ahead: float | None, *, again: bool = False) -> str:
    """Show a storage in at most 450 characters. `ahead`: days until it is full, None if that is not foreseen.

    `again`: the row above has the type and the content.
    """
    storage = each.storage
    top = storage_row(t, storage) if fill_of(storage) is not None else _unknown(t, each)
    nodes = t.plural("{n} node", "{n} nodes", len(each.nodes)) if storage.shared else ""
    small = [nodes] if again else [_kind_of(t, storage), nodes, *_content_words(t, storage.content)]
    lines = [top, phone_lines(small, SMALL_PRINT, SMALL)] if any(small) else [top]
    if ahead is not None:
        days = max(1, round(ahead))
        said = t.plural(
            "full in about {n} day at the pace of the last week",
            "full in about {n} days at the pace of the last week",
            days,
        )
        lines.append(f"-# {WARNING} {said}")
    if each.away and fill_of(storage) is not None:
        names = [code(name, 16) for name in each.away[:NODES_MOST]]
        names += [more_word(t, len(each.away) - NODES_MOST)] if len(each.away) > NODES_MOST else []
        lines.append(f"-# {WARNING} {t('not available on {nodes}', nodes=listed(t, names))}")
    return "\n".join(lines)


def _unknown(t: Text, each: ListedStorage) -> str:
    return f"{UNSURE} {storage_and_place(t, each.storage)} · {t('not available')}"


def _kind_of(t: Text, storage: Storage) -> str:
    """Return the type as Proxmox' own pages name it."""
    if storage.type == "dir":
        return t("Directory")
    return _TYPES.get(storage.type, code(storage.type, 20) if storage.type else "")


def _content_words(t: Text, content: str) -> list[str]:
    """Return what the storage is for, in words."""
    words = [word for word in content.split(",") if word and word != "none"]
    return [t(_CONTENTS[each]) if each in _CONTENTS else code(each, 12) for each in words[:WORDS_MOST]]

"""List the snapshots of a guest."""

from collections.abc import Sequence

from discord import ui

from core.guest import Guest, Snapshot
from core.operations import Operation
from ui.cards import Item, card
from ui.formatting import (
    MESSAGE_MOST,
    SNAPSHOT,
    WARNING,
    Colour,
    code,
    fit_lines,
    moment,
    plain,
    title,
)
from ui.i18n import Text
from ui.interaction.context import actor_of
from ui.interaction.next_steps import NextStep, step_buttons
from ui.interaction.reply import Reply
from ui.interaction.services import Site
from ui.phone_lines import EM, SMALL, SMALL_PRINT, phone_lines

DEPTH_MOST = 4
"""Maximum number of steps by which a snapshot is indented, so that its name fits a phone."""


async def show_snapshots(site: Site, reply: Reply, vmid: int) -> None:
    """Show the snapshots of a guest.

    Raises: GuestNotFound, Refused, ProxmoxError.
    """

    async def read(guest: Guest) -> ui.LayoutView:
        snapshots = await site.proxmox.snapshots(guest)
        buttons = step_buttons(reply.t, site, actor, guest, [NextStep.DETAILS])
        return snapshot_list_card(reply.t, guest, snapshots, site.services.clock.now(), buttons)

    actor = actor_of(reply.interaction)
    check = site.authorizer.check_for(actor, Operation.SNAPSHOT_LIST)
    await reply.show(await site.planner.finder.run_on_listed(vmid, read, check))


def snapshot_list_card(
    t: Text, guest: Guest, snapshots: Sequence[Snapshot], now: float, buttons: Sequence[Item] = ()
) -> ui.LayoutView:
    """Show the snapshots as a tree, with time, description, and notes if memory was saved or one is unfinished."""
    count = t.plural("{n} snapshot", "{n} snapshots", len(snapshots))
    head = f"### {title(guest)}\n{count}"
    lines = [_snapshot_row(t, snapshot, depth, now) for snapshot, depth in _tree(snapshots)]
    if not lines:
        lines = [t("No snapshots. Create one with `/snapshot create`.")]
    return card(head, fit_lines(t, lines, MESSAGE_MOST - 300), colour=Colour.BUSY, buttons=buttons)


def _tree(snapshots: Sequence[Snapshot]) -> list[tuple[Snapshot, int]]:
    """Return each snapshot after its parent, with its depth.

    A snapshot without a known parent is a root. In a ring of parents the first snapshot is the root.
    """
    names = {snapshot.name for snapshot in snapshots}
    children: dict[str, list[Snapshot]] = {}
    for snapshot in reversed(snapshots):
        if snapshot.parent is not None:
            children.setdefault(snapshot.parent, []).append(snapshot)
    rows: list[tuple[Snapshot, int]] = []
    placed: set[str] = set()

    def place(snapshot: Snapshot, depth: int) -> None:
        todo = [(snapshot, depth)]
        while todo:
            this, level = todo.pop()
            if this.name in placed:
                continue
            placed.add(this.name)
            rows.append((this, level))
            todo += [(child, level + 1) for child in children.get(this.name, ())]

    for snapshot in snapshots:
        if snapshot.parent not in names:
            place(snapshot, 0)
    for snapshot in snapshots:
        place(snapshot, 0)
    return rows


def _snapshot_row(t: Text, snapshot: Snapshot, depth: int, now: float) -> str:
    """Return the name, and below in small print the time and other details."""
    indent, head, notes = EM * min(depth, DEPTH_MOST), [code(snapshot.name, 40)], []
    if snapshot.taken:
        notes.append(moment(t, snapshot.taken, now))
    elif not snapshot.incomplete:
        notes.append(t("time unknown"))
    if snapshot.memory:
        notes.append(t("with RAM"))
    if snapshot.incomplete:
        head.append(f"{WARNING} {t('unfinished')}")
    if snapshot.description:
        notes.append(code(plain(snapshot.description, 80), 80))
    row = f"{indent}{'└ ' if depth else ''}{SNAPSHOT} {' · '.join(head)}"
    return "\n".join(filter(None, (row, phone_lines(notes, f"{SMALL_PRINT}{indent}", SMALL))))

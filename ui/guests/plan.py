"""Show the plan of an action before it runs: its effect on the guest, and the backups and snapshots that remain."""

from collections.abc import Callable, Mapping

from core.actions.order import Plan
from core.guest import Disk, Guest, Snapshot
from core.operations import Operation
from ui.formatting import (
    BACKUP,
    DRY_RUN,
    PROTECTED,
    SNAPSHOT,
    WARNING,
    code,
    emoji_of,
    fit_lines,
    format_duration,
    kind_word,
    moment,
    plain,
    state_word,
    title,
)
from ui.guests.caveats import caveats
from ui.guests.outcome import change_lines
from ui.i18n import Text
from ui.messages.operations import WORDS, operation_noun
from ui.phone_lines import SMALL, SMALL_PRINT, phone_lines
from ui.sizes import format_disk_size, format_size


def plan_parts(t: Text, plan: Plan, now: float) -> list[str]:
    """Return the texts of the card that asks for confirmation, or says what would happen in a dry run.

    `now`: for dates of snapshots and backups.
    """
    words = t("This guest is protected. Enter its name and a reason.")
    guarded = f"{PROTECTED} {words}" if plan.guarded else ""
    warned = "\n".join(caveats(t, plan))
    parts = (_text(t, plan, now), warned, _fallback(t, plan, now), guarded)
    return [part for part in parts if part]


def yes_label(t: Text, plan: Plan) -> str:
    """Return the label of the button that confirms: a verb and its object, as Discord writes its own."""
    objects = {Operation.CREATE: plan.order.name, Operation.SNAPSHOT_DELETE: plan.order.snapshot}
    name = plain(objects.get(plan.order.operation, plan.guest.label) or "", 40)
    label = t(WORDS[plan.order.operation].yes, name=name)
    return f"{label}…" if plan.needs_name else label  # a form follows


def title_of_form(t: Text, plan: Plan, site: str = "") -> str:
    """Return the title of the form. `site`: name of the guest's site, "" if there is only one."""
    guest = plan.guest
    name = plain(f"{f'{site}/' if site else ''}{guest.vmid} {guest.name or ''}", 30)
    return t("{action}: {name}", action=operation_noun(t, plan.order.operation), name=name)


def _line(t: Text, guest: Guest) -> str:
    parts = [
        t("template") if guest.template else state_word(t, guest.state),
        kind_word(t, guest.kind),
        code(guest.node),
    ]
    if guest.uptime:
        parts.append(t("up {time}", time=format_duration(t, guest.uptime)))
    return f"{emoji_of(guest)} {title(guest)}\n{phone_lines(parts)}"


def _fallback(t: Text, plan: Plan, now: float) -> str:
    """List what the guest can be restored from afterwards: the last backup and the remaining snapshots."""
    if plan.fallback is None:
        return ""
    backups, snapshots = plan.fallback.backups, plan.fallback.snapshots
    lines = []
    if backups is None:
        lines.append(f"{BACKUP} {t('backups: currently unknown')}")
    else:
        if backups.found:
            last = backups.found[0]
            words = [moment(t, last.taken, now), code(last.storage, 40)]
            words += [format_size(last.size)] if last.size else []
            head = [t("Last backup")]
            head += [t("{n} in total", n=len(backups.found))] if len(backups.found) > 1 else []
            lines.append(f"{BACKUP} {phone_lines(head)}\n{phone_lines(words, SMALL_PRINT, SMALL)}")
        else:
            lines.append(f"{WARNING} {t('No backups found')}")
        if backups.unread:
            names = fit_lines(t, (code(name, 40) for name in backups.unread), 200, " ")
            lines.append(f"{WARNING} {t('Cannot list the backups on: {storages}', storages=names)}")
    if plan.order.operation is Operation.DELETE:
        pass
    elif snapshots is None:
        lines.append(f"{SNAPSHOT} {t('snapshots: currently unknown')}")
    elif snapshots:
        count = t.plural("{n} snapshot", "{n} snapshots", len(snapshots))
        newest = max(snapshots, key=lambda snapshot: snapshot.taken or 0)
        words = [t("newest: {name}", name=code(newest.name, 40))]
        words += [moment(t, newest.taken, now)] if newest.taken else []
        shown_above = plan.snapshot is not None and plan.snapshot.name == newest.name
        small = "" if shown_above else f"\n{phone_lines(words, SMALL_PRINT, SMALL)}"
        lines.append(f"{SNAPSHOT} {count}{small}")
    else:
        lines.append(f"{SNAPSHOT} {t('No snapshots')}")
    if not snapshots and backups is not None and not backups.found:
        return "\n".join(lines)
    return "\n".join([f"**{t('Restore points')}**", *lines])


def _text(t: Text, plan: Plan, now: float) -> str:
    """Return the question, the guest, and the effect on the guest."""
    words, action = WORDS[plan.order.operation], operation_noun(t, plan.order.operation)
    details = _DETAILS.get(plan.order.operation)
    head = f"{WARNING} {t(words.question)}"
    if plan.order.dry_run:
        head = f"{DRY_RUN} {t('Dry run: {action}', action=action)}"
    lines = details(t, plan) if details else [t(words.consequence)]
    if plan.snapshot is not None:
        lines.insert(0, _snapshot_line(t, plan.snapshot, now))
    return "\n".join((f"### {head}", _line(t, plan.guest), *lines))


def _create(t: Text, plan: Plan) -> list[str]:
    new = code(plan.order.name or "")
    return [t("It will be cloned to {name}.", name=f"**{plan.new_vmid}** {new}" if plan.new_vmid else new)]


def _resize(t: Text, plan: Plan) -> list[str]:
    if plan.change and not plan.withdraws_pending:
        return change_lines(t, plan.change)
    return [t("The pending change will be reverted.")]


def _delete(t: Text, plan: Plan) -> list[str]:
    disks = plan.config.disks if plan.config else ()
    lines = [f"**{t('This cannot be undone.')}**", t("This will be lost:")]
    if disks:
        rows = (f"- {code(disk.key, 20)} {code(disk.volume, 80)} {_size(disk)}".rstrip() for disk in disks)
        lines.append(fit_lines(t, rows, 1200))
    else:
        lines.append(f"- {t('no disks')}")
    if plan.snapshots:
        names = " ".join(code(snapshot.name, 40) for snapshot in plan.snapshots[:10])
        count = t.plural("{n} snapshot", "{n} snapshots", len(plan.snapshots))
        more = " …" if len(plan.snapshots) > 10 else ""
        lines.append(f"- {count}: {names}{more}")
    return [*lines, f"- {t('Backup-job, replication and HA entries')}"]


def _size(disk: Disk) -> str:
    return format_disk_size(disk.size) if disk.size else ""


def _rollback(t: Text, plan: Plan) -> list[str]:
    after = t("Start it again afterwards if needed.")
    if plan.snapshot and plan.snapshot.memory:
        after = t("RAM is included, so it resumes running from that point.")
    lost = t("The current state will be lost and the guest will be stopped.")
    return [f"**{lost}**", after]


def _snapshot_delete(t: Text, _plan: Plan) -> list[str]:
    return [t("The guest does not change. A deleted snapshot cannot be restored.")]


def _snapshot_line(t: Text, snapshot: Snapshot, now: float) -> str:
    small = [moment(t, snapshot.taken, now)] if snapshot.taken else []
    if snapshot.memory:
        small.append(t("with RAM"))
    if snapshot.description:
        small.append(code(snapshot.description, 80))
    head = f"{SNAPSHOT} {code(snapshot.name, 40)}"
    return f"{head}\n{phone_lines(small, SMALL_PRINT, SMALL)}" if small else head


_DETAILS: Mapping[Operation, Callable[[Text, Plan], list[str]]] = {
    Operation.CREATE: _create,
    Operation.RESIZE: _resize,
    Operation.DELETE: _delete,
    Operation.SNAPSHOT_ROLLBACK: _rollback,
    Operation.SNAPSHOT_DELETE: _snapshot_delete,
}
"""Functions that describe the effect on this guest. The other actions have one sentence (`Words.consequence`)."""

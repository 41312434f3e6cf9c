"""Show the plan of an action before it runs. The same plan is carried out afterwards."""

from collections.abc import Callable

from core.actions.order import Plan
from core.guest import Disk, Guest, Snapshot
from core.verbs import Verb
from ui.formatting import (
    BACKUP,
    PROTECTED,
    SNAPSHOT,
    WARNING,
    code,
    emoji_of,
    fit_lines,
    format_disk_size,
    format_duration,
    format_size,
    kind_word,
    plain,
    state_word,
    timestamp,
    title,
)
from ui.guests.caveats import caveats
from ui.guests.outcome import change_lines
from ui.i18n import Text
from ui.messages.errors import verb_noun


def plan_parts(t: Text, plan: Plan, now: float) -> list[str]:
    """The card's texts for an action that asks back. `now` in Unix seconds."""
    words = t("This guest is protected: its name and a reason have to be typed.")
    guarded = f"{PROTECTED} {words}" if plan.guarded else ""
    warned = "\n".join(caveats(t, plan))
    parts = (_TEXTS[plan.order.verb](t, plan, now), warned, _fallback(t, plan), guarded)
    return [part for part in parts if part]


def yes_label(t: Text, plan: Plan) -> str:
    """Return the label of the red button: verb and object (Discord)."""
    name = plain(plan.guest.label, 40)
    label = {
        Verb.REBOOT: t("Reboot {name}", name=name),
        Verb.SHUTDOWN: t("Shut down {name}", name=name),
        Verb.CREATE: t("Create {name}", name=plain(plan.order.name or "", 40)),
        Verb.RESIZE: t("Resize {name}", name=name),
        Verb.STOP: t("Switch off {name}", name=name),
        Verb.DELETE: t("Delete {name}", name=name),
        Verb.SNAPSHOT_ROLLBACK: t("Roll back {name}", name=name),
        Verb.SNAPSHOT_DELETE: t("Delete {name}", name=plain(plan.order.snapshot or "", 40)),
    }[plan.order.verb]
    return f"{label} …" if plan.needs_name else label  # a form follows


def title_of_form(t: Text, plan: Plan) -> str:
    guest = plan.guest
    name = plain(f"{guest.vmid} {guest.name or ''}", 30)
    return t("{action}: {name}", action=verb_noun(t, plan.order.verb), name=name)


def _line(t: Text, guest: Guest) -> str:
    parts = [
        f"{emoji_of(guest)} {title(guest)}",
        t("template") if guest.template else state_word(t, guest.state),
        kind_word(t, guest.kind),
        code(guest.node),
    ]
    if guest.uptime:
        parts.append(t("up {time}", time=format_duration(t, guest.uptime)))
    return " · ".join(parts)


def _fallback(t: Text, plan: Plan) -> str:
    """List what the guest can be restored from afterwards: the last backup and the remaining snapshots."""
    if plan.fallback is None:
        return ""
    backups, snapshots = plan.fallback.backups, plan.fallback.snapshots
    lines = [t("What is left to go back to:")]
    if backups is None:
        lines.append(f"- {BACKUP} {t('backups: not known just now')}")
    else:
        if backups.found:
            last = backups.found[0]
            words = [f"{timestamp(last.taken)} ({timestamp(last.taken, 'f')})", code(last.storage, 40)]
            words += [format_size(last.size)] if last.size else []
            words += [t("{n} in all", n=len(backups.found))] if len(backups.found) > 1 else []
            lines.append(f"- {BACKUP} {t('last backup: {backup}', backup=' · '.join(words))}")
        else:
            lines.append(f"- {BACKUP} {t('no backup that the bot can see')}")
        if backups.unread:
            names = fit_lines(t, (code(name, 40) for name in backups.unread), 200, " ")
            lines.append(f"- {WARNING} {t('could not be asked for backups: {storages}', storages=names)}")
    if plan.order.verb is Verb.DELETE:
        pass
    elif snapshots is None:
        lines.append(f"- {SNAPSHOT} {t('snapshots: not known just now')}")
    elif snapshots:
        count = t.plural("{n} snapshot", "{n} snapshots", len(snapshots))
        newest = max(snapshots, key=lambda snapshot: snapshot.taken or 0)
        taken = f" {timestamp(newest.taken)}" if newest.taken else ""
        lines.append(f"- {SNAPSHOT} {count} · {t('newest: {name}', name=code(newest.name, 40))}{taken}")
    else:
        lines.append(f"- {SNAPSHOT} {t('no snapshots')}")
    return "\n".join(lines)


def _reboot(t: Text, plan: Plan, now: float) -> str:
    return "\n".join(
        (
            f"### {WARNING} {t('Reboot?')}",
            _line(t, plan.guest),
            t("The guest is shut down and started again; whoever uses it is cut off meanwhile."),
        )
    )


def _shutdown(t: Text, plan: Plan, now: float) -> str:
    return "\n".join(
        (
            f"### {WARNING} {t('Shut down?')}",
            _line(t, plan.guest),
            t("The guest is shut down and stays off until it is started again."),
        )
    )


def _create(t: Text, plan: Plan, now: float) -> str:
    new = code(plan.order.name or "")
    return "\n".join(
        (
            f"### {WARNING} {t('Create?')}",
            _line(t, plan.guest),
            t("It is copied to {name}.", name=f"**{plan.new_vmid}** {new}" if plan.new_vmid else new),
        )
    )


def _resize(t: Text, plan: Plan, now: float) -> str:
    lines = [t("The change that waits for a restart will be withdrawn.")]
    if plan.change and not plan.withdraws_pending:
        lines = change_lines(t, plan.change)
    return "\n".join((f"### {WARNING} {t('Resize?')}", _line(t, plan.guest), *lines))


def _stop(t: Text, plan: Plan, now: float) -> str:
    return "\n".join(
        (
            f"### {WARNING} {t('Switch off hard?')}",
            _line(t, plan.guest),
            t(
                "This is like pulling the plug: what the guest has not saved is lost. `/shutdown` is the gentle way."
            ),
        )
    )


def _delete(t: Text, plan: Plan, now: float) -> str:
    disks = plan.config.disks if plan.config else ()
    lines = [f"### {WARNING} {t('Delete for good?')}", _line(t, plan.guest)]
    lines += [f"**{t('This cannot be undone.')}**", t("What is lost:")]
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
    lines.append(f"- {t('its places in backup jobs, replication and HA')}")
    return "\n".join(lines)


def _size(disk: Disk) -> str:
    return format_disk_size(disk.size) if disk.size else ""


def _rollback(t: Text, plan: Plan, now: float) -> str:
    lines = [f"### {WARNING} {t('Roll back?')}", _line(t, plan.guest), _snapshot_line(t, plan.snapshot)]
    lines.append(t("The present state of the guest is lost, and the guest is stopped for it."))
    if plan.snapshot and plan.snapshot.memory:
        lines.append(t("The snapshot holds memory: the guest then runs on from there."))
    else:
        lines.append(t("Start it again afterwards."))
    return "\n".join(lines)


def _snapshot_delete(t: Text, plan: Plan, now: float) -> str:
    return "\n".join(
        (
            f"### {WARNING} {t('Delete this snapshot?')}",
            _line(t, plan.guest),
            _snapshot_line(t, plan.snapshot),
            t("The guest itself stays as it is. The snapshot cannot be brought back."),
        )
    )


def _snapshot_line(t: Text, snapshot: Snapshot | None) -> str:
    if snapshot is None:
        return ""
    parts = [f"{SNAPSHOT} {code(snapshot.name, 40)}"]
    if snapshot.taken:
        parts.append(f"{timestamp(snapshot.taken, 'f')} ({timestamp(snapshot.taken)})")
    if snapshot.memory:
        parts.append(t("with memory"))
    if snapshot.description:
        parts.append(code(snapshot.description, 80))
    return " · ".join(parts)


_TEXTS: dict[Verb, Callable[[Text, Plan, float], str]] = {
    Verb.REBOOT: _reboot,
    Verb.SHUTDOWN: _shutdown,
    Verb.CREATE: _create,
    Verb.RESIZE: _resize,
    Verb.STOP: _stop,
    Verb.DELETE: _delete,
    Verb.SNAPSHOT_ROLLBACK: _rollback,
    Verb.SNAPSHOT_DELETE: _snapshot_delete,
}

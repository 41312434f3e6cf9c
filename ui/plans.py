"""What would happen, shown before it does: made from the same plan that then runs."""

from collections.abc import Callable

from core.actions import Verb
from core.guest import Disk, Guest, Snapshot
from core.order import Plan
from ui.render import WARNING, code, duration, emoji_of, fit, kind_word, plain, state_word, title, when
from ui.text import Text


def plan_text(t: Text, plan: Plan, now: float) -> str:
    """The card's text for an action that asks back. `now` in Unix seconds."""
    return _TEXTS[plan.order.verb](t, plan, now)


def yes_label(t: Text, plan: Plan) -> str:
    """The red button names what it does to whom (Discord: verb and object)."""
    name = plain(plan.guest.label, 40)
    return {
        Verb.STOP: t("Switch off {name}", name=name),
        Verb.DELETE: t("Delete {name} …", name=name),
        Verb.SNAPSHOT_ROLLBACK: t("Roll back {name}", name=name),
        Verb.SNAPSHOT_DELETE: t("Delete {name}", name=plain(plan.order.snapshot or "", 40)),
    }[plan.order.verb]


def title_of_form(t: Text, plan: Plan) -> str:
    return t("Delete {name}", name=plain(f"{plan.guest.vmid} {plan.guest.label}", 30))


def _line(t: Text, guest: Guest) -> str:
    parts = [
        f"{emoji_of(guest)} {title(guest)}",
        t("template") if guest.template else state_word(t, guest.state),
        kind_word(t, guest.kind),
        code(guest.node),
    ]
    if guest.uptime:
        parts.append(t("up {time}", time=duration(t, guest.uptime)))
    return " · ".join(parts)


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
        lines.append(fit(t, rows, 1200))
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
    return code(disk.size, 20) if disk.size else ""


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
    parts = [f"📸 {code(snapshot.name, 40)}"]
    if snapshot.taken:
        parts.append(f"{when(snapshot.taken, 'f')} ({when(snapshot.taken)})")
    if snapshot.memory:
        parts.append(t("with memory"))
    if snapshot.description:
        parts.append(code(snapshot.description, 80))
    return " · ".join(parts)


_TEXTS: dict[Verb, Callable[[Text, Plan, float], str]] = {
    Verb.STOP: _stop,
    Verb.DELETE: _delete,
    Verb.SNAPSHOT_ROLLBACK: _rollback,
    Verb.SNAPSHOT_DELETE: _snapshot_delete,
}

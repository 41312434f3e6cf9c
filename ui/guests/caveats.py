"""Write a plan's warnings about the node's size, and about tags that change owners, protection or scopes.

Outcomes repeat some of them. ui/guests/plan.py warns of lost data.
"""

from collections.abc import Iterable

from core.actions.order import Change, Plan
from core.guest import Kind
from core.operations import Operation
from ui.formatting import PROTECTED, WARNING, code, fit_lines
from ui.i18n import Text
from ui.sizes import format_memory, format_size

_LINE_MOST = 300
"""Maximum characters of the tags or people in one line."""


def caveats(t: Text, plan: Plan) -> list[str]:
    """Return the warning lines for the plan's card."""
    match plan.order.operation:
        case Operation.RESIZE:
            return excess_lines(t, plan)
        case Operation.CREATE:
            return clone_caveats(t, plan)
        case Operation.SNAPSHOT_ROLLBACK:
            return _rollback_caveats(t, plan)
        case _:
            return []


def excess_lines(t: Text, plan: Plan) -> list[str]:
    """Warn of cores and memory that the node does not have.

    A container starts all the same and gets only what the node has.
    """
    if plan.excess is None:
        return []
    lines, node = [], code(plan.guest.node)
    if plan.excess.cores:
        asked, there = plan.excess.cores
        lines.append(t("{n} cores are more than node {node} has ({there}).", n=asked, node=node, there=there))
    if plan.excess.memory:
        asked, there = plan.excess.memory
        wanted = format_memory(asked // 1024**2)
        lines.append(
            t(
                "{n} of memory is more than node {node} has ({there}).",
                n=wanted,
                node=node,
                there=format_size(there),
            )
        )
    if plan.guest.kind is Kind.QEMU:
        lines.append(t("The VM may not start with these values."))
    else:
        lines.append(t("A container can only use what the node has."))
    return [*(f"{WARNING} {line}" for line in lines[:-1]), lines[-1]]


def clone_caveats(t: Text, plan: Plan) -> list[str]:
    """Say which owners, protection and scopes the clone gets by the tags that it keeps."""
    after = plan.after
    if after is None:
        return []
    lines = [t("The clone keeps the tags of the template.")] if after.has_owner_or_protection else []
    if after.owners:
        lines.append(
            f"{WARNING} {t('{people} will own the clone and can operate it.', people=_people(t, after.owners))}"
        )
    elif after.has_owner_or_protection:
        lines.append(t("The clone will have no owner."))
    if after.protected:
        lines.append(f"{PROTECTED} {t('The clone will be protected.')}")
    if after.has_owner_or_protection and after.scope_tags:
        lines.append(t("Tags used by ROLE_SCOPES: {tags}", tags=_tags(t, after.scope_tags)))
    return lines


def _rollback_caveats(t: Text, plan: Plan) -> list[str]:
    """Say which owners, protection and scopes would change with the tags in the snapshot."""
    before, after = plan.before, plan.after
    if after is None:
        return [
            f"{WARNING} {t('The tags in the snapshot could not be read: owners and protection may change.')}"
        ]
    if before is None:
        return []
    gained, lost, lines = after.minus(before), before.minus(after), []
    if gained.owners:
        lines.append(t("{people} will own the guest and can operate it.", people=_people(t, gained.owners)))
    if lost.owners:
        lines.append(t("{people} will no longer own the guest.", people=_people(t, lost.owners)))
    if gained.protected:
        lines.append(t("The guest will be protected."))
    if lost.protected:
        lines.append(t("The guest will no longer be protected."))
    if gained.scope_tags:
        lines.append(
            t("Tags used by ROLE_SCOPES that will be added: {tags}", tags=_tags(t, gained.scope_tags))
        )
    if lost.scope_tags:
        lines.append(
            t("Tags used by ROLE_SCOPES that will be removed: {tags}", tags=_tags(t, lost.scope_tags))
        )
    return [f"{WARNING} {line}" for line in lines]


def running_lines(t: Text, change: Change) -> list[str]:
    """Show the values in effect until the reboot, if an earlier change still waits for one."""
    values = []
    if change.cores and change.cores_now is not None:
        values.append(t.plural("{n} core", "{n} cores", change.cores_now))
    if change.memory_mb and change.memory_now is not None:
        values.append(format_memory(change.memory_now))
    return [f"-# {t('In effect until the reboot: {value}', value=' · '.join(values))}"] if values else []


def _people(t: Text, ids: Iterable[int]) -> str:
    return fit_lines(t, (f"<@{each}>" for each in sorted(ids)), _LINE_MOST, " ")


def _tags(t: Text, tags: Iterable[str]) -> str:
    return fit_lines(t, (code(tag, 40) for tag in sorted(tags)), _LINE_MOST, " ")

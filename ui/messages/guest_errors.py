"""Hold the words for each error of `core/guest_errors.py`, one row each."""

from core import guest_errors as g
from core.guest import Kind, State
from core.operations import Operation
from ui.i18n import N_, Text
from ui.messages.error_words import ErrorWords, WordsByError, fill_in
from ui.messages.operations import WORDS
from ui.sizes import format_memory


def _wrong_state(t: Text, error: g.WrongState) -> str:
    if said := WORDS[Operation(error.verb)].refused.get(error.state):
        return fill_in(t, error, said)
    if error.state is State.STOPPED:
        return fill_in(t, error, N_("{guest} is stopped. Use `/start` to start it."))
    if error.state is State.UNKNOWN:
        return fill_in(t, error, N_("The state of {guest} is unknown right now. Try again in a minute."))
    return fill_in(t, error, N_("{guest} is {state}, so “{action}” is not possible."))


def _wrong_kind(t: Text, error: g.WrongKind) -> str:
    if error.kind is Kind.LXC:
        return fill_in(t, error, N_("{guest} is a container; “{action}” is for VMs only."))
    return fill_in(t, error, N_("{guest} is a VM; “{action}” is for containers only."))


def _nothing_to_change(t: Text, error: g.NothingToChange) -> str:
    waiting = []
    if error.cores is not None:
        waiting.append(t.plural("{n} core", "{n} cores", error.cores))
    if error.memory_mb is not None:
        waiting.append(format_memory(error.memory_mb))
    if waiting:
        message = N_("{guest} is already set to {values}. It takes effect after `/reboot`.")
        return fill_in(t, error, message, values=" · ".join(waiting))
    return fill_in(
        t, error, N_("{guest} already has these values. Enter a new one for `cores` or `memory_mb`.")
    )


def _balloon_too_large(t: Text, error: g.BalloonTooLarge) -> str:
    message = N_(
        "{memory} MiB is less than the minimum memory (ballooning) of {guest} ({balloon} MiB). "
        "Lower the minimum in Proxmox first."
    )
    return fill_in(t, error, message, memory=error.memory_mb, balloon=error.balloon_mb)


def _memory_not_saved(t: Text, error: g.MemoryNotSaved) -> str:
    if error.kind is Kind.LXC:
        return fill_in(
            t, error, N_("{guest} is a container: its RAM cannot be saved. Leave out `with_memory`.")
        )
    return fill_in(
        t, error, N_("{guest} is not running, so there is no RAM to save. Leave out `with_memory`.")
    )


GUEST_WORDS: WordsByError = {
    g.GuestNotFound: ErrorWords(
        N_("No guest with VMID **{vmid}** found. See `/list`."), N_("guest not found or hidden")
    ),
    g.WrongState: ErrorWords(_wrong_state, N_("not possible in this state")),
    g.WrongKind: ErrorWords(_wrong_kind, N_("not for this kind of guest")),
    g.TemplateRefused: ErrorWords(
        N_("{guest} is a template and cannot do this. Create a guest from it with `/create`."),
        N_("is a template"),
    ),
    g.NotATemplate: ErrorWords(
        N_("{guest} is not a template. Choose a suggestion of `template_id`."),
        N_("not a template"),
    ),
    g.GuestLocked: ErrorWords(
        N_("{guest} is locked by Proxmox ({lock}). Wait for the task to finish and try again."),
        N_("locked by Proxmox"),
    ),
    g.GuestProtected: ErrorWords(
        N_("{guest} is protected. Turn off “Protection” in its Proxmox options first."),
        N_("protected in Proxmox"),
    ),
    g.GuestBusy: ErrorWords(
        N_("{person} is already running “{action}” on {guest} (started {since}). Wait for it to finish."),
        N_("another action is running"),
    ),
    g.VmidTaken: ErrorWords(
        N_(
            "VMID **{vmid}** is already in use. Choose another one, or leave out `new_vmid` to "
            "use the next free one."
        ),
        N_("VMID in use"),
    ),
    g.NothingGiven: ErrorWords(N_("Specify `cores`, `memory_mb`, or both."), N_("no value specified")),
    g.NothingToChange: ErrorWords(_nothing_to_change, N_("values are already set")),
    g.BalloonTooLarge: ErrorWords(_balloon_too_large, N_("below the ballooning minimum")),
    g.SnapshotNotFound: ErrorWords(
        N_("{guest} has no snapshot {snapshot}. See `/snapshot list`."), N_("snapshot not found")
    ),
    g.SnapshotExists: ErrorWords(
        N_("{guest} already has a snapshot {snapshot}. Choose another name."), N_("snapshot already exists")
    ),
    g.SnapshotUnsupported: ErrorWords(
        N_("The storage of {guest} does not support snapshots."), N_("storage does not support snapshots")
    ),
    g.MemoryNotSaved: ErrorWords(_memory_not_saved, N_("RAM cannot be saved")),
}

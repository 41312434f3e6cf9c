"""Hold the words for each error of `core/guest_errors.py`, one row each."""

from core import guest_errors as g
from core.guest import Kind, State
from core.operations import Operation
from ui.formatting import format_memory
from ui.i18n import N_, Text
from ui.messages.error_words import ErrorWords, Rows, fill_in
from ui.messages.operations import WORDS


def _wrong_state(t: Text, error: g.WrongState) -> str:
    if said := WORDS[Operation(error.verb)].refused.get(error.state):
        return fill_in(t, error, said)
    if error.state is State.STOPPED:
        return fill_in(
            t, error, N_("{guest} is stopped, so there is nothing to do. Use `/start` to start it.")
        )
    if error.state is State.UNKNOWN:
        return fill_in(
            t, error, N_("The state of {guest} is not known just now. Please try again in a minute.")
        )
    return fill_in(t, error, N_("{guest} is {state}; that does not allow “{action}”."))


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
        message = N_("{guest} is already set to {values}. This takes effect after a restart by Proxmox.")
        return fill_in(t, error, message, values=" · ".join(waiting))
    return fill_in(t, error, N_("{guest} has these values already. Give `cores` or `memory_mb` a new one."))


def _balloon_too_large(t: Text, error: g.BalloonTooLarge) -> str:
    message = N_(
        "{memory} MiB is less than the ballooning minimum of {guest} ({balloon} MiB). Lower that in Proxmox first."
    )
    return fill_in(t, error, message, memory=error.memory_mb, balloon=error.balloon_mb)


def _memory_not_saved(t: Text, error: g.MemoryNotSaved) -> str:
    if error.kind is Kind.LXC:
        return fill_in(
            t, error, N_("{guest} is a container, whose memory cannot be saved. Leave out `with_memory`.")
        )
    return fill_in(
        t, error, N_("{guest} is not running, so there is no memory to save. Leave out `with_memory`.")
    )


GUEST_WORDS: Rows = {
    g.GuestNotFound: ErrorWords(
        N_("There is no guest with VMID **{vmid}**. `/list` shows them all."), N_("no such guest, or hidden")
    ),
    g.WrongState: ErrorWords(_wrong_state, N_("not in this state of the guest")),
    g.WrongKind: ErrorWords(_wrong_kind, N_("not for this kind of guest")),
    g.TemplateRefused: ErrorWords(
        N_("{guest} is a template and cannot do that. `/create` makes a guest from it."), N_("is a template")
    ),
    g.NotATemplate: ErrorWords(
        N_("{guest} is not a template. Choose one from the completions of `template_id`."),
        N_("not a template"),
    ),
    g.GuestLocked: ErrorWords(
        N_("{guest} is locked by Proxmox ({lock}). Wait until that work is over and try again."),
        N_("locked by Proxmox"),
    ),
    g.GuestProtected: ErrorWords(
        N_("{guest} is protected. Take off “Protection” in its options in Proxmox first."),
        N_("protected in Proxmox"),
    ),
    g.GuestBusy: ErrorWords(
        N_(
            "{person} is already at work on {guest}: “{action}”, begun {since}. Please wait until that "
            "is over."
        ),
        N_("another action was under way"),
    ),
    g.VmidTaken: ErrorWords(
        N_(
            "VMID **{vmid}** is already taken. Choose another one, or leave out `new_vmid` for the next "
            "free one."
        ),
        N_("VMID taken"),
    ),
    g.NothingGiven: ErrorWords(N_("Give `cores`, `memory_mb`, or both."), N_("no new value given")),
    g.NothingToChange: ErrorWords(_nothing_to_change, N_("had these values already")),
    g.BalloonTooLarge: ErrorWords(_balloon_too_large, N_("below the ballooning minimum")),
    g.SnapshotNotFound: ErrorWords(
        N_("{guest} has no snapshot {snapshot}. `/snapshot list` shows them."), N_("no such snapshot")
    ),
    g.SnapshotExists: ErrorWords(
        N_("{guest} already has a snapshot {snapshot}. Choose another name."), N_("snapshot exists already")
    ),
    g.SnapshotUnsupported: ErrorWords(
        N_("The storage of {guest} cannot take snapshots."), N_("storage without snapshots")
    ),
    g.MemoryNotSaved: ErrorWords(_memory_not_saved, N_("memory cannot be saved")),
}

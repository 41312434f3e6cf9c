"""One sentence for every error: what failed, why, and what to do. A test holds this table against the tree."""

from collections.abc import Callable
from typing import Any

from core import errors as e
from core import wanted_errors as w
from core.guest import Kind, State
from core.names import VMID_LEAST, VMID_MOST
from core.operations import ACTIONS, Level, Operation
from ui.formatting import code, format_duration, format_memory, person, state_word, timestamp, title_of
from ui.i18n import Text
from ui.messages.operations import WORDS, operation_noun
from ui.messages.proxmox_errors import PROXMOX_SENTENCES
from ui.messages.subjects import subject_name


def _wrong_state(t: Text, error: e.WrongState) -> str:
    guest = title_of(error.vmid, error.label)
    state = state_word(t, error.state)
    if said := WORDS[Operation(error.verb)].refused.get(error.state):
        return t(said, guest=guest, state=state)
    if error.state is State.STOPPED:
        return t("{guest} is stopped, so there is nothing to do. Use `/start` to start it.", guest=guest)
    if error.state is State.UNKNOWN:
        return t("The state of {guest} is not known just now. Please try again in a minute.", guest=guest)
    return t(
        "{guest} is {state}; that does not allow “{action}”.",
        guest=guest,
        state=state,
        action=operation_noun(t, Operation(error.verb)),
    )


def _wrong_kind(t: Text, error: e.WrongKind) -> str:
    guest, action = title_of(error.vmid, error.label), operation_noun(t, Operation(error.verb))
    if error.kind is Kind.LXC:
        return t("{guest} is a container; “{action}” is for VMs only.", guest=guest, action=action)
    return t("{guest} is a VM; “{action}” is for containers only.", guest=guest, action=action)


def _unconfirmed(t: Text, error: e.Unconfirmed) -> str:
    guest, command = title_of(error.vmid, error.label), error.verb.replace("_", " ")
    if error.verb not in ACTIONS:  # only actions have a question that asks for them
        return t(
            "{guest} is protected: {command} needs its name in `confirm`, and a `reason`.",
            guest=guest,
            command=code(f"/{command}"),
        )
    return t(
        "{guest} is protected: `/{command}` asks for its name and a reason, and both have to be typed.",
        guest=guest,
        command=command,
    )


def _nothing_to_change(t: Text, error: e.NothingToChange) -> str:
    guest, waiting = title_of(error.vmid, error.label), []
    if error.cores is not None:
        waiting.append(t.plural("{n} core", "{n} cores", error.cores))
    if error.memory_mb is not None:
        waiting.append(format_memory(error.memory_mb))
    if waiting:
        return t(
            "{guest} is already set to {values}. This takes effect after a restart by Proxmox.",
            guest=guest,
            values=" · ".join(waiting),
        )
    return t("{guest} has these values already. Give `cores` or `memory_mb` a new one.", guest=guest)


def _memory_not_saved(t: Text, error: e.MemoryNotSaved) -> str:
    guest = title_of(error.vmid, error.label)
    if error.kind is Kind.LXC:
        return t(
            "{guest} is a container, whose memory cannot be saved. Leave out `with_memory`.", guest=guest
        )
    return t("{guest} is not running, so there is no memory to save. Leave out `with_memory`.", guest=guest)


def _busy(t: Text, error: e.GuestBusy) -> str:
    return t(
        "{person} is already at work on {guest}: “{action}”, begun {since}. Please wait until that is over.",
        person=person(error.by, error.by_id),
        guest=title_of(error.vmid, error.label),
        action=operation_noun(t, Operation(error.verb)),
        since=timestamp(error.since),
    )


def level_word(t: Text, level: Level) -> str:
    return {
        Level.NONE: t("none"),
        Level.VIEWER: t("viewer"),
        Level.OPERATOR: t("operator"),
        Level.ADMIN: t("admin"),
    }[level]


def read_only_line(t: Text, error: e.ReadOnly) -> str:
    return t(
        "Changes were switched off {since} by {person}.",
        since=timestamp(error.since),
        person=person(error.by, error.by_id),
    )


def _not_allowed(t: Text, error: e.NotAllowed) -> str:
    if error.level is Level.NONE:
        return t("None of your roles may use this bot. Ask an administrator of this server.")
    if error.protected:
        return t(
            "The guest is protected: this takes the level “{needed}”, and yours is “{level}”.",
            needed=level_word(t, error.needed),
            level=level_word(t, error.level),
        )
    return t(
        "This takes the level “{needed}”, and yours is “{level}”. Ask an administrator of this server.",
        needed=level_word(t, error.needed),
        level=level_word(t, error.level),
    )


def _journal_failed(t: Text, error: e.JournalFailed) -> str:
    if error.reading:
        return t("The journal cannot be read ({reason}). Check the disk.", reason=code(error.reason))
    return t(
        "The journal could not be written ({reason}), so nothing was changed. Check the disk.",
        reason=code(error.reason),
    )


SENTENCES: dict[type[e.BotError], Callable[[Text, Any], str]] = {
    e.NotHere: lambda t, x: t("This bot can only be used in the channels of its own category."),
    e.NotAllowed: _not_allowed,
    e.ReadOnly: lambda t, x: t(
        "{line} An admin can switch them on again: `/readonly off`.", line=read_only_line(t, x)
    ),
    e.Unconfirmed: _unconfirmed,
    e.OnlySomeGuests: lambda t, x: t(
        "This is about more than the guests your roles are for: it takes the level for all guests."
    ),
    e.TooManyChanges: lambda t, x: t(
        "The limit is {most} changes a minute. Try again in {time}.",
        most=x.most,
        time=format_duration(t, max(1, round(x.wait))),
    ),
    e.TooQuick: lambda t, x: t(
        "Too many requests at once. Try again in {time}.", time=format_duration(t, max(1, x.wait))
    ),
    e.GuestNotFound: lambda t, x: t(
        "There is no guest with VMID **{vmid}**. `/list` shows them all.", vmid=x.vmid
    ),
    e.WrongState: _wrong_state,
    e.WrongKind: _wrong_kind,
    e.TemplateRefused: lambda t, x: t(
        "{guest} is a template and cannot do that. `/create` makes a guest from it.",
        guest=title_of(x.vmid, x.label),
    ),
    e.NotATemplate: lambda t, x: t(
        "{guest} is not a template. Choose one from the completions of `template_id`.",
        guest=title_of(x.vmid, x.label),
    ),
    e.GuestLocked: lambda t, x: t(
        "{guest} is locked by Proxmox ({lock}). Wait until that work is over and try again.",
        guest=title_of(x.vmid, x.label),
        lock=code(x.lock),
    ),
    e.GuestProtected: lambda t, x: t(
        "{guest} is protected. Take off “Protection” in its options in Proxmox first.",
        guest=title_of(x.vmid, x.label),
    ),
    e.GuestBusy: _busy,
    e.BadVmid: lambda t, x: t(
        "{value} is not a VMID. A VMID is a number from {least} to {most}.",
        value=code(x.value),
        least=VMID_LEAST,
        most=VMID_MOST,
    ),
    e.BadGuestName: lambda t, x: t(
        "{value} cannot be a guest's name. Use letters, digits and hyphens "
        "(no spaces or underscores), as in `web-01`.",
        value=code(x.value),
    ),
    e.BadSnapshotName: lambda t, x: t(
        "{value} cannot be a snapshot's name. Use 2 to 40 letters, digits, `-` or `_`, "
        "beginning with a letter; `current` and `pending` are reserved.",
        value=code(x.value),
    ),
    e.BadAmount: lambda t, x: t(
        "`{option}` cannot be {value}. Give a number from {least} to {most}.",
        option=x.option,
        value=x.value,
        least=x.least,
        most=x.most,
    ),
    e.VmidTaken: lambda t, x: t(
        "VMID **{vmid}** is already taken. Choose another one, or leave out `new_vmid` for the next free one.",
        vmid=x.vmid,
    ),
    e.NothingGiven: lambda t, x: t("Give `cores`, `memory_mb`, or both."),
    e.NothingToChange: _nothing_to_change,
    e.BalloonTooLarge: lambda t, x: t(
        "{memory} MiB is less than the ballooning minimum of {guest} ({balloon} MiB). Lower that in Proxmox first.",
        guest=title_of(x.vmid, x.label),
        memory=x.memory_mb,
        balloon=x.balloon_mb,
    ),
    e.SnapshotNotFound: lambda t, x: t(
        "{guest} has no snapshot {snapshot}. `/snapshot list` shows them.",
        guest=title_of(x.vmid, x.label),
        snapshot=code(x.snapshot),
    ),
    e.SnapshotExists: lambda t, x: t(
        "{guest} already has a snapshot {snapshot}. Choose another name.",
        guest=title_of(x.vmid, x.label),
        snapshot=code(x.snapshot),
    ),
    e.SnapshotUnsupported: lambda t, x: t(
        "The storage of {guest} cannot take snapshots.", guest=title_of(x.vmid, x.label)
    ),
    e.MemoryNotSaved: _memory_not_saved,
    e.NotYours: lambda t, x: t(
        "Only {person}, who asked, can answer this.", person=person(x.owner, x.owner_id)
    ),
    e.QuestionOver: lambda t, x: t(
        "This question is over. Look with `/info` before giving the command again."
    ),
    e.QuestionAnswered: lambda t, x: t(
        "This question was answered already; the message shows what came of it."
    ),
    e.AnswerTooLate: lambda t, x: t(
        "The answer came too late for Discord, so nothing was done. Please try again."
    ),
    e.NameMismatch: lambda t, x: t(
        "The name does not match; nothing was done. Press the button again, and type {expected} exactly.",
        expected=code(x.expected),
    ),
    e.NoReason: lambda t, x: t("A reason is needed; nothing was done. Press the button again."),
    e.ChangedMeanwhile: lambda t, x: t(
        "**{vmid}** was changed by somebody else in the meantime, so nothing was done. Look again with `/info`.",
        vmid=x.vmid,
    ),
    e.AlreadyWatched: lambda t, x: t("{guest} is already being watched.", guest=title_of(x.vmid, x.label)),
    e.NotWatched: lambda t, x: t(
        "**{vmid}** is not on the watch list. `/monitor list` shows it.", vmid=x.vmid
    ),
    e.CannotWatchTemplate: lambda t, x: t(
        "{guest} is a template, which never runs: there is nothing to watch.", guest=title_of(x.vmid, x.label)
    ),
    e.DiskUnknown: lambda t, x: t(
        "{guest} is a VM: Proxmox does not know how full its disks are. Leave out `disk`.",
        guest=title_of(x.vmid, x.label),
    ),
    e.BadDuration: lambda t, x: t(
        "{value} cannot be used. Write a time of 1 minute to 30 days, as in `30m`, `8h` or `2d`.",
        value=code(x.value),
    ),
    e.UnknownTarget: lambda t, x: t(
        "{value} is neither a guest nor a node. Choose from the completions, or `all`.", value=code(x.value)
    ),
    e.NotMuted: lambda t, x: t(
        "{value} is not muted. `/monitor status` shows what is.",
        value=subject_name(t, x.value, None),
    ),
    w.BadSince: lambda t, x: t(
        "{value} cannot be used. Write a time such as `8h` or `30d` (3650 days at most), or a date such as "
        "`2026-11-01`.",
        value=code(x.value),
    ),
    w.UnknownPerson: lambda t, x: t(
        "{value} is nobody who has asked for anything. Choose from the completions, or give a user ID.",
        value=code(x.value),
    ),
    w.SeveralPeople: lambda t, x: t(
        "Several people are called {value}. Choose from the completions, or give a user ID.",
        value=code(x.value),
    ),
    w.NothingChosen: lambda t, x: t("That entry only says why there is nothing to choose. Nothing was done."),
    w.UnknownOperation: lambda t, x: t(
        "{value} is not an action of this bot. Choose from the completions.", value=code(x.value)
    ),
    e.IncidentOver: lambda t, x: t("This is already over; there is nothing left to do here."),
    e.StoreFailed: lambda t, x: t(
        "The watch list could not be saved ({reason}), so nothing was changed.", reason=code(x.reason)
    ),
    e.JournalFailed: _journal_failed,
    **PROXMOX_SENTENCES,
}


def error_sentence(t: Text, error: e.BotError) -> str:
    return SENTENCES[type(error)](t, error)


def unexpected_sentence(t: Text, error_id: str) -> str:
    return t(
        "Something unexpected went wrong. Look for {incident} in the bot's log.", incident=code(error_id)
    )

"""Why something was refused or failed, in a few words: one phrase for each error, found again by its class's name.

The audit keeps an error as `str` makes it: the name of its class with values. The sentences of
ui/messages/errors.py are for the person who asked, and say what to do; these stand in lists, and say what it
was. A test holds the table against the tree.
"""

import ast
import contextlib
import re
from collections.abc import Callable, Mapping

from core import errors as e
from core import proxmox_errors as p
from core import wanted_errors as w
from ui.formatting import code
from ui.i18n import Text

VALUE_MOST = 40
OUTCOME_MOST = 1000
"""Characters of an outcome that are looked at: the patterns below take their time on longer ones."""
_ERROR = re.compile(r"([A-Z][A-Za-z]{2,40})\((.*)\)", re.S)
_FIELD = re.compile(r"""(\w+)=('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|<[^>]*>|[^,]*)(?:, |$)""", re.S)
_TELLING = ("message", "privilege", "reason", "lock", "value")
"""The values that say more than the phrase does."""

_PHRASES: Mapping[type[e.BotError], Callable[[Text], str]] = {
    e.NotHere: lambda t: t("not in the category"),
    e.NotAllowed: lambda t: t("roles do not suffice"),
    e.ReadOnly: lambda t: t("changes were switched off"),
    e.Unconfirmed: lambda t: t("protected, and not confirmed"),
    e.NoReason: lambda t: t("no reason given"),
    e.OnlySomeGuests: lambda t: t("roles for some guests only"),
    e.TooManyChanges: lambda t: t("too many changes in a minute"),
    e.TooQuick: lambda t: t("too much at once"),
    e.GuestNotFound: lambda t: t("no such guest, or hidden"),
    e.WrongState: lambda t: t("not in this state of the guest"),
    e.WrongKind: lambda t: t("not for this kind of guest"),
    e.TemplateRefused: lambda t: t("is a template"),
    e.NotATemplate: lambda t: t("not a template"),
    e.GuestLocked: lambda t: t("locked by Proxmox"),
    e.GuestProtected: lambda t: t("protected in Proxmox"),
    e.GuestBusy: lambda t: t("another action was under way"),
    e.BadVmid: lambda t: t("not a VMID"),
    e.BadGuestName: lambda t: t("not a guest's name"),
    e.BadSnapshotName: lambda t: t("not a snapshot's name"),
    e.BadAmount: lambda t: t("number out of range"),
    e.VmidTaken: lambda t: t("VMID taken"),
    e.NothingGiven: lambda t: t("no new value given"),
    e.NothingToChange: lambda t: t("had these values already"),
    e.BalloonTooLarge: lambda t: t("below the ballooning minimum"),
    e.SnapshotNotFound: lambda t: t("no such snapshot"),
    e.SnapshotExists: lambda t: t("snapshot exists already"),
    e.SnapshotUnsupported: lambda t: t("storage without snapshots"),
    e.MemoryNotSaved: lambda t: t("memory cannot be saved"),
    e.NotYours: lambda t: t("somebody else's question"),
    e.QuestionOver: lambda t: t("question was over"),
    e.QuestionAnswered: lambda t: t("question was answered before"),
    e.AnswerTooLate: lambda t: t("too late for Discord"),
    e.NameMismatch: lambda t: t("typed name did not match"),
    e.ChangedMeanwhile: lambda t: t("guest was changed meanwhile"),
    e.AlreadyWatched: lambda t: t("watched already"),
    e.NotWatched: lambda t: t("not on the watch list"),
    e.CannotWatchTemplate: lambda t: t("templates are not watched"),
    e.DiskUnknown: lambda t: t("disk use of a VM is not known"),
    e.BadDuration: lambda t: t("not a duration"),
    e.UnknownTarget: lambda t: t("neither guest nor node"),
    e.NotMuted: lambda t: t("was not muted"),
    w.BadSince: lambda t: t("neither duration nor date"),
    w.UnknownPerson: lambda t: t("unknown person"),
    w.SeveralPeople: lambda t: t("several people of that name"),
    w.NothingChosen: lambda t: t("nothing chosen"),
    w.UnknownOperation: lambda t: t("unknown action"),
    e.IncidentOver: lambda t: t("was over already"),
    e.StoreFailed: lambda t: t("watch list not writable"),
    e.JournalFailed: lambda t: t("journal not usable"),
    p.Unreachable: lambda t: t("Proxmox not reachable"),
    p.CertificateNotTrusted: lambda t: t("certificate not trusted"),
    p.TimedOut: lambda t: t("no answer in time"),
    p.NodeUnreachable: lambda t: t("node not reachable"),
    p.NoQuorum: lambda t: t("no quorum"),
    p.TokenRefused: lambda t: t("API token refused"),
    p.MissingPrivilege: lambda t: t("API token lacks a privilege"),
    p.GuestMoved: lambda t: t("guest was moving"),
    p.LockTimeout: lambda t: t("configuration held by other work"),
    p.StorageFull: lambda t: t("storage full"),
    p.TargetNotShared: lambda t: t("storage not shared"),
    p.LinkedCloneUnsupported: lambda t: t("storage does not allow copies"),
    p.TaskUnknown: lambda t: t("task not known"),
    p.Rejected: lambda t: t("refused by Proxmox"),
    p.NothingVisible: lambda t: t("no guest visible"),
    p.HalfGone: lambda t: t("many guests gone at once"),
    p.BadAnswer: lambda t: t("answer not understood"),
    p.AnswerTooLarge: lambda t: t("answer too large"),
}
PHRASES = {kind.__name__: say for kind, say in _PHRASES.items()}


def reason_of(t: Text, outcome: str, most: int = VALUE_MOST) -> str:
    """What an outcome says: an error's phrase and its most telling value, or whatever it is as code."""
    outcome = outcome[:OUTCOME_MOST]
    match = _ERROR.fullmatch(outcome)
    say = PHRASES.get(match[1]) if match else None
    if match is None or say is None:
        return code(outcome, most) if outcome else ""
    values = dict(_FIELD.findall(match[2]))
    told = next((text for name in _TELLING if (text := _text(values.get(name, "")))), "")
    return f"{say(t)} {code(told, most)}" if told else say(t)


def _text(written: str) -> str:
    """What a text was before `repr`; nothing for what is none."""
    with contextlib.suppress(ValueError, SyntaxError):
        value = ast.literal_eval(written) if written[:1] in ("'", '"') else ""
        return value if isinstance(value, str) else ""
    return ""

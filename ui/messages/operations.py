"""What can be asked for, in words: as nouns, as it is given, and found again by any of them."""

import unicodedata
from collections.abc import Callable, Mapping

from core.rights import Operation
from core.verbs import Verb
from core.wanted_errors import UnknownOperation
from ui.i18n import Text, Texts
from ui.messages.errors import verb_noun

_NOUNS: Mapping[Operation, Callable[[Text], str]] = {
    Operation.LIST: lambda t: t("List"),
    Operation.INFO: lambda t: t("Details"),
    Operation.HELP: lambda t: t("Help"),
    Operation.SNAPSHOT_LIST: lambda t: t("Snapshot list"),
    Operation.MONITOR_LIST: lambda t: t("Watch list"),
    Operation.MONITOR_ADD: lambda t: t("Begin watching"),
    Operation.MONITOR_REMOVE: lambda t: t("End watching"),
    Operation.MONITOR_MUTE: lambda t: t("Mute"),
    Operation.MONITOR_UNMUTE: lambda t: t("Unmute"),
    Operation.MONITOR_HISTORY: lambda t: t("History"),
    Operation.MONITOR_STATUS: lambda t: t("Watch status"),
    Operation.MONITOR_TEST: lambda t: t("Test alert"),
    Operation.ACKNOWLEDGE: lambda t: t("Acknowledge"),
    Operation.ACCESS: lambda t: t("Own rights"),
    Operation.READONLY_ON: lambda t: t("Changes off"),
    Operation.READONLY_OFF: lambda t: t("Changes on"),
    Operation.AUDIT: lambda t: t("Audit trail"),
}


def operation_noun(t: Text, operation: Operation) -> str:
    """As a noun; the command's own name where a new one has none yet."""
    if operation.value in list(Verb):
        return verb_noun(t, operation.value)
    say = _NOUNS.get(operation)
    return say(t) if say else command_name(operation)


def operation_command(t: Text, operation: Operation) -> str:
    """Return the operation as people know it: its command, or the label of its button."""
    return t("Acknowledge") if operation is Operation.ACKNOWLEDGE else f"/{command_name(operation)}"


def command_name(operation: Operation) -> str:
    return operation.value.replace("_", " ")


def operation_named(texts: Texts, text: str) -> Operation:
    """Find an operation by its word, its command's name, or its noun in either language.

    Raises: UnknownOperation.
    """
    meant = " ".join(unicodedata.normalize("NFKC", text).casefold().replace("_", " ").split()).lstrip("/")
    for operation in Operation:
        if meant == command_name(operation):
            return operation
    for operation in Operation:
        if meant in (operation_noun(texts.of(language), operation).casefold() for language in ("ja", "en")):
            return operation
    raise UnknownOperation(text)

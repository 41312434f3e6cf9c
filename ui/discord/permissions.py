"""Name Discord's permissions as its settings do."""

from core.health.readiness import ATTACH, HISTORY, PIN, SEND, SEND_IN_THREAD, VIEW
from ui.i18n import Text


def permission_names(t: Text) -> dict[str, str]:
    """Return the name of each permission, by its word in Discord's API."""
    return {
        VIEW: t("View Channel"),
        SEND: t("Send Messages"),
        SEND_IN_THREAD: t("Send Messages in Threads"),
        HISTORY: t("Read Message History"),
        ATTACH: t("Attach Files"),
        PIN: t("Pin Messages"),
    }

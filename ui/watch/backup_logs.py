"""Show the end of the logs of failed backups."""

from core.proxmox import Proxmox
from core.proxmox_errors import ProxmoxError
from core.tasks import LOG_EMPTY
from core.watch.incidents.model import BackupFact, Incident
from ui.cards import card
from ui.formatting import BACKUP, Colour, code_block, more_word
from ui.i18n import Text
from ui.interaction.reply import Reply
from ui.interaction.services import Site
from ui.messages.errors import error_sentence
from ui.watch.incidents.details import backup_error
from ui.watch.incidents.text import backup_of, short_text

LOGS_MOST = 3
LINES_SHOWN = 12
"""Maximum number of backups of one incident whose logs are shown, and of last lines of each."""
READ_LINES, READS_MOST = 500, 20
"""Lines of one read, and maximum number of reads of one log. Proxmox cannot be asked for the end of a log."""


async def show_backup_logs(reply: Reply, site: Site, incident: Incident) -> None:
    """Show the last lines of the logs. A log that cannot be read is replaced by the reason."""
    t = reply.reader
    facts = [fact for fact in incident.backups if fact.upid]
    texts = [f"### {BACKUP} {short_text(t, incident)}"]
    for fact in facts[:LOGS_MOST]:
        head = [] if len(incident.backups) == 1 else [f"**{backup_of(t, fact)}**"]
        texts.append("\n".join([*head, await _log_or_reason(t, site.proxmox, fact)]))
    if len(facts) > LOGS_MOST:
        texts.append(more_word(t, len(facts) - LOGS_MOST))
    await reply.show(card(*texts, colour=Colour.WARN))


async def _log_or_reason(t: Text, proxmox: Proxmox, fact: BackupFact) -> str:
    try:
        lines = await _read_log_end(proxmox, fact.upid)
    except ProxmoxError as error:
        return error_sentence(t, error)
    told = t("Error: {error}", error=backup_error(t, fact.error))
    return f"{told}\n{code_block(lines) or t('The log is empty.')}"


async def _read_log_end(proxmox: Proxmox, upid: str) -> tuple[str, ...]:
    """Return the last lines of a task's log that are not blank, searched in its first 10,000 lines.

    Raises: ProxmoxError.
    """
    lines: tuple[str, ...] = ()
    for turn in range(READS_MOST):
        read = await proxmox.task_log(upid, turn * READ_LINES, READ_LINES)
        if turn == 0 and read == LOG_EMPTY:
            break
        lines = tuple(line for line in lines + read if line.strip())[-LINES_SHOWN:]
        if len(read) < READ_LINES:
            break
    return lines

"""Who is given what: the services made of the settings, and what is said of a data directory out of order."""

from __future__ import annotations

import contextlib
import errno
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from adapters.files.data_lock import DataDirInUse, Planted
from adapters.files.read_only_file import ReadOnlyFile
from adapters.heartbeat import Heartbeat
from adapters.journal.store import JournalError, JournalErrorKind, JournalReport, Opened, SqliteJournal
from adapters.settings.load import Settings, minute_of_day
from cogs.buttons import press
from core.access.authorizer import Judge
from core.access.policy import AccessRules
from core.access.rate_limit import ChangeLimit, Pace
from core.access.read_only import ReadOnlySwitch
from core.actions.executor import Operations
from core.actions.expected_stops import ExpectedStops
from core.actions.inspector import Inspector
from core.actions.planner import Planner
from core.actions.recovery import CutOff, Teller
from core.audit.people import PeopleReader
from core.audit.trail import KeptAudit
from core.clock import Clock
from core.cluster_cache import ClusterReader, SnapshotReader
from core.delivery.alerts import Delivery
from core.delivery.audit import AuditChannel, AuditPosting
from core.delivery.channel import AlertChannel
from core.errors import JournalFailed
from core.lanes import Lane
from core.rights import Level
from core.watch.incidents.state import Rules
from core.watch.service import Watch
from monitor_store import Happened, LoadReport, MonitorStore, StoreError
from proxmox_client import Endpoint, ProxmoxClient
from ui.formatting import WARNING
from ui.i18n import Text, Texts
from ui.interaction.context import Services
from ui.interaction.open_questions import Questions
from ui.messages import startup as start_words
from ui.messages.faults import in_use_line, journal_error_line, planted_line, store_error_line

LIST_NAME, JOURNAL_NAME, READ_ONLY_NAME = "monitor_list.json", "journal.db", "readonly.json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the bot itself opens and closes. `connected`: whether Discord's gateway is there."""

    store: MonitorStore
    read_only_file: ReadOnlyFile
    journal: SqliteJournal
    channel: AlertChannel
    audit_channel: AuditChannel | None
    teller: Teller
    heartbeat: Heartbeat
    connected: Callable[[], bool]


def build_services(settings: Settings, clock: Clock, texts: Texts, parts: Parts) -> Services:
    """Everything between Discord and Proxmox. Nothing is opened or read here."""
    endpoint = Endpoint(
        host=settings.proxmox_host,
        port=settings.proxmox_port,
        user=settings.proxmox_user,
        token_name=settings.proxmox_token_name,
        token_value=settings.proxmox_token_value.reveal(),
        verify_ssl=settings.proxmox_verify_ssl,
        fingerprint=settings.proxmox_fingerprint,
    )
    rules = AccessRules(
        settings.guild_id,
        settings.allowed_category_id,
        settings.alert_channel_id,
        levels_of(settings),
        settings.role_scopes,
        frozenset(settings.protected_vm_ids),
    )
    proxmox = ProxmoxClient(endpoint, clock)
    watching, changing = proxmox.on(Lane.WATCH), proxmox.on(Lane.CHANGES)
    reader, expected, audit = (
        ClusterReader(watching, clock),  # one read serves everybody, and is at most two requests at once
        ExpectedStops(clock),
        KeptAudit(parts.journal, clock),
    )
    judge, limit = (
        Judge(rules, reader, ReadOnlySwitch(parts.journal, clock, parts.read_only_file)),
        ChangeLimit(clock, settings.changes_per_minute),
    )
    planner = Planner(proxmox, reader, clock, judge, settings.node_name)
    quiet = settings.quiet_hours
    delivery = Delivery(parts.journal, parts.channel, clock)
    watch = Watch(
        reader,
        watching,
        clock,
        expected,
        parts.store,
        parts.journal,
        Rules(settings.alert_repeat_minutes * 60.0, settings.storage_alert_percent, settings.audit_days),
        lambda unix: quiet is not None and quiet.holds(minute_of_day(settings.timezone, unix)),
    )
    changes_planner = Planner(changing, reader, clock, judge, settings.node_name)
    operations = Operations(changing, reader, clock, changes_planner, audit, expected, limit)
    cut_off = CutOff(changing, clock, parts.journal, audit, expected, parts.teller, operations.at_work)
    operations.tell_unknown(cut_off.take)
    cut_off.tell_deleted(watch.heed_deleted)
    posting = AuditPosting(parts.journal, parts.audit_channel, clock)
    audit.tell(posting.wake)
    watch.tell(lambda ids: delivery.made(*ids))
    watch.tell_edits(partial(_tell_of_edit, watch, texts.public))
    return Services(
        judge=judge,
        limit=limit,
        pace=Pace(clock),
        proxmox=proxmox,
        reader=reader,
        snapshots=SnapshotReader(proxmox, clock),
        inspector=Inspector(proxmox, planner),
        people=PeopleReader(parts.journal, clock),
        planner=planner,
        operations=operations,
        watch=watch,
        journal=parts.journal,
        delivery=delivery,
        heartbeat=parts.heartbeat,
        connected=parts.connected,
        audit=audit,
        audit_posting=posting,
        cut_off=cut_off,
        clock=clock,
        texts=texts,
        questions=Questions(),
        press=press,
        zone=settings.timezone,
        interval=settings.monitor_interval_seconds,
    )


def _tell_of_edit(watch: Watch, t: Text, name: str) -> None:
    text = start_words.list_edited(t, name)
    _log.error("%s", text)
    with contextlib.suppress(JournalFailed):  # what cannot be stored is in the log at least
        watch.say(f"{WARNING} {text}")


def levels_of(settings: Settings) -> dict[int, Level]:
    """What each role may do, the most where it is named more than once."""
    return (
        dict.fromkeys(settings.viewer_role_ids, Level.VIEWER)
        | dict.fromkeys(settings.operator_role_ids, Level.OPERATOR)
        | dict.fromkeys(settings.admin_role_ids, Level.ADMIN)
    )


def failure_line(t: Text, error: Exception, directory: Path) -> str:
    """Why the bot cannot begin with this data directory, and what to do."""
    match error:
        case DataDirInUse():
            return in_use_line(t, error)
        case Planted():
            return planted_line(t, error)
        case JournalError():
            return journal_error_line(t, error)
        case JournalFailed():  # opened, and not to be read all the same
            unreadable = JournalError(JournalErrorKind.UNREADABLE, directory / JOURNAL_NAME, error.reason)
            return journal_error_line(t, unreadable)
        case StoreError():
            return store_error_line(t, error)
    if getattr(error, "errno", None) == errno.EROFS:
        return start_words.read_only_data_dir_line(t, str(directory))
    reason = str(getattr(error, "strerror", None) or error)
    return start_words.no_data_dir_line(t, str(directory), reason)


def what_was_lost(t: Text, opened: JournalReport, loaded: LoadReport, *, off: bool) -> list[str]:
    """What of the data directory could not be read, for the place where alerts are read. `off`: changes are switched
    off."""
    lines = []
    if opened.happened is Opened.RECREATED:
        lines.append(start_words.journal_lost(t, _name(opened.set_aside), off=off))
    had_one = (
        loaded.happened is Happened.READ and not loaded.states
    )  # older bots' lists had states, and no journal
    if opened.happened is Opened.CREATED and had_one:
        lines.append(start_words.journal_gone(t, off=off))
    if loaded.happened is Happened.RECOVERED_FROM_BACKUP:
        lines.append(start_words.list_recovered(t, len(loaded.entries), _name(loaded.set_aside)))
    if loaded.happened is Happened.UNREADABLE_NO_BACKUP:
        lines.append(start_words.list_lost(t, len(loaded.entries), _name(loaded.set_aside)))
    return lines


def _name(path: Path | None) -> str:
    return path.name if path else "—"

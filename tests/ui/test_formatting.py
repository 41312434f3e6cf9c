"""Test the rendering of all views: snapshots in both languages, hostile text made harmless, Discord's limits kept."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import discord
from discord import ui
from hypothesis import assume, given
from hypothesis import strategies as st

from adapters.charts.process import ChartProcess
from adapters.heartbeat import Heartbeat
from adapters.journal.store import SqliteJournal
from cogs.buttons import on_button_press
from core.access.guest_index import GuestIndex
from core.access.rate_limit import ChangeLimit, Cooldown, RateLimiter
from core.access.tag_authority import TagAuthority
from core.actions.expected_stops import ExpectedStops
from core.actions.inspector import GuestDetails, Inspector, Part
from core.actions.order import Change, Order, Plan, Report
from core.actions.recovery import ActionRecovery
from core.actions.resizing import Excess
from core.audit.store import AuditEntry, PeopleReader
from core.charts.pictures import Pictures
from core.cluster.cache import OVERLAY_SECONDS, ClusterCache, SnapshotCache
from core.cluster.storage_histories import StorageHistories
from core.dashboard.keeper import DashboardKeeper
from core.dashboard.source import ContentsSource
from core.delivery.alerts import AlertDelivery
from core.delivery.audit import AuditDelivery
from core.guest import (
    Backup,
    Backups,
    Cluster,
    Disk,
    Fallback,
    Guest,
    GuestConfig,
    Kind,
    Node,
    Snapshot,
    State,
    Storage,
    TaskSummary,
)
from core.guest_errors import GuestBusy, GuestLocked
from core.health.reports import CheckReports
from core.health.result import Result
from core.operations import ACTIONS, OPERATIONS, Operation
from core.proxmox import Pending
from core.proxmox_errors import Rejected, StorageFull, Unreachable
from core.tasks import Progress, TaskEnd, TaskResult
from core.watch.incidents.model import Mute, WatchEntry
from core.watch.incidents.state import GuestState, WatchRules, WatchState
from core.watch.polling.disk_poller import DiskPoller
from core.watch.service import Watch
from tests.support.cards.sent import (
    EN,
    GIB,
    JA,
    LABEL_MOST,
    TEXTS,
    Golden,
    buttons_of,
    checked,
    languages,
    outside_code,
    payload,
    shown,
    texts_of,
    walk,
    within_limits,
)
from tests.support.fakes import AKIKO, CONFIG, NOW, FakeClock, FakeProxmox, FakeWorld, guest
from tests.support.walked import walked
from tests.support.watch.at_once import at_once
from ui.bars import progress_bar
from ui.cards import card, notice
from ui.cluster.view import ClusterStatus, cluster_status_card, cluster_statuses_card
from ui.dashboard.channel import DiscordDashboards
from ui.discord.members import Members
from ui.formatting import (
    Colour,
    choice_label,
    code,
    code_block,
    fit_lines,
    format_duration,
    format_percent,
    plain,
    plain_label,
    timestamp,
    title,
    title_of,
)
from ui.guests.confirm import ask, close_questions, question_over
from ui.guests.lists.cards import ROWS, guest_list_card
from ui.guests.lists.filters import Filters, select
from ui.guests.outcome import farewell_card, footer, outcome_text, working_card
from ui.guests.panel import guest_buttons, guest_panel
from ui.guests.plan import plan_parts, title_of_form, yes_label
from ui.guests.snapshots import snapshot_list_card
from ui.i18n import Language, Text, Texts
from ui.interaction.buttons import question_buttons
from ui.interaction.custom_ids import ALL_SITES, GUEST, PAGE
from ui.interaction.next_steps import outcome_buttons
from ui.interaction.open_questions import Question, Questions
from ui.interaction.reply import Reply
from ui.interaction.selects import CHOICE, choice_id
from ui.interaction.services import Services, Site, Sites
from ui.messages.errors import error_sentence
from ui.messages.proxmox_errors import task_hint
from ui.sizes import format_disk_size, format_memory, format_size, format_usage
from ui.watch.alert_channel import DiscordAlertChannel
from ui.watch.views import watch_list_card

# --- things to show ---

WEB = Guest(
    vmid=101,
    kind=Kind.QEMU,
    node="pve1",
    state=State.RUNNING,
    name="web01",
    cpu=0.123,
    cpus=4,
    memory=int(1.2 * GIB),
    memory_total=4 * GIB,
    disk_total=32 * GIB,
    uptime=3 * 86_400 + 4 * 3600 + 5 * 60,
    tags=("prod", "web"),
)
DB = Guest(
    vmid=102,
    kind=Kind.LXC,
    node="pve2",
    state=State.STOPPED,
    name="db",
    memory_total=2 * GIB,
    disk=3 * GIB,
    disk_total=8 * GIB,
    lock="backup",
    ha_managed=True,
)
NAMELESS = Guest(103, Kind.QEMU, "pve3", State.UNKNOWN)
PAUSED = guest(104, State.PAUSED, name="paused")
DEBIAN = guest(900, State.STOPPED, name="debian-12", template=True)
NODES = (Node("pve1", True), Node("pve2", True), Node("pve3", False))
SNAPSHOTS = (
    Snapshot("clean", int(NOW) - 900_000, "fresh install", False, None),
    Snapshot("before-update", int(NOW) - 90_000, "", True, "clean"),
    Snapshot("after-update", int(NOW) - 9000, "kernel 6.8", False, "before-update"),
    Snapshot("test", None, "", False, "clean", incomplete=True),
    Snapshot("orphan", int(NOW) - 10, "", False, "gone"),
)
TASK = TaskSummary("UPID:x", "qmstart", "root@pam", int(NOW) - 500, int(NOW) - 490, "OK")
AGENT_CONFIG = replace(CONFIG, agent=True, parent="before-update")
DETAILS = GuestDetails(WEB, AGENT_CONFIG, ("192.0.2.10", "2001:db8::10"), TASK)
UPID = "UPID:pve1:0000A1B2:00C3D4E5:6716F2A0:qmstart:101:bot@pve!discord:"


def cluster(*guests: Guest) -> Cluster:
    return Cluster(tuple(sorted(guests, key=lambda each: each.vmid)), NODES, 0.0)


def order(operation: Operation, vmid: int = 101, **values: Any) -> Order:
    return Order(operation, vmid, AKIKO, **values)


def report(operation: Operation, end: TaskEnd | None = TaskEnd.OK, **values: Any) -> Report:
    """Build the outcome of an action on WEB. `order_…` and `plan_…` set fields of the order and the plan."""
    asked = {key.removeprefix("order_"): values.pop(key) for key in list(values) if key.startswith("order_")}
    planned = {key.removeprefix("plan_"): values.pop(key) for key in list(values) if key.startswith("plan_")}
    message, log = values.pop("message", "OK"), values.pop("log", ())
    task = None if end is None else TaskResult(end, UPID, message, log)
    plan = Plan(order(operation, **asked), **{"guest": WEB, **planned})
    return Report(plan, task, **{"after": WEB, "seconds": 12.4, **values})


def outcome(t: Text, ended: Report, around: Site | None = None) -> ui.LayoutView:
    text, colour = outcome_text(t, ended)
    return card(
        text, footer(t, ended), colour=colour, buttons=outcome_buttons(t, around, ended) if around else []
    )


class NoStore:
    """Store nothing, because the list is only read."""

    async def save(self, guests: tuple[WatchEntry, ...]) -> None:
        raise AssertionError(guests)


JOURNAL = at_once(SqliteJournal(Path("never opened")))


def watch_of(
    *entries: WatchEntry,
    known: Iterable[GuestState] = (),
    mutes: Iterable[Mute] = (),
    trouble: Unreachable | None = None,
) -> Watch:
    """Build a watch with this knowledge that never polls."""
    clock, proxmox = FakeClock(), FakeProxmox(FakeClock())
    expected, reader = ExpectedStops(clock), ClusterCache(proxmox, clock)
    disks = DiskPoller(proxmox, clock)
    watch = Watch(
        reader, proxmox, disks, clock, expected, NoStore(), JOURNAL, WatchRules(), lambda _unix: False
    )
    watch._watch_list.entries, watch.read_error = entries, trouble
    watch._persistence.state = WatchState(
        guests={guest.vmid: guest for guest in known}, mutes={mute.target: mute for mute in mutes}
    )
    return watch


# --- golden texts ---


@languages
def test_panel(language: Language, golden: Golden) -> None:
    t = TEXTS.of(language)

    def shows(details: GuestDetails, note: str = "") -> ui.LayoutView:
        operations = (Operation.START, Operation.REBOOT, Operation.SHUTDOWN)
        return guest_panel(t, replace(details, read_at=NOW), note, operations, site="")

    views = [
        shows(DETAILS),
        shows(GuestDetails(DB, replace(CONFIG, protection=True), None, None, protected=True)),
        shows(GuestDetails(NAMELESS, None, None, None)),
        shows(
            GuestDetails(PAUSED, CONFIG, None, replace(TASK, ended=None, status=None)),
            "the outcome of a button",
        ),
        shows(
            GuestDetails(DEBIAN, CONFIG, None, replace(TASK, type="qmclone", status="no space left")),
        ),
        shows(GuestDetails(WEB, None, (), replace(TASK, status="WARNINGS: 2"))),
        shows(GuestDetails(WEB, None, None, None, unread=frozenset(Part))),
        shows(replace(DETAILS, addresses=None, unread=frozenset({Part.ADDRESSES}))),
        shows(replace(DETAILS, config=CONFIG, addresses=None, unread=frozenset({Part.ADDRESSES}))),
        shows(
            GuestDetails(
                replace(DB, state=State.RUNNING),
                None,
                None,
                TASK,
                unread=frozenset({Part.CONFIG, Part.ADDRESSES}),
            )
        ),
    ]
    waiting = (Pending("cores", "2", "4"), Pending("memory", "2048", "8192"), Pending("vga", None, "qxl"))
    views += [
        shows(GuestDetails(replace(WEB, cpus=2), CONFIG, None, TASK, waiting)),
        shows(GuestDetails(replace(WEB, cpus=2), CONFIG, None, TASK, waiting[:1], protected=True)),
    ]
    golden(f"panel.{language}", "\n\n".join(map(shown, views)))


def list_card(t: Text, here: Cluster, filters: Filters, page: int) -> ui.LayoutView:
    """Return the list as somebody who sees all guests reads it."""
    index = GuestIndex(here)
    selection = select(index, index.table.everyone, filters)
    return guest_list_card(t, selection, page, NOW, site="", empty=not here.guests)


@languages
def test_lists(language: Language, golden: Golden) -> None:
    t = TEXTS.of(language)
    few = cluster(WEB, DB, NAMELESS, PAUSED, DEBIAN)
    many = cluster(*(guest(vmid, State.STOPPED if vmid % 3 else State.RUNNING) for vmid in range(101, 134)))
    views = [
        list_card(t, few, Filters(), 0),
        list_card(t, few, Filters("running", "qemu", "pve1"), 0),
        list_card(t, few, Filters("template"), 0),
        list_card(t, few, Filters("other"), 0),
        list_card(t, few, Filters(kind="lxc", node="nowhere"), 0),
        list_card(t, many, Filters(), 0),
        list_card(t, many, Filters("stopped"), 99),
        list_card(t, cluster(), Filters(), 0),
    ]
    golden(f"list.{language}", "\n\n".join(map(shown, views)))


@languages
def test_watch_lists(language: Language, golden: Golden) -> None:
    t = TEXTS.of(language)
    watched = (
        WatchEntry(101, cpu=90, memory=80),
        WatchEntry(102, disk=95),
        WatchEntry(103),
        WatchEntry(999),
    )
    known = (
        GuestState(101, State.RUNNING, NOW - 300_000),
        GuestState(102, State.STOPPED, NOW - 300, node="pve2", incident=1),
        GuestState(999, State.RUNNING, NOW - 5, missing=True),
    )
    mutes = (Mute("guest/101", 60.0, NOW + 60, "Akiko"), Mute("node/pve2", 3600.0, NOW + 3600))
    many = tuple(WatchEntry(vmid) for vmid in range(101, 124))
    here = cluster(WEB, DB, NAMELESS)
    lost = cluster(replace(WEB, state=State.UNKNOWN), replace(DB, state=State.RUNNING, uptime=None))
    unread = watch_of(*watched, known=known, trouble=Unreachable("pve1"))
    views = [
        listed(t, watch_of(*watched, known=known, mutes=mutes), here, 0, NOW, {101: 1, 102: 12}),
        listed(t, watch_of(*watched, known=known), lost, 0, NOW, {}),
        watch_list_card(t, unread, unread.entries, None, 0, NOW, {}, site=""),
        listed(t, watch_of(*many), here, 1, NOW, {}),
        listed(t, watch_of(), here, 0, NOW, {}),
    ]
    golden(f"watch.{language}", "\n\n".join(map(shown, views)))


@languages
def test_snapshot_trees(language: Language, golden: Golden) -> None:
    t = TEXTS.of(language)
    ring = (Snapshot("aa", 1, "", False, "bb"), Snapshot("bb", 2, "", False, "aa"))
    views = [
        snapshot_list_card(t, WEB, SNAPSHOTS, NOW),
        snapshot_list_card(t, WEB, (), NOW),
        snapshot_list_card(t, WEB, ring, NOW),
        snapshot_list_card(t, NAMELESS, SNAPSHOTS[:1], NOW),
    ]
    golden(f"snapshots.{language}", "\n\n".join(map(shown, views)))


def plans() -> list[Plan]:
    disks = (Disk("scsi0", "local-lvm:vm-101-disk-0", "32G"), Disk("efidisk0", "local:vm-101-disk-1", None))
    return [
        Plan(order(Operation.STOP), WEB),
        Plan(order(Operation.STOP), PAUSED),
        Plan(order(Operation.DELETE), DB, replace(CONFIG, disks=disks), SNAPSHOTS),
        Plan(order(Operation.DELETE), DEBIAN, replace(CONFIG, disks=()), ()),
        Plan(order(Operation.DELETE), NAMELESS),
        Plan(order(Operation.SNAPSHOT_ROLLBACK, snapshot="before-update"), WEB, snapshot=SNAPSHOTS[1]),
        Plan(order(Operation.SNAPSHOT_ROLLBACK, snapshot="clean"), WEB, snapshot=SNAPSHOTS[0], **SAME_TAGS),
        Plan(order(Operation.SNAPSHOT_DELETE, snapshot="clean"), DB, snapshot=SNAPSHOTS[0]),
        *fallbacks(),
    ]


SAME_TAGS: dict[str, Any] = {"before": TagAuthority(), "after": TagAuthority()}


def fallbacks() -> list[Plan]:
    """Build plans with each fallback (backups, snapshots, none, or unknown), and those of a protected guest."""
    rollback = Plan(
        order(Operation.SNAPSHOT_ROLLBACK, snapshot="clean"),
        WEB,
        snapshot=SNAPSHOTS[0],
        guarded=True,
        before=TagAuthority(frozenset({7}), True, frozenset({"web"})),
        after=TagAuthority(frozenset({8}), False, frozenset({"lab"})),
    )
    reboot, resize = order(Operation.REBOOT), order(Operation.RESIZE, cores=4, memory_mb=4096)
    old = Backup("pbs", "pbs:backup/vm/101/2026-09-01T00:00:00Z", int(NOW) - 90_000, 1_300_000_000)
    return [
        Plan(order(Operation.STOP), WEB, fallback=Fallback(Backups((old, old)), SNAPSHOTS)),
        Plan(order(Operation.DELETE), DB, CONFIG, fallback=Fallback(Backups((replace(old, size=None),)), ())),
        replace(rollback, fallback=Fallback(Backups((), ("pbs", "nas`@everyone")), ())),
        Plan(reboot, WEB, CONFIG, guarded=True, fallback=Fallback(None, None)),
        Plan(resize, WEB, CONFIG, guarded=True, fallback=Fallback(Backups(), SNAPSHOTS[:1])),
        Plan(
            resize,
            WEB,
            CONFIG,
            stored=replace(CONFIG, cores=3, memory_mb=3072),
            excess=Excess((8, 4), (4 * GIB, 3 * GIB)),
        ),
        Plan(order(Operation.SHUTDOWN), WEB, CONFIG, guarded=True),
        Plan(
            order(Operation.CREATE, name="copy"),
            DEBIAN,
            new_vmid=120,
            after=TagAuthority(frozenset({7}), True, frozenset({"web"})),
        ),
    ]


def question(t: Text, plan: Plan) -> ui.LayoutView:
    severe = OPERATIONS[plan.order.operation].asks
    buttons = question_buttons(t, "0123456789abcdef", yes_label(t, plan), severe=severe)
    return card(*plan_parts(t, plan, NOW), colour=Colour.BAD if severe else Colour.WARN, buttons=buttons)


@languages
def test_plans(language: Language, golden: Golden) -> None:
    t = TEXTS.of(language)
    forms = [title_of_form(t, plan) for plan in plans() if plan.needs_name]
    golden(f"plans.{language}", "\n\n".join([*(shown(question(t, plan)) for plan in plans()), *forms]))


def outcomes() -> list[Report]:
    stopped = replace(WEB, state=State.STOPPED, uptime=None)
    new = Guest(200, Kind.QEMU, "pve2", State.STOPPED, "new01")
    ha = replace(WEB, ha_managed=True)
    created: dict[str, Any] = {"order_name": "new01", "plan_guest": DEBIAN}
    both = Change((2, 4), (2048, 3000))
    lines = ("Use of uninitialized value", "TASK ERROR: VM quit/powerdown failed - got timeout")
    error: dict[str, Any] = {
        "end": TaskEnd.ERROR,
        "message": "VM quit/powerdown failed - got timeout",
        "log": lines,
    }
    return [
        report(Operation.START, plan_guest=stopped),
        report(Operation.REBOOT),
        report(Operation.SHUTDOWN, after=stopped),
        report(Operation.SHUTDOWN, **error),
        report(Operation.SHUTDOWN, settled=False, plan_guest=ha, after=ha),
        report(Operation.SHUTDOWN, settled=False, after=None),
        report(Operation.STOP, TaskEnd.VANISHED, message="", after=None),
        report(Operation.STOP, TaskEnd.LOST, message="", after=None),
        report(Operation.CREATE, TaskEnd.LOST, message="", after=None, **created),
        report(
            Operation.STOP, TaskEnd.WARNINGS, message="WARNINGS: 1", log=("WARN: careful",), after=stopped
        ),
        report(Operation.CREATE, after=new, **created),
        report(Operation.CREATE, TaskEnd.ERROR, message="no space left on device", after=DEBIAN, **created),
        report(Operation.RESIZE, change=both, plan_guest=stopped),
        report(Operation.RESIZE, change=replace(both, waits_for_restart=True)),
        report(Operation.RESIZE, None, change=Change((None, 1), None)),
        report(Operation.RESIZE, change=None),
        report(Operation.RESIZE, change=both, after=None),
        report(Operation.DELETE, after=None),
        report(Operation.DELETE, TaskEnd.ERROR, message="base volume 'x' is still in use by linked cloned"),
        report(Operation.SNAPSHOT_CREATE, order_snapshot="before"),
        report(Operation.SNAPSHOT_CREATE, order_snapshot="before", after=None),
        report(Operation.SNAPSHOT_ROLLBACK, order_snapshot="before", after=stopped),
        report(Operation.SNAPSHOT_ROLLBACK, order_snapshot="before", after=None),
        report(Operation.SNAPSHOT_DELETE, order_snapshot="before", seconds=4000),
        report(Operation.SNAPSHOT_DELETE, TaskEnd.ERROR, order_snapshot="before", message=""),
    ]


@languages
def test_outcomes(language: Language, golden: Golden) -> None:
    t = TEXTS.of(language)
    around = site(language)
    views = [outcome(t, ended, around) for ended in outcomes()]
    named_guest = title(WEB)
    views += [
        working_card(t, order(Operation.START), named_guest, Progress(0)),
        working_card(t, order(Operation.CREATE, 900, name="new01"), title(DEBIAN), Progress(30, 42.4)),
        working_card(t, order(Operation.SHUTDOWN), named_guest, Progress(75)),
        working_card(t, order(Operation.SHUTDOWN), named_guest, Progress(75, out_of_sight=True)),
        farewell_card(t, order(Operation.SNAPSHOT_ROLLBACK, snapshot="before"), named_guest),
    ]
    golden(f"outcomes.{language}", "\n\n".join(map(shown, views)))


class Nowhere(DiscordAlertChannel):
    """Send nothing."""

    def __init__(self) -> None:
        super().__init__(discord.Client(intents=discord.Intents.none()), 1, EN)


class Silent:
    """Notify nobody."""

    async def notify(self, entry: AuditEntry) -> None: ...


def listed(t: Text, watch: Watch, *rest: Any) -> ui.LayoutView:
    """Render the list for somebody who may see every guest."""
    return watch_list_card(t, watch, watch.entries, *rest, site="")


async def no_health(_sites: Collection[str]) -> Sequence[Result]:
    return ()


def site(language: Language = "ja") -> Site:
    """Build everything that a card may need, over an empty cluster. Nothing runs."""
    world, texts = FakeWorld(), Texts(language)
    services = Services(
        sites=Sites(),
        change_limit=ChangeLimit(world.clock, 0),
        rate_limiter=RateLimiter(world.clock),
        people_cache=PeopleReader(JOURNAL, world.clock),
        audit_store=JOURNAL,
        heartbeat=Heartbeat(None),
        connected=lambda: True,
        renderer=ChartProcess(world.clock),
        pictures=Pictures(world.clock),
        alert_charts=Cooldown(world.clock, 600.0),
        orphan_searches=Cooldown(world.clock, 60.0),
        members=Members(world.clock),
        health=CheckReports(no_health, world.clock, 1),
        audit=world.ledger,
        audit_delivery=AuditDelivery(JOURNAL, None, world.clock),
        clock=world.clock,
        texts=texts,
        questions=Questions(),
        press=on_button_press,
        guild_id=1,
        category_id=2,
        timezone=ZoneInfo("Asia/Tokyo"),
        poll_seconds=60.0,
    )
    watch, nobody = watch_of(), discord.Client(intents=discord.Intents.none())
    source = ContentsSource(watch, world.cluster_cache, world.proxmox, world.authorizer, world.clock, 60.0)
    made = Site(
        name="",
        services=services,
        authorizer=world.authorizer,
        proxmox=world.proxmox,
        cluster_cache=world.cluster_cache,
        snapshot_cache=SnapshotCache(world.proxmox, world.clock),
        storage_histories=StorageHistories(world.proxmox, world.clock),
        inspector=Inspector(world.proxmox, world.planner, world.clock),
        planner=world.planner,
        executor=world.executor,
        watch=watch,
        journal=JOURNAL,
        alert_delivery=AlertDelivery(JOURNAL, Nowhere(), world.clock),
        audit=world.ledger,
        dashboards=DashboardKeeper(JOURNAL, DiscordDashboards(nobody, EN, 2), source, world.clock),
        action_recovery=ActionRecovery(
            world.proxmox, world.clock, JOURNAL, world.ledger, world.expected, Silent()
        ),
    )
    services.sites.add(made)
    return made


class Screen(Reply):
    """Keep the views that an answer would show."""

    def __init__(self, t: Text) -> None:
        self.t, self.views = t, list[ui.LayoutView]()

    async def show(self, view: ui.LayoutView, *, farewell: ui.LayoutView | None = None) -> None:
        self.views.append(view)


async def never(note: str) -> None:
    raise AssertionError(note)


@languages
async def test_questions_asked_and_over(language: Language, golden: Golden) -> None:
    """The states are open, expired, stopped with the bot, cancelled, and not carried out.

    A question that is over has grey buttons and the reason, and no time limit.
    """
    t, around = TEXTS.of(language), site(language)
    stop, delete = plans()[0], plans()[2]
    lapsing, stopping = Screen(t), Screen(t)
    questions = around.services.questions
    await ask(around, lapsing, stop)
    for question in list(questions._open.values()):
        assert question.lapse is not None
        await question.lapse
    await ask(around, stopping, delete)
    await close_questions(around.services)
    assert questions._open == {}
    views = [*lapsing.views, *stopping.views]
    notes = (t("Cancelled. Nothing was done."), t("Nothing was done."))
    answered = Question("0123456789abcdef", stop, t, never)
    views += [question_over(answered, note) for note in notes]
    for view in views:
        checked(view)
        grey = [bool(button.get("disabled")) for button in buttons_of(view)]
        assert grey == [view not in (lapsing.views[0], stopping.views[0])] * 2
        assert (Colour.QUIET if all(grey) else Colour.BAD) == payload(view)[0]["accent_color"]
        assert ("<t:" in "".join(texts_of(view))) == (not all(grey))
    text = "\n\n".join(map(shown, views))
    golden(f"questions.{language}", re.sub(r"(q1:\w+):[0-9a-f]{16}", r"\1:…", text))


# --- what was just seen ---


async def test_the_lists_show_the_state_that_an_action_has_just_seen() -> None:
    """Proxmox' list lags about ten seconds behind. Meanwhile the guest is shown as the action last saw it."""
    world = FakeWorld([guest(101), guest(102), guest(103)])
    world.proxmox.listed = {101: guest(101), 102: guest(102)}

    def listed() -> str:
        assert world.cluster_cache.last is not None
        here = world.cluster_cache.last
        watch = watch_of(WatchEntry(101), WatchEntry(102))
        views = (
            list_card(EN, here, Filters(), 0),
            watch_list_card(EN, watch, watch.entries, here, 0, NOW, {}, site=""),
        )
        return "\n".join(text for view in views for text in texts_of(view))

    await world.cluster_cache.read()
    assert listed().count("🟢") == 6  # with the head of /list
    world.cluster_cache.overlay(101, guest(101, State.STOPPED))
    world.cluster_cache.overlay(102, None)
    for _ in range(2):
        assert "⚪ **101**" in listed()
        assert "🟢 **101**" not in listed()
        assert listed().count("**102**") == 1  # on the watch list only
        assert "not found" in listed()
        await world.cluster_cache.read(max_age=0)
    world.clock.advance(OVERLAY_SECONDS)
    await world.cluster_cache.read(max_age=0)
    assert listed().count("🟢 **101**") == listed().count("🟢 **102**") == 2


def test_a_watched_guest_is_shown_as_last_read_and_not_as_remembered() -> None:
    """A guest of a dead node keeps its state in the watch, but is not shown as running.

    Unknown does not mean stopped.
    """
    watch = watch_of(WatchEntry(101), known=[GuestState(101, State.RUNNING, NOW - 300)])
    for read, word in ((State.UNKNOWN, "❔"), (State.STOPPED, "⚪"), (State.RUNNING, "🟢")):
        told = "\n".join(
            texts_of(
                watch_list_card(EN, watch, watch.entries, cluster(guest(101, read)), 0, NOW, {}, site="")
            )
        )
        assert f"{word} **101**" in told
        assert ("up 5 min" in told) is (read is State.RUNNING)
    never_read = "\n".join(texts_of(watch_list_card(EN, watch, watch.entries, None, 0, NOW, {}, site="")))
    assert "unknown" in never_read
    assert "not found" not in never_read


def test_a_panel_counts_the_tags_that_it_leaves_out() -> None:
    def tags_shown(count: int) -> str:
        guest = replace(WEB, tags=tuple(f"tag-{number:02}" for number in range(count)))
        text = shown(guest_panel(EN, GuestDetails(guest, None, None, None), site=""))
        return next(line for line in text.splitlines() if line.startswith("**Tags**"))

    assert tags_shown(10).endswith(" `tag-09`")
    assert tags_shown(13).endswith(" `tag-09` … and 3 more")


def test_a_template_has_only_refresh_and_a_panel_at_work_no_live_button() -> None:
    for each in (DEBIAN, replace(DEBIAN, state=State.RUNNING), replace(DEBIAN, kind=Kind.LXC)):
        details = GuestDetails(each, CONFIG, None, None)
        assert [button["custom_id"] for button in buttons_of(guest_panel(EN, details, site=""))] == [
            "g1:refresh:900"
        ]
    for each in (WEB, DB, DEBIAN):
        at_work = working_card(
            EN, order(Operation.START), title(each), Progress(0), guest_buttons(EN, each, "", disabled=True)
        )
        assert all(button["disabled"] for button in buttons_of(at_work))


def test_a_button_tells_its_guest_from_another() -> None:
    """The same guest has the same fingerprint for every button. Another kind or name has another one."""
    marks = [
        each.fingerprint
        for each in (WEB, replace(WEB, kind=Kind.LXC), replace(WEB, name="web02"), replace(WEB, name=None))
    ]
    assert len(set(marks)) == 4
    assert (
        replace(WEB, state=State.STOPPED, node="pve9", uptime=None, lock="backup").fingerprint
        == WEB.fingerprint
    )
    assert re.fullmatch(r"[0-9a-f]{32}", replace(WEB, name="half a pair: \ud83d").fingerprint)


def test_unknown_results_are_not_called_failed_or_done() -> None:
    for end in (TaskEnd.LOST, TaskEnd.VANISHED):
        for operation in ACTIONS:
            text, colour = outcome_text(
                EN, report(operation, end, message="", after=None, order_snapshot="s")
            )
            assert colour is Colour.WARN
            assert text.startswith("❔")
            assert "unknown" in text
            assert not re.search(r"was|could not", text)
            assert ("stopped answering" in text) is (end is TaskEnd.LOST)


# --- hostile text ---

ATTACKS = [
    "<@1>",
    "<@!1>",
    "<@&1>",
    "<#1>",
    "@everyone",
    "@here",
    "[x](http://y)",
    "https://evil.example",
    "<https://evil.example>",
    "`",
    "``",
    "```",
    "``` ` ```",
    "``x``",
    "\\`",
    "`\n",
    "\n# big",
    "\n> quote",
    "\n- list",
    "\r",
    "\u2028",
    "\x85",
    "\u202e",
    "\u2066\u2069",
    "\u200b",
    "\u200d",
    "\ufeff",
    "\u00ad",
    "\U000e0041",
    "\x00",
    "\x1b[31m",
    "<t:0>",
    "<t:0:R>",
    "</x:1>",
    "<:e:1>",
    "<a:e:1>",
    "**b**",
    "__u__",
    "~~s~~",
    "||spoiler||",
    "-# small",
    "{0}",
    "{name}",
    "%s",
    "ˋ",
    "\ud83d",
    "é\u0301" * 5,
    "日本語",
    "x" * 500,
]
foreign = st.builds(
    lambda parts: "Ж" + "".join(parts) + "Ж",
    st.lists(st.sampled_from(ATTACKS) | st.text(max_size=20), max_size=6),
)


def hostile_things(evil: str, *languages: Text) -> dict[str, list[str]]:
    """Render everything, with the same foreign text wherever foreign text can come from."""
    bad = Guest(
        vmid=101,
        kind=Kind.QEMU,
        node=evil,
        state=State.RUNNING,
        name=evil,
        cpu=0.5,
        cpus=2,
        memory=GIB,
        memory_total=2 * GIB,
        uptime=60,
        lock=evil,
        tags=(evil, evil),
        ha_managed=True,
    )
    snapshot = Snapshot(evil, int(NOW), evil, True, None)
    config = GuestConfig(2, 1, 2048, None, True, (Disk(evil, evil, evil),), evil, evil, parent=evil)
    task = TaskSummary(evil, evil, evil, int(NOW), int(NOW), evil)
    measured = Storage(evil, evil, False, True, GIB, 2 * GIB)
    status = ClusterStatus(
        "home",
        Cluster((bad,), (Node(evil, True, 0.5, 2, GIB, 2 * GIB), Node(evil, False)), 0.0, (measured,)),
        False,
        NOW,
        (),
    )
    wish: dict[str, Any] = {"name": evil, "snapshot": evil, "description": evil}
    rendered: dict[str, list[str]] = {}
    for t in languages:
        views: dict[str, ui.LayoutView] = {
            "panel": guest_panel(t, GuestDetails(bad, config, (evil, evil), task), site=""),
            "running task": guest_panel(
                t, GuestDetails(bad, None, None, replace(task, status=None)), site=""
            ),
            "list": list_card(t, cluster(bad, replace(bad, vmid=102)), Filters(), 0),
            "narrowed": list_card(t, cluster(bad), Filters(node=evil), 0),
            "watch": listed(
                t, watch_of(WatchEntry(101), trouble=Unreachable(evil)), cluster(bad), 0, NOW, {101: 3}
            ),
            "snapshots": snapshot_list_card(t, bad, (snapshot,), NOW),
            "status": cluster_status_card(t, status, ""),
            "status of sites": cluster_statuses_card(t, (status,), ALL_SITES),
        }
        for operation in (
            Operation.STOP,
            Operation.DELETE,
            Operation.SNAPSHOT_ROLLBACK,
            Operation.SNAPSHOT_DELETE,
        ):
            plan = Plan(order(operation, **wish), bad, config, (snapshot,), snapshot)
            views[f"plan {operation}"] = card(*plan_parts(t, plan, NOW), colour=Colour.WARN)
        for operation in ACTIONS:
            for end in TaskEnd:
                ended = report(
                    operation,
                    end,
                    message=evil,
                    log=(evil, evil),
                    plan_guest=bad,
                    after=bad,
                    **{f"order_{key}": value for key, value in wish.items()},
                )
                views[f"{operation} {end}"] = outcome(t, ended)
            views[f"working {operation}"] = working_card(
                t, order(operation, **wish), title(bad), Progress(5, 10)
            )
            views[f"farewell {operation}"] = farewell_card(t, order(operation, **wish), title(bad))
        for name, view in views.items():
            rendered[f"{name} {t.language}"] = checked(view)
        rendered[f"errors {t.language}"] = [
            error_sentence(t, error)
            for error in (
                GuestBusy(101, evil, "stop", evil, NOW),
                GuestLocked(101, evil, evil),
                StorageFull(evil),
                Rejected(500, evil),
            )
        ]
    return rendered


def mask(text: str) -> str:
    """Replace all code spans and blocks by the same text, and keep the rest.

    The place where a line breaks depends on the length of the facts, and an empty reason gets words of the bot.
    """
    for t in (EN, JA):
        text = text.replace(t("Proxmox gave no reason."), "`x`")
    return re.sub(" · |\n(?:-# )?\u2003*", "|", outside_code(text))


HARMLESS = {name: [mask(text) for text in texts] for name, texts in hostile_things("ЖЖ", EN, JA).items()}


@given(foreign, st.sampled_from((EN, JA)))
def test_foreign_text_stays_in_its_code_span(evil: str, t: Text) -> None:
    """Outside code, every message equals the one with a harmless name, letter by letter.

    Words that a hint knows add the hint's own sentence, which is ours.
    """
    assume(all(task_hint(EN, operation, evil) is None for operation in ACTIONS))
    for name, texts in hostile_things(evil, t).items():
        assert [mask(text) for text in texts] == HARMLESS[name], name
        for text in texts:
            assert harmless_characters(text.replace("\n", "")), name


@walked("evil", ATTACKS)
def test_each_attack_alone(evil: str) -> None:
    t = (EN, JA)[ATTACKS.index(evil) % 2]  # names are treated the same in each language
    for name, texts in hostile_things(f"Ж{evil}Ж", t).items():
        assert [mask(text) for text in texts] == HARMLESS[name], name


def test_characters_allowed_in_our_own_words() -> None:
    """This is the second half of the proof.

    With a harmless name, only the intended mentions, links and times appear.
    """
    for texts in HARMLESS.values():
        for text in texts:
            rest = re.sub(r"<t:\d+:[Rdft]>", "", text).replace(f"<@{AKIKO.user_id}>", "")
            assert "Ж" not in rest
            assert not re.search(r"<[@#:/at]|@everyone|@here|http|\]\(|\|\||~~|`", rest), rest


def harmless_characters(text: str) -> bool:
    """Return whether the text has no invisible or undefined character.

    These are control, format (bidi, zero-width), surrogate, private and unassigned characters.
    """
    return all(unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for char in text)


@given(foreign)
def test_labels_and_titles_cannot_reorder_or_break(evil: str) -> None:
    """Buttons, completions and form titles show plain text.

    No character in it may change the direction of the line.
    """
    bad = guest(101, name=evil, node=evil)
    snapshot = Snapshot(evil, int(NOW), evil, False, None)
    for t in (EN, JA):
        for operation in (
            Operation.STOP,
            Operation.DELETE,
            Operation.SNAPSHOT_ROLLBACK,
            Operation.SNAPSHOT_DELETE,
        ):
            plan = Plan(order(operation, snapshot=evil), bad, CONFIG, (snapshot,), snapshot)
            label = yes_label(t, plan)
            assert harmless_characters(label)
            within_limits(question(t, plan))
            if operation is Operation.DELETE:
                assert harmless_characters(title_of_form(t, plan))
                assert len(title_of_form(t, plan)) <= 45
        choice = choice_label(t, bad)
        assert harmless_characters(choice)
        assert len(choice) <= 100


@given(st.text(max_size=200), st.integers(2, 100))
def test_plain_is_one_line_without_hidden_characters(text: str, most: int) -> None:
    told = plain(text, most)
    assert len(told) <= most
    assert harmless_characters(told)
    assert told == told.strip()
    assert "  " not in told
    assert plain(told, most) == told


@walked("name", ["\u3164", "\uffa0", "\u115f", "\u2800", "\ufe0f", "\u034f"])
def test_a_name_of_letters_that_show_nothing_shows_as_nothing(name: str) -> None:
    assert plain(name * 3) == ""
    assert plain(f"a{name}b") == "ab"


@given(st.text(max_size=200) | st.sampled_from(ATTACKS))
def test_a_code_span_is_one_code_span(text: str) -> None:
    assert re.fullmatch(r"`[^`\n]+`", code(text))


@given(st.lists(st.text(max_size=300) | st.sampled_from(ATTACKS), max_size=40))
def test_a_code_block_is_one_code_block(lines: list[str]) -> None:
    block = code_block(lines)
    assert block == "" or re.fullmatch(r"```\n[^`]*\n```", block)
    assert len(block) <= 910


# --- Discord's limits ---

LONG = "x" * 64
BIG = Guest(
    vmid=999_999_999,
    kind=Kind.QEMU,
    node="n" * 63,
    state=State.RUNNING,
    name=LONG,
    cpu=1.0,
    cpus=512,
    memory=1023 * 1024**4,
    memory_total=1023 * 1024**4,
    disk=1023 * 1024**4,
    disk_total=1023 * 1024**4,
    uptime=10**9,
    lock="l" * 64,
    tags=tuple("t" * 60 + str(number) for number in range(30)),
    ha_managed=True,
)
DISKS = tuple(Disk(f"scsi{number}", "v" * 120, "999999G") for number in range(40))


def big(count: int, **values: Any) -> Cluster:
    return Cluster(
        tuple(replace(BIG, vmid=999_990_000 + number, **values) for number in range(count)), NODES, 0.0
    )


@languages
def test_five_thousand_guests_in_pages(language: Language) -> None:
    t, five_thousand = TEXTS.of(language), big(5000)
    seen: list[str] = []
    for page in (0, 1, 2, 250, 498, 499):
        view = list_card(t, five_thousand, Filters(), page)
        checked(view)
        seen += re.findall(r"\*\*(\d+)\*\*", "\n".join(texts_of(view)))
        assert f"-# {page + 1}/500 · " in texts_of(view)[-1]
    here = [str(each.vmid) for each in five_thousand.guests]
    assert seen == here[:30] + here[2500:2510] + here[4980:]


@walked(("page", "shown_as"), [(-5, 1), (0, 1), (499, 500), (500, 500), (10**9, 500)])
def test_a_page_that_is_not_there_is_the_nearest(page: int, shown_as: int) -> None:
    view = list_card(EN, big(5000), Filters(), page)
    checked(view)
    assert f"-# {shown_as}/500" in texts_of(view)[-1]


@languages
def test_filtered_pages_keep_their_filters(language: Language) -> None:
    t = TEXTS.of(language)
    filters = Filters("template", "qemu", "n" * 63)
    view = list_card(t, big(5000, template=True), filters, 250)
    checked(view)
    assert len(buttons_of(view)) == 5
    for button in buttons_of(view):
        assert PAGE.fullmatch(button["custom_id"])
        assert button["custom_id"].endswith(f":template:qemu:{'n' * 63}")


@languages
def test_a_thousand_watched(language: Language) -> None:
    t = TEXTS.of(language)
    watched = [WatchEntry(999_990_000 + number, 100, 100, 100) for number in range(1000)]
    known = [GuestState(entry.vmid, State.IO_ERROR, NOW) for entry in watched]
    counts = {entry.vmid: 10_000 for entry in watched}
    mutes = [Mute("all", 60.0, NOW + 60)]
    for page in (0, 50, 99):
        for trouble in (None, Unreachable("h" * 300)):
            watch = watch_of(*watched, known=known, mutes=mutes, trouble=trouble)
            view = watch_list_card(
                t, watch, watch.entries, big(1000, state=State.IO_ERROR), page, NOW, counts, site=""
            )
            checked(view)
            assert len(re.findall(r"\*\*\d+\*\*", "\n".join(texts_of(view)))) == ROWS


@languages
def test_five_hundred_snapshots(language: Language) -> None:
    t = TEXTS.of(language)
    chain = tuple(
        Snapshot(f"s{number:039d}", int(NOW), "d" * 1000, True, f"s{number - 1:039d}" if number else None)
        for number in range(500)
    )
    view = snapshot_list_card(t, BIG, chain, NOW)
    checked(view)
    listed = len(re.findall("📸", texts_of(view)[1]))
    assert listed > 10
    assert str(500 - listed) in texts_of(view)[1].splitlines()[-1]
    flat = tuple(replace(each, parent=None, description="") for each in chain)
    checked(snapshot_list_card(t, BIG, flat, NOW))


@languages
def test_a_panel_full_to_the_brim(language: Language) -> None:
    t = TEXTS.of(language)
    config = replace(CONFIG, protection=True, disks=DISKS, parent="s" * 40)
    addresses = tuple(f"2001:db8:ffff:ffff:ffff:ffff:ffff:{number:04x}" for number in range(6))
    task = replace(TASK, type="t" * 200, status="e" * 1000)
    log = tuple("l" * 500 for _ in range(200))
    ended = report(Operation.STOP, TaskEnd.ERROR, message="m" * 2000, log=log, plan_guest=BIG)
    note, _ = outcome_text(t, ended)
    checked(guest_panel(t, GuestDetails(BIG, config, addresses, task), note, site=""))


@languages
def test_forty_disks_and_huge_logs(language: Language) -> None:
    t = TEXTS.of(language)
    snapshots = tuple(Snapshot("s" * 39 + str(number), 1, "d" * 500, True, None) for number in range(500))
    for operation in (
        Operation.STOP,
        Operation.DELETE,
        Operation.SNAPSHOT_ROLLBACK,
        Operation.SNAPSHOT_DELETE,
    ):
        asked = order(operation, snapshot="s" * 40)
        plan = Plan(asked, BIG, replace(CONFIG, disks=DISKS), snapshots, snapshots[0])
        checked(question(t, plan))
        assert len(yes_label(t, plan)) <= LABEL_MOST
    log = tuple("l" * 1000 for _ in range(50))
    for operation in ACTIONS:
        for end in TaskEnd:
            ended = report(
                operation,
                end,
                message="m" * 5000,
                log=log,
                order_name=LONG,
                order_snapshot="s" * 40,
                plan_guest=BIG,
                after=BIG,
                change=Change((8192, 8192), (4_178_944, 4_178_943), waits_for_restart=True),
                seconds=10**7,
            )
            checked(outcome(t, ended))
            checked(working_card(t, ended.plan.order, title(BIG), Progress(10**7, 99.9)))


HALVES = st.characters()  # all of them, the lone halves of surrogate pairs that JSON may hold included
guests = st.builds(
    Guest,
    vmid=st.integers(100, 999_999_999),
    kind=st.sampled_from(Kind),
    node=st.text(HALVES, max_size=63),
    state=st.sampled_from(State),
    name=st.none() | st.text(HALVES, max_size=64),
    cpu=st.none() | st.floats(0, 1000),
    cpus=st.none() | st.floats(0, 1000),
    memory=st.none() | st.integers(0, 2**60),
    memory_total=st.none() | st.integers(0, 2**60),
    disk=st.none() | st.integers(0, 2**60),
    disk_total=st.none() | st.integers(0, 2**60),
    uptime=st.none() | st.integers(0, 2**31),
    template=st.booleans(),
    lock=st.none() | st.text(max_size=64),
    tags=st.lists(st.text(max_size=64), max_size=40).map(tuple),
    ha_managed=st.booleans(),
)


@given(
    st.lists(guests, max_size=30, unique_by=lambda each: each.vmid),
    st.integers(-5, 50),
    st.sampled_from([EN, JA]),
)
def test_any_guests_make_a_valid_message(found: list[Guest], page: int, t: Text) -> None:
    here = cluster(*found)
    view = list_card(t, here, Filters(), page)
    checked(view)
    pages = max(1, -(-len(found) // ROWS))
    assert len(buttons_of(view)) == (5 if pages > 1 else 1)
    menus = [part for part in walk(payload(view)) if part["type"] == 3]
    assert len(menus) == (1 if found else 0)
    for menu in menus:
        values = [option["value"] for option in menu["options"]]
        assert 0 < len(values) == len(set(values)) <= ROWS
        assert all(CHOICE.fullmatch(choice_id(menu["custom_id"], [value])) for value in values)
    checked(listed(t, watch_of(*(WatchEntry(each.vmid) for each in found)), here, page, NOW, {}))
    for each in found[:3]:
        checked(guest_panel(t, GuestDetails(each, None, None, None), site=""))
        buttons = buttons_of(guest_panel(t, GuestDetails(each, None, None, None), site=""))
        assert len(buttons) in ((1,) if each.template else (3, 4, 6, 7)), "three that only look"
        assert all(GUEST.fullmatch(button["custom_id"]) for button in buttons)


def test_too_much_text_is_cut_and_not_refused() -> None:
    within_limits(card("a" * 3000, "b" * 3000, "c", colour=Colour.BAD))
    within_limits(notice("a" * 5000))
    assert [part["type"] for part in walk(payload(card("", "a", "", colour=Colour.BAD)))] == [17, 10]


def test_a_card_has_no_time_limit_and_its_colour() -> None:
    view = notice("x", Colour.BAD)
    assert view.timeout is None
    assert payload(view)[0]["accent_color"] == Colour.BAD
    assert isinstance(view, discord.ui.LayoutView)


# --- numbers ---


@walked(
    ("seconds", "english", "japanese"),
    [
        (-5, "less than 1 s", "1秒未満"),
        (0, "less than 1 s", "1秒未満"),
        (0.4, "less than 1 s", "1秒未満"),
        (0.6, "1 s", "1秒"),
        (8, "8 s", "8秒"),
        (59.4, "59 s", "59秒"),
        (59.6, "1 min", "1分"),
        (60, "1 min", "1分"),
        (61, "1 min 1 s", "1分1秒"),
        (3599, "59 min 59 s", "59分59秒"),
        (3600, "1 h", "1時間"),
        (3605, "1 h", "1時間"),
        (3660, "1 h 1 min", "1時間1分"),
        (86_399, "23 h 59 min", "23時間59分"),
        (86_400, "1 d", "1日"),
        (86_400 + 300, "1 d", "1日"),
        (3 * 86_400 + 4 * 3600 + 5 * 60, "3 d 4 h", "3日4時間"),
        (1000 * 86_400 + 3599, "1000 d", "1000日"),
    ],
)
def test_durations(seconds: float, english: str, japanese: str) -> None:
    assert format_duration(EN, seconds) == english
    assert format_duration(JA, seconds).replace(" ", "") == japanese


@walked(
    ("count", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "2 KiB"),
        (1024**2, "1.0 MiB"),
        (int(1.5 * 1024**2), "1.5 MiB"),
        (512 * 1024**2, "512 MiB"),
        (GIB, "1.0 GiB"),
        (int(1.2 * GIB), "1.2 GiB"),
        (32 * GIB, "32.0 GiB"),
        (100 * GIB, "100 GiB"),
        (1024**4, "1.0 TiB"),
        (1024**5, "1.0 PiB"),
        (1024**6, "1.0 EiB"),
        (2048 * 1024**6, "2048 EiB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert format_size(count) == text


@given(st.integers(0, 2**70))
def test_a_shown_size_is_near_the_real_one(count: int) -> None:
    number, unit = format_size(count).split()
    scale = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": GIB, "TiB": 1024**4, "PiB": 1024**5, "EiB": 1024**6}[
        unit
    ]
    step = 0.1 if "." in number else 1.0
    assert abs(float(number) * scale - count) <= step * scale / 2 * 1.001


@walked(
    ("used", "total", "text"),
    [
        (None, None, "—"),
        (GIB, None, "—"),
        (None, 4 * GIB, "4.0 GiB"),
        (int(1.2 * GIB), 4 * GIB, "1.2 / 4.0 GiB"),
        (512 * 1024**2, 4 * GIB, "0.5 / 4.0 GiB"),
        (20 * 1024**2, 4 * GIB, "20.0 MiB / 4.0 GiB"),
        (700 * GIB, 4096 * GIB, "0.7 / 4.0 TiB"),
        (0, 4 * GIB, "0 B / 4.0 GiB"),
        (0, 0, "0 / 0 B"),
        (5 * GIB, 4 * GIB, "5.0 / 4.0 GiB"),
        (10**17, 100, "88.8 PiB / 100 B"),
    ],
)
def test_used_of(used: int | None, total: int | None, text: str) -> None:
    assert format_usage(used, total) == text


@walked(
    ("written", "text"),
    [
        ("16G", "16.0 GiB"),
        ("4M", "4.0 MiB"),
        ("528K", "528 KiB"),
        ("1.5T", "1.5 TiB"),
        ("999999G", "977 TiB"),
        ("2147483648", "2.0 GiB"),
        ("0", "0 B"),
        ("16X", "`16X`"),
        ("@everyone", "`@everyone`"),
        ("9" * 400 + "G", "`9999999999999999999…`"),
    ],
)
def test_a_disks_size_reads_like_any_other(written: str, text: str) -> None:
    assert format_disk_size(written) == text


def test_other_numbers() -> None:
    assert [format_memory(count) for count in (0, 512, 1024, 1536, 1500, 2048, 1_048_576)] == [
        "0 MiB",
        "512 MiB",
        "1.0 GiB",
        "1.5 GiB",
        "1500 MiB",
        "2.0 GiB",
        "1.0 TiB",
    ]
    assert [format_percent(value) for value in (None, 0, 0.004, 0.006, 0.5, 1, 2)] == [
        "—",
        "0%",
        "0%",
        "1%",
        "50%",
        "100%",
        "200%",
    ]
    assert [progress_bar(value) for value in (-1, 0, 0.09, 0.55, 1, 9)] == [
        "▱" * 10,
        "▱" * 10,
        "▱" * 10,
        "▰" * 5 + "▱" * 5,
        "▰" * 10,
        "▰" * 10,
    ]
    assert timestamp(NOW + 0.9) == f"<t:{int(NOW)}:R>"
    assert timestamp(NOW, "f") == f"<t:{int(NOW)}:f>"


def test_names() -> None:
    assert title(WEB) == "**101** `web01`"
    assert title(NAMELESS) == "**103**"
    assert title_of(101, "web01") == title(WEB)
    assert title_of(103, "103") == "**103**"
    assert choice_label(EN, WEB) == "🟢 101 web01 · pve1 · VM"
    assert choice_label(EN, NAMELESS) == "❔ 103 — · pve3 · VM"
    assert choice_label(EN, DEBIAN).startswith("📄 900 debian-12 · ")
    assert plain_label("x" * 100) == "x" * 100
    assert plain_label("x" * 101) == "x" * 99 + "…"


@given(st.lists(st.text(alphabet="abc ", max_size=60), max_size=80), st.integers(60, 2000))
def test_fit_keeps_the_first_lines_and_counts_the_rest(lines: list[str], most: int) -> None:
    told = fit_lines(EN, lines, most)
    assert len(told) <= most
    more = re.search(r"… and (\d+) more$", told)
    left = int(more[1]) if more else 0
    kept = lines[: len(lines) - left]
    assert told == "\n".join([*kept, f"… and {left} more"] if left else kept)

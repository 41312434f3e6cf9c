"""Test that the data directory is read for several sites, and that a start that does not fit it changes nothing."""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.files.disk_thread import DiskThread
from adapters.files.read_only_file import ReadOnlyFile
from adapters.files.stored_sites import SiteFault, SiteFaultKind
from adapters.journal.off_loop import JournalOffLoop
from core.access.read_only import ReadOnlySwitch
from core.actions.expected_stops import ExpectedStops
from core.audit.record import CUT_OFF, AuditRecord, AuditStep
from core.audit.store import AuditFilter
from core.audit.trail import AuditTrail
from core.guest import State
from core.watch.incidents.state import WatchRules
from core.watch.polling.disk_poller import DiskPoller
from core.watch.service import Watch
from monitor_store import MonitorStore
from startup.data_dir import JOURNAL_NAME, LIST_NAME, SiteData, StartFailed, read_data_dir, start_failures
from tests.adapters.journal.test_sites import EMMA
from tests.support.fakes import FakeWorld, guest
from tests.support.former_data import ALL, FormerData
from tests.support.walked import walked
from ui.i18n import Texts
from ui.messages.faults import SITE_FAULTS, site_fault_line

T = Texts("ja").of("en")
Lists = Mapping[str, Sequence[int]]
TWO: Lists = {"home": (101,), "colo": (101, 102)}


@dataclass
class Bot:
    """The opened data of some sites."""

    journal: JournalOffLoop
    store: MonitorStore
    worlds: dict[str, FakeWorld]
    sites: dict[str, SiteData]

    def watch(self, name: str) -> Watch:
        return self.sites[name].watch

    def listed(self) -> dict[str, list[int]]:
        return {name: [each.vmid for each in site.watch.entries] for name, site in self.sites.items()}

    async def poll(self, name: str) -> None:
        self.worlds[name].clock.advance(60)
        await self.watch(name).poll()

    async def posted(self, name: str) -> list[str]:
        return [each.stored.text for each in await self.journal.of_site(name).to_post() if each.stored.text]


@asynccontextmanager
async def started(directory: Path, lists: Lists, first: str | None = None) -> AsyncIterator[Bot]:
    """Read the directory as bot.py does, with the parts of each site."""
    clock = FakeWorld().clock
    journal, disk = JournalOffLoop(directory / JOURNAL_NAME, clock.now), DiskThread("files")
    store = MonitorStore(directory / LIST_NAME, clock.now)
    bot = Bot(journal, store, {}, {})
    for name, vmids in lists.items():
        world, view = FakeWorld([guest(101, State.RUNNING)]), journal.of_site(name)
        bot.worlds[name] = world
        switch = ReadOnlySwitch(view, clock, ReadOnlyFile.of_site(directory, name, first, disk))
        watch = Watch(
            world.cluster_cache,
            world.proxmox,
            DiskPoller(world.proxmox, world.clock),
            world.clock,
            ExpectedStops(world.clock),
            store.of_site(name, disk),
            view,
            WatchRules(),
            lambda _unix: False,
        )
        bot.sites[name] = SiteData(name, vmids, watch, AuditTrail(view, clock), switch)
    try:
        with start_failures(T, directory):
            trail = AuditTrail(journal, clock) if "" not in lists else None
            await read_data_dir(T, directory, journal, store, [*bot.sites.values()], first=first, audit=trail)
        yield bot
    finally:
        for site in bot.sites.values():
            await site.audit.finish()
        await asyncio.gather(journal.close(), disk.close())


def remove(directory: Path, which: Callable[[str], bool]) -> None:
    for path in directory.iterdir():
        if which(path.name):
            path.unlink()


def switches(directory: Path) -> list[Path]:
    return sorted(directory.glob("readonly*"))


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


async def refused(directory: Path, lists: Lists, first: str | None = None) -> str:
    """Start with sites that do not fit the directory. Return the reported fault. No file may have changed."""
    before = files(directory)
    with pytest.raises(StartFailed) as failed:
        async with started(directory, lists, first):
            pass
    assert files(directory) == before
    return str(failed.value)


# --- several sites ---


async def test_each_site_keeps_its_own_data(tmp_path: Path) -> None:
    async with started(tmp_path, TWO) as bot:
        assert bot.listed() == {"home": [101], "colo": [101, 102]}
        for name in ("home", "colo"):
            await bot.poll(name)
        bot.worlds["colo"].proxmox.change(101, state=State.STOPPED)
        for name in ("home", "colo") * 3:
            await bot.poll(name)
        incidents = bot.watch("colo").state.open
        assert {each.subject for each in incidents.values()} >= {"guest/101"}
        assert bot.watch("home").state.open == {}
        states = {name: bot.watch(name).state for name in bot.sites}
    async with started(tmp_path, TWO) as bot:
        assert {name: bot.watch(name).state for name in bot.sites} == states
        assert not set(incidents) & {
            each.id for each in (await bot.journal.of_site("home").history(None, 0, 9))[0]
        }
        assert await bot.posted("home") == await bot.posted("colo") == []


async def test_each_site_has_its_own_switch_in_both_places(tmp_path: Path) -> None:
    async with started(tmp_path, TWO) as bot:
        await bot.sites["colo"].read_only.turn_on("Akiko")
    assert (tmp_path / "readonly-colo.json").exists()
    assert switches(tmp_path) == [tmp_path / "readonly-colo.json"]
    (tmp_path / JOURNAL_NAME).unlink()
    async with started(tmp_path, TWO) as bot:
        off = {name: site.read_only.refusal is not None for name, site in bot.sites.items()}
        assert off == {"home": False, "colo": True}


async def test_the_switch_of_the_first_site_stays_in_its_file(tmp_path: Path) -> None:
    async with started(tmp_path, {"": ()}) as bot:
        await bot.sites[""].read_only.turn_on("Akiko")
    async with started(tmp_path, {"colo": (), "home": ()}, "home") as bot:
        off = {name: site.read_only.refusal is not None for name, site in bot.sites.items()}
        assert off == {"home": True, "colo": False}
    assert switches(tmp_path) == [tmp_path / "readonly.json"]


async def test_interrupted_actions_return_to_their_own_site(tmp_path: Path) -> None:
    async with started(tmp_path, TWO) as bot:
        for name in ("home", "colo"):
            await bot.sites[name].audit.record_first(
                AuditRecord(AuditStep.ASKED, EMMA, "stop", 101, upid=name)
            )
        await AuditTrail(bot.journal, FakeWorld().clock).record_first(
            AuditRecord(AuditStep.ASKED, EMMA, "help")
        )
    async with started(tmp_path, TWO) as bot:
        for name, site in bot.sites.items():
            assert [(each.record.upid, each.site) for each in site.audit.cut_off] == [(name, name)]
        (ended,) = (await bot.journal.audit_page(AuditFilter(operation="help"), 0, 9))[0]
        assert (ended.record.outcome, ended.site) == (CUT_OFF, "")


async def test_the_loss_of_the_journal_is_reported_once(tmp_path: Path) -> None:
    async with started(tmp_path, TWO):
        pass
    (tmp_path / JOURNAL_NAME).unlink()
    async with started(tmp_path, TWO) as bot:
        (told,) = await bot.posted("home")
        assert "The journal was missing" in told
        assert await bot.posted("colo") == []


async def test_the_loss_of_the_list_is_reported_once(tmp_path: Path) -> None:
    async with started(tmp_path, TWO) as bot:
        bot.store.save(bot.watch("colo").entries, "home")
    (tmp_path / LIST_NAME).write_bytes(b"spoilt")
    async with started(tmp_path, dict.fromkeys(TWO, ())) as bot:
        assert bot.listed() == {name: list(vmids) for name, vmids in TWO.items()}
        (told,) = await bot.posted("home")
        assert "using the last backup copy (guests: 3)" in told
        assert await bot.posted("colo") == []


async def test_no_site_loses_its_state_if_the_journal_is_deleted_under_the_bot(tmp_path: Path) -> None:
    async with started(tmp_path, TWO) as bot:
        for name in TWO:
            await bot.poll(name)
        (tmp_path / JOURNAL_NAME).unlink()
        for name in TWO:
            await bot.poll(name)
            renewed = bot.watch(name).maintenance.renewed
            assert renewed is not None, "told to each"
            assert renewed.whole
        states = {name: bot.watch(name).state for name in TWO}
    async with started(tmp_path, TWO) as bot:
        assert {name: bot.watch(name).state for name in TWO} == states


# --- from one to several, and back ---


@pytest.mark.parametrize("former", ALL, ids=lambda former: former.name)
async def test_a_former_directory_belongs_to_the_first_site(tmp_path: Path, former: FormerData) -> None:
    one, several = tmp_path / "one", tmp_path / "several"
    for directory in (one, several):
        directory.mkdir()
        former.lay_out(directory)
    async with started(one, {"": (999,)}) as bot:
        state, listed = bot.watch("").state, bot.listed()[""]
        off, cut = bot.sites[""].read_only.refusal, [each.id for each in bot.sites[""].audit.cut_off]
    assert off is not None
    assert "Set FIRST_SITE to the site that it belongs to: “colo” “home”." in await refused(
        several, {"colo": (), "home": ()}
    )
    async with started(several, {"colo": (101,), "home": (999,)}, "home") as bot:
        assert bot.watch("home").state == state
        assert bot.listed() == {"home": listed, "colo": [101]}
        still_off = bot.sites["home"].read_only.refusal
        assert still_off is not None
        assert (still_off.by, still_off.since) == (off.by, off.since)
        assert [each.id for each in bot.sites["home"].audit.cut_off] == cut
        colo = bot.sites["colo"]
        assert (colo.watch.state.open, colo.read_only.refusal, colo.audit.cut_off) == ({}, None, ())
    async with started(several, {"": ()}) as bot:
        assert (bot.listed()[""], bot.watch("").state) == (listed, state)


@pytest.mark.parametrize("left", [JOURNAL_NAME, LIST_NAME, "readonly.json"])
async def test_each_file_of_a_single_site_needs_the_name_of_its_site(tmp_path: Path, left: str) -> None:
    async with started(tmp_path, {"": (101,)}) as bot:
        await bot.sites[""].read_only.turn_on("Akiko")
    remove(tmp_path, lambda name: name != left)
    told = await refused(tmp_path, TWO)
    assert told == (
        "DATA_DIR has data from when there was only one site. Set FIRST_SITE to the site that it belongs to: "
        "“home” “colo”."
    )
    async with started(tmp_path, TWO, "home") as bot:
        assert bot.sites["home"].read_only.refusal is not None or left == LIST_NAME
        assert bot.sites["colo"].read_only.refusal is None


async def test_another_first_site_is_refused(tmp_path: Path) -> None:
    async with started(tmp_path, TWO, "home"):
        pass
    for first in (None, "colo"):
        assert "belongs to the site “home”. Set FIRST_SITE to “home”." in await refused(tmp_path, TWO, first)
    assert "Remove FIRST_SITE" in await refused(tmp_path, {"colo": (), "lab": ()}, "colo")
    async with started(tmp_path, {"colo": (), "lab": ()}) as bot:
        assert bot.journal.unknown_sites(bot.sites) == ("home",)


async def test_a_site_that_has_data_of_its_own_cannot_be_the_first(tmp_path: Path) -> None:
    async with started(tmp_path, TWO) as bot:
        await bot.journal.of_site("home").put_record("last", "1")
    assert "Remove FIRST_SITE, or give this site another name." in await refused(tmp_path, TWO, "home")
    (tmp_path / LIST_NAME).unlink()
    async with started(tmp_path, {"": (101,)}) as bot:
        await bot.journal.put_record("last", "1")
    assert "Give this site another name" in await refused(tmp_path, TWO, "home")


async def test_one_site_after_several_takes_the_list_of_the_first(tmp_path: Path) -> None:
    async with started(tmp_path, TWO, "colo"):
        pass
    async with started(tmp_path, {"": ()}) as bot:
        assert bot.listed() == {"": [101, 102]}


@pytest.mark.parametrize("first", [None, "home"])
async def test_one_site_after_several_takes_the_list_of_its_name(tmp_path: Path, first: str | None) -> None:
    async with started(tmp_path, TWO, first):
        pass
    async with started(tmp_path, {"": ()}, "colo") as bot:
        assert bot.listed() == {"": [101, 102]}
    async with started(tmp_path, {"": ()}, "colo") as bot:
        assert bot.listed() == {"": [101, 102]}


@pytest.mark.parametrize("first", [None, "home"])
async def test_one_site_after_several_keeps_its_own_state_and_leaves_the_others(
    tmp_path: Path, first: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    async with started(tmp_path, TWO, first) as bot:
        for name in TWO:
            await bot.journal.of_site(name).put_record("last", name)
            bot.sites[name].audit.record(AuditRecord(AuditStep.REFUSED, EMMA, "stop", 101, outcome=name))
            await bot.sites[name].audit.flush()
        await bot.sites["home"].read_only.turn_on("Akiko")
        remove(tmp_path, lambda name: name.startswith("readonly"))
    async with started(tmp_path, {"": ()}, "colo") as bot:
        only = bot.journal.of_site("")
        assert (await only.records())["last"] == "colo"
        found, _ = await only.audit_page(AuditFilter(), 0, 9)
        assert {(each.site, each.record.outcome) for each in found} == {("", "colo"), ("home", "home")}
        found, _ = await only.audit_page(AuditFilter(site=""), 0, 9)
        assert [each.record.outcome for each in found] == ["colo"]
        assert bot.sites[""].read_only.refusal is None
        assert "data of sites that are not configured: home" in caplog.text
        await only.put_record("last", "only")
    async with started(tmp_path, TWO, first) as bot:
        for name in TWO:
            assert (await bot.journal.of_site(name).records())["last"] == {"home": "home", "colo": "only"}[
                name
            ]


async def test_one_site_after_several_without_a_first_is_refused(tmp_path: Path) -> None:
    async with started(tmp_path, TWO):
        pass
    with closing(sqlite3.connect(tmp_path / JOURNAL_NAME)) as db:
        runs = db.execute("SELECT value FROM meta WHERE name = 'run'").fetchone()
    assert "the lists of several sites: “home” “colo”" in await refused(tmp_path, {"": ()})
    with closing(sqlite3.connect(tmp_path / JOURNAL_NAME)) as db:
        assert db.execute("SELECT value FROM meta WHERE name = 'run'").fetchone() == runs


async def test_a_single_site_stays_read_only_if_one_of_several_was(tmp_path: Path) -> None:
    async with started(tmp_path, TWO) as bot:
        await bot.sites["home"].read_only.turn_on("Akiko")
    (tmp_path / LIST_NAME).unlink()
    async with started(tmp_path, {"": ()}) as bot:
        refusal = bot.sites[""].read_only.refusal
        assert refusal is not None
        assert refusal.by == "Akiko"
        await bot.sites[""].read_only.turn_off()
    async with started(tmp_path, {"": ()}) as bot:
        assert bot.sites[""].read_only.refusal is None


async def test_a_lost_journal_says_that_changes_are_off_on_some_sites_only(tmp_path: Path) -> None:
    async with started(tmp_path, TWO) as bot:
        await bot.sites["home"].read_only.turn_on("Akiko")
    remove(tmp_path, lambda name: name.startswith(JOURNAL_NAME))
    async with started(tmp_path, TWO) as bot:
        (told,) = await bot.posted("home")
        assert T("Read-only mode stays on for some sites; see `/monitor status`.") in told
        assert [site.read_only.refusal is not None for site in bot.sites.values()] == [True, False]


async def test_sites_that_are_gone_are_named_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with started(tmp_path, TWO):
        pass
    caplog.set_level(logging.WARNING)
    async with started(tmp_path, {"home": (), "lab": ()}):
        assert "not configured: colo" in caplog.text


@walked("kind", SiteFaultKind)
async def test_every_fault_of_the_sites_is_one_line_with_a_remedy(kind: SiteFaultKind) -> None:
    assert SITE_FAULTS.keys() == {each.value for each in SiteFaultKind}
    for word in ("ja", "en"):
        line = site_fault_line(
            Texts("ja").of("ja" if word == "ja" else "en"),
            SiteFault(kind, "ho\x1bme\n", ["ho\x1bme\n", "colo"]),
        )
        assert re.fullmatch(r"[^\n\x1b]*[。.]", line)
        assert "home" in line
        assert len(re.findall(r"[。.](?: |$|\w)", line)) >= 2

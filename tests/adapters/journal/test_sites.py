"""Test that each site has its own data in one journal, and that nothing is rewritten when a second site is added."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.files.stored_sites import (
    SiteFault,
    SiteFaultKind,
    SiteNames,
    StoredSites,
    check_sites,
)
from adapters.journal.audit_rows import add_record, encode_row, page_queries
from adapters.journal.schema import MIGRATIONS
from adapters.journal.site_journal import SiteJournal
from adapters.journal.site_rows import IDS_EACH, SITES_MOST
from adapters.journal.store import JournalReport, OpenOutcome, SqliteJournal
from core.access.policy import Actor, Place
from core.access.read_only import ReadOnlySwitch
from core.audit.record import UNKNOWN, AuditRecord, AuditStep
from core.audit.store import AuditEntry, AuditFilter
from core.errors import JournalFailed
from core.guest import Kind
from core.watch.incidents.model import GuestEvent, GuestFact, Incident, Message, MessageKind, Severity, Topic
from core.watch.journal import Batch, JournalRenewal
from core.watch.persistence import Persistence
from tests.adapters.journal.test_database import run
from tests.adapters.journal.test_versions import JOURNALS
from tests.support.fakes import NOW, FakeClock
from tests.support.former_data import ALL, JOURNAL, FormerData
from tests.support.journal.records import store_record
from tests.support.random_deaths import RandomDeaths
from tests.support.walked import walked
from tests.support.watch.at_once import at_once

TWO = SiteNames(("home", "colo"))
HOME_FIRST = replace(TWO, first="home")
EMMA = Actor(7, "Emma", Place(1, 2, 3))


def made(tmp: Path) -> SqliteJournal:
    return SqliteJournal(tmp / JOURNAL, lambda: NOW)


@contextmanager
def opened(tmp: Path, sites: SiteNames = TWO) -> Iterator[SqliteJournal]:
    journal = made(tmp)
    journal.open(sites)
    try:
        yield journal
    finally:
        journal.close()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    with opened(tmp_path) as journal:
        yield journal


def batch(number: int, text: str = "") -> Batch:
    """Return an incident of guest 101, its message and records, which have the same keys on every site."""
    fact = GuestFact(101, GuestEvent.STOPPED, Kind.QEMU, "pve1", text)
    incident = Incident(number, Topic.GUEST, "guest/101", Severity.CRITICAL, float(number), 1.0, (fact,))
    message = Message(number + 1, MessageKind.OPENING, float(number), (number,))
    return Batch({"last": str(number), f"record/{number}": text}, (incident,), (message,))


def audited(step: AuditStep = AuditStep.ENDED, vmid: int = 101, **more: Any) -> AuditRecord:
    return AuditRecord(step, EMMA, "stop", vmid, **more)


def content(journal: SiteJournal) -> list[object]:
    """Return everything that a site can read of its own."""
    incidents, count = journal.history(None, 0, 10**6)
    messages = [journal.outbox_message(each.id + 1) for each in incidents]
    own = [journal.records(), journal.open_incidents(), incidents, count, messages, journal.to_post()]
    seen = [journal.history({101}, 0, 9), journal.counts(0.0), journal.backlog()]
    trail = [journal.audit_open(), journal.audit_unknown(0.0), journal.audit_upids(101, 0, 0)]
    return [*own, *seen, *trail, journal.to_edit()]


def fill(view: SiteJournal, text: str, most: int = 3) -> int:
    """Write some of everything. Return the id of the first incident."""
    first = view.first_id(NOW)
    for number in range(first, first + 2 * most, 2):
        view.commit(batch(number, text))
    view.note_posted(first + 1, first, -1)
    view.give_up(first + 3, f"{text} 400")
    asked = store_record(view, audited(AuditStep.ASKED, upid=f"UPID:{text}"), 1.0)
    store_record(view, audited(AuditStep.SENT, upid=f"UPID:{text}"), 2.0, asked)
    store_record(
        view, audited(outcome=f"{UNKNOWN}x", upid=f"UPID:{text}2"), 3.0, store_record(view, audited(), 2.5)
    )
    return first


# --- apart from each other ---


def test_no_site_reads_the_data_of_another(journal: SqliteJournal) -> None:
    views = {name: journal.of_site(name) for name in ("home", "colo", "lab")}
    empty = content(views["lab"])
    fill(views["home"], "h")
    home = content(views["home"])
    assert content(views["colo"]) == content(views["lab"]) == content(journal) == empty
    fill(views["colo"], "c")
    assert content(views["home"]) == home
    assert content(views["lab"]) == content(journal) == empty
    assert "'h'" in repr(home)
    assert "'c'" not in repr(home)
    assert len(journal.discord_ids()) == 2, "Discord's ids are those of all"
    for view in views.values():
        assert view.discord_ids() == journal.discord_ids()


def test_no_site_finds_an_incident_or_message_of_another(journal: SqliteJournal) -> None:
    home, colo = journal.of_site("home"), journal.of_site("colo")
    first = fill(home, "h")
    assert home.incident(first) is not None
    assert colo.incident(first) is journal.incident(first) is None
    assert colo.outbox_message(first + 1) is journal.outbox_message(first + 1) is None


def test_no_site_writes_over_an_incident_of_another(journal: SqliteJournal) -> None:
    home, colo = journal.of_site("home"), journal.of_site("colo")
    home.commit(Batch(incidents=batch(17, "h").incidents))
    before = content(home), content(colo)
    with pytest.raises(JournalFailed):
        colo.commit(Batch({"last": "1"}, batch(17, "c").incidents))
    assert (content(home), content(colo)) == before


def test_the_ids_of_each_site_lie_apart_and_fit_a_nonce(tmp_path: Path) -> None:
    names = ("home", *(f"site-{number}" for number in range(SITES_MOST)))
    with opened(tmp_path, SiteNames(names, "home")) as journal:
        firsts = [journal.of_site(name).first_id(NOW) for name in names]
        assert firsts == [number * IDS_EACH + int(NOW) for number in range(SITES_MOST + 1)]
        nonces = {f"{journal.of_site(name).nonce_prefix}-{firsts[-1] + 10**9}" for name in names}
        assert max(map(len, nonces)) <= 25
        with pytest.raises(JournalFailed):
            journal.of_site("one-more").first_id(NOW)


def test_a_site_keeps_its_ids(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        firsts = {name: journal.of_site(name).first_id(NOW) for name in ("home", "colo")}
    with opened(tmp_path, SiteNames(("new", "colo", "home"))) as journal:
        assert {name: journal.of_site(name).first_id(NOW) for name in firsts} == firsts
        assert journal.of_site("new").first_id(NOW) not in firsts.values()


async def test_a_new_watch_counts_from_the_ids_of_its_site(journal: SqliteJournal) -> None:
    for name in ("home", "colo"):
        watch = Persistence(at_once(journal.of_site(name)))
        await watch.load(NOW)
        assert watch.state.pulse.last_id == journal.of_site(name).first_id(NOW) > IDS_EACH


def test_a_record_of_the_first_site_cannot_be_taken_for_one_of_another(tmp_path: Path) -> None:
    with opened(tmp_path, HOME_FIRST) as journal:
        home, colo = journal.of_site("home"), journal.of_site("colo")
        colo.put_record("last", "c")
        with pytest.raises(ValueError, match="site/colo/last"):
            home.put_record("site/colo/last", "h")
        colo.put_record("site/colo/last", "c")
        assert home.records() == {}
        assert colo.records() == {"last": "c", "site/colo/last": "c"}


async def test_each_site_has_its_own_read_only_switch(journal: SqliteJournal) -> None:
    await ReadOnlySwitch(at_once(journal.of_site("home")), FakeClock()).turn_on("Akiko")
    found = {}
    for name in ("home", "colo"):
        switch = ReadOnlySwitch(at_once(journal.of_site(name)), FakeClock())
        await switch.load()
        found[name] = switch.refusal is not None
    assert found == {"home": True, "colo": False}


def test_old_data_of_all_sites_is_pruned(journal: SqliteJournal) -> None:
    for name in ("home", "colo", "gone"):
        view = journal.of_site(name)
        first = fill(view, name)
        view.commit(Batch(incidents=tuple(replace(each, ended=5.0) for each in view.open_incidents())))
        for number in (first + 1, first + 5):
            view.note_posted(number, 9, 1)
    assert not journal.of_site("home").prune(NOW * 2)
    for name in ("home", "colo", "gone"):
        assert journal.of_site(name).history(None, 0, 9) == ((), 0)


# --- the audit trail ---


def test_the_trail_names_the_site_of_each_attempt(tmp_path: Path) -> None:
    with opened(tmp_path, SiteNames()) as journal:
        store_record(journal, audited(vmid=1), 1.0)
        assert sites_of(journal) == [""]
    with opened(tmp_path, HOME_FIRST) as journal:
        store_record(journal.of_site("colo"), audited(vmid=2), 2.0)
        store_record(journal, audited(vmid=3), 3.0)
        store_record(journal.of_site("home"), audited(vmid=4), 4.0)
        assert sites_of(journal) == ["home", "", "colo", "home"]
        assert sites_of(journal.of_site("colo")) == ["home", "", "colo", "home"], "the pages are those of all"
        assert [each.site for each in journal.audit_after(0, 9)[0]] == ["home", "colo", "", "home"]
        assert [each.site for each in journal.audit_export(AuditFilter(), None, 9)[0]] == sites_of(journal)
        pages = {
            site: [each.record.vmid for each in journal.audit_page(AuditFilter(site=site), 0, 9)[0]]
            for site in ("home", "colo", "lab", "")
        }
        assert pages == {"home": [4, 1], "colo": [2], "lab": [], "": [3]}
        assert journal.audit_page(AuditFilter(2, site="home"), 0, 9) == ((), 0)
    with opened(tmp_path, SiteNames()) as journal:
        assert sites_of(journal) == ["", "", "colo", ""]


def sites_of(journal: SiteJournal) -> list[str]:
    return [each.site for each in journal.audit_page(AuditFilter(), 0, 9)[0]]


def test_interrupted_actions_are_finished_by_their_own_site(journal: SqliteJournal) -> None:
    numbers = {
        name: store_record(view, audited(AuditStep.SENT, upid=f"UPID:{name}"), 1.0)
        for name, view in (
            ("home", journal.of_site("home")),
            ("colo", journal.of_site("colo")),
            ("", journal),
        )
    }
    for name, number in numbers.items():
        view = journal.of_site(name)
        (cut,) = view.audit_open()
        assert cut == AuditEntry(number, number, 1.0, 1.0, audited(AuditStep.SENT, upid=f"UPID:{name}"), name)
        assert view.audit_upids(101, 0, 0) == {f"UPID:{name}"}
        store_record(view, audited(outcome=f"{UNKNOWN}x"), 2.0, number)
        assert view.audit_open() == ()
        assert [each.attempt for each in view.audit_unknown(0.0)] == [number]


FILTERS = {
    "site": AuditFilter(site="colo"),
    "vmid": AuditFilter(101, site="colo"),
    "person": AuditFilter(person_id=7, site="colo"),
    "operation": AuditFilter(operation="stop", site="colo"),
    "combined": AuditFilter(101, 7, "stop", 1.0, site="colo"),
    "all sites": AuditFilter(101),
}


def test_a_page_of_many_attempts_is_as_quick_for_one_site(journal: SqliteJournal) -> None:
    with journal._file.transaction() as db:
        for number in range(20_000):
            site = ("", "colo", "home", "*")[number % 4]
            add_record(db, encode_row(audited(vmid=100 + number % 3), float(number), site), None)
    for name, wanted in FILTERS.items():
        query, count, values = page_queries(wanted)
        with journal._file.transaction("BEGIN") as db:
            for text in (query, count):
                rows = db.execute(f"EXPLAIN QUERY PLAN {text}", {**values, "offset": 0, "limit": 9})
                plan = [row["detail"] for row in rows]
                assert any("INDEX audit_" in line for line in plan), plan
                assert not any(line in ("SCAN audit", "SCAN latest") for line in plan), plan
        began = time.process_time()
        found, total = journal.audit_page(wanted, 0, 10)
        assert time.process_time() - began < 0.3, name
        assert (
            total
            == sum(number % 4 == 1 if wanted.vmid is None else number % 12 == 1 for number in range(20_000))
            or name == "all sites"
        )
        assert {each.site for each in found} == {"colo"} or name == "all sites"


# --- the start ---

PLAIN = StoredSites(plain=True)
OF_HOME = StoredSites("home", plain=True, named=frozenset({"colo"}))
OWN_NAMES = StoredSites(named=frozenset({"home", "colo"}))
BOTH = StoredSites(plain=True, named=frozenset({"home"}))


@walked(
    ("sites", "stored", "expected"),
    [
        (SiteNames(), StoredSites(), None),
        (SiteNames(), PLAIN, None),
        (SiteNames(), OF_HOME, None),
        (SiteNames(), OWN_NAMES, None),
        (TWO, StoredSites(), None),
        (TWO, OWN_NAMES, None),
        (HOME_FIRST, StoredSites(), None),
        (HOME_FIRST, PLAIN, None),
        (HOME_FIRST, OF_HOME, None),
        (HOME_FIRST, StoredSites(named=frozenset({"colo"})), None),
        (SiteNames(("colo", "lab")), OF_HOME, None),
        (TWO, PLAIN, (SiteFaultKind.MISSING, "", ("home", "colo"))),
        (TWO, OF_HOME, (SiteFaultKind.CHANGED, "home", ())),
        (replace(TWO, first="colo"), OF_HOME, (SiteFaultKind.CHANGED, "home", ())),
        (SiteNames(("colo", "lab"), "colo"), OF_HOME, (SiteFaultKind.GONE, "home", ())),
        (HOME_FIRST, OWN_NAMES, (SiteFaultKind.UNNEEDED, "home", ())),
        (HOME_FIRST, BOTH, (SiteFaultKind.TAKEN, "home", ())),
        (replace(TWO, first="colo"), BOTH, None),
    ],
)
def test_when_the_stored_data_fits(
    sites: SiteNames, stored: StoredSites, expected: tuple[SiteFaultKind, str, tuple[str, ...]] | None
) -> None:
    found = None
    try:
        check_sites(sites, stored)
    except SiteFault as fault:
        found = fault.kind, fault.site, fault.sites
    assert found == expected


def files(tmp: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in tmp.iterdir()}


def fault_of(tmp: Path, sites: SiteNames) -> SiteFaultKind:
    """Start with these sites, and check that the fault changes nothing."""
    before = files(tmp)
    with pytest.raises(SiteFault) as caught:
        made(tmp).open(sites)
    assert files(tmp) == before
    return caught.value.kind


WRITES: dict[str, Callable[[SiteJournal], object]] = {
    "a record": lambda journal: journal.commit(Batch({"last": "1"})),
    "an incident": lambda journal: journal.commit(Batch(incidents=batch(journal.first_id(17.0)).incidents)),
    "a message": lambda journal: journal.commit(Batch(messages=batch(journal.first_id(17.0)).messages)),
    "an attempt": lambda journal: store_record(journal, audited(), 1.0),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))
def test_any_data_of_one_site_needs_its_owner(tmp_path: Path, write: Callable[[SiteJournal], object]) -> None:
    with opened(tmp_path, SiteNames()) as journal:
        write(journal)
    assert fault_of(tmp_path, TWO) is SiteFaultKind.MISSING
    with opened(tmp_path, HOME_FIRST) as journal:
        assert journal.first_site == "home"
    for sites in (TWO, replace(TWO, first="colo")):
        assert fault_of(tmp_path, sites) is SiteFaultKind.CHANGED


@pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))
def test_any_data_of_its_own_keeps_a_site_from_being_the_first(
    tmp_path: Path, write: Callable[[SiteJournal], object]
) -> None:
    with opened(tmp_path) as journal:
        write(journal.of_site("home"))
    assert fault_of(tmp_path, HOME_FIRST) is SiteFaultKind.UNNEEDED
    with opened(tmp_path, SiteNames()) as journal:
        write(journal)
    assert fault_of(tmp_path, HOME_FIRST) is SiteFaultKind.TAKEN
    with opened(tmp_path, replace(TWO, first="colo")):
        pass


def test_a_new_file_is_not_left_behind_by_a_fault(tmp_path: Path) -> None:
    def refuse(_sites: SiteNames, _stored: StoredSites) -> None:
        raise SiteFault(SiteFaultKind.MISSING)

    with pytest.raises(SiteFault):
        made(tmp_path).open(TWO, refuse)
    assert list(tmp_path.iterdir()) == []


def test_from_one_site_to_several_and_back(tmp_path: Path) -> None:
    with opened(tmp_path, SiteNames()) as journal:
        fill(journal, "h")
        one = content(journal)
    with opened(tmp_path, HOME_FIRST) as journal:
        home, colo = journal.of_site("home"), journal.of_site("colo")
        assert unnamed(content(home)) == one
        assert home.first_id(5.0) == 5
        fill(colo, "c")
        assert unnamed(content(home)) == one
        both = content(colo)
    with opened(tmp_path, SiteNames()) as journal:
        assert content(journal) == one
        assert content(journal.of_site("colo")) == both
        assert journal.unknown_sites([""]) == ("colo",)
        assert journal.audit_page(AuditFilter(site="colo"), 0, 9)[1] == 2
    with opened(tmp_path, SiteNames(("colo", "lab"))) as journal:
        assert journal.unknown_sites(["colo", "lab"]) == ("home",)
        assert unnamed(content(journal.of_site("home"))) == one
        assert set(sites_of(journal)) == {"home", "colo"}


def unnamed(values: object) -> object:
    """Leave out the names of the sites: the only one has none."""
    if isinstance(values, AuditEntry):
        return replace(values, site="")
    return type(values)(map(unnamed, values)) if isinstance(values, list | tuple) else values


@pytest.mark.parametrize("former", ALL, ids=lambda former: former.name)
def test_data_of_a_former_bot_belongs_to_the_first_of_several(tmp_path: Path, former: FormerData) -> None:
    one = tmp_path / "one"
    one.mkdir()
    former.lay_out(one)
    with opened(one, SiteNames()) as journal:
        expected = content(journal)
        trail = journal.audit_page(AuditFilter(), 0, 1000)
    several = tmp_path / "several"
    several.mkdir()
    former.lay_out(several)
    before = version(several)
    assert fault_of(several, TWO) is SiteFaultKind.MISSING
    assert version(several) == before < len(MIGRATIONS), "the former bot can still open it"
    journal = made(several)
    assert journal.open(HOME_FIRST) == JournalReport(OpenOutcome.READ)
    try:
        empty = content(journal)
        assert unnamed(content(journal.of_site("home"))) == expected
        assert content(journal.of_site("colo")) == empty
        found, count = journal.audit_page(AuditFilter(site="home"), 0, 1000)
        assert (unnamed(found), count) == trail
        assert {each.site for each in found} == {"home"}
    finally:
        journal.close()


def version(tmp: Path) -> int:
    with closing(sqlite3.connect(tmp / JOURNAL)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


# --- a file that is lost or damaged, and deaths ---


def test_every_site_learns_once_that_the_file_was_renewed(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        views = [journal.of_site(name) for name in ("home", "colo", "lab")]
        before = [fill(view, "x") and content(view) for view in views]
        assert [view.check_file() for view in views] == [None] * 3
        (tmp_path / JOURNAL).unlink()
        assert [view.check_file() for view in views] == [JournalRenewal(whole=True)] * 3
        assert [view.check_file() for view in views] == [None] * 3
        assert [content(view) for view in views] == before
        (tmp_path / JOURNAL).unlink()
        assert views[2].check_file() == JournalRenewal(whole=True), "whoever is first"
        (tmp_path / JOURNAL).unlink()
        assert views[2].check_file() == JournalRenewal(whole=True)
        assert [view.check_file() for view in views] == [JournalRenewal(whole=True)] * 2 + [None], "once"


def test_a_renewal_is_reported_although_the_new_file_refuses_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise JournalFailed("SQLITE_FULL")

    with opened(tmp_path) as journal:
        views = [journal.of_site(name) for name in ("home", "colo")]
        (tmp_path / JOURNAL).unlink()
        with monkeypatch.context() as patch:
            patch.setattr(journal._file, "probe", refuse)
            for view in views:
                with pytest.raises(JournalFailed):
                    view.check_file()
        assert [view.check_file() for view in views] == [JournalRenewal(whole=True)] * 2


def test_a_new_file_that_cannot_be_opened_at_first_keeps_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    with opened(tmp_path) as journal:
        views = [journal.of_site(name) for name in ("home", "colo")]
        before = [fill(view, "x") and content(view) for view in views]
        (tmp_path / JOURNAL).unlink()
        with monkeypatch.context() as patch:
            patch.setattr(journal._file, "_begin", refuse)
            for view in (*views, *views):
                with pytest.raises(JournalFailed):
                    view.check_file()
        assert [view.check_file() for view in views] == [JournalRenewal(whole=True)] * 2
        assert [content(view) for view in views] == before
        assert [view.check_file() for view in views] == [None] * 2


def test_the_file_is_checked_once_for_all(journal: SqliteJournal) -> None:
    views = [journal.of_site(name) for name in ("home", "colo")]
    written = []
    for view in (views[0], views[1], views[1], views[0], views[0], views[1], views[1]):
        view.check_file()
        with journal._file.transaction("BEGIN") as db:
            written.append(db.execute("SELECT max(id) FROM probe").fetchone()[0])
    assert written == [1, 1, 2, 2, 3, 3, 4], "by whoever has not used the last check yet"


def test_a_file_that_cannot_be_written_is_reported_at_every_site(tmp_path: Path) -> None:
    with opened(tmp_path) as journal, closing(sqlite3.connect(tmp_path / JOURNAL)) as other:
        views = [journal.of_site(name) for name in ("home", "colo")]
        other.execute("BEGIN EXCLUSIVE")
        for view in (*views, *views):
            with pytest.raises(JournalFailed):
                view.check_file()
        other.execute("ROLLBACK")
        assert [view.check_file() for view in views] == [None, None]


def test_the_sites_are_known_in_a_file_that_was_saved_in_part(tmp_path: Path) -> None:
    with opened(tmp_path, HOME_FIRST) as journal:
        views = [journal.of_site(name) for name in ("home", "colo")]
        firsts = [fill(view, "x" * 500, 40) for view in views]
        with journal._file.transaction() as db:
            db.execute("DELETE FROM meta WHERE name = 'first_site' OR name LIKE 'site/%'")
        journal._file._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr] # it is open
        path = tmp_path / JOURNAL
        whole = path.read_bytes()
        middle = len(whole) // 8192 * 4096
        with path.open("r+b") as file:
            file.seek(middle)
            file.write(b"\xff" * (len(whole) - middle))
        journal._file._db.execute("PRAGMA shrink_memory")  # type: ignore[union-attr] # it is open
        os.truncate(path, middle)
        renewals = [view.check_file() for view in views]
        assert [renewed is not None and not renewed.whole for renewed in renewals] == [True, True]
        assert [view.check_file() for view in views] == [None, None]
        assert [view.first_id(NOW) for view in views] == firsts
    with opened(tmp_path, SiteNames(("new", "home", "colo"), "home")) as journal:
        assert [journal.of_site(name).first_id(NOW) for name in ("home", "colo")] == firsts


# Opens the journal of a former bot as that of several sites, once to count the steps: before a statement, or within
# one. Then kills a child with SIGKILL at each of some steps. The last one comes through. Prints the steps.
DIE_AT_EACH_STEP = """
import json, os, shutil, signal, sqlite3, sys
from pathlib import Path
from tests.adapters.journal.test_sites import HOME_FIRST, made

root = Path(sys.argv[1])
connect = sqlite3.connect

def deadly(db, state):
    def count(*_):
        state[0] -= 1
        if state[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    db.set_trace_callback(count)
    db.set_progress_handler(count, 40)
    return db

def status_after(step):
    here = root / str(step)
    shutil.copytree(root / "ready", here)
    child = os.fork()
    if child == 0:
        state = [step]
        sqlite3.connect = lambda *given, **more: deadly(connect(*given, **more), state)
        made(here).open(HOME_FIRST)
        (here / "left").write_text(str(state[0]))
        os._exit(0)
    return os.waitpid(child, 0)[1]

many = 10**9
assert status_after(many) == 0
end = many - int((root / str(many) / "left").read_text())
steps = [*range(0, end, 1 + end // int(sys.argv[2])), end]
for step in steps:
    assert status_after(step) == (0 if step == end else signal.SIGKILL), step
print(json.dumps(steps))
"""


def test_kill_9_at_every_step_of_the_first_start_with_several(tmp_path: Path, deep: bool) -> None:
    ready = tmp_path / "ready"
    ready.mkdir()
    with closing(sqlite3.connect(ready / JOURNAL)) as db:
        db.executescript((JOURNALS / "version-3.sql").read_text("utf-8"))
    (ready / JOURNAL).chmod(0o600)
    steps: list[int] = json.loads(run(DIE_AT_EACH_STEP, tmp_path, 60 if deep else 20))
    assert steps[-1] > 20
    with opened(ready, SiteNames()) as journal:
        expected = content(journal)
        trail = journal.audit_page(AuditFilter(), 0, 9)
    for step in steps:
        with opened(tmp_path / str(step), HOME_FIRST) as journal:
            home = journal.of_site("home")
            assert unnamed(content(home)) == expected, step
            found, count = journal.audit_page(AuditFilter(site="home"), 0, 9)
            assert (unnamed(found), count) == trail
            assert journal.of_site("colo").first_id(NOW) == IDS_EACH + int(NOW)


WORK_FOR_EVER = """
from pathlib import Path
from typing import Any
from adapters.files.stored_sites import SiteNames
from tests.adapters.journal.test_sites import HOME_FIRST, audited, batch, made
from tests.support.journal.records import store_record

def work(start):
    journal, number = made(Path(sys.argv[1])), int(start)
    journal.open(HOME_FIRST)
    while True:
        number += 1
        for name in ("home", "colo"):
            view = journal.of_site(name)
            view.commit(batch(view.first_id(0.0) + 2 * number, f"{name} {number}"))
            store_record(view, audited(vmid=number), float(number))
        told(f"{number}")
"""


def test_kill_9_at_random_moments(tmp_path: Path, deep: bool) -> None:
    chance = random.Random(12)  # noqa: S311 - moments, no secrets
    number, acknowledged = 0, set[int]()
    with RandomDeaths(WORK_FOR_EVER, str(tmp_path)) as deaths:
        for _ in range(6 if deep else 3):
            acknowledged |= set(map(int, deaths.start_and_kill(str(number), chance.uniform(0, 0.03))))
            number = max(acknowledged) + 1  # its writes may have begun
            with opened(tmp_path, HOME_FIRST) as journal:
                for name in ("home", "colo"):
                    check_kept(journal.of_site(name), name, acknowledged)
    assert len(acknowledged) >= 3


def check_kept(view: SiteJournal, name: str, acknowledged: set[int]) -> None:
    first = view.first_id(0.0)
    last = (int(view.records()["last"]) - first) // 2
    assert last in (max(acknowledged), max(acknowledged) + 1)
    incidents = {each.id: each for each in view.open_incidents()}
    assert all(name in each.guests[0].name for each in incidents.values() if each.guests[0].name)
    for number in acknowledged:
        (given,) = batch(first + 2 * number, f"{name} {number}").incidents
        assert incidents[given.id] == given
    trail, _ = view.audit_page(AuditFilter(site=name), 0, 10**6)
    assert {each.record.vmid for each in trail} >= acknowledged

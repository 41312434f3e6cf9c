"""Test that the lists of several sites share monitor_list.json, and none is lost when sites come or go."""

from __future__ import annotations

import itertools
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.files import watch_list_format
from adapters.files.stored_sites import SiteFault, SiteFaultKind, SiteNames
from core.errors import StoreFailed
from core.watch.incidents.model import WatchEntry
from monitor_store import LoadOutcome, LoadReport, MonitorStore, StoreError, StoreErrorKind
from tests.support.former_data import ALL, WATCH_LIST, FormerData
from tests.support.random_deaths import RandomDeaths

NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z
TWO = SiteNames(("home", "colo"))
HOME_FIRST = SiteNames(("home", "colo"), "home")
ONE = SiteNames()
SEVERAL = {
    "note": "x",
    "version": 2,
    "sites": {"home": [{"vmid": 101, "cpu": 90, "mine": 1}], "colo": [{"vmid": 101}, {"vmid": 202}]},
}


def store(tmp: Path) -> MonitorStore:
    return MonitorStore(tmp / WATCH_LIST, lambda: NOW)


def write(tmp: Path, content: object) -> bytes:
    (tmp / WATCH_LIST).write_text(json.dumps(content))
    return (tmp / WATCH_LIST).read_bytes()


def saved(tmp: Path) -> Any:
    return json.loads((tmp / WATCH_LIST).read_bytes())


def vmids(reports: dict[str, LoadReport]) -> dict[str, list[int]]:
    return {name: [each.vmid for each in report.entries] for name, report in reports.items()}


def entries(*vmids: int) -> tuple[WatchEntry, ...]:
    return tuple(map(WatchEntry, vmids))


def test_each_site_begins_with_its_own_list(tmp_path: Path) -> None:
    initial = {"home": [101, 102], "colo": [101]}
    first = store(tmp_path).load_sites(initial)
    assert vmids(first) == initial
    assert {report.outcome for report in first.values()} == {LoadOutcome.CREATED}
    again = store(tmp_path).load_sites({"colo": [999], "home": [999]})
    assert vmids(again) == initial
    assert {report.outcome for report in again.values()} == {LoadOutcome.READ}
    assert saved(tmp_path) == {
        "version": 2,
        "sites": {"home": [{"vmid": 101}, {"vmid": 102}], "colo": [{"vmid": 101}]},
    }


def test_a_site_changes_its_own_list_alone(tmp_path: Path) -> None:
    write(tmp_path, SEVERAL)
    tested = store(tmp_path)
    tested.load_sites({"home": [], "colo": []})
    assert tested.save(entries(202, 303), "colo") is None
    home: Any = SEVERAL["sites"]
    assert saved(tmp_path) == {
        "note": "x",
        "version": 2,
        "sites": {"home": home["home"], "colo": [{"vmid": 202}, {"vmid": 303}]},
    }
    assert tested.save((), "home") is None
    assert vmids(store(tmp_path).load_sites({"home": [999], "colo": [999]})) == {
        "home": [],
        "colo": [202, 303],
    }


def test_a_new_site_and_one_that_is_not_configured_any_more(tmp_path: Path) -> None:
    before = write(tmp_path, SEVERAL)
    tested = store(tmp_path)
    reports = tested.load_sites({"lab": [7777], "colo": [999]})
    assert vmids(reports) == {"lab": [7777], "colo": [101, 202]}
    assert [reports[name].outcome for name in ("lab", "colo")] == [LoadOutcome.CREATED, LoadOutcome.READ]
    assert (tmp_path / f"{WATCH_LIST}.bak").read_bytes() == before
    tested.save((), "colo")
    sites: Any = SEVERAL["sites"]
    assert saved(tmp_path)["sites"] == {"home": sites["home"], "colo": [], "lab": [{"vmid": 7777}]}


@pytest.mark.parametrize("former", ALL, ids=lambda former: former.name)
def test_the_list_of_a_former_bot_belongs_to_the_first_of_several(tmp_path: Path, former: FormerData) -> None:
    former.lay_out(tmp_path)
    expected, before = store(tmp_path).load([]).entries, (tmp_path / WATCH_LIST).read_bytes()
    tested = store(tmp_path)
    for call in (lambda: tested.check(TWO, None), lambda: tested.load_sites({"home": [], "colo": []})):
        with pytest.raises(SiteFault) as caught:
            call()
        assert (caught.value.kind, caught.value.sites) == (SiteFaultKind.MISSING, ("home", "colo"))
        assert (tmp_path / WATCH_LIST).read_bytes() == before
    tested.check(HOME_FIRST, "home")
    reports = tested.load_sites({"colo": [101], "home": []}, "home")
    assert (reports["home"].entries, vmids(reports)["colo"]) == (expected, [101])
    assert store(tmp_path).load_sites({"home": [], "colo": []}, "home")["home"].entries == expected


def test_an_empty_list_of_one_site_needs_no_owner(tmp_path: Path) -> None:
    write(tmp_path, {"version": 1, "guests": [], "note": "x"})
    store(tmp_path).check(TWO, None)
    assert vmids(store(tmp_path).load_sites({"home": [101], "colo": []})) == {"home": [101], "colo": []}
    assert saved(tmp_path)["note"] == "x"


def test_an_empty_list_of_the_first_site_stays_empty(tmp_path: Path) -> None:
    write(tmp_path, {"version": 1, "guests": []})
    assert vmids(store(tmp_path).load_sites({"home": [101], "colo": []}, "home")) == {"home": [], "colo": []}


def test_the_list_of_a_first_site_that_is_gone_is_kept_for_it(tmp_path: Path) -> None:
    write(tmp_path, {"version": 1, "guests": [{"vmid": 101, "mine": 1}]})
    assert vmids(store(tmp_path).load_sites({"colo": [201], "lab": []}, "home")) == {"colo": [201], "lab": []}
    assert saved(tmp_path)["sites"]["home"] == [{"mine": 1, "vmid": 101}]


def test_back_to_one_site(tmp_path: Path) -> None:
    write(tmp_path, SEVERAL)
    tested = store(tmp_path)
    tested.check(ONE, "home")
    (entry,) = tested.load_sites({"": [999]}, "home")[""].entries
    assert entry == WatchEntry(101, cpu=90)
    assert tested.save((entry, WatchEntry(104))) is None
    sites: Any = SEVERAL["sites"]
    assert saved(tmp_path) == {
        "note": "x",
        "version": 2,
        "sites": {"home": [{"vmid": 101, "cpu": 90, "mine": 1}, {"vmid": 104}], "colo": sites["colo"]},
    }
    assert vmids(store(tmp_path).load_sites({"home": [], "colo": []})) == {
        "home": [101, 104],
        "colo": [101, 202],
    }


def test_back_to_the_only_site_that_has_a_list(tmp_path: Path) -> None:
    write(tmp_path, {"version": 2, "sites": {"colo": [{"vmid": 101, "mine": 1}]}, "note": "x"})
    tested = store(tmp_path)
    assert vmids(tested.load_sites({"": [999]}, None)) == {"": [101]}
    tested.save(entries(101, 102))
    assert saved(tmp_path) == {
        "note": "x",
        "version": 1,
        "guests": [{"vmid": 101, "mine": 1}, {"vmid": 102}],
    }, "the form of one site, which every bot reads"


@pytest.mark.parametrize("first", [None, "lab"])
def test_back_to_one_site_that_is_not_known(tmp_path: Path, first: str | None) -> None:
    before = write(tmp_path, SEVERAL)
    tested = store(tmp_path)
    for call in (lambda: tested.check(ONE, first), lambda: tested.load_sites({"": []}, first)):
        with pytest.raises(SiteFault) as caught:
            call()
        assert (caught.value.kind, caught.value.sites) == (SiteFaultKind.UNCLEAR, ("home", "colo"))
    assert (tmp_path / WATCH_LIST).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [WATCH_LIST]


def test_a_bot_that_knows_no_sites_leaves_the_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = write(tmp_path, SEVERAL)
    monkeypatch.setattr(watch_list_format, "VERSION", 1)
    with pytest.raises(StoreError) as caught:
        store(tmp_path).load([101])
    assert (caught.value.kind, caught.value.reason) == (StoreErrorKind.NEWER_VERSION, "2")
    with pytest.raises(StoreFailed):
        store(tmp_path).save(entries(101))
    assert (tmp_path / WATCH_LIST).read_bytes() == before


def test_an_edit_by_hand_is_kept_aside_once_for_all_sites(tmp_path: Path) -> None:
    tested = store(tmp_path)
    tested.load_sites({"home": [101], "colo": [201]})
    edited = write(tmp_path, SEVERAL)
    aside = tested.save(entries(102), "home")
    assert aside is not None
    assert (tmp_path / aside).read_bytes() == edited
    assert tested.save(entries(202), "colo") is tested.save(entries(103), "home") is None
    assert vmids(store(tmp_path).load_sites({"home": [], "colo": []})) == {"home": [103], "colo": [202]}


@pytest.mark.parametrize(
    "sites",
    [None, [], "home", {"": []}, {"home": {}}, {"home": [101]}, {"home": [{"vmid": 1}]}, {"home": None}],
)
def test_lists_that_cannot_be_read_are_set_aside(tmp_path: Path, sites: object) -> None:
    tested = store(tmp_path)
    tested.load_sites({"home": [101], "colo": [201]})
    tested.save(entries(101, 102), "home")
    tested.save(entries(202), "colo")
    spoilt = write(tmp_path, {"version": 2, "sites": sites})
    store(tmp_path).check(TWO, None)
    reports = store(tmp_path).load_sites({"home": [999], "colo": [999]})
    assert vmids(reports) == {"home": [101, 102], "colo": [201]}, "one change before"
    for report in reports.values():
        assert report.outcome is LoadOutcome.RECOVERED_FROM_BACKUP
        assert report.set_aside is not None
        assert report.set_aside.read_bytes() == spoilt


def test_a_recovery_also_adds_a_new_site(tmp_path: Path) -> None:
    tested = store(tmp_path)
    tested.load([101])
    tested.save(entries(101, 102))
    tested.save(entries(101, 102, 103))
    (tmp_path / WATCH_LIST).write_bytes(b"spoilt")
    reports = store(tmp_path).load_sites({"home": [999], "colo": [201]}, "home")
    assert vmids(reports) == {"home": [101, 102], "colo": [201]}
    assert [each.outcome for each in reports.values()] == [
        LoadOutcome.RECOVERED_FROM_BACKUP,
        LoadOutcome.CREATED,
    ]
    (tmp_path / WATCH_LIST).unlink()
    assert vmids(store(tmp_path).load_sites({"home": [999], "colo": [999]}, "home")) == {
        "home": [101, 102],
        "colo": [999],
    }, "the backup is from before the second site"


LISTS = st.dictionaries(
    st.sampled_from(("home", "colo", "lab", "x")),
    st.lists(st.integers(100, 110), unique=True, max_size=4),
    max_size=4,
)


@given(LISTS, st.permutations(("home", "colo", "lab")), st.lists(LISTS, max_size=4))
def test_no_list_is_ever_lost(
    before: dict[str, list[int]], order: list[str], changes: list[dict[str, list[int]]]
) -> None:
    """Whatever sites are configured, the lists of the others stay as they were."""
    with tempfile.TemporaryDirectory() as made:
        tmp, expected = Path(made), dict(before)
        lists = {name: [{"vmid": each} for each in listed] for name, listed in before.items()}
        write(tmp, {"version": 2, "sites": lists})
        for number, change in enumerate(changes):
            names = order[: 1 + number % 3]
            tested = store(tmp)
            tested.load_sites({name: [111] for name in names})
            expected |= {name: [111] for name in names if name not in expected}
            for name in names:
                if name in change:
                    tested.save(entries(*change[name]), name)
                    expected[name] = change[name]
            assert {
                n: [each["vmid"] for each in found] for n, found in saved(tmp)["sites"].items()
            } == expected


SAVE_FOR_EVER = """
from pathlib import Path
from core.watch.incidents.model import WatchEntry
from monitor_store import MonitorStore

def work(start):
    store, number = MonitorStore(Path(sys.argv[1]), lambda: 0.0), int(start)
    store.load_sites({"home": [], "colo": []})
    while True:
        number += 1
        for name in ("home", "colo"):
            store.save((WatchEntry(100 + number),), name)
        told(number)
"""


def test_kill_9_at_random_moments(tmp_path: Path) -> None:
    chance, number = random.Random(5), 0  # noqa: S311 - moments, no secrets
    store(tmp_path).load_sites({"home": [100], "colo": [100]})
    with RandomDeaths(SAVE_FOR_EVER, str(tmp_path / WATCH_LIST)) as deaths:
        for _ in range(10):
            acknowledged = int(deaths.start_and_kill(str(number), chance.uniform(0, 0.02))[-1])
            reports = store(tmp_path).load_sites({"home": [999], "colo": [999]})
            assert {each.outcome for each in reports.values()} == {LoadOutcome.READ}
            home, colo = (found - 100 for found in itertools.chain(*vmids(reports).values()))
            assert acknowledged <= colo <= home <= acknowledged + 1
            number = home

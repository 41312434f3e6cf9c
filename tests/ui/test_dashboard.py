"""Test the message of a dashboard: it holds at every size, in both languages, and is equal if it looks the same."""

from dataclasses import replace

import pytest
from discord import ui

from core.access.guest_index import GuestIndex
from core.dashboard.contents import Contents, contents_of, contents_without_read, part_of
from core.dashboard.model import WHOLE, Dashboard, Extent
from core.guest import Cluster, Guest, Kind, Node, State, Storage, TaskSummary
from core.proxmox_errors import Unreachable
from core.watch.incidents.model import Incident, Severity, Topic
from tests.support.fakes import RULES
from ui.cards import name_site
from ui.dashboard.card import DashboardView, dashboard_card, dashboard_view, without_names
from ui.formatting import MESSAGE_MOST
from ui.i18n import Texts

TEXTS = Texts("ja")
LONG = "n" * 63
WIDE = Extent(node=LONG, tag="t" * 100, pool="p" * 100, roles=tuple(range(10**18, 10**18 + 9)))
languages = pytest.mark.parametrize("language", ["ja", "en"])


def board(extent: Extent = WHOLE) -> Dashboard:
    return Dashboard("0123456789abcdef", 1, extent, "Akiko", 7, 0.0)


def contents(count: int, extent: Extent = WHOLE) -> Contents:
    nodes = max(1, count // 50) if count else 0
    guests = tuple(
        Guest(
            100 + number,
            Kind.QEMU,
            f"{LONG[:-4]}{number % nodes:04}",
            State.RUNNING,
            LONG,
            0.5,
            4.0,
            5,
            9,
            tags=("t" * 100,),
            pool="p" * 100,
        )
        for number in range(count)
    )
    names = [f"{LONG[:-4]}{number:04}" for number in range(nodes)]
    cluster = Cluster(
        guests,
        tuple(Node(name, True, 0.97, 256, 10**12, 10**13) for name in names),
        0.0,
        tuple(Storage(LONG, name, False, True, 10**13, 10**14) for name in names),
    )
    incidents = [
        Incident(number, Topic.NODE, f"node/{name}", Severity.CRITICAL, 1.0, 1.0, node=name)
        for number, name in enumerate(names * 3)
    ]
    tasks = tuple(
        TaskSummary(f"U{number}", "x" * 40, "root@pam", 1, None, None, LONG, str(100 + number))
        for number in range(count)
    )
    return contents_of(extent, part_of(extent, RULES, GuestIndex(cluster)), incidents, tasks, 1.0)


def checked(view: DashboardView, extent: Extent, language: str) -> str:
    """Build the message as Discord gets it, check its limits, and return its text."""
    t = TEXTS.of(language)  # type: ignore[arg-type]  # "ja" or "en"
    for shown in (view, without_names(t, view)):
        built = dashboard_card(t, board(extent), shown, 1.0, "a-long-site-name")
        name_site(built, "a-long-site-name")
        texts = [item.content for item in built.walk_children() if isinstance(item, ui.TextDisplay)]
        assert sum(map(len, texts)) <= MESSAGE_MOST
        assert all(texts)
        assert len(list(built.walk_children())) <= 40
        for item in built.walk_children():
            inner = item.item if isinstance(item, ui.DynamicItem) else item
            assert len(getattr(inner, "custom_id", None) or "") <= 100
            if isinstance(inner, ui.Select):
                assert 1 <= len(inner.options) <= 25
                assert all(len(option.label) <= 100 for option in inner.options)
    return "\n".join(view.texts)


@languages
@pytest.mark.parametrize("count", [0, 1, 25, 5000])
def test_a_dashboard_fits_at_every_size(count: int, language: str) -> None:
    t = TEXTS.of(language)  # type: ignore[arg-type]  # "ja" or "en"
    for extent in (WHOLE, WIDE, Extent(tag="t" * 100)):
        view = dashboard_view(t, board(extent), contents(count, extent))
        text = checked(view, extent, language)
        assert "0123456789abcdef" not in text
    whole = dashboard_view(t, board(), contents(count))
    assert ("VM.Audit" in "".join(whole.texts)) is (count == 0)


@languages
def test_no_foreign_text_stays_in_a_dashboard_without_names(language: str) -> None:
    t = TEXTS.of(language)  # type: ignore[arg-type]  # "ja" or "en"
    bare = without_names(t, dashboard_view(t, board(WIDE), contents(25)))
    built = dashboard_card(t, board(WIDE), bare, 1.0, "")
    assert LONG[:20] not in str(built.to_components())  # type: ignore[no-untyped-call]  # of discord.py


@languages
def test_no_connection_is_shown_instead_of_figures(language: str) -> None:
    t = TEXTS.of(language)  # type: ignore[arg-type]  # "ja" or "en"
    index = GuestIndex(Cluster((), (), 0.0))
    fault = Unreachable("pve1.example")
    view = dashboard_view(t, board(), contents_without_read(WHOLE, RULES, index, (), fault, 1234.0))
    text = checked(view, WHOLE, language)
    assert "<t:1234:R>" in text
    assert view.menu == ()


def test_equal_views_look_the_same() -> None:
    t, shown = TEXTS.of("en"), contents(25)
    assert shown.cluster is not None
    same = replace(shown, busiest=tuple(replace(each, cpu=0.5001) for each in shown.busiest), true_at=99.0)
    assert dashboard_view(t, board(), shown) == dashboard_view(t, board(), same)
    other = replace(shown, busiest=tuple(replace(each, cpu=0.6) for each in shown.busiest))
    assert dashboard_view(t, board(), shown) != dashboard_view(t, board(), other)

"""Test the card of /status: bars, snapshots in both languages, and Discord's limits for clusters of every size."""

import math
from dataclasses import replace

import pytest

from core.guest import Cluster, Guest, Kind, Node, State, Storage
from core.watch.incidents.model import GuestEvent, Severity, Topic
from tests.support.cards.sent import (
    EN,
    GIB,
    TEXTS,
    Golden,
    buttons_of,
    checked,
    languages,
    outside_code,
    shown,
)
from tests.support.fakes import NOW, guest
from tests.support.walked import walked
from tests.ui.watch.test_alert_text import DOWN, NODE, SHARED, STORAGE, fact, incident
from ui.bars import usage_bar
from ui.cluster.paragraphs import nodes_text, storages_text
from ui.cluster.view import ClusterStatus, cluster_status_card, cluster_statuses_card
from ui.dashboard.presses import incidents_card
from ui.formatting import Colour, more_word
from ui.i18n import Language
from ui.interaction.custom_ids import ALL_SITES

TIB = 1024 * GIB
NODES = (
    Node("pve1", True, 0.13, 16, 18 * GIB, 64 * GIB),
    Node("pve2", True, 0.004, 8, 60 * GIB, 64 * GIB, known=False),
    Node("pve3", False),
    Node("pve4", True),
)
STORAGES = (
    Storage("local", "pve1", False, True, 40 * GIB, 120 * GIB),
    Storage("local", "pve3", False, False),
    Storage("nfs", "pve1", True, False),
    Storage("nfs", "pve2", True, True, 5 * TIB, 8 * TIB),
    Storage("empty", "pve1", True, True, 0, 0),
)
GUESTS = (guest(101), guest(102, State.STOPPED), guest(103, State.PAUSED), guest(900, template=True))
WELL = ClusterStatus("home", Cluster(GUESTS, NODES[:1], 0.0, STORAGES[:1]), False, NOW, ())
TROUBLED = ClusterStatus(
    "colo",
    Cluster(GUESTS, NODES, 0.0, STORAGES),
    False,
    NOW,
    (STORAGE, DOWN, NODE, replace(DOWN, id=9, opened=NOW + 60), SHARED, DOWN, DOWN),
    "⚠️ note",
    ("**Proxmox** ⚠️ last read",),
)
UNREAD = ClusterStatus("away", None, False, None, (), "⚠️ No answer.")
NARROWED = ClusterStatus("home", Cluster((), (), 0.0), True, NOW, ())
WIDE = "名" * 63


@languages
def test_status(language: Language, golden: Golden) -> None:
    t = TEXTS.of(language)
    views = (
        cluster_status_card(t, WELL, ""),
        cluster_status_card(t, TROUBLED, "colo"),
        cluster_status_card(t, NARROWED, ""),
        cluster_status_card(t, replace(NARROWED, narrowed=False), ""),
        cluster_statuses_card(t, (WELL, TROUBLED, UNREAD), ALL_SITES),
    )
    for view in views:
        checked(view)
    golden(f"status.{language}", "\n\n".join(map(shown, views)))


@walked(
    ("fraction", "bar"),
    [
        (0.0, "`░░░░░░░░░░   0%`"),
        (0.004, "`░░░░░░░░░░   0%`"),
        (0.01, "`█░░░░░░░░░   1%`"),
        (0.31, "`███░░░░░░░  31%`"),
        (0.35, "`████░░░░░░  35%`"),
        (0.994, "`█████████░  99%`"),
        (1.0, "`██████████ 100%`"),
        (1.5, "`██████████ 150%`"),
        (9.994, "`██████████ 999%`"),
        (10.0, "`··········    ?`"),
        (-0.2, "`··········    ?`"),
        (None, "`··········    ?`"),
        (math.nan, "`··········    ?`"),
        (math.inf, "`··········    ?`"),
    ],
)
def test_bars(fraction: float | None, bar: str) -> None:
    assert usage_bar(fraction) == bar
    assert len(bar) == 17


def test_unknown_figures_are_not_zero() -> None:
    text = "\n".join(checked(cluster_status_card(EN, TROUBLED, "")))
    assert "🔴 `pve3` · offline" in text
    assert "❔ `pve2` · 8 cores · 64.0 GiB · no new data" in text
    assert f"🟢 `pve4`\n{usage_bar(None)} CPU and memory unknown" in text
    assert "❔ unknown: `local` · `pve3`, `empty` · shared" in text


def test_a_shared_storage_is_shown_once_by_the_node_that_measures_it() -> None:
    text = "\n".join(checked(cluster_status_card(EN, TROUBLED, "")))
    assert text.count("`nfs`") == 1
    assert f"{usage_bar(5 / 8)} `nfs`\n-# 5.0 / 8.0 TiB · shared" in text


def test_storages_of_one_name_are_shown_as_the_fullest_of_them() -> None:
    local = [Storage("local", f"pve{n}", shared=False, available=True, used=n, total=10) for n in (1, 3, 2)]
    away = Storage("local", "pve4", shared=False, available=False)
    text = storages_text(EN, [*local, away, replace(local[0], name="big", used=9)], 900, 6)
    assert text.splitlines() == [
        "**Storages**",
        f"{usage_bar(0.9)} `big`",
        "-# 9 / 10 B · `pve1`",
        f"{usage_bar(0.3)} `local`",
        "-# 3 / 10 B · `pve3` · fullest of 3",
        "❔ unknown: `local` · `pve4`",
    ]


def test_the_node_that_needs_attention_most_is_shown_even_if_only_one_fits() -> None:
    busy, idle = (Node(f"pve{n}", True, load, 16, 18 * GIB, 64 * GIB) for n, load in ((1, 0.9), (2, 0.1)))
    offline = Node("pve3", False)
    assert nodes_text(EN, (busy, idle, offline), 120, 2) == "**Nodes**\n🔴 `pve3` · offline\n… and 2 more"
    whole = nodes_text(EN, (busy, idle, offline), 500, 2).splitlines()
    assert (whole[1][2:8], whole[4:]) == ("`pve1`", ["🔴 `pve3` · offline", "… and 1 more"])


def test_an_incident_of_many_guests_is_shown_although_several_sites_share_the_card() -> None:
    facts = tuple(fact(vmid=vmid, name="n" * 20) for vmid in range(101, 141))
    site = replace(WELL, incidents=(incident(Topic.GROUP, guests=facts),))
    for count in (1, 3, 4):
        text = "\n".join(checked(cluster_statuses_card(EN, [site] * count, ALL_SITES)))
        assert text.count("40 guests down: **101**") == count


def test_a_blind_watch_does_not_say_that_there_are_no_incidents() -> None:
    faulty = replace(WELL, faults=("**Proxmox** ⚠️ not read yet",))
    assert "✅ No open incidents" in "\n".join(checked(cluster_status_card(EN, WELL, "")))
    text = "\n".join(checked(cluster_status_card(EN, faulty, "")))
    assert "❔ No known open incidents" in text
    assert "✅" not in text


def test_five_incidents_are_named_the_gravest_first() -> None:
    text = "\n".join(checked(cluster_status_card(EN, TROUBLED, "")))
    assert "**Open incidents** 7" in text
    rows = text.split("**Open incidents**")[1].partition("… and 2 more")[0].splitlines()[1:]
    assert [row[:1] for row in rows if not row.startswith("-# <t:")] == ["🔴"] * 5
    assert "… and 2 more" in text


@walked(
    ("status", "colour"),
    [
        (WELL, Colour.GOOD),
        (replace(WELL, incidents=(STORAGE,)), Colour.WARN),
        (replace(WELL, incidents=(DOWN,)), Colour.BAD),
        (replace(WELL, faults=("⚠️",)), Colour.WARN),
        (replace(WELL, note="⚠️"), Colour.WARN),
        (replace(WELL, cluster=Cluster(GUESTS, NODES[1:2], 0.0)), Colour.WARN),
        (replace(WELL, cluster=Cluster(GUESTS, NODES[2:3], 0.0)), Colour.BAD),
        (UNREAD, Colour.WARN),
        (NARROWED, Colour.GOOD),
        (replace(NARROWED, narrowed=False), Colour.WARN),
    ],
)
def test_the_colour_is_that_of_the_worst(status: ClusterStatus, colour: Colour) -> None:
    assert status.colour is colour


def large(count: int, guests: int) -> ClusterStatus:
    """Build a cluster of `count` nodes with seven storages each, all names as long as they can be."""
    nodes = tuple(
        Node(
            f"n{number:062}",
            number % 9 != 0,
            number / count,
            128.0,
            number * TIB,
            count * TIB,
            number % 7 != 0,
        )
        for number in range(count)
    )
    storages = tuple(
        Storage(f"{WIDE[:60]}{number}", node.name, number < 2, number != 5, (number + 1) * TIB, 9 * TIB)
        for node in nodes
        for number in range(7)
    )
    states = tuple(State)
    found = tuple(
        Guest(100 + number, Kind.QEMU, nodes[number % count].name, states[number % len(states)], WIDE)
        for number in range(guests)
    )
    facts = tuple(fact(GuestEvent.STOPPED, 100 + number, name=WIDE) for number in range(40))
    incidents = (
        *(incident(Topic.GUEST, guests=(each,)) for each in facts),
        incident(Topic.GROUP, Severity.WARNING, guests=facts),
    )
    faults = (f"**Proxmox** ⚠️ {WIDE * 4}", f"**Guests** ⚠️ {WIDE * 4}")
    return ClusterStatus(
        "a" * 16, Cluster(found, nodes, 0.0, storages), False, NOW, incidents, "⚠️ no", faults
    )


@languages
@pytest.mark.parametrize("count", [1, 4, 9])
def test_the_faults_beside_the_incidents_of_a_dashboard_are_whole_or_counted(
    language: Language, count: int
) -> None:
    t = TEXTS.of(language)
    fault = f"**Guests** ⚠️ {', '.join(f'**{vmid}** `{WIDE[:8]}`' for vmid in range(100, 114))}"
    status = replace(large(64, 0), faults=(fault,) * count)
    text = "\n".join(checked(incidents_card(t, status, "-# /monitor history")))
    shown_whole = text.count(fault)
    assert shown_whole == count or more_word(t, count - shown_whole) in text
    assert shown_whole >= min(count, 2)
    assert text.count("**Guests**") == shown_whole
    assert "-# /monitor history" in text


@languages
@pytest.mark.parametrize("count", [1, 32, 64])
@pytest.mark.parametrize("guests", [0, 5000])
def test_a_cluster_of_any_size_fits(language: Language, count: int, guests: int) -> None:
    t, status = TEXTS.of(language), large(count, guests)
    text = "\n".join(checked(cluster_status_card(t, status, "")))
    assert "名" not in outside_code(text.replace(status.faults[0], "").replace(status.faults[1], ""))
    for heading in ("Open incidents", "Nodes", "Storages"):
        assert f"**{t(heading)}**" in text
    if count > 8:
        left = count - text.split(f"**{t('Nodes')}**")[1].split(f"**{t('Storages')}**")[0].count("`n0")
        assert left >= count - 8
        assert t.plural("… and {n} more", "… and {n} more", left) in text
        assert f"🔴 `n{0:062}`" in text, "an offline node is among those that are shown"


@languages
@pytest.mark.parametrize("count", [2, 3, 10, 99])
def test_any_number_of_sites_fits(language: Language, count: int) -> None:
    sites = [replace(large(4, 50), name=f"site-{number:011}") for number in range(count)]
    view = cluster_statuses_card(TEXTS.of(language), sites, ALL_SITES)
    text = "\n".join(checked(view))
    assert all(site.name in text for site in sites)
    assert [button["custom_id"] for button in buttons_of(view)] == ["p2:*:s:r"]

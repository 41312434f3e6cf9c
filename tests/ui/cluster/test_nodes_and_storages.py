"""Test the cards of nodes and storages: snapshots in both languages, and Discord's limits for every size."""

from dataclasses import replace

from core.guest import Cluster, Node, State, Storage
from core.proxmox import HaStatus, NodeStatus
from core.proxmox_errors import MissingPrivilege, TimedOut
from tests.support.cards.sent import (
    EN,
    GIB,
    TEXTS,
    Golden,
    buttons_of,
    checked,
    languages,
    payload,
    shown,
    texts_of,
)
from tests.support.fakes import NOW, guest
from tests.ui.cluster.test_status import GUESTS, NODES, STORAGES, TIB
from ui.cluster.nodes import NodeView, SiteNodes, node_card, node_list_card
from ui.cluster.rows import SLOTS, listed_storages
from ui.cluster.storages import SiteStorages, sections_of, storages_card
from ui.formatting import Colour
from ui.i18n import Language
from ui.interaction.custom_ids import ALL_SITES
from ui.sites.sections import page_text, rows_on

LONG = "n" * 63
NODE = Node(
    "pve1", True, 0.13, 16, 18 * GIB, 64 * GIB, disk=26 * GIB, disk_total=120 * GIB, uptime=61 * 86400
)
STATUS = NodeStatus(
    0.15, 16, (1.2, 1.13, 0.98), 20 * GIB, 64 * GIB, GIB, 8 * GIB, 26 * GIB, 120 * GIB, 61 * 86400,
    "9.1.4", "6.17.2-1-pve",
)  # fmt: skip
VIEW = NodeView(NODE, GUESTS, STATUS, HaStatus(True, "armed", {"pve1": "active"}), NOW)
DENIED = MissingPrivilege("Sys.Audit", "/nodes/pve1")


@languages
def test_nodes(language: Language, golden: Golden) -> None:
    t, here = TEXTS.of(language), Cluster(GUESTS, (NODE, *NODES[1:]), 0.0)
    views = (
        node_list_card(t, [SiteNodes("", here)], "", 0, NOW, several=False),
        node_list_card(
            t, [SiteNodes("colo", here, "⚠️ note"), SiteNodes("home", None)], ALL_SITES, 0, NOW, several=True
        ),
        node_card(t, VIEW, ""),
        node_card(
            t,
            replace(
                VIEW, ha=HaStatus(False, "disarmed", {"pve1": "maintenance mode"}), status=TimedOut("", False)
            ),
            "home",
            "https://pve.example",
        ),
        node_card(t, replace(VIEW, node=NODES[3], status=DENIED, ha=replace(DENIED, path="/")), ""),
        node_card(t, replace(VIEW, node=NODES[2], guests=(), ha=HaStatus(True)), ""),
    )
    for view in views:
        checked(view)
    golden(f"nodes.{language}", "\n\n".join(map(shown, views)))


@languages
def test_storages(language: Language, golden: Golden) -> None:
    t = TEXTS.of(language)
    nfs = Storage("nfs", "pve2", True, True, 5 * TIB, 8 * TIB, "nfs", "backup,iso,vztmpl,odd")
    few = (
        replace(STORAGES[0], type="dir", content="iso,snippets"),
        STORAGES[1],
        replace(nfs, node="pve1", available=False),
        nfs,
        replace(nfs, node="pve3", used=6 * TIB),
    )
    sites = [SiteStorages("", listed_storages(few), "empty")]
    ahead = {("", few[4]): 23.4, ("", few[0]): 0.2}
    none = [SiteStorages("colo", (), "⚠️ empty"), SiteStorages("home", listed_storages(few[:1]), "", "⚠️ note")]
    views = (
        storages_card(t, sections_of(t, sites, ahead, several=False), sites, "", 0, NOW),
        storages_card(t, sections_of(t, none, {}, several=True), none, ALL_SITES, 0, NOW),
    )
    for view in views:
        checked(view)
    assert shown(views[0]).count("`nfs`") == 1
    assert "6.0 / 8.0 TiB" in shown(views[0])
    golden(f"storages.{language}", "\n\n".join(map(shown, views)))


def test_each_page_names_the_type_of_like_storages_once_for_each_site() -> None:
    alike = Storage("local", "", False, True, GIB, 9 * GIB, "dir", "iso")
    storages = listed_storages(replace(alike, node=f"pve{number}") for number in range(20))
    for names in ([""], ["colo", "home"]):
        sites = [SiteStorages(name, storages, "") for name in names]
        sections = sections_of(EN, sites, {}, several=len(sites) > 1)
        for page in range(page_text(sections, 0, SLOTS)[2]):
            rows = page_text(sections, page, SLOTS)[0].split("`local`")[1:]
            site_of_row = [section for section, _ in rows_on(sections, page, SLOTS)]
            begins = [place == 0 or site_of_row[place - 1] != each for place, each in enumerate(site_of_row)]
            assert ["Directory" in row for row in rows] == begins, f"page {page} of {names}"


def test_a_site_without_storages_turns_the_card_yellow() -> None:
    read = SiteStorages("home", listed_storages([Storage("local", "pve1", False, True, GIB, 9 * GIB)]), "")
    unread = SiteStorages("colo", (), "⚠️ Proxmox did not answer.")
    for sites, colour in (([read], Colour.GOOD), ([read, unread], Colour.WARN)):
        view = storages_card(EN, sections_of(EN, sites, {}, several=True), sites, ALL_SITES, 0, NOW)
        assert payload(view)[0]["accent_color"] == colour


@languages
def test_every_size_fits(language: Language) -> None:
    t = TEXTS.of(language)
    for count in (0, 1, 25, 300):
        nodes = tuple(
            replace(NODE, name=f"{number}{LONG}"[:63], known=False, cpus=8192.0) for number in range(count)
        )
        guests = tuple(
            guest(100 + n, State.STOPPED, node=nodes[n % count].name) for n in range(5000 if count else 0)
        )
        site = SiteNodes("s" * 16, Cluster(guests, nodes, 0.0), "⚠️ " + "x" * 150)
        storages = listed_storages(
            Storage(
                LONG,
                f"{number}{LONG}"[:63],
                shared,
                number < 9,
                9 * TIB,
                10 * TIB,
                LONG,
                ",".join([LONG] * 9),
            )
            for number in range(count)
            for shared in (False, True)
        )
        full = [SiteStorages("s" * 16, storages, "x" * 200, "⚠️ " + "x" * 150)] * 3
        ahead = {("s" * 16, each.storage): 1000.0 for each in storages}
        sections, seen = sections_of(t, full, ahead, several=True), 0
        for page in (0, 1, 2, 39):
            view = node_list_card(t, [site] * 3, "s" * 16, page, NOW, several=True)
            checked(view)
            seen += "".join(texts_of(view)).count(LONG[:40])
            checked(storages_card(t, sections, full, "s" * 16, page, NOW))
            assert all(len(button["custom_id"]) <= 100 for button in buttons_of(view))
        assert count != 25 or seen >= 20
    longest = replace(
        VIEW, node=replace(NODE, name=LONG), status=replace(STATUS, kernel="`" * 9000, version="@" * 9000)
    )
    checked(node_card(t, replace(longest, ha=HaStatus(True, "x" * 9000, {LONG: "y" * 9000})), "s" * 16))
    assert node_card(EN, longest, "") is not None

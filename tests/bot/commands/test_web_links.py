"""Test the links to Proxmox' web interface on panels, failures and alerts, and that there are none by default."""

from dataclasses import replace

import pytest

from core.guest import Kind
from core.watch.incidents.model import BackupFact, GuestEvent, GuestFact, Incident, Severity, Topic
from playground.discord.people import PressResult
from playground.discord.posts import SeenMessage
from playground.pve.server import Pve
from tests.support import stage
from tests.support.sites import three_sites
from tests.support.sites.three_sites import COLO, HOME, Sites
from tests.support.stage import Stage, post_of
from ui.i18n import Texts
from ui.watch.incidents.web_pages import incident_page
from ui.web_links import web_links

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language
clusters, sites = three_sites.clusters, three_sites.sites
BOTH = pytest.mark.parametrize("language", ["ja", "en"])
URL = "https://pve.example.com:8006"


def links_of(shown: SeenMessage | PressResult) -> dict[str, str]:
    """Return the label and URL of each link button."""
    found: dict[str, str] = {}

    def walk(component: object) -> None:
        if isinstance(component, dict):
            if component.get("type") == 2 and component.get("style") == 5:
                found[component["label"]] = component["url"]
            walk(component.get("components"))
        for inner in component if isinstance(component, list) else ():
            walk(inner)

    walk(post_of(shown).components)
    return found


def page(name: str) -> str:
    return f"{URL}/#v1:0:={name}"


@BOTH
async def test_panels_failures_and_alerts_open_the_page_of_the_guest(
    bare_scene: Stage, pve: Pve, language: str
) -> None:
    scene = bare_scene
    await scene.start_bot(PROXMOX_WEB_URL=f"{URL}/", MONITOR_VM_IDS="102", LANGUAGE=language)
    label = scene.t()("Open in Proxmox")
    panel = await scene.say(scene.akiko, "info", vmid=101)
    assert links_of(panel) == {label: page("qemu%2F101")}
    assert all(len(row["components"]) <= 5 for row in rows_of(post_of(panel)))
    assert links_of(await scene.say(scene.akiko, "info", vmid=201)) == {label: page("lxc%2F201")}
    pve.next_task("qmstart", vmid=104, ends="unexpected status")
    failed = await scene.say(scene.akiko, "start", vmid=104)
    assert links_of(failed) == {label: page("qemu%2F104")}
    assert links_of(await scene.say(scene.akiko, "start", vmid=104)) == {}, "it went well"
    pressed = await scene.press(scene.akiko, panel, scene.t()("Refresh"))
    assert links_of(pressed) == {label: page("qemu%2F101")}
    await scene.poll()
    pve.crash(102)
    await scene.poll()
    await scene.delivered()
    alert = scene.server.messages(scene.alerts)[-1]
    assert links_of(alert) == {label: page("qemu%2F102")}
    assert [len(row["components"]) for row in alert.components] == [5, 2], "what only looks stands below"


def rows_of(post: SeenMessage) -> list[dict[str, list[object]]]:
    (card,) = post.components
    return [part for part in card["components"] if part["type"] == 1]


async def test_a_node_has_its_page(bare_scene: Stage, pve: Pve) -> None:
    scene = bare_scene
    await scene.start_bot(PROXMOX_WEB_URL=URL)
    await scene.poll()
    pve.node_offline("pve3")
    await scene.poll(2)
    await scene.delivered()
    shown = [links_of(post) for post in scene.server.messages(scene.alerts)]
    assert {"Open in Proxmox": page("node%2Fpve3")} in shown


async def test_without_the_setting_there_are_no_links(bare_scene: Stage, pve: Pve) -> None:
    scene = bare_scene
    await scene.start_bot(MONITOR_VM_IDS="102")
    assert links_of(await scene.say(scene.akiko, "info", vmid=101)) == {}
    pve.next_task("qmstart", vmid=104, ends="unexpected status")
    assert links_of(await scene.say(scene.akiko, "start", vmid=104)) == {}
    await scene.poll()
    pve.crash(102)
    await scene.poll()
    await scene.delivered()
    assert links_of(scene.server.messages(scene.alerts)[-1]) == {}


async def test_each_site_has_its_own_web_interface(sites: Sites) -> None:
    sites.scene.add_site(COLO, sites.clusters[COLO], PROXMOX_WEB_URL="https://colo.example.com/pve")
    await sites.start()
    shown = {
        name: links_of(await sites.press("admin", await sites.post(), f"g2:{name}:refresh:103"))
        for name in (HOME, COLO)
    }
    assert shown == {
        HOME: {},
        COLO: {"Open in Proxmox": "https://colo.example.com/pve/#v1:0:=qemu%2F103"},
    }


def test_the_page_of_an_incident() -> None:
    """A guest has its page, several guests of one node that of the node, and several nodes none."""
    one = GuestFact(101, GuestEvent.STOPPED, Kind.LXC, "pve1")
    other = replace(one, vmid=102)
    incident = Incident(1, Topic.GUEST, "guest/101", Severity.CRITICAL, 0.0, 0.0, (one,))
    assert incident_page(incident) == "lxc/101"
    assert incident_page(replace(incident, topic=Topic.GROUP, guests=(one, other))) == "node/pve1"
    apart = replace(incident, topic=Topic.GROUP, guests=(one, replace(other, node="pve2")))
    assert incident_page(apart) == ""
    assert incident_page(replace(incident, topic=Topic.NODE, node="pve2")) == "node/pve2"
    failed = BackupFact("pve3", 101, "root@pam", "job errors")
    assert incident_page(replace(incident, topic=Topic.BACKUP, guests=(), backups=(failed,))) == "node/pve3"
    assert incident_page(replace(incident, topic=Topic.SOURCE, guests=())) == ""


def test_a_link_fits_discords_limit_and_stays_on_the_web_interface() -> None:
    t = Texts("en").of("en")
    (button,) = web_links(t, "https://" + "h" * 292, f"node/{'n' * 63}")
    assert len(str(button.url)) <= 512
    (odd,) = web_links(t, URL, "node/a#b?c d&e")
    assert str(odd.url) == f"{URL}/#v1:0:=node%2Fa%23b%3Fc%20d%26e"
    assert web_links(t, None, "node/pve1") == []
    assert web_links(t, "", "node/pve1") == []
    assert web_links(t, URL, "") == []

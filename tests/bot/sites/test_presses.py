"""Test that each lasting button acts on its own site, and that sites which a person may not see stay hidden."""

from collections.abc import Mapping

import pytest

from core.audit.store import AuditEntry, AuditFilter
from core.errors import IncidentOver, NotYours, QuestionOver
from playground.discord.people import PressResult
from playground.discord.posts import SeenMessage
from playground.pve.server import Pve
from tests.support import stage
from tests.support.sites import three_sites
from tests.support.sites.three_sites import COLO, HOME, LAB, NAMES, Sites
from tests.support.stage import Stage, post_of
from tests.support.watch.at_once import rows_of

bare_scene, pve = stage.bare_scene, three_sites.pve
undrawn = stage.undrawn
clusters, sites = three_sites.clusters, three_sites.sites


def newest(sites: Sites) -> AuditEntry:
    found, _ = rows_of(sites.scene.services.audit_store).audit_page(AuditFilter(), 0, 1)
    return found[0]


def attempts(sites: Sites) -> int:
    return rows_of(sites.scene.services.audit_store).audit_page(AuditFilter(), 0, 1)[1]


def ids_of(post: SeenMessage) -> list[str]:
    return [str(button.custom_id) for button in post.buttons]


async def panel(sites: Sites, name: str, vmid: int) -> SeenMessage:
    """Return the public panel of a guest, made from the button of an alert of the same site."""
    return post_of(await sites.press("admin", await sites.post(), f"g2:{name}:refresh:{vmid}"))


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("name", NAMES)
async def test_an_alert_and_its_later_messages_stay_on_their_site(sites: Sites, name: str) -> None:
    await sites.start()
    vmid = three_sites.LAB_GUEST if name == LAB else 101
    alert = await sites.crash(name, vmid)
    assert alert.content.startswith(f"🔴 {name} · **{vmid}** ")
    assert all(custom_id.startswith(f"a2:{name}:") for custom_id in ids_of(alert))
    details = await sites.scene.press(sites[name], alert, "Details")
    assert details.text.startswith(f"-# **{name}**\n###")
    assert all(custom_id.startswith(f"g2:{name}:") for custom_id in ids_of(post_of(details)))
    await sites.press(name, alert, next(each for each in ids_of(alert) if ":start:" in each))
    changed = sites.changes()
    assert [bool(changed[each]) for each in NAMES] == [each == name for each in NAMES]
    assert [newest(sites).site, newest(sites).record.operation] == [name, "start"]
    shown = sites.scene.server.messages(sites.scene.alerts)
    assert any(f"-# **{name}**\n✅" in post.text for post in shown)
    acked = await sites.press(name, alert, next(each for each in ids_of(alert) if ":ack:" in each))
    assert not acked.followups
    assert newest(sites).site == name
    await sites.press(name, alert, next(each for each in ids_of(alert) if ":mute8:" in each))
    mutes = {each: [mute.target for mute in sites.site(each).watch.alerts.mutes()] for each in NAMES}
    assert mutes == {each: [f"guest/{vmid}"] if each == name else [] for each in NAMES}
    charted = await sites.press(name, alert, next(each for each in ids_of(alert) if ":chart:" in each))
    assert charted.text.startswith(f"-# **{name}**\n### **{vmid}** ")
    assert newest(sites).site == name


@pytest.mark.parametrize("name", [HOME, COLO])
async def test_a_panel_button_reaches_its_site_only(sites: Sites, name: str) -> None:
    """Both sites have the same guest under the same VMID: only the site in the button tells them apart."""
    await sites.start()
    shown = await panel(sites, name, 103)
    assert shown.text.startswith(f"-# **{name}**\n###")
    home, colo = (sites.site(each).cluster_cache.find(103) for each in (HOME, COLO))
    assert home is not None
    assert colo is not None
    assert home.fingerprint == colo.fingerprint
    reboot = next(custom_id for custom_id in ids_of(shown) if ":reboot:" in custom_id)
    assert reboot == f"g2:{name}:reboot:103:{home.fingerprint}"
    await sites.press("admin", shown, reboot)
    changed = sites.changes()
    assert [bool(changed[each]) for each in NAMES] == [each == name for each in NAMES]
    assert all("/pve2/qemu/103/" in path for path in changed[name])


async def test_the_pages_of_a_site_stay_on_it(sites: Sites) -> None:
    await sites.start()
    page = await sites.press(COLO, await sites.post(), "p2:colo:l:n:1:::")
    assert page.text.startswith("-# **colo**\n")
    assert "2/2" in page.text
    turned = await sites.press(COLO, page, next(each for each in ids_of(post_of(page)) if ":p:" in each))
    assert "1/2" in turned.text
    assert [each for each in ids_of(post_of(turned)) if not each.startswith("p2:colo:l:")] == []
    history = await sites.press(COLO, page, "p2:colo:h:f:0:2t")  # 101
    assert history.text.startswith("-# **colo**\n### History of **101**")
    trail = await sites.press("admin", page, "p2:colo:a:f:0:::::")
    assert trail.ephemeral
    assert "Filter: **colo**" in trail.text
    assert "**colo/101**" in trail.text
    assert HOME not in trail.text


async def test_long_lists_and_panels_without_a_guest_have_buttons_of_their_site(sites: Sites) -> None:
    many = ",".join(str(vmid) for vmid in range(101, 115))
    sites.scene.add_site(COLO, sites.clusters[COLO], MONITOR_VM_IDS=many)
    await sites.start()
    watched = await sites.press(COLO, await sites.post(), "p2:colo:w:n:1:::")
    assert "2/2" in watched.text
    assert [each[:11] for each in ids_of(post_of(watched))] == [f"p2:colo:w:{move}" for move in "fpnlr"]
    gone = await sites.press(COLO, await sites.post(), f"g2:colo:start:999:{'0' * 32}")
    assert ids_of(post_of(gone)) == ["g2:colo:refresh:999"]


@pytest.mark.parametrize(
    "form", ["g1:refresh:103", "p1:list:first:0:::", "p1:history:first:0:", "p1:status:refresh"]
)
async def test_a_button_from_before_there_were_several_sites_means_the_first(sites: Sites, form: str) -> None:
    await sites.start(FIRST_SITE=COLO)
    reply = await sites.press("admin", await sites.post(), form)
    assert reply.text.startswith("-# **colo**\n")
    assert newest(sites).site == COLO


async def refused_alike(sites: Sites, who: str, custom_id: str) -> None:
    """Check that a press is refused like one on an unknown question: it names no site, and one row is recorded."""
    before, requests = attempts(sites), {name: len(each.requests) for name, each in sites.clusters.items()}
    reply = await sites.press(who, await sites.post(), custom_id)
    said = reply.followups[-1].text if reply.followups else reply.text
    assert said == sites.scene.told(sites[who], QuestionOver()), custom_id
    assert attempts(sites) == before + 1, "one row"
    assert [newest(sites).site, newest(sites).record.operation] == ["", custom_id]
    assert {name: len(each.requests) for name, each in sites.clusters.items()} == requests


async def test_a_site_that_one_may_not_see_is_refused_as_one_that_is_not_there(sites: Sites) -> None:
    await sites.start()
    for rest in (
        "g2:{}:refresh:101", "g2:{}:details:101", "g2:{}:snapshots:101",
        f"g2:{{}}:start:101:{'0' * 32}", "a2:{}:details:1", "a2:{}:ack:1",
        "n2:{}:chart:pve1",
        "p2:{}:l:f:0:::", "p2:{}:w:f:0:::", "p2:{}:h:f:0:", "p2:{}:a:f:0:::::",
    ):  # fmt: skip
        for name in (COLO, LAB, "gone", "a" * 16):
            await refused_alike(sites, HOME, rest.format(name))
        sites.scene.clock.skip(60.0)  # refusals in quick succession share a row
    assert sites.changes() == {name: [] for name in NAMES}


async def test_without_a_first_site_a_former_button_means_nothing(sites: Sites) -> None:
    await sites.start(FIRST_SITE="")
    for form in ("g1:refresh:101", f"g1:start:101:{'0' * 32}", "a1:ack:1", "p1:list:first:0:::"):
        await refused_alike(sites, "admin", form)


async def test_a_first_site_that_one_may_not_see_is_not_reached_by_former_buttons(sites: Sites) -> None:
    await sites.start(FIRST_SITE=LAB)
    for form in ("g1:refresh:101", "a1:details:1", "p1:watch:first:0:::"):
        await refused_alike(sites, COLO, form)


async def test_a_question_tells_others_nothing_of_a_site_that_they_may_not_see(sites: Sites) -> None:
    await sites.start()
    question = await sites.scene.say(sites["admin"], "delete", vmid="home/104")
    await sites.scene.say(sites["admin"], "readonly on", site=HOME)
    yes = ids_of(post_of(question))[0]
    assert "Read-only mode" in told(await sites.press(HOME, question, yes))
    for who in (LAB, "nobody"):
        assert told(await sites.press(who, question, yes)) == sites.scene.told(
            sites[who], NotYours("Admin", sites["admin"].id)
        )
    assert sites.changes() == {name: [] for name in NAMES}


async def test_an_incident_of_another_site_is_over(sites: Sites) -> None:
    """The number of an incident belongs to its site: under another one there is no such incident."""
    await sites.start()
    alert = await sites.crash(COLO, 101)
    ack = next(custom_id for custom_id in ids_of(alert) if ":ack:" in custom_id)
    for other in (HOME, LAB):
        for what in ("ack", "details", "start", "mute1"):
            custom_id = ack.replace(COLO, other).replace("ack", what)
            reply: PressResult = await sites.press("admin", alert, custom_id)
            assert told(reply) == f"-# **{other}**\n{sites.scene.told(sites['admin'], IncidentOver())}"
            assert newest(sites).site == other
    (kept,) = sites.site(COLO).watch.state.open.values()
    assert kept.acked is None
    assert sites.changes() == {name: [] for name in NAMES}


def told(reply: PressResult) -> str:
    return reply.followups[-1].text if reply.followups else reply.text


async def test_messages_of_a_single_site_become_those_of_the_first_site(
    bare_scene: Stage, clusters: Mapping[str, Pve]
) -> None:
    """An alert and a panel of that time keep working, and are edited under the site's name."""
    scene = bare_scene
    await scene.start_bot(MONITOR_VM_IDS="101")
    await scene.poll()
    clusters[HOME].crash(101)
    await scene.poll()
    await scene.delivered()
    (alert,) = scene.server.messages(scene.alerts)
    old = post_of(await scene.say(scene.emma, "info", vmid=103))
    assert [each[:3] for each in (*ids_of(alert), *ids_of(old))] == ["a1:"] * len(ids_of(alert)) + [
        "g1:"
    ] * len(ids_of(old))
    assert HOME not in alert.content + old.text
    await scene.stop_bot()
    sites = Sites(scene, clusters)
    await sites.start(FIRST_SITE=HOME)
    (refresh,) = [each for each in ids_of(old) if ":refresh:" in each]
    for pressed in (*ids_of(alert)[2:3], refresh):
        reply = await sites.press(COLO, alert if pressed[0] == "a" else old, pressed)
        assert told(reply) == scene.told(sites[COLO], QuestionOver())
    await sites.press(HOME, alert, ids_of(alert)[2])
    await scene.until(lambda: "Acknowledged by" in alert.text, "the edit")
    assert alert.content.startswith("🔴 home · **101** ")
    assert all(each.startswith("a2:home:") for each in ids_of(alert))
    await sites.press(HOME, old, refresh)
    assert old.text.startswith("-# **home**\n")
    assert all(each.startswith("g2:home:") for each in ids_of(old))
    assert sites.changes() == {name: [] for name in NAMES}

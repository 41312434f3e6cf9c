"""Test /monitor list, history, status and test over several sites."""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence

import discord
import pytest
from discord import ui

from core.audit.record import AuditStep
from core.audit.store import AuditFilter
from core.errors import NotAllowed
from core.guest import Kind
from core.levels import Level
from core.wanted_errors import UnknownSite
from core.watch.incidents.model import GuestEvent, GuestFact, Incident, Severity, Topic, guest_subject
from core.watch.journal import Batch
from playground.discord.people import Person, PressResult
from playground.pve.server import Pve
from tests.support import stage
from tests.support.sites import people as several
from tests.support.sites.people import People
from tests.support.stage import Stage, post_of
from tests.support.walked import walked
from tests.support.watch.at_once import rows_of
from tests.ui.watch.test_alert_text import UNWELL
from ui.i18n import Language, Texts
from ui.watch.history import skip
from ui.watch.status.cards import SiteStatus, status_of_sites_card

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language
colo, people = several.colo, several.people


async def watch(scene: Stage, name: str, *vmids: int) -> None:
    site = scene.site_named(name)
    for vmid in vmids:
        guest = site.cluster_cache.find(vmid)
        assert guest is not None
        await site.watch.add(guest)


async def poll_all(scene: Stage, times: int = 1) -> None:
    for _ in range(times):
        scene.clock.skip(60.0)
        for loop in scene.bot.monitor.loops:
            await scene.seen_through(loop.poll_once())


async def turned(scene: Stage, person: Person, reply: PressResult) -> PressResult:
    """Turn to the next page."""
    button = next(button for button in post_of(reply).buttons if button.emoji == "▶️")
    return await scene.press(person, reply, str(button.custom_id))


async def test_the_watch_lists_of_all_sites(bare_scene: Stage, people: People) -> None:
    scene, reader = bare_scene, people["reader"]
    await watch(scene, "home", 101, 102)
    await watch(scene, "colo", 101)
    text = (await scene.say(reader, "monitor list")).text
    assert text.startswith("**3 watched guests**\n### colo\n🟢 **101** `other`")
    assert "### home\n🟢 **101** `web01`" in text
    text = (await scene.say(reader, "monitor list", site="home")).text
    assert "colo" not in text
    assert text.count("🟢") == 2
    scene.assert_refused(await scene.say(reader, "monitor list", site="x"), reader, UnknownSite("x"))
    text = (await scene.say(people["guest"], "monitor list")).text
    assert ("colo" in text, text.count("🟢")) == (False, 1)
    assert (
        await scene.services.audit_store.audit_page(AuditFilter(operation="monitor_list", site="home"), 0, 9)
    )[1] == 1
    assert (await scene.services.audit_store.audit_page(AuditFilter(operation="monitor_list"), 0, 9))[1] == 4


async def test_the_watch_list_is_divided_into_pages(bare_scene: Stage, people: People) -> None:
    scene, reader = bare_scene, people["reader"]
    for name in ("home", "colo"):
        cluster = scene.site_named(name).cluster_cache.last
        assert cluster is not None
        await watch(scene, name, *(guest.vmid for guest in cluster.guests if not guest.template))
    reply = await scene.say(reader, "monitor list")
    rows = reply.text.count("\n-# ")
    for _ in range(2):
        reply = await turned(scene, reader, reply)
        rows += post_of(reply).text.count("\n-# ")
    assert rows - 3 == 28, "each page has a footer"
    assert str(post_of(reply).buttons[0].custom_id) == "p2:*:w:f:0:::"


def incidents(scene: Stage) -> list[tuple[str, Incident]]:
    """Return the incidents of all sites, newest first."""
    found = [
        (site.name, incident)
        for site in scene.services.sites
        for incident in rows_of(site.journal).history(None, 0, 1000)[0]
    ]
    return sorted(found, key=lambda each: -each[1].opened)


async def test_the_history_of_all_sites_is_newest_first(
    bare_scene: Stage, people: People, pve: Pve, colo: Pve
) -> None:
    scene, reader = bare_scene, people["reader"]
    for name in ("home", "colo"):
        await watch(scene, name, 101, 102, 103, 105, 107, 201, 202)
    await poll_all(scene)
    for vmid in (101, 102, 103, 105, 107, 201, 202):
        for cluster in (pve, colo) if vmid != 103 else (colo,):
            cluster.guest(vmid).status = "stopped"
            await poll_all(scene, 3)
    expected = [(name, incident.guests[0].vmid) for name, incident in incidents(scene)]
    assert len(expected) > 10
    reply = await scene.say(reader, "monitor history")
    texts = [reply.text]
    reply = await turned(scene, reader, reply)
    texts.append(post_of(reply).text)
    found = [
        (site, int(vmid))
        for text in texts
        for vmid, site in re.findall(r"\*\*(\d+)\*\* .*\n-# \*\*(\w+)\*\* · ", text)
    ]
    assert found == expected
    text = (await scene.say(reader, "monitor history", site="colo")).text
    assert "home" not in text
    assert "`other`" in text
    text = (await scene.say(people["guest"], "monitor history")).text
    assert "colo" not in text
    assert "**101**" in text
    assert "**102**" not in text


async def test_each_incident_is_on_one_page_of_the_history_of_all_sites(
    bare_scene: Stage, people: People
) -> None:
    """The last incident that opened at home began half an hour before: the guest was unknown until then."""
    scene, reader, now = bare_scene, people["reader"], bare_scene.clock.now()
    ages = {"home": [1800, *range(60, 600, 60)], "colo": range(30, 630, 60)}
    for name, first in (("home", 10_000), ("colo", 20_000)):
        found = [
            Incident(
                first - place,
                Topic.GUEST,
                guest_subject(301 + place),
                Severity.CRITICAL,
                now - age,
                0.0,
                (GuestFact(301 + place, GuestEvent.STOPPED, Kind.QEMU, "pve1", "vm"),),
                ended=now,
                seconds=10.0,
            )
            for place, age in enumerate(ages[name])
        ]
        await scene.site_named(name).journal.commit(Batch(incidents=tuple(found)))
    reply = await scene.say(reader, "monitor history")
    pages = [reply.text, post_of(await turned(scene, reader, reply)).text]
    shown = [
        [(site, int(vmid)) for vmid, site in re.findall(r"\*\*(\d+)\*\* .*\n-# \*\*(\w+)\*\* · ", text)]
        for text in pages
    ]
    assert shown == [[(name, 301 + place) for place in range(10)] for name in ("colo", "home")]


async def test_skipping_reads_little_and_leaves_the_right_ones() -> None:
    dice = random.Random(7)  # noqa: S311 - no secret
    for _ in range(300):
        lists = [
            sorted((dice.randrange(40) for _ in range(dice.randrange(30))), reverse=True)
            for _ in range(dice.randrange(1, 5))
        ]
        count = dice.randrange(sum(map(len, lists)) + 3)
        starts = await skip([len(each) for each in lists], reads_of(lists), count)
        skipped = [time for start, times in zip(starts, lists, strict=True) for time in times[:start]]
        left = [time for start, times in zip(starts, lists, strict=True) for time in times[start:]]
        assert len(skipped) == min(count, sum(map(len, lists)))
        assert not skipped or not left or min(skipped) >= max(left)


def reads_of(lists: Sequence[Sequence[float]]) -> Callable[[int, int], Awaitable[float]]:
    async def opened(which: int, index: int) -> float:
        return lists[which][index]

    return opened


async def test_skipping_many_reads_few() -> None:
    lists = [[float(10_000 - index * (which + 1)) for index in range(5000)] for which in range(3)]
    read = []

    async def opened(which: int, index: int) -> float:
        read.append(index)
        return lists[which][index]

    assert sum(await skip([5000] * 3, opened, 9000)) == 9000
    assert len(read) < 200


async def test_the_status_has_a_section_for_each_site(bare_scene: Stage, people: People, colo: Pve) -> None:
    scene, reader = bare_scene, people["reader"]
    colo.apitokens.clear()
    await poll_all(scene, 3)
    text = (await scene.say(reader, "monitor status")).text
    colo_part, _, rest = text.partition("### home")
    home_part, _, bot_part = rest.partition("### The bot")
    assert "### colo" in colo_part
    assert "⚠️" in colo_part
    assert "API token" in colo_part
    assert "**Proxmox** ✅" in home_part
    assert bot_part.count("**Journal**") == text.count("**Journal**") == 1
    assert bot_part.count("**Heartbeat**") == text.count("**Heartbeat**") == 1
    text = (await scene.say(reader, "monitor status", site="home")).text
    assert "colo" not in text
    assert "colo" not in (await scene.say(people["guest"], "monitor status")).text


async def test_the_status_of_all_sites_asks_discord_once_about_people(
    bare_scene: Stage, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Discord does not answer. Each time that the bot asks, it waits."""
    scene, members, asked = bare_scene, bare_scene.services.members, list[set[int]]()
    gone = members.gone

    async def noted(guild: discord.Guild | None, ids: Iterable[int]) -> frozenset[int]:
        asked.append(set(ids))
        return await gone(guild, asked[-1])

    for site in ("home", "colo"):
        await scene.say(people["chief"], "monitor mute", target=f"{site}/101", duration="1h")
    monkeypatch.setattr(members, "gone", noted)
    await scene.say(people["reader"], "monitor status")
    assert asked == [{people["chief"].id}]


async def test_the_status_tells_which_sites_the_heartbeat_needs(
    bare_scene: Stage, pve: Pve, colo: Pve, unused_tcp_port: int
) -> None:
    scene = bare_scene
    scene.add_site("home", pve)
    scene.add_site("colo", colo)
    await scene.start_bot(
        HEARTBEAT_URL=f"http://127.0.0.1:{unused_tcp_port}/", HEARTBEAT_IGNORES_SITES="colo"
    )
    assert "depends on `home`\n" in (await scene.say(scene.emma, "monitor status")).text


@walked("count", [2, 3, 40, 99])
@walked("word", ["en", "ja"])
def test_the_status_of_many_sites_fits(count: int, word: Language) -> None:
    sites = [SiteStatus(f"site-of-length-{number:02}"[:16], UNWELL, None) for number in range(count)]
    names = [each.name for each in sites]
    view = status_of_sites_card(Texts("en").of(word), sites, names, 1_790_000_000.0)
    text = "\n".join(item.content for item in view.walk_children() if isinstance(item, ui.TextDisplay))
    assert len(text) <= 4000
    assert all(f"**{name}**" in text or f"### {name}\n" in text for name in names)


async def test_a_test_alert_of_each_site(bare_scene: Stage, people: People) -> None:
    scene, chief = bare_scene, people["chief"]
    reply = await scene.say(chief, "monitor test")
    assert reply.text.count("✅ **") == 2
    assert len(scene.alerts_told()) == 2
    reply = await scene.say(people["homely"], "monitor test", site="home")
    assert "colo" not in reply.text
    assert len(scene.alerts_told()) == 3
    homely = people["homely"]
    assert "colo" not in (await scene.say(homely, "monitor test")).text
    assert len(scene.alerts_told()) == 4
    scene.assert_refused(await scene.say(homely, "monitor test", site="colo"), homely, UnknownSite("colo"))
    reader = people["reader"]
    scene.assert_refused(
        await scene.say(reader, "monitor test", site="colo"), reader, NotAllowed(Level.ADMIN, Level.VIEWER)
    )
    found, _ = await scene.services.audit_store.audit_page(AuditFilter(operation="monitor_test"), 0, 20)
    assert [(each.site, each.record.step) for each in found] == [
        ("", AuditStep.REFUSED),
        ("", AuditStep.REFUSED),
        *((site, AuditStep.ENDED) for site in ("home", "home", "home", "colo")),
    ]
    assert await scene.choices(homely, "monitor test", "site") == ["home"]
    assert await scene.choices(chief, "monitor test", "site") == ["colo", "home"]

"""Test that every card, form and alert about one of several sites names it, at each step of its life."""

import asyncio
from dataclasses import replace

import pytest
from discord import ui

from core.actions.order import Order, Plan
from core.errors import NotYours, QuestionOver
from core.operations import ACTIONS, Operation
from playground.discord.people import PressResult
from playground.discord.posts import SeenMessage
from tests.support import stage
from tests.support.fakes import AKIKO, guest
from tests.support.sites import three_sites
from tests.support.sites.three_sites import COLO, HOME, Sites
from tests.support.stage import answer_of, post_of
from ui.cards import card, name_site
from ui.formatting import MESSAGE_MOST, Colour
from ui.guests import presses
from ui.guests.confirm import act_or_ask, ask_first
from ui.guests.confirmation_form import confirmation_form
from ui.i18n import Text, Texts
from ui.interaction.open_questions import Question
from ui.interaction.reply import Reply
from ui.interaction.services import Site

bare_scene, pve = stage.bare_scene, three_sites.pve
clusters, sites = three_sites.clusters, three_sites.sites

HEAD = f"-# **{COLO}**\n"
STOPPED = 104


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the button "Start" of a panel ask whether to delete the guest. No typed option names the site."""

    async def ask_to_delete(site: Site, reply: Reply, order: Order) -> None:
        await ask_first(site, reply, replace(order, operation=Operation.DELETE))

    monkeypatch.setattr(presses, "act_on_panel", ask_to_delete)


async def question(sites: Sites, who: str = COLO, vmid: int = STOPPED) -> PressResult:
    found = sites.site(COLO).cluster_cache.find(vmid)
    assert found is not None
    return await sites.press(who, await sites.post(), f"g2:colo:start:{vmid}:{found.fingerprint}")


def yes(post: SeenMessage | PressResult) -> str:
    return str(post_of(post).buttons[0].custom_id)


def told(reply: PressResult) -> str:
    return reply.followups[-1].text if reply.followups else reply.text


def heads(post: SeenMessage | PressResult) -> int:
    text = post.text if isinstance(post, SeenMessage) else post_of(post).text
    assert text.startswith(HEAD), text
    return text.count(HEAD)


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize("language", ["en", "ja"])
async def test_a_question_its_form_and_its_outcome_name_their_site(sites: Sites, language: str) -> None:
    await sites.start(LANGUAGE=language)
    asked = await question(sites)
    assert heads(asked) == 1
    assert [each.custom_id[:3] for each in post_of(asked).buttons if each.custom_id] == ["q1:", "q1:"]
    form = await sites.press(COLO, asked, yes(asked))
    assert form.form is not None
    assert form.form.title == "Delete: colo/104 palworld"
    done = await sites.scene.submit(sites[COLO], form, "palworld")
    assert heads(done) == 1
    assert "✅" in post_of(done).text
    assert [bool(sites.changes()[name]) for name in (HOME, COLO)] == [False, True]
    assert any(vm.vmid == STOPPED for vm in sites.clusters[HOME].vms)
    assert not any(vm.vmid == STOPPED for vm in sites.clusters[COLO].vms)


@pytest.mark.usefixtures("asking")
async def test_a_cancelled_and_an_expired_question_are_edited_under_the_name(sites: Sites) -> None:
    await sites.start()
    cancelled = await question(sites)
    await sites.press(COLO, cancelled, yes(cancelled).replace(":yes:", ":no:"))
    assert heads(cancelled) == 1
    assert "Cancelled." in post_of(cancelled).text
    expired = await question(sites)
    sites.scene.clock.skip(60)
    await expired.until("Timed out")
    assert heads(expired) == 1


@pytest.mark.usefixtures("asking")
async def test_the_end_of_the_bot_and_a_press_after_it_keep_the_name(sites: Sites) -> None:
    await sites.start()
    asked = await question(sites)
    await sites.scene.restart_bot()
    assert heads(asked) == 1
    assert "shutting down" in post_of(asked).text
    late = await sites.press(COLO, asked, yes(asked))
    assert heads(asked) == 1
    assert told(late) == sites.scene.told(sites[COLO], QuestionOver())


@pytest.mark.usefixtures("asking")
async def test_somebody_who_may_not_see_the_site_does_not_read_its_name(sites: Sites) -> None:
    """The question is in a public channel, so that anybody may press its buttons."""
    await sites.start()
    asked = await question(sites)
    refusal = NotYours("Colo", sites[COLO].id)
    for who, head in ((HOME, ""), ("nobody", ""), ("admin", HEAD)):
        reply = await sites.press(who, asked, yes(asked))
        said = told(reply)
        assert said == head + sites.scene.told(sites[who], refusal)


async def test_the_farewell_names_the_site(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    await sites.start()
    found = sites.site(COLO).cluster_cache.find(103)
    assert found is not None
    monkeypatch.setattr(presses, "act_on_panel", act_or_ask)
    sites.clusters[COLO].time_scale = 1000.0
    post = await sites.post()
    pressing = asyncio.ensure_future(sites.press(COLO, post, f"g2:colo:shutdown:103:{found.fingerprint}"))
    shown = sites.scene.server
    await shown.wait_message(sites.scene.channel, HEAD)
    await sites.scene.stop_bot()
    await pressing
    posts = [each for each in shown.messages(sites.scene.channel) if "shutting down" in each.text]
    assert len(posts) == 1
    assert heads(posts[0]) == 1


async def test_the_shorter_versions_of_a_blocked_card_name_the_site(sites: Sites) -> None:
    await sites.start()
    sites.scene.server.block("`web01`", path_part="")
    bare = await sites.press(COLO, await sites.post(), "g2:colo:refresh:101")
    assert heads(bare) == 1
    assert "`…`" in post_of(bare).text
    sites.scene.server.block("**10", path_part="")
    fixed = await sites.press(COLO, await sites.post(), "g2:colo:refresh:103")
    assert post_of(fixed).text == f"{HEAD}Discord blocked this answer. The audit trail shows what was done."


async def test_a_refusal_names_the_site_that_it_is_about(sites: Sites) -> None:
    await sites.start()
    refusal = answer_of(await sites.press(COLO, await sites.post(), "g2:colo:refresh:999"))
    assert refusal.text.startswith(HEAD)
    assert "**999**" in refusal.text


@pytest.mark.parametrize("t", [Texts("en").public, Texts("ja").public], ids=["en", "ja"])
def test_the_title_of_a_form_shows_the_longest_site_and_vmid_whole(t: Text) -> None:
    for operation in ACTIONS:
        plan = Plan(Order(operation, 999_999_999, AKIKO), replace(guest(999_999_999), name="n" * 63))
        question = Question("0" * 16, plan, t, lambda _note: asyncio.sleep(0), "s" * 16)
        title = confirmation_form(t, question).title
        assert len(title) <= 45
        assert f"{'s' * 16}/999999999" in title, title


# -- one card


def texts_of(view: ui.LayoutView) -> list[str]:
    return [item.content for item in view.walk_children() if isinstance(item, ui.TextDisplay)]


@pytest.mark.parametrize("length", [1, MESSAGE_MOST - 30, MESSAGE_MOST])
def test_a_named_card_never_exceeds_the_limit(length: int) -> None:
    site = "s" * 16
    view = card("h" * length, "b" * 100, "foot", colour=Colour.BUSY)
    before = texts_of(view)
    name_site(view, "")
    assert texts_of(view) == before
    name_site(view, site)
    once = texts_of(view)
    assert once[0].startswith(f"-# **{site}**\nh")
    assert sum(map(len, once)) == min(MESSAGE_MOST, sum(map(len, before)) + len(f"-# **{site}**\n"))
    assert once[1:] == before[1:], "only the longest is cut"
    name_site(view, site)
    assert texts_of(view) == once

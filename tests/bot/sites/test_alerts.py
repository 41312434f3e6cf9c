"""Test that each text in an alert channel begins with its site, whichever way it is sent."""

from dataclasses import replace

import pytest

from core.watch.incidents.model import MessageKind
from core.watch.journal import OutboxMessage
from tests.bot.watch.test_alert_channel import BACK, DOWN, outbox_message
from tests.support import stage
from tests.support.sites import three_sites
from tests.support.sites.three_sites import COLO, HOME, LAB, LAB_GUEST, Sites
from tests.support.walked import walked
from ui.i18n import Texts
from ui.watch.alert_channel import DiscordAlertChannel
from ui.watch.alert_text import CONTENT_MOST, text_with_site

bare_scene, pve = stage.bare_scene, three_sites.pve
clusters, sites = three_sites.clusters, three_sites.sites


def messages() -> list[OutboxMessage]:
    down, back = DOWN, BACK
    return [
        outbox_message(down),
        outbox_message(down, mention=True),
        outbox_message(back),
        outbox_message(back, post=MessageKind.RECOVERY),
        outbox_message(down, post=MessageKind.REMINDER),
        outbox_message(down, replace(down, id=18), post=MessageKind.DIGEST),
        outbox_message(down, replace(down, id=18), post=MessageKind.UNMUTED),
        outbox_message(post=MessageKind.TEST),
        outbox_message(post=MessageKind.WORD, text="⚠️ The list was edited."),
        outbox_message(post=MessageKind.WORD, text="no sign"),
        outbox_message(post=MessageKind.WORD, text="x" * 5000),
        outbox_message(),
    ]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_kind_of_message_begins_with_its_sign_and_site(language: str) -> None:
    texts = Texts("ja" if language == "ja" else "en")
    plain_one = DiscordAlertChannel(None, 1, texts.public, 4711)  # type: ignore[arg-type]  # it composes without a client
    named_one = DiscordAlertChannel(None, 1, texts.public, 4711, LAB)  # type: ignore[arg-type]  # as above
    for message in messages():
        before, text = plain_one.compose(message, 90.0), named_one.compose(message, 90.0)
        sign, _, rest = before.content.partition(" ")
        begins = f"{sign} {LAB} · {rest}" if rest and not sign.isascii() else f"{LAB} · {before.content}"
        assert text == replace(before, content=begins[:CONTENT_MOST])
        for shorter in named_one.fallback_texts(text):
            assert len(shorter.content) <= CONTENT_MOST
            assert LAB in shorter.content.split(" · ")[0], shorter


@walked(
    ("text", "named"),
    [
        ("🔴 down", "🔴 lab · down"),
        ("⚠️ text `a b`", "⚠️ lab · text `a b`"),
        ("停止 しました", "lab · 停止 しました"),
        ("**101** down", "lab · **101** down"),
        ("🔴", "🔴 lab · "),
        ("", "lab · "),
    ],
)
def test_the_name_comes_after_the_sign(text: str, named: str) -> None:
    assert text_with_site(text, "lab").rstrip() == named.rstrip()
    assert text_with_site(text, "") == text


async def test_sites_share_a_channel_or_have_their_own(sites: Sites) -> None:
    scene = sites.scene
    own = scene.guild.create_text_channel("lab-alerts", category=scene.category)
    scene.add_site(
        LAB,
        sites.clusters[LAB],
        MONITOR_VM_IDS=str(LAB_GUEST),
        NODE_NAME="solo",
        ALERT_CHANNEL_ID=str(own.id),
    )
    await sites.start()
    for name in (HOME, COLO):
        await sites.crash(name, 101)
    sites.clusters[LAB].crash(LAB_GUEST)
    await sites.poll(LAB, 2)
    await scene.server.wait_message(own, f"🔴 lab · **{LAB_GUEST}**")
    shared = [post.content for post in scene.server.messages(scene.alerts)]
    assert [text.split(" · **")[0] for text in shared if "**101**" in text] == ["🔴 home", "🔴 colo"]
    assert not any(LAB in text for text in shared)
    sites.clusters[COLO].revive(101)
    await sites.poll(COLO, 2)
    recovered = await scene.server.wait_message(scene.alerts, "🟢 colo · **101**")
    assert HOME not in recovered.content


async def test_a_line_without_the_journal_is_named_too(sites: Sites) -> None:
    await sites.start()
    channel = DiscordAlertChannel(sites.scene.bot, sites.scene.alerts.id, sites.scene.t(), site=COLO)
    await channel.send_line("🔴 The journal cannot be written.")
    sites.scene.server.block("hangs", path_part=f"/channels/{sites.scene.alerts.id}/")
    await channel.send_line("🔴 The watch hangs.")
    told = sites.scene.alerts_told()
    assert told[-2:] == [
        "🔴 colo · The journal cannot be written.",
        "⚠️ colo · Discord blocked this alert. See `/monitor history` for the details.",
    ]


async def test_an_alert_whose_post_was_lost_is_found_by_its_named_text(sites: Sites) -> None:
    await sites.start()
    alert = await sites.crash(COLO, 101)
    channel = DiscordAlertChannel(sites.scene.bot, sites.scene.alerts.id, sites.scene.t(), site=COLO)
    (incident,) = sites.site(COLO).watch.state.open.values()
    text = channel.compose(outbox_message(incident), None).content
    assert alert.content == text
    assert await channel.find(text, incident.opened, frozenset(), (incident.id,)) == alert.id
    other = DiscordAlertChannel(sites.scene.bot, sites.scene.alerts.id, sites.scene.t(), site=HOME)
    assert (
        await other.find(
            other.compose(outbox_message(incident), None).content,
            incident.opened,
            frozenset(),
            (incident.id,),
        )
        is None
    )

"""Test that the audit trail names the site of each attempt: in its rows, in the file and in its channel."""

import csv
import datetime
import io
from dataclasses import replace

import pytest

import ui.audit.presses
from core.access.policy import Actor, Place
from core.audit.record import AuditRecord, AuditStep
from core.audit.store import AuditEntry, AuditFilter
from tests.support import stage
from tests.support.sites import three_sites
from tests.support.sites.three_sites import COLO, HOME, LAB, Sites
from tests.support.stage import post_of
from tests.support.watch.at_once import rows_of
from ui.audit.commands import send_audit
from ui.audit.csv_file import COLUMNS, csv_row
from ui.audit.page import audit_head, audit_page, audit_row
from ui.audit.text import audit_line
from ui.i18n import Text, Texts
from ui.interaction.buttons import PersistentButton
from ui.interaction.custom_ids import ALL_SITES, split_site
from ui.interaction.reply import Reply
from ui.interaction.services import Services

bare_scene, pve = stage.bare_scene, three_sites.pve
clusters, sites = three_sites.clusters, three_sites.sites

LANGUAGES = pytest.mark.parametrize("t", [Texts("en").public, Texts("ja").public], ids=["en", "ja"])
NOAH = Actor(7, "Noah", Place(1, 2, 3))
STOPPED = AuditRecord(
    AuditStep.ENDED, NOAH, "stop", 101, guest="web01", node="pve1", state="running", outcome="OK"
)
ENTRY = AuditEntry(5, 5, 1e9, 1e9, STOPPED, COLO)
OF_NO_GUEST = replace(
    ENTRY, record=replace(STOPPED, operation="list", vmid=None, guest="", node="", state="")
)


@LANGUAGES
def test_a_row_and_a_line_name_the_site_with_the_guest(t: Text) -> None:
    for text in (audit_row(t, ENTRY), audit_line(t, ENTRY)):
        assert "**colo/101** `web01`" in text
    for text in (audit_row(t, OF_NO_GUEST), audit_line(t, OF_NO_GUEST)):
        assert " · **colo**" in text
    for entry in (ENTRY, OF_NO_GUEST):
        for text in (audit_row(t, replace(entry, site="")), audit_line(t, replace(entry, site=""))):
            assert COLO not in text


@LANGUAGES
def test_the_head_names_the_site_of_the_filter(t: Text) -> None:
    assert "**colo**" in audit_head(t, AuditFilter(101, site=COLO), 3, "")
    assert "**colo**" not in audit_head(t, AuditFilter(101), 3, "")


@LANGUAGES
@pytest.mark.parametrize(
    ("several", "site", "named"), [(False, None, None), (True, None, ALL_SITES), (True, LAB, LAB)]
)
def test_the_pages_keep_the_filter(t: Text, several: bool, site: str | None, named: str | None) -> None:
    wanted = AuditFilter(999_999_999, 2**63 - 1, "snapshot_rollback", 1e10, 999_999_999, site)
    view = audit_page(t, [ENTRY], 10**7, wanted, "n", 5, 1e9, datetime.UTC, several=several)
    ids = [item.custom_id for item in view.walk_children() if isinstance(item, PersistentButton)]
    assert len(ids) == 5
    for custom_id in ids:
        assert split_site(custom_id)[0] == named
        assert len(custom_id) <= 100


def test_the_file_has_the_site_only_with_several_and_the_interaction_last() -> None:
    zone = datetime.UTC
    plain = csv_row(ENTRY, zone)
    assert len(plain) == len(COLUMNS) + 1
    assert csv_row(ENTRY, zone, with_sites=True) == [*plain[:-1], COLO, plain[-1]]
    assert csv_row(replace(ENTRY, site=""), zone, with_sites=True) == [*plain[:-1], "", plain[-1]]


async def test_the_trail_of_the_running_bot_names_the_sites(
    sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = sites.scene
    audits = scene.guild.create_text_channel("audits", category=scene.category)
    await sites.start(AUDIT_CHANNEL_ID=str(audits.id))
    await scene.until(rows_of(scene.services.audit_store).audit_cursor, "the delivery to have begun")
    for name in (HOME, COLO):
        guest = sites.site(name).cluster_cache.find(103)
        assert guest is not None
        await sites.press("admin", await sites.post(), f"g2:{name}:reboot:103:{guest.fingerprint}")
    await sites.press("admin", await sites.post(), "g2:gone:refresh:103")
    await scene.server.wait_message(audits, "**colo/103** `minecraft`")
    lines = [line for each in scene.server.messages(audits) for line in each.content.splitlines()]
    rebooted = [line for line in lines if "**Reboot**" in line]
    assert ["**home/103**" in rebooted[0], "**colo/103**" in rebooted[1]] == [True, True]

    async def as_file(services: Services, reply: Reply, wanted: AuditFilter, _page: int) -> None:
        await send_audit(services, reply, wanted)

    monkeypatch.setattr(ui.audit.presses, "show_audit", as_file)
    for name in (HOME, COLO, LAB):  # a button of an earlier version
        reply = await sites.press("admin", await sites.post(), f"p2:{name}:a:f:0:::::")
        data = scene.server.attached(post_of(reply), "audit.csv").decode("utf-8-sig")
        head, *found = list(csv.reader(io.StringIO(data, newline="")))
        assert head == [*COLUMNS, "site", "interaction_id"]
        assert {row[-2] for row in found} == ({name} if found else set())
        assert len([row for row in found if row[8] == "reboot"]) == (0 if name == LAB else 1)


async def test_the_people_of_a_site_are_offered_by_their_latest_attempts(sites: Sites) -> None:
    scene, colo, admin = sites.scene, sites[COLO], sites["admin"]
    await sites.start()
    for person, command in ((admin, "info"), (colo, "info"), (admin, "snapshot list")):
        await scene.say(person, command, vmid="colo/103")
    offered = await scene.choices(admin, "audit", "who", site=COLO)
    assert [label.partition(" · ")[0] for label in offered] == ["Admin", "Colo"]


async def test_a_result_found_after_a_crash_is_posted_under_the_name(sites: Sites) -> None:
    scene = sites.scene
    await sites.start()
    guest = sites.site(COLO).cluster_cache.find(103)
    assert guest is not None
    plan = sites.clusters[COLO].next_task("qmreboot", vmid=103, hold=True)
    post, scene.server.answer_wait = await sites.post(), 0.0
    custom_id = f"g2:{COLO}:reboot:103:{guest.fingerprint}"
    reply = await scene.server.click(sites[COLO], post, custom_id, force=True)
    await reply.until(lambda shown: "Rebooting" in shown.text)
    sites.site(COLO).audit.record = lambda *_entry, **_more: None  # type: ignore[method-assign]  # killed, it writes no more
    await scene.crash_bot()
    plan.release()
    await scene.until(lambda: "Found out later" in post.text, "the person told")
    assert post.text.startswith(f"-# **{COLO}**\n✅")
    assert len(scene.server.messages(scene.channel)) == 1
    await scene.settled()  # the handler of the killed bot lives on in this process

"""Test /list, /info and /help, and the commands as registered with Discord."""

import re

import pytest

from core.guest import Kind, State
from core.guest_errors import GuestNotFound
from playground.discord.posts import SeenMessage
from playground.pve.server import Pve
from tests.support import stage
from tests.support.catalogue import enabled_buttons, panel_buttons
from tests.support.stage import Stage
from tests.support.walked import walked
from ui.formatting import STATE_EMOJI, code, title_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

STOPPED = STATE_EMOJI[State.STOPPED]

BOTH = pytest.mark.parametrize("language", ["ja", "en"])

STRING, INTEGER = 3, 4


async def test_commands_are_the_guilds_only(scene: Stage) -> None:
    commands = scene.server.commands(scene.guild)
    for command in commands:
        assert command["contexts"] == [0], "only in guilds"
        assert command["integration_types"] == [0], "only as an app of the guild"
    puts = scene.server.requests("PUT", "/commands")
    assert [f"/guilds/{scene.guild.id}/" in request.path for request in puts] == [True]


async def test_names_stay_and_descriptions_are_localised(scene: Stage) -> None:
    """Every option and choice is English by default and for English clients, and Japanese for Japanese ones."""
    waiting = list(scene.server.commands(scene.guild))
    while waiting:
        one = waiting.pop()
        assert not one.get("name_localizations")
        assert one["description_localizations"]["en-US"] == one["description"]
        assert any(ord(char) > 0x3000 for char in one["description_localizations"]["ja"])
        for choice in one.get("choices", []):
            assert choice["name_localizations"]["ja"]
        waiting += one.get("options", [])
        if one["name"] in ("vmid", "template_id", "new_vmid"):
            assert one["type"] == (INTEGER if one["name"] == "new_vmid" else STRING)
            assert bool(one.get("autocomplete")) is (one["name"] != "new_vmid")


@BOTH
async def test_list_shows_every_guest_by_vmid(scene: Stage, pve: Pve) -> None:
    reply = await scene.say(scene.akiko, "list")
    post, t = stage.post_of(reply), scene.t()
    assert not reply.ephemeral
    head, *legend = post.text.partition("\n🟢 **")[0].splitlines()
    assert head == f"### {t.plural('{n} guest', '{n} guests', 17)}"
    for word, count in (("running", 11), ("stopped", 2), ("paused", 1), ("template", 3)):
        assert f"{t(word)} {count}" in " · ".join(legend)
    shown = vmids_in(post.text)
    following = await scene.press(scene.emma, post, button_of(post, "▶️"))
    shown += vmids_in(stage.post_of(following).text)
    assert shown == sorted(guest.vmid for guest in [*pve.vms, *pve.cts])


def has_row(text: str, label: str, value: str) -> bool:
    """Return whether a line of the panel begins with this label, in any markup, and has this value."""
    return any(re.match(rf"\W*{re.escape(label)}\W", line) and value in line for line in text.splitlines())


def vmids_in(text: str) -> list[int]:
    return [int(line.split("**")[1]) for line in text.splitlines() if line.count("**") == 2]


def button_of(post: SeenMessage, emoji: str) -> str:
    return str(next(button.custom_id for button in post.buttons if button.emoji == emoji))


@BOTH
async def test_a_row_of_the_list(scene: Stage) -> None:
    text, t = (await scene.say(scene.akiko, "list", node="pve2")).text, scene.t()
    lines = text.splitlines()
    rows = {line: lines[place + 1] for place, line in enumerate(lines) if " **" in line}
    row = rows["🟢 **103** `minecraft` · `pve2`"]
    assert t("running") not in row, "the dot says it, and the head says what a dot means"
    assert t("VM") in row
    assert "CPU" in row
    assert "%" in row
    assert "/ 12.0 GiB" in row
    assert rows[f"{STOPPED} **104** `palworld` · `pve2`"] == f"-# {t('VM')}"
    assert t("CT") in rows["🟢 **202** `proxy` · `pve2`"]
    assert rows["📄 **9001** `ubuntu2404` · `pve2`"].startswith(f"-# {t('template')}")
    assert rows["⏸️ **109** `test-vm` · `pve2`"].startswith(f"-# {t('paused')}")


@walked(
    ("options", "expected"),
    [
        ({"status": "stopped"}, [104, 205]),
        ({"status": "template"}, [9000, 9001, 9100]),
        ({"status": "other"}, [109]),
        ({"kind": "lxc"}, [201, 202, 203, 204, 205, 9100]),
        ({"node": "pve3"}, [105, 106, 107, 204, 205]),
        ({"status": "running", "kind": "qemu", "node": "pve1"}, [101, 102, 108]),
        ({"node": " pve3 ", "kind": "lxc"}, [204, 205]),
        ({"node": "pve9"}, []),
        ({"tag": "GAME"}, [103, 104, 105]),
        ({"pool": "home"}, [101, 106, 109, 204]),
        ({"pool": "home/web", "tag": "prod"}, [101]),
        ({"pool": "ho"}, []),
        ({"sort": "name", "kind": "lxc", "status": "running"}, [203, 201, 202, 204]),
        ({"sort": "uptime", "pool": "home"}, [101, 204, 106, 109]),
    ],
)
async def test_list_filtered(scene: Stage, options: dict[str, str], expected: list[int]) -> None:
    reply = await scene.say(scene.emma, "list", **options)
    assert vmids_in(reply.text) == expected
    assert f"{len(expected)} guest" in reply.text
    if not expected:
        assert "No matching guests." in reply.text


async def test_nodes_tags_and_pools_complete(scene: Stage) -> None:
    assert await scene.choices(scene.emma, "list", "node", "2") == ["pve2"]
    assert await scene.choices(scene.emma, "list", "node") == ["pve1", "pve2", "pve3"]
    assert await scene.choices(scene.emma, "list", "tag", "D") == ["prod", "dev", "db", "windows"]
    assert await scene.choices(scene.emma, "list", "pool") == ["home", "games", "home/web"]


@BOTH
async def test_pages_keep_the_order_and_a_long_tag(scene: Stage, pve: Pve) -> None:
    """They also keep names that are too long for a button. The figure that decides the order is shown."""
    t, tag, pool = scene.t(), "t" * 63, "p" * 40 + "/" + "q" * 40
    vmids = [guest.vmid for guest in (*pve.vms, *pve.cts) if not guest.template][:12]
    for place, vmid in enumerate(vmids):
        guest = pve.guest(vmid)
        guest.config["tags"], guest.pool = tag, pool
        pve.set_use(vmid, memory=(place + 1) / 20)
    pve.pools[pool] = set(vmids)
    cluster = await scene.site.cluster_cache.read(0)
    reply = await scene.say(scene.akiko, "list", tag=tag.upper(), pool=pool.partition("/")[0], sort="memory")
    awake = [guest.vmid for guest in cluster.guests if guest.state is State.RUNNING]
    running = [vmid for vmid in reversed(vmids) if vmid in awake]
    every = [*running, *sorted(set(vmids) - set(running))]
    post = stage.post_of(reply)
    assert vmids_in(post.text) == every[:10]
    assert "60% · " in post.text
    for button in (button_of(post, "🔄"), button_of(post, "▶️")):
        post = stage.post_of(await scene.press(scene.emma, post, button))
        assert vmids_in(post.text) == (every[10:] if button.startswith("p1:list:next:") else every[:10])
        assert t("Sorted by memory") in post.text
        assert code(tag) in post.text


async def test_buttons_of_earlier_lists_still_work(scene: Stage) -> None:
    reply = await scene.say(scene.emma, "list")
    turned = await scene.press(scene.emma, reply, "p1:list:next:1:::", force=True)
    assert "-# 2/2 · " in turned.text
    narrowed = await scene.press(scene.emma, reply, "p1:list:first:0:running:lxc:pve1", force=True)
    assert vmids_in(narrowed.text) == [201, 203]


async def test_list_of_five_thousand(bare_scene: Stage, pve: Pve) -> None:
    """Every page holds the right ten guests, and the buttons at the edges are greyed out.

    A page beyond the last shows the last.
    """
    for vmid in range(10_000, 14_983):
        (pve.add_ct if vmid % 3 else pve.add_vm)(vmid, f"guest-{vmid}", node="pve2")
    every = sorted(guest.vmid for guest in [*pve.vms, *pve.cts])
    assert len(every) == 5000
    await bare_scene.start_bot()
    scene = bare_scene
    post = stage.post_of(await scene.say(scene.emma, "list"))
    assert "5000 guests" in post.text
    assert [button.disabled for button in post.buttons] == [True, True, False, False, False]
    assert vmids_in(post.text) == every[:10]
    assert "1/500" in post.text
    for emoji, page in (("▶️", 1), ("▶️", 2), ("◀️", 1), ("⏭️", 499), ("◀️", 498), ("⏮️", 0)):
        await scene.press(scene.akiko, post, button_of(post, emoji))
        assert vmids_in(post.text) == every[page * 10 : page * 10 + 10], (emoji, page)
        assert f"{page + 1}/500" in post.text
    await scene.press(scene.emma, post, button_of(post, "⏭️"))
    assert [button.disabled for button in post.buttons] == [False, False, True, True, False]
    await scene.press(scene.emma, post, "p1:list:next:99999:::", force=True)
    assert "500/500" in post.text


async def test_pages_keep_the_filters(scene: Stage, pve: Pve) -> None:
    for vmid in range(300, 325):
        pve.add_ct(vmid, f"extra-{vmid}", node="pve3")
    scene.clock.skip(11)
    post = stage.post_of(await scene.say(scene.emma, "list", kind="lxc", status="stopped", node="pve3"))
    await scene.press(scene.emma, post, button_of(post, "⏭️"))
    assert vmids_in(post.text) == [319, 320, 321, 322, 323, 324]
    assert "3/3" in post.text
    assert "26 guests" in post.text


@BOTH
async def test_info_of_a_vm(scene: Stage) -> None:
    reply, t = await scene.say(scene.akiko, "info", vmid=101), scene.t()
    for fact in (
        title_of(101, "web01"),
        t("running"),
        "`pve1`",
        t("up {time}", time=""),
        t.plural("{n} core", "{n} cores", 2),
        "/ 4.0 GiB",
        "32.0 GiB",
        "`192.168.10.11`",
        "`prod` `web`",
    ):
        assert fact in reply.text, fact
    assert has_row(reply.text, t("Snapshot"), "`nginx-ok`")
    assert "127.0.0.1" not in reply.text
    buttons = [(button.label, not button.disabled) for button in stage.post_of(reply).buttons]
    assert buttons == panel_buttons(t, Kind.QEMU, State.RUNNING)
    assert not reply.ephemeral


@BOTH
async def test_info_of_a_container(scene: Stage) -> None:
    text, t = (await scene.say(scene.akiko, "info", vmid=201)).text, scene.t()
    for fact in (
        title_of(201, "dns"),
        t("CT"),
        "/ 512 MiB",
        "/ 8.0 GiB",
        "`192.168.10.201`",
    ):
        assert fact in text, fact


@BOTH
async def test_info_shows_lock_protection_ha_and_the_last_task(scene: Stage, pve: Pve) -> None:
    t = scene.t()
    assert has_row((await scene.say(scene.akiko, "info", vmid=105)).text, t("Lock"), f"⚠️ {t('backup')}")
    assert has_row((await scene.say(scene.akiko, "info", vmid=102)).text, t("Protection"), t("on"))
    assert has_row((await scene.say(scene.akiko, "info", vmid=107)).text, t("HA"), t("managed"))
    pve.next_task("qmstart", vmid=104, ends="start failed: no bootable disk")
    await scene.say(scene.akiko, "start", vmid=104)
    text = (await scene.say(scene.akiko, "info", vmid=104)).text
    assert has_row(text, t("Last task"), f"❌ {t('start')}")
    assert "\n-# `start failed: no bootable disk`" in text


@pytest.mark.parametrize(
    ("vmid", "state"), [(104, State.STOPPED), (109, State.PAUSED), (9000, None), (105, None)]
)
async def test_info_buttons_follow_the_state(scene: Stage, vmid: int, state: State | None) -> None:
    """A template, and a guest that Proxmox has locked, can only be looked at."""
    post = stage.post_of(await scene.say(scene.emma, "info", vmid=vmid))
    t = scene.t(scene.emma)
    enabled = enabled_buttons(t, Kind.QEMU, state) if state else [t("Refresh")]
    enabled += [t("Chart"), t("Disks and backups")] if vmid == 105 else []
    assert [button.label for button in post.buttons if not button.disabled] == enabled


async def test_info_without_an_answering_agent(scene: Stage, pve: Pve) -> None:
    pve.vm(101).agent = None
    reply = await scene.say(scene.emma, "info", vmid=101)
    assert "web01" in reply.text
    assert "IP:" not in reply.text


async def test_info_of_an_unknown_guest(scene: Stage) -> None:
    for person in (scene.akiko, scene.emma):
        scene.assert_refused(await scene.say(person, "info", vmid=999), person, GuestNotFound(999))

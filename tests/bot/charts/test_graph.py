"""Test charts: the commands and buttons, with the real process that draws, and what happens if it does not."""

import io
import os
import signal
import sys
from typing import Any

import discord
import pytest
from PIL import Image, ImageColor

from adapters.charts.process import ChartProcess
from core.errors import ChartFailed, ChartTooSlow, FilesRefused, PressureUnknown
from core.guest_errors import GuestNotFound
from core.proxmox_errors import MissingPrivilege, NodeUnreachable
from core.wanted_errors import UnknownNode
from playground.discord.people import PressResult
from playground.pve.server import Pve
from tests.support import stage
from tests.support.scenes.people import Cast
from tests.support.stage import Stage, post_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
unhurried, undrawn = stage.unhurried, stage.undrawn
BOTH = pytest.mark.parametrize("language", ["ja", "en"])
WIDTH = 680
TROUBLE = {ImageColor.getrgb("#f0b232"), ImageColor.getrgb("#f0474b")}
"""The colours of marked incidents. Nothing else has them."""


def renderer(scene: Stage) -> ChartProcess:
    found = scene.services.renderer
    assert isinstance(found, ChartProcess)
    return found


def pid_of(draws: ChartProcess) -> int | None:
    return draws.pid  # asked anew each time, which a type checker does not expect of a property


def picture(scene: Stage, reply: PressResult) -> Image.Image:
    return Image.open(io.BytesIO(scene.server.attached(post_of(reply), "chart.png")))


def history(scene: Stage) -> list[tuple[str, str]]:
    """Return the paths and periods of all histories that were asked for."""
    return [(path, values["timeframe"]) for _, path, values in scene.sent("GET", "rrddata")]


@BOTH
async def test_a_chart_is_a_picture_whose_buttons_show_other_periods_in_its_place(
    scene: Stage, pve: Pve
) -> None:
    reply = await scene.say(scene.akiko, "graph guest", vmid=101)
    assert picture(scene, reply).width == WIDTH
    told = described(reply)
    assert told.startswith(scene.t()("Last 24 hours"))
    assert panels(told) == words(scene, ["CPU usage", "Memory usage", "Network traffic", "Disk I/O"])
    assert "GiB" in told
    day, node = picture(scene, reply), pve.guest(101).node
    weekly = await scene.press(scene.emma, reply, "c1:week::g101")
    assert post_of(weekly).id == post_of(reply).id
    assert post_of(weekly).attachments == ["chart.png"]
    assert picture(scene, weekly).tobytes() != day.tobytes()
    path = f"/nodes/{node}/qemu/101/rrddata"
    assert history(scene) == [(path, "day"), (path, "week")]
    await scene.say(scene.akiko, "graph guest", vmid=101, period="week")
    assert len(history(scene)) == 2, "made a moment ago: shared"
    of_node = await scene.say(scene.emma, "graph node", node=node, period="hour", what="pressure")
    assert picture(scene, of_node).width == WIDTH
    assert panels(described(of_node)) == words(scene, ["CPU pressure", "I/O pressure", "Memory pressure"])
    assert history(scene)[2:] == [(f"/nodes/{node}/rrddata", "hour")]
    usual = await scene.say(scene.emma, "graph node", node=node)
    assert panels(described(usual)) == words(
        scene, ["CPU usage", "Memory usage", "Network traffic", "Root disk usage"]
    )
    disk = await scene.say(scene.emma, "graph guest", vmid=201, what="disk")
    assert panels(described(disk)) == words(scene, ["Disk usage", "Disk I/O"])


def described(reply: PressResult) -> str:
    """Return the description of the picture, which is public, in the public language."""
    (gallery,) = [part for part in walk(post_of(reply).components) if part.get("type") == 12]
    return str(gallery["items"][0]["description"])


def words(scene: Stage, panels: list[str]) -> list[str]:
    return [scene.t().raw(panel) for panel in panels]


def panels(told: str) -> list[str]:
    return [line.partition(": ")[0] for line in told.splitlines()[1:]]


def walk(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for part in parts for each in (part, *walk(part.get("components", [])))]


@BOTH
async def test_a_panels_chart_is_private_and_that_of_an_alert_a_reply_below_it(
    scene: Stage, pve: Pve
) -> None:
    panel = await scene.say(scene.akiko, "info", vmid=101)
    chart = await scene.press(scene.akiko, panel, "g1:chart:101")
    assert chart.ephemeral
    assert post_of(chart).attachments == ["chart.png"]
    assert scene.t(scene.akiko)("Last 24 hours") in str(post_of(chart).components)
    monthly = await scene.press(scene.akiko, chart, "c1:month::g101")
    assert post_of(monthly).id == post_of(chart).id
    assert scene.t(scene.akiko)("Last 30 days") in str(post_of(monthly).components)

    await scene.say(scene.emma, "monitor add", vmid=101, cpu=80)
    await scene.poll()
    pve.crash(101)
    await scene.poll()
    await scene.delivered()
    alert = scene.server.messages(scene.alerts)[-1]
    text, (button,) = alert.text, [one for one in alert.buttons if ":chart:" in str(one.custom_id)]
    below = await scene.press(scene.akiko, alert, str(button.custom_id))
    assert not below.ephemeral
    assert post_of(below).attachments == ["chart.png"]
    assert post_of(below).id != alert.id
    assert alert.text == text
    for _ in range(3):
        again = await scene.press(scene.emma, alert, str(button.custom_id))
        assert again.ephemeral, "nobody fills the channel with pictures"
        assert post_of(again).attachments == ["chart.png"]
    scene.clock.skip(600.0)
    assert not (await scene.press(scene.emma, alert, str(button.custom_id))).ephemeral
    assert history(scene)[-1][1] == "hour"


async def test_a_private_chart_stays_if_another_period_cannot_be_read(scene: Stage, pve: Pve) -> None:
    panel = await scene.say(scene.emma, "info", vmid=101)
    chart = await scene.press(scene.emma, panel, "g1:chart:101")
    pve.hang("/rrddata", 1.0, times=1)
    pve.fail("GET", "/rrddata", 595, "No route to host")
    refused = await scene.press(scene.emma, chart, "c1:month::g101")
    assert [post.ephemeral for post in refused.followups] == [True]
    assert "Last 24 hours" in str(post_of(chart).components)


async def test_the_process_that_draws_may_die_be_slow_or_fail(scene: Stage) -> None:
    draws = renderer(scene)
    await scene.say(scene.emma, "graph guest", vmid=101)
    os.kill(pid_of(draws) or 0, signal.SIGKILL)
    reply = await scene.say(scene.emma, "graph guest", vmid=102)
    assert post_of(reply).attachments == ["chart.png"], "a dead process is replaced"
    scene.expected_errors += ["chart"]
    await draws._kill()
    draws.start_seconds = 0.2
    draws.command = (sys.executable, "-c", "import time; time.sleep(600)")
    reply = await scene.say(scene.emma, "graph guest", vmid=103)
    assert scene.told(scene.emma, ChartTooSlow()) in reply.text
    assert pid_of(draws) is None
    draws.start_seconds = 20.0
    draws.command = (sys.executable, "-c", "import os; os.read(0, 4)")
    reply = await scene.say(scene.emma, "graph guest", vmid=103)
    assert scene.told(scene.emma, ChartFailed()) in reply.text
    draws.command = ("/no/such/python",)
    reply = await scene.say(scene.emma, "graph node", node="pve1")
    assert scene.told(scene.emma, ChartFailed()) in reply.text


@pytest.mark.parametrize("version", ["8.4.5", "9.1.4"])
async def test_a_guest_that_never_ran_does_not_show_whether_pressure_is_recorded(
    scene: Stage, pve: Pve, version: str
) -> None:
    pve.version = version
    reply = await scene.say(scene.emma, "graph guest", vmid=104, what="pressure")
    assert scene.t()("The guest was not running in this period.") in reply.text


@BOTH
async def test_refusals_of_proxmox_and_discord_are_explained(scene: Stage, pve: Pve) -> None:
    pve.fail("GET", "/rrddata", 403, "Permission check failed (/nodes/pve1, Sys.Audit)", times=1)
    reply = await scene.say(scene.emma, "graph node", node="pve1")
    scene.assert_refused(reply, scene.emma, MissingPrivilege("Sys.Audit", "/nodes/pve1"))
    reply = await scene.say(scene.emma, "graph node", node="pve99")
    scene.assert_refused(reply, scene.emma, UnknownNode("pve99"))
    reply = await scene.say(scene.emma, "graph guest", vmid=999)
    scene.assert_refused(reply, scene.emma, GuestNotFound(999))
    pve.version = "8.4.5"
    reply = await scene.say(scene.emma, "graph guest", vmid=101, what="pressure")
    scene.assert_refused(reply, scene.emma, PressureUnknown())
    await scene.say(scene.emma, "graph guest", vmid=101, what="memory", period="year")
    assert len(scene.server.messages(scene.channel)[-1].attachments) == 1

    off = scene.t()("The guest was not running in this period.")
    assert off in (await scene.say(scene.emma, "graph guest", vmid=104)).text
    assert off not in (await scene.say(scene.emma, "graph guest", vmid=101)).text

    pve.node_offline("pve2")
    await scene.poll()
    reply = await scene.say(scene.emma, "graph node", node="pve2")
    scene.assert_refused(reply, scene.emma, NodeUnreachable("pve2"))

    everyone = scene.guild.default_role
    mute = discord.PermissionOverwrite(attach_files=False)
    bare = scene.guild.create_text_channel("bare", category=scene.category, overwrites={everyone: mute})
    asked = len(history(scene))
    reply = await scene.say(scene.emma, "graph guest", vmid=101, channel=bare)
    scene.assert_refused(reply, scene.emma, FilesRefused())
    assert len(history(scene)) == asked


@BOTH
@pytest.mark.usefixtures("unhurried", "undrawn")
async def test_a_picture_that_discord_does_not_take_is_reported(scene: Stage) -> None:
    scene.expected_statuses.add(413)
    scene.server.ack_limit = 3.0
    scene.server.fail("POST", "/callback", 413, times=1)
    reply = await scene.say(scene.emma, "graph guest", vmid=101)
    assert scene.t()("Discord did not accept the chart. Try again in a moment.") in reply.text


def has_incident_marker(picture: Image.Image) -> bool:
    found = picture.convert("RGB").getcolors(picture.width * picture.height) or []
    return not TROUBLE.isdisjoint(colour for _, colour in found)


async def test_a_nodes_chart_marks_only_incidents_that_its_reader_may_see(
    bare_scene: Stage, pve: Pve
) -> None:
    scene = bare_scene
    cast = Cast(scene)
    await scene.start_bot(**cast.settings)
    node = pve.guest(103).node
    await scene.say(cast["admin"], "monitor add", vmid=101)
    pve.fill_storage("local-lvm", 0.97, node=node)
    await scene.poll(4)
    assert [incident.node for incident in scene.site.watch.state.open.values()] == [node]
    public = await scene.say(cast["admin"], "graph node", node=node, period="hour")
    assert has_incident_marker(picture(scene, public))
    narrowed = await scene.say(cast["game"], "graph node", node=node, period="hour")
    assert not has_incident_marker(picture(scene, narrowed)), "the storage is hidden from this person"

    own = await scene.press(cast["game"], public, f"c1:hour::n{node}")
    assert own.ephemeral
    assert not has_incident_marker(picture(scene, own))
    assert has_incident_marker(picture(scene, public)), "others still see the picture with all markers"
    guests = await scene.say(cast["admin"], "graph guest", vmid=103)
    same = await scene.press(cast["game"], guests, "c1:week::g103")
    assert post_of(same).id == post_of(guests).id, "a guest's chart hides nothing"

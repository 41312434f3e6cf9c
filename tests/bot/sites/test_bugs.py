"""Test that a bug at one of several sites, an error that nobody foresaw, keeps no other site from its answer."""

from __future__ import annotations

import re

import pytest

from core.access.authorizer import Authorizer
from core.access.policy import Actor
from core.access.read_only import ReadOnlySwitch
from core.access.rows import Rows
from core.cluster.cache import ClusterCache
from core.guest import Cluster
from core.watch.alert_controls import AlertControls
from core.watch.incidents.model import ALL, Mute
from tests.support import stage
from tests.support.sites import people as several
from tests.support.sites.people import People
from tests.support.stage import Stage
from tests.support.walked import walked

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language
colo, people = several.colo, several.people

_LOGGED = re.compile(r"unexpected error ([0-9a-f]{8})")


def error_ids(scene: Stage) -> list[str]:
    """Return the numbers of the errors in the log so far."""
    return [number for line in scene._log.lines for number in _LOGGED.findall(line)]


def told(scene: Stage) -> str:
    """Return the beginning of the sentence about the last unexpected error."""
    return f"Something went wrong. Look for `{error_ids(scene)[-1]}`"


def break_reads(scene: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every read of colo's cluster fail, as a bug in its cache would."""
    scene.expected_errors += ["unexpected error", "the check at the start failed"]
    read, broken = ClusterCache.read, scene.site_named("colo").cluster_cache

    async def fail(cache: ClusterCache, max_age: float = 0.0) -> Cluster:
        if cache is broken:
            raise KeyError("pve9")
        return await read(cache, max_age)

    monkeypatch.setattr(ClusterCache, "read", fail)


@walked(
    ("command", "says_why"),
    [
        *((word, True) for word in ("list", "status", "node list", "storage", "monitor list")),
        *((word, False) for word in ("monitor history", "monitor status", "access")),
    ],
)
async def test_the_other_sites_are_shown(
    bare_scene: Stage, people: People, monkeypatch: pytest.MonkeyPatch, command: str, *, says_why: bool
) -> None:
    scene = bare_scene
    break_reads(scene, monkeypatch)
    scene.site_named("colo").cluster_cache.last = None
    before = len(error_ids(scene))
    reply = await scene.say(people["chief"], command)
    assert "Something went wrong" not in reply.text
    if command != "monitor history":  # it names sites only in its rows
        assert "home" in reply.text
        assert "colo" in reply.text
    (error_id,) = error_ids(scene)[before:]
    assert (f"internal error, see the log `{error_id}`" in reply.text) == says_why


async def test_the_last_read_of_the_broken_site_is_shown(
    bare_scene: Stage, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = bare_scene
    break_reads(scene, monkeypatch)
    text = (await scene.say(people["chief"], "list", status="stopped")).text
    assert text.count("· 2 guests") == 2
    assert f"internal error, see the log `{error_ids(scene)[-1]}` · as of" in text


@walked("command", ["list", "status", "node list", "storage"])
async def test_data_that_cause_a_bug_hide_no_other_site(
    bare_scene: Stage, people: People, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    scene = bare_scene
    scene.expected_errors.append("unexpected error")
    visible, broken = Authorizer.visible_cluster, scene.site_named("colo").authorizer

    def fail(authorizer: Authorizer, actor: Actor, cluster: Cluster) -> Cluster:
        if authorizer is broken:
            raise KeyError("pve9")
        return visible(authorizer, actor, cluster)

    def fail_rows(authorizer: Authorizer, actor: Actor, cluster: Cluster) -> Rows:
        if authorizer is broken:
            raise KeyError("pve9")
        return rows(authorizer, actor, cluster)

    rows = Authorizer.visible_rows
    monkeypatch.setattr(Authorizer, "visible_cluster", fail)
    monkeypatch.setattr(Authorizer, "visible_rows", fail_rows)
    text = (await scene.say(people["chief"], command)).text
    assert "home" in text
    assert f"internal error, see the log `{error_ids(scene)[-1]}`" in text


@walked(
    ("command", "option", "typed"),
    [("info", "vmid", "web"), ("list", "node", "pve"), ("monitor mute", "target", "pve1")],
)
async def test_completions_offer_the_other_sites(
    bare_scene: Stage, people: People, monkeypatch: pytest.MonkeyPatch, command: str, option: str, typed: str
) -> None:
    scene = bare_scene
    break_reads(scene, monkeypatch)
    found = await scene.server.autocomplete(people["chief"], scene.channel, command, option, typed)
    assert any("home" in str(choice["value"]) for choice in found)


async def test_read_only_mode_reaches_the_other_sites(
    bare_scene: Stage, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, chief = bare_scene, people["chief"]
    scene.expected_errors.append("unexpected error")
    broken = scene.site_named("colo").authorizer.read_only

    def break_method(name: str) -> None:
        works = getattr(ReadOnlySwitch, name)

        async def fail(switch: ReadOnlySwitch, *given: object) -> None:
            if switch is broken:
                raise KeyError("by")
            await works(switch, *given)

        monkeypatch.setattr(ReadOnlySwitch, name, fail)

    break_method("turn_on")
    text = (await scene.say(chief, "readonly on")).text
    assert scene.site_named("home").authorizer.read_only.refusal is not None
    assert "**home** · 🚧 Read-only mode was turned on" in text
    assert f"**colo** · ❌ Read-only mode is still off. {told(scene)}" in text
    reply = await scene.say(chief, "readonly on", site="colo")
    assert told(scene) in reply.text
    monkeypatch.undo()
    await scene.say(chief, "readonly on")
    break_method("turn_off")
    text = (await scene.say(chief, "readonly off")).text
    assert "**home** · ✅ Read-only mode is now off." in text
    assert f"**colo** · ❌ Read-only mode is still on. {told(scene)}" in text


async def test_a_mute_and_a_test_alert_reach_the_other_sites(
    bare_scene: Stage, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, chief = bare_scene, people["chief"]
    scene.expected_errors.append("unexpected error")
    break_reads(scene, monkeypatch)
    broken, mute = scene.site_named("colo").watch.alerts, AlertControls.mute
    send_test = AlertControls.send_test

    async def fail(alerts: AlertControls, target: str, seconds: float, by: str, by_id: int) -> Mute:
        if alerts is broken:
            raise KeyError("mutes")
        return await mute(alerts, target, seconds, by, by_id)

    async def fail_test(alerts: AlertControls) -> int:
        if alerts is broken:
            raise KeyError("messages")
        return await send_test(alerts)

    monkeypatch.setattr(AlertControls, "mute", fail)
    monkeypatch.setattr(AlertControls, "send_test", fail_test)
    text = (await scene.say(chief, "monitor mute", target=ALL, duration="1h")).text
    assert {each.target for each in scene.site_named("home").watch.alerts.mutes()} == {ALL}
    assert "All alerts of `home` muted" in text
    assert f"**colo** · {told(scene)}" in text
    text = (await scene.say(chief, "monitor test")).text
    assert "✅ **home** · Test alert sent" in text
    assert f"❌ **colo** · {told(scene)}" in text

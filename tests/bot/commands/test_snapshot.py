"""Test /snapshot create, list, rollback and delete."""

import re

import pytest

from core.errors import BotError
from core.guest import Kind
from core.guest_errors import (
    GuestLocked,
    GuestNotFound,
    MemoryNotSaved,
    SnapshotExists,
    SnapshotNotFound,
    SnapshotUnsupported,
    TemplateRefused,
)
from core.wanted_errors import BadSnapshotName
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage, post_of
from tests.support.walked import walked
from ui.formatting import title_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

BOTH = pytest.mark.parametrize("language", ["ja", "en"])


@BOTH
@pytest.mark.parametrize(("vmid", "memory"), [(101, True), (101, False), (104, False), (203, False)])
async def test_create_takes_a_snapshot(scene: Stage, pve: Pve, vmid: int, memory: bool) -> None:
    reply = await scene.say(
        scene.akiko,
        "snapshot create",
        vmid=vmid,
        name="before-x",
        description="更新の前 @everyone",
        with_memory=memory,
    )
    taken = pve.guest(vmid).snapshots["before-x"]
    assert bool(taken.get("vmstate")) is memory
    signed = "{description} (by {name} via Discord)"
    assert taken["description"].strip() == scene.t()(
        signed, description="更新の前 @everyone", name=f"Akiko ({scene.akiko.id})"
    )
    told = scene.t()(
        "Snapshot {snapshot} of {guest} was created.",
        snapshot="`before-x`",
        guest=title_of(vmid, pve.guest(vmid).name),
    )
    assert told in reply.text
    assert not reply.ephemeral


@walked(
    ("vmid", "options", "error"),
    [
        (101, {"name": "1st"}, BadSnapshotName("1st")),
        (101, {"name": "a"}, BadSnapshotName("a")),
        (101, {"name": "with space"}, BadSnapshotName("with space")),
        (101, {"name": "current"}, BadSnapshotName("current")),
        (101, {"name": "x" * 41}, BadSnapshotName("x" * 41)),
        (101, {"name": "../../stop"}, BadSnapshotName("../../stop")),
        (201, {"name": "vzdump"}, BadSnapshotName("vzdump")),
        (101, {"name": "nginx-ok"}, SnapshotExists(101, "web01", "nginx-ok")),
        (201, {"name": "good", "with_memory": True}, MemoryNotSaved(201, "dns", Kind.LXC)),
        (104, {"name": "good", "with_memory": True}, MemoryNotSaved(104, "palworld", Kind.QEMU)),
        (9000, {"name": "good"}, TemplateRefused(9000, "debian13-cloud", "snapshot_create")),
        (105, {"name": "good"}, GuestLocked(105, "valheim", "backup")),
        (999, {"name": "good"}, GuestNotFound(999)),
    ],
)
async def test_create_refuses(scene: Stage, vmid: int, options: dict[str, object], error: BotError) -> None:
    before = scene.cluster()
    for person in (scene.akiko, scene.emma):
        scene.assert_refused(await scene.say(person, "snapshot create", vmid=vmid, **options), person, error)
    assert scene.changes() == []
    assert scene.cluster() == before


async def test_create_where_the_storage_cannot(scene: Stage, pve: Pve) -> None:
    pve.ct(203).config["rootfs"] = "local:203/vm-203-disk-0.raw,size=8G"
    reply = await scene.say(scene.emma, "snapshot create", vmid=203, name="good")
    scene.assert_refused(reply, scene.emma, SnapshotUnsupported(203, "discord-bot"))
    assert scene.changes() == []


@BOTH
async def test_list_is_a_tree_without_current(scene: Stage) -> None:
    reply, t = await scene.say(scene.akiko, "snapshot list", vmid=103), scene.t()
    lines = reply.text.replace("\n-# ", " ").splitlines()  # name and time, and the rest below
    assert lines[1] == t.plural("{n} snapshot", "{n} snapshots", 4)
    heads = [line for line in lines[2:] if not line.startswith("-# ")]
    depth = {line.split("`")[1]: len(line) - len(line.lstrip("\u2003")) for line in heads}
    assert depth == {"clean-install": 0, "v1-21": 1, "mods-test": 2, "before-event": 2}
    assert list(depth) == ["clean-install", "v1-21", "mods-test", "before-event"]
    rows = {row.split("`")[1]: row for row in re.split(r"\n(?!-# )", "\n".join(lines[2:]))}
    assert "`インストール直後`" in rows["clean-install"]
    assert "<t:" in rows["clean-install"]
    assert [name for name, row in rows.items() if t("with RAM") in row] == ["mods-test"]


@BOTH
async def test_list_of_none(scene: Stage) -> None:
    text = (await scene.say(scene.akiko, "snapshot list", vmid=202)).text
    assert scene.t()("No snapshots. Create one with `/snapshot create`.") in text


async def test_list_of_an_unknown_guest(scene: Stage) -> None:
    reply = await scene.say(scene.akiko, "snapshot list", vmid=888)
    scene.assert_refused(reply, scene.akiko, GuestNotFound(888))


@BOTH
@pytest.mark.parametrize(
    ("vmid", "name", "memory"),
    [(103, "before-event", False), (101, "nginx-ok", True), (204, "weekly", False)],
)
async def test_rollback_asks_shows_the_losses_and_rolls_back(
    scene: Stage, pve: Pve, vmid: int, name: str, memory: bool
) -> None:
    t, guest, before = scene.t(), pve.guest(vmid), scene.cluster()
    question = await scene.say(scene.akiko, "snapshot rollback", vmid=vmid, name=name)
    assert t("The current state will be lost and the guest will be stopped.") in question.text
    assert f"`{name}`" in question.text
    assert title_of(vmid, guest.name) in question.text
    assert (t("with RAM") in question.text) is memory
    assert scene.cluster() == before
    await scene.press(scene.akiko, question, t("Roll back {name}", name=guest.name))
    assert guest.config["parent"] == name
    assert guest.status == ("running" if memory else "stopped")
    told = t("{guest} was rolled back to {snapshot}.", guest=title_of(vmid, guest.name), snapshot=f"`{name}`")
    assert told in question.text
    assert t("Current state of the guest: {state}", state=t(guest.status)) in question.text
    assert [b.label for b in post_of(question).buttons] == (
        [t("Details")] if memory else [t("Start"), t("Details")]
    )


@BOTH
@pytest.mark.parametrize(("vmid", "name"), [(101, "before-upgrade"), (204, "weekly")])
async def test_delete_asks_and_deletes(scene: Stage, pve: Pve, vmid: int, name: str) -> None:
    t, before = scene.t(), scene.cluster()
    question = await scene.say(scene.akiko, "snapshot delete", vmid=vmid, name=name)
    assert f"`{name}`" in question.text
    assert scene.cluster() == before
    await scene.press(scene.akiko, question, t("Delete {name}", name=name))
    assert name not in pve.guest(vmid).snapshots
    assert pve.guest(vmid).status == before[vmid]["status"]
    guest = title_of(vmid, pve.guest(vmid).name)
    assert (
        t("Snapshot {snapshot} of {guest} was deleted.", snapshot=f"`{name}`", guest=guest) in question.text
    )


@walked("command", ["snapshot rollback", "snapshot delete"])
@walked(
    ("vmid", "name", "error"),
    [
        (101, "nothing", SnapshotNotFound(101, "web01", "nothing")),
        (101, "current", BadSnapshotName("current")),
        (101, "../../status/stop", BadSnapshotName("../../status/stop")),
        (101, "nginx-ok?force=1", BadSnapshotName("nginx-ok?force=1")),
        (999, "nginx-ok", GuestNotFound(999)),
        (105, "nginx-ok", GuestLocked(105, "valheim", "backup")),
    ],
)
async def test_rollback_and_delete_refuse(
    scene: Stage, command: str, vmid: int, name: str, error: BotError
) -> None:
    for person in (scene.akiko, scene.emma):
        scene.assert_refused(await scene.say(person, command, vmid=vmid, name=name), person, error)
    assert scene.changes() == []


async def test_a_snapshot_replaced_under_the_same_name_is_another(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.emma, "snapshot rollback", vmid=101, name="nginx-ok")
    pve.vm(101).snapshots["nginx-ok"]["snaptime"] += 600
    reply = await scene.press(scene.emma, question, "Roll back web01")
    assert "has changed since it was shown" in reply.text
    assert scene.changes() == []


async def test_rollback_refused_by_the_storage_says_why(scene: Stage, pve: Pve) -> None:
    pve.next_task("qmrollback", vmid=103, ends="can't rollback, 'v1-21' is not most recent snapshot")
    question = await scene.say(scene.emma, "snapshot rollback", vmid=103, name="v1-21")
    await scene.press(scene.emma, question, "Roll back minecraft")
    assert "could not be rolled back" in question.text
    assert "This storage can only roll back to the newest snapshot." in question.text


async def test_names_complete_newest_first(scene: Stage) -> None:
    labels = await scene.choices(scene.emma, "snapshot rollback", "name", "", vmid=103)
    assert [label.split()[1] for label in labels] == ["before-event", "mods-test", "v1-21", "clean-install"]
    assert "インストール直後" in labels[-1]
    assert [
        x.split()[1] for x in await scene.choices(scene.emma, "snapshot delete", "name", "MODS", vmid=103)
    ] == ["mods-test"]
    assert await scene.choices(scene.emma, "snapshot delete", "name", "x") == [
        "⛔ Choose a guest (vmid) first."
    ]
    assert await scene.choices(scene.emma, "snapshot delete", "name", "", vmid=999) == [
        "⛔ No snapshots found: the guest has none, or it cannot be read right now."
    ]

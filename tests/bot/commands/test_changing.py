"""Test /create, /resize and /delete: their effects on the cluster and their refusals."""

import pytest

from core.errors import BotError
from core.guest import State
from core.guest_errors import (
    BalloonTooLarge,
    GuestLocked,
    GuestNotFound,
    GuestProtected,
    NotATemplate,
    NothingGiven,
    NothingToChange,
    TemplateRefused,
    VmidTaken,
    WrongState,
)
from core.wanted_errors import BadAmount, BadGuestName, BadVmid
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage, post_of
from tests.support.walked import walked
from ui.formatting import title_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

BOTH = pytest.mark.parametrize("language", ["ja", "en"])


# -- create


@BOTH
@pytest.mark.parametrize(("template", "name"), [(9000, "debian13-cloud"), (9100, "alpine-ct")])
async def test_create_clones_a_template(scene: Stage, pve: Pve, template: int, name: str) -> None:
    reply, t = await scene.say(scene.akiko, "create", template_id=template, name="web-02"), scene.t()
    made = pve.guest(100)
    assert made.name == "web-02"
    assert made.status == "stopped"
    assert made.node == "pve1"
    assert pve.linked == {100: template}
    assert t("{guest} was created.", guest=title_of(100, "web-02")) in reply.text
    told = t("Cloned from {template} on node {node}.", template=title_of(template, name), node="`pve1`")
    assert told in reply.text
    assert [(button.label, button.disabled) for button in post_of(reply).buttons] == [
        (t("Start"), False),
        (t("Details"), False),
    ]
    await scene.press(scene.emma, reply, t("Start"))
    assert pve.guest(100).status == "running"


async def test_create_goes_to_the_home_node_where_storage_is_shared(scene: Stage, pve: Pve) -> None:
    await scene.say(scene.emma, "create", template_id=9001, name="web-02", new_vmid=321)
    assert pve.vm(321).node == "pve1"


async def test_create_stays_on_the_templates_node_where_storage_is_local(scene: Stage, pve: Pve) -> None:
    pve.move_guest(9000, "pve3")
    reply = await scene.say(scene.emma, "create", template_id=9000, name="web-02", new_vmid=321)
    assert pve.vm(321).node == "pve3"
    assert "on node `pve3`" in reply.text


@pytest.mark.parametrize("template", [9000, 9100])
async def test_create_takes_another_id_when_somebody_was_faster(
    scene: Stage, pve: Pve, template: int
) -> None:
    pve.take_vmid_on_next_clone("intruder")
    reply = await scene.say(scene.emma, "create", template_id=template, name="web-02")
    assert pve.guest(100).name == "intruder"
    assert pve.guest(110).name == "web-02" if pve.guest(110) else False
    assert title_of(110, "web-02") in reply.text


async def test_create_takes_no_other_id_than_the_requested_one(scene: Stage, pve: Pve) -> None:
    pve.take_vmid_on_next_clone("intruder")
    reply = await scene.say(scene.akiko, "create", template_id=9000, name="web-02", new_vmid=321)
    scene.assert_refused(reply, scene.akiko, VmidTaken(321))
    assert pve.guest(321).name == "intruder"


@walked(
    ("options", "error"),
    [
        ({"template_id": 101, "name": "web-02"}, NotATemplate(101, "web01")),
        ({"template_id": 999, "name": "web-02"}, GuestNotFound(999)),
        ({"template_id": 9000, "name": "web 02"}, BadGuestName("web 02")),
        ({"template_id": 9000, "name": "web_02"}, BadGuestName("web_02")),
        ({"template_id": 9000, "name": "-web"}, BadGuestName("-web")),
        ({"template_id": 9000, "name": "ウェブ"}, BadGuestName("ウェブ")),
        ({"template_id": 9000, "name": "web-02", "new_vmid": 101}, VmidTaken(101)),
        ({"template_id": 9000, "name": "web-02", "new_vmid": 99}, BadVmid("99")),
        ({"template_id": -1, "name": "web-02"}, BadVmid("-1")),
    ],
)
async def test_create_refuses(scene: Stage, options: dict[str, object], error: BotError) -> None:
    before = scene.cluster()
    for person in (scene.akiko, scene.emma):
        scene.assert_refused(await scene.say(person, "create", **options), person, error)
    assert scene.cluster() == before
    assert scene.changes() == []


# -- resize


@BOTH
async def test_resize_of_a_running_vm_waits_for_a_restart_and_offers_it(scene: Stage, pve: Pve) -> None:
    reply, t = await scene.say(scene.akiko, "resize", vmid=101, cores=4, memory_mb=6144), scene.t()
    assert pve.vm(101).pending == {"cores": 4, "memory": "6144"}
    assert t("Cores: {before} → {after}", before=2, after=4) in reply.text
    assert t("Memory: {before} → {after}", before="4.0 GiB", after="6.0 GiB") in reply.text
    assert t("Takes effect after `/reboot` (rebooting inside the guest isn't enough).") in reply.text
    await scene.press(scene.akiko, reply, t("Reboot now"))
    assert str(pve.vm(101).config["memory"]) == "6144"
    assert pve.vm(101).config["cores"] == 4
    assert pve.vm(101).status == "running"
    assert not pve.vm(101).pending


async def test_a_resize_that_waits_can_be_taken_back(scene: Stage, pve: Pve) -> None:
    await scene.say(scene.emma, "resize", vmid=101, cores=4)
    assert pve.vm(101).pending == {"cores": 4}
    reply = await scene.say(scene.emma, "resize", vmid=101, cores=2)
    assert "The pending change was reverted." in reply.text
    assert not reply.ephemeral
    assert not pve.vm(101).pending
    assert pve.vm(101).config["cores"] == 2
    again = await scene.say(scene.emma, "resize", vmid=101, cores=2)
    scene.assert_refused(again, scene.emma, NothingToChange(101, "web01"))


@BOTH
async def test_resize_of_a_running_container_takes_effect_now(scene: Stage, pve: Pve) -> None:
    reply, t = await scene.say(scene.akiko, "resize", vmid=201, cores=3, memory_mb=768), scene.t()
    assert (pve.ct(201).config["cores"], pve.ct(201).config["memory"]) == (3, 768)
    assert t("Memory: {before} → {after}", before="512 MiB", after="768 MiB") in reply.text
    assert t("Already in effect.") in reply.text
    assert [button.label for button in post_of(reply).buttons] == [t("Details")]
    assert [method for method, _, _ in scene.changes()] == ["PUT"]


@BOTH
@pytest.mark.parametrize("vmid", [104, 205])
async def test_resize_of_a_stopped_guest_takes_effect_at_the_next_start(
    scene: Stage, pve: Pve, vmid: int
) -> None:
    reply = await scene.say(scene.akiko, "resize", vmid=vmid, cores=6)
    assert pve.guest(vmid).config["cores"] == 6
    assert scene.t()("Takes effect at the next start.") in reply.text
    assert [button.label for button in post_of(reply).buttons] == [scene.t()("Details")]


@walked(
    ("vmid", "options", "error"),
    [
        (101, {}, NothingGiven()),
        (101, {"cores": 2, "memory_mb": 4096}, NothingToChange(101, "web01")),
        (101, {"cores": 0}, BadAmount("cores", 0, 1, 8192)),
        (101, {"cores": 9000}, BadAmount("cores", 9000, 1, 8192)),
        (101, {"memory_mb": 15}, BadAmount("memory_mb", 15, 16, 4_178_944)),
        (101, {"memory_mb": -4096}, BadAmount("memory_mb", -4096, 16, 4_178_944)),
        (9000, {"cores": 3}, TemplateRefused(9000, "debian13-cloud", "resize")),
        (105, {"cores": 3}, GuestLocked(105, "valheim", "backup")),
        (999, {"cores": 3}, GuestNotFound(999)),
    ],
)
async def test_resize_refuses(scene: Stage, vmid: int, options: dict[str, object], error: BotError) -> None:
    before = scene.cluster()
    for person in (scene.akiko, scene.emma):
        scene.assert_refused(await scene.say(person, "resize", vmid=vmid, **options), person, error)
    assert scene.cluster() == before
    assert scene.changes() == []


async def test_resize_respects_the_ballooning_minimum(scene: Stage, pve: Pve) -> None:
    pve.vm(101).config["balloon"] = 2048
    reply = await scene.say(scene.emma, "resize", vmid=101, memory_mb=1024)
    scene.assert_refused(reply, scene.emma, BalloonTooLarge(101, "web01", 1024, 2048))
    assert scene.changes() == []


async def test_resize_does_not_overwrite_somebody_elses_change(scene: Stage) -> None:
    """The request carries the digest that was read with the old values.

    Proxmox refuses it if the file has changed since.
    """
    await scene.say(scene.emma, "resize", vmid=104, cores=2)
    assert all(parameters.get("digest") for _, _, parameters in scene.changes())


# -- delete


@BOTH
@pytest.mark.parametrize("vmid", [104, 205, 9000])
async def test_delete_shows_the_losses_asks_for_the_name_and_deletes(
    scene: Stage, pve: Pve, vmid: int
) -> None:
    guest, t, before = pve.guest(vmid), scene.t(), scene.cluster()
    question = await scene.say(scene.akiko, "delete", vmid=vmid)
    for fact in (
        title_of(vmid, guest.name),
        f"`{guest.node}`",
        f"vm-{vmid}-disk-0",
        "G",
        t("This cannot be undone."),
        t("No backups found"),
    ):
        assert fact.replace("vm-9000", "base-9000") in question.text
    assert scene.cluster() == before
    shown = await scene.press(scene.akiko, question, post_of(question).buttons[0].custom_id or "")
    assert shown.form is not None
    own = scene.t(scene.akiko)
    assert shown.form.fields[0].label == own("Enter the name of the guest")
    assert scene.cluster() == before
    await scene.submit(scene.akiko, shown, guest.name)
    assert pve.guest(vmid) is None
    assert t("{guest} was deleted.", guest=title_of(vmid, guest.name)) in question.text
    assert [(method, parameters.get("purge")) for method, _, parameters in scene.changes()] == [
        ("DELETE", "1")
    ]


async def test_delete_names_the_snapshots_that_are_lost(scene: Stage, pve: Pve) -> None:
    pve.crash(103)
    question = await scene.say(scene.emma, "delete", vmid=103)
    assert "4 snapshots" in question.text
    for name in ("clean-install", "v1-21", "mods-test", "before-event"):
        assert f"`{name}`" in question.text


@walked(
    ("vmid", "error"),
    [
        (101, WrongState(101, "web01", "delete", State.RUNNING)),
        (109, WrongState(109, "test-vm", "delete", State.PAUSED)),
        (203, WrongState(203, "discord-bot", "delete", State.RUNNING)),
        (102, GuestProtected(102, "db01")),
        (202, GuestProtected(202, "proxy")),
        (105, GuestLocked(105, "valheim", "backup")),
        (999, GuestNotFound(999)),
        (5, BadVmid("5")),
    ],
)
async def test_delete_refuses_in_plain_words(scene: Stage, vmid: int, error: BotError) -> None:
    for person in (scene.akiko, scene.emma):
        scene.assert_refused(await scene.say(person, "delete", vmid=vmid), person, error)
    assert scene.changes() == []


async def test_delete_of_a_template_in_use_says_why_it_failed(scene: Stage, pve: Pve) -> None:
    await scene.say(scene.emma, "create", template_id=9000, name="web-02")
    question = await scene.say(scene.emma, "delete", vmid=9000)
    shown = await scene.press(scene.emma, question, post_of(question).buttons[0].custom_id or "")
    await scene.submit(scene.emma, shown, "debian13-cloud")
    assert pve.guest(9000) is not None
    assert "could not be deleted" in question.text
    assert "Linked clones still use its disk. Delete them first." in question.text

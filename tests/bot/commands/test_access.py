"""Test /access: a private answer about what the reader may do here and why not, with nothing hidden revealed."""

import pytest

from core.access.policy import Actor, Place, is_owner
from core.errors import NotHere
from core.guest_errors import GuestNotFound
from core.levels import Reach
from core.operations import OPERATIONS, Operation
from core.wanted_errors import UnknownOperation
from playground.pve.server import Pve
from tests.support import stage
from tests.support.access_document import ENGLISH, told_access
from tests.support.scenes.people import Cast
from tests.support.stage import Stage
from ui.i18n import Text
from ui.messages.operations import operation_command

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language


@pytest.fixture
async def cast(bare_scene: Stage) -> Cast:
    made = Cast(bare_scene)
    await bare_scene.start_bot(**made.settings, PROTECTED_VM_IDS="103")
    return made


def split(text: str, t: Text = ENGLISH) -> tuple[set[str], set[str]]:
    """Return the commands that are shown as allowed, and the others."""
    told = told_access(text, t)
    good = {operation_command(t, each) for each, cell in told.items() if cell.allowed}
    return good, {operation_command(t, each) for each in told} - good


async def test_each_reads_their_own_alone(bare_scene: Stage, cast: Cast) -> None:
    scene = bare_scene
    for name, may, may_not in (
        ("viewer", "/list", "/start"),
        ("operator", "/start", "/stop"),
        ("admin", "/readonly on", ""),
        ("nobody", "/access", ""),
        ("game", "/delete", ""),
    ):
        reply = await scene.say(cast[name], "access")
        scene.assert_private(reply)
        good, bad = split(reply.text)
        assert not good & bad
        assert len(good | bad) == (1 if name == "nobody" else len(Operation)), reply.text
        assert may in good or not may, reply.text
        assert may_not in bad or not may_not, reply.text


async def test_every_answer_is_the_gates_own(bare_scene: Stage, cast: Cast) -> None:
    """Each answer about a guest matches the gate's own decision there."""
    scene = bare_scene
    for name in ("viewer", "operator", "admin"):
        good, bad = split((await scene.say(cast[name], "access", vmid=104)).text)
        assert len(good | bad) == sum(right.reach is Reach.GUEST for right in OPERATIONS.values())
        for command in ("/start", "/monitor remove"):
            reply = await scene.say(cast[name], command.removeprefix("/"), vmid=104)
            refused = "You need the “" in reply.text
            assert refused is (command in bad) is (command not in good)


async def test_access_names_the_missing_level(bare_scene: Stage, cast: Cast) -> None:
    scene = bare_scene
    text = (await scene.say(cast["operator"], "access", action="/stop", vmid=101)).text
    assert split(text) == (set(), {"/stop"})
    assert "You are an operator of this guest." in text
    assert "❌ **Needs the “admin” level**" in text
    assert "Need more? Ask an administrator of this server." in text
    assert f"<@&{cast.roles['operator'].id}>: operator" in text
    assert "/start" not in text
    text = (await scene.say(cast["operator"], "access", action="reboot", vmid=103)).text
    assert "The guest is protected: you need the “admin” level" in text
    text = (await scene.say(cast["nobody"], "access")).text
    assert "None of your roles has permissions here." in text
    text = (await scene.say(cast["game"], "access")).text
    assert "admin · only `tag:game`" in text
    await scene.say(cast["admin"], "readonly on")
    text = (await scene.say(cast["admin"], "access", action="start")).text
    assert split(text) == (set(), {"/start"})
    assert "Read-only mode was turned on" in text


async def test_hidden_guests_stay_hidden(bare_scene: Stage, cast: Cast) -> None:
    scene = bare_scene
    for name in ("game", "nobody"):
        scene.assert_refused(await scene.say(cast[name], "access", vmid=101), cast[name], GuestNotFound(101))
        scene.assert_refused(await scene.say(cast[name], "access", vmid=999), cast[name], GuestNotFound(999))
    assert "minecraft" in (await scene.say(cast["game"], "access", vmid=103)).text
    assert len(await scene.choices(cast["game"], "access", "vmid")) == 3
    assert await scene.choices(cast["nobody"], "access", "vmid") == ["⛔ You cannot do this with any guest."]


async def test_the_owner_reads_why(bare_scene: Stage, cast: Cast, pve: Pve) -> None:
    scene, owner = bare_scene, cast["nobody"]
    pve.guest(104).config["tags"] = f"owner-{owner.id}"
    await scene.poll()
    guest = scene.site.cluster_cache.find(104)
    assert guest is not None
    assert is_owner(Actor(owner.id, "x", Place(None, None)), guest)
    text = (await scene.say(owner, "access", vmid=104)).text
    assert "As its owner you are an operator of this guest." in text
    good, bad = split(text)
    assert "/start" in good
    assert "/stop" in bad


@pytest.mark.parametrize("typed", ["/snapshot rollback", "snapshot_rollback", " SNAPSHOT  rollback "])
async def test_an_action_in_any_writing(bare_scene: Stage, cast: Cast, typed: str) -> None:
    text = (await bare_scene.say(cast["viewer"], "access", action=typed)).text
    assert split(text) == (set(), {"/snapshot rollback"})


async def test_access_refuses_unknown_actions(bare_scene: Stage, cast: Cast) -> None:
    scene = bare_scene
    reply = await scene.say(cast["admin"], "access", action="`@everyone`")
    scene.assert_refused(reply, cast["admin"], UnknownOperation("`@everyone`"))
    offered = await scene.choices(cast["admin"], "access", "action", "snap")
    assert len(offered) == 4
    assert all("snapshot" in label for label in offered)


async def test_outside_of_the_category_it_says_only_that(bare_scene: Stage, cast: Cast) -> None:
    scene = bare_scene
    reply = await scene.say(cast["admin"], "access", channel=scene.outside)
    scene.assert_refused(reply, cast["admin"], NotHere())


@pytest.mark.parametrize("language", ["ja"])
async def test_without_roles_everybody_reads_a_warning(scene: Stage) -> None:
    text = (await scene.say(scene.akiko, "access")).text
    assert "ロールが設定されていないため、このカテゴリの全員が管理者です。" in text
    good, bad = split(text, scene.t())
    assert bad == set()
    assert len(good) == len(Operation)


async def test_actions_that_a_guest_can_never_do_are_not_promised(bare_scene: Stage, cast: Cast) -> None:
    """Proxmox itself refuses to delete 102, and only templates are cloned."""
    good, bad = split((await bare_scene.say(cast["admin"], "access", vmid=102)).text)
    assert {"/delete", "/create"} <= bad
    assert {"/stop", "/reboot"} <= good
    good, bad = split((await bare_scene.say(cast["admin"], "access", vmid=9000)).text)
    assert "/create" in good
    assert {"/start", "/stop"} <= bad

"""Test each way in which Proxmox or the way to it refuses: one private sentence, and any changes made so far."""

import pytest

from core.errors import BotError
from core.guest_errors import GuestLocked, GuestNotFound, VmidTaken
from core.proxmox_errors import (
    BadAnswer,
    CertificateNotTrusted,
    LockTimeout,
    MissingPrivilege,
    NodeUnreachable,
    NoQuorum,
    NothingVisible,
    Rejected,
    StorageFull,
    TimedOut,
    TokenRefused,
    Unreachable,
)
from playground.discord.people import Person
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage, post_of
from tests.support.walked import walked

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

BOTH = pytest.mark.parametrize("language", ["ja", "en"])
START = "/nodes/pve2/qemu/104/status/start"


def everyone(scene: Stage) -> tuple[Person, Person]:
    return scene.akiko, scene.emma


@walked(
    ("status", "words", "error"),
    [
        (
            403,
            "Permission check failed (/vms/104, VM.PowerMgmt)",
            MissingPrivilege("VM.PowerMgmt", "/vms/104"),
        ),
        (500, "cluster not ready - no quorum?", NoQuorum()),
        (500, "VM is locked (migrate)", GuestLocked(104, "palworld", "migrate")),
        (500, "can't lock file '/var/lock/qemu-server/lock-104.conf' - got timeout", LockTimeout(104)),
        (595, "No route to host", NodeUnreachable("pve2")),
        (596, "Connection timed out", NodeUnreachable("pve2", changing=True)),
        (599, "Too many redirections", NodeUnreachable("pve2", changing=True)),
        (500, "No space left on device", StorageFull("No space left on device")),
        (500, "something nobody has met", Rejected(500, "something nobody has met")),
    ],
)
async def test_a_change_proxmox_refuses(
    scene: Stage, pve: Pve, status: int, words: str, error: BotError
) -> None:
    # the result of an unknown start is told later, and its message may be gone
    scene.expected_statuses.add(404)
    before, sent = scene.cluster(), len(scene.changes())
    pve.fail("POST", START, status, words)
    for person in everyone(scene):
        reply = await scene.say(person, "start", vmid=104)
        scene.assert_refused(reply, person, error)
    assert scene.cluster() == before
    assert [path for _, path, _ in scene.changes()[sent:]] == [START] * 2, "a POST is never blindly repeated"
    pve.failures.clear()


async def test_a_missing_privilege_is_named(scene: Stage, pve: Pve) -> None:
    pve.deny("VM.Snapshot")
    reply = await scene.say(scene.akiko, "snapshot create", vmid=101, name="good")
    scene.assert_refused(reply, scene.akiko, MissingPrivilege("VM.Snapshot", "/vms/101"))
    assert "VM.Snapshot" in reply.text
    assert "/vms/101" in reply.text


async def test_a_refused_token(scene: Stage, pve: Pve) -> None:
    before = scene.cluster()
    pve.apitokens.clear()
    scene.clock.skip(11)
    for command, options in (("list", {}), ("info", {"vmid": 101}), ("start", {"vmid": 104})):
        for person in everyone(scene):
            scene.assert_refused(await scene.say(person, command, **options), person, TokenRefused())
    assert scene.cluster() == before


async def test_no_quorum(scene: Stage, pve: Pve) -> None:
    pve.lose_quorum()
    for command, options in (
        ("start", {"vmid": 104}),
        ("create", {"template_id": 9000, "name": "web-02"}),
        ("resize", {"vmid": 201, "cores": 2}),
        ("snapshot create", {"vmid": 203, "name": "good"}),
    ):
        scene.assert_refused(await scene.say(scene.akiko, command, **options), scene.akiko, NoQuorum())


async def test_a_certificate_that_is_not_trusted_shows_the_fingerprint(bare_scene: Stage, pve: Pve) -> None:
    await bare_scene.start_bot(PROXMOX_VERIFY_SSL="True")
    for person in everyone(bare_scene):
        reply = await bare_scene.say(person, "list")
        bare_scene.assert_refused(reply, person, CertificateNotTrusted(pve.host, pve.fingerprint))
        assert pve.fingerprint in reply.text
    assert pve.requests == []
    await bare_scene.stop_bot()
    await bare_scene.start_bot(PROXMOX_VERIFY_SSL="True", PROXMOX_FINGERPRINT=pve.fingerprint)
    assert "17 guests" in (await bare_scene.say(bare_scene.emma, "list")).text


async def test_proxmox_that_is_down(bare_scene: Stage, pve: Pve) -> None:
    await bare_scene.start_bot()
    pve.close()
    bare_scene.clock.skip(11)
    for person in everyone(bare_scene):
        for command, options in (("list", {}), ("info", {"vmid": 101}), ("start", {"vmid": 104})):
            reply = await bare_scene.say(person, command, **options)
            bare_scene.assert_refused(reply, person, Unreachable(pve.host))


async def test_a_page_instead_of_json(scene: Stage, pve: Pve) -> None:
    """Trap T7: proxmoxer accepts a proxy's page as an answer."""
    before = scene.cluster()
    scene.clock.skip(11)
    pve.html_instead_of_json(1)
    scene.assert_refused(await scene.say(scene.akiko, "list"), scene.akiko, BadAnswer(pve.host))
    assert scene.cluster() == before


async def test_a_time_out_says_that_the_work_may_go_on(
    scene: Stage, pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.proxmox.transport.http.CHANGE_SECONDS", 0.3)
    pve.hang(START, 1.0, times=1)
    reply = await scene.say(scene.akiko, "start", vmid=104)
    scene.assert_refused(reply, scene.akiko, TimedOut(pve.host, changing=True))
    assert [path for _, path, _ in scene.changes()] == [START]


async def test_a_time_out_of_work_that_began_is_followed(
    scene: Stage, pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the answer was late. The node's task list shows the bot's own task, which is followed to its end."""
    monkeypatch.setattr("adapters.proxmox.transport.http.CHANGE_SECONDS", 0.3)
    pve.hang(START, 1.0, times=1, acts=True)
    reply = await scene.say(scene.emma, "start", vmid=104)
    assert "was started" in reply.text
    assert [path for _, path, _ in scene.changes()] == [START]


async def test_a_guest_that_moved_is_found_again(scene: Stage, pve: Pve) -> None:
    pve.move_guest(101, "pve3")
    reply = await scene.say(scene.emma, "info", vmid=101)
    assert "`pve3`" in reply.text
    pve.move_guest(104, "pve1")
    assert "was started" in (await scene.say(scene.emma, "start", vmid=104)).text
    assert [path for _, path, _ in scene.changes()] == ["/nodes/pve1/qemu/104/status/start"]


async def test_a_guest_that_moves_all_the_time_is_looked_for_once_only(scene: Stage, pve: Pve) -> None:
    words = "Configuration file 'nodes/pve2/qemu-server/104.conf' does not exist"
    pve.fail("GET", "/qemu/104/status/current", 500, words)
    reply = await scene.say(scene.emma, "start", vmid=104)
    scene.assert_refused(reply, scene.emma, GuestNotFound(104))
    assert len(scene.sent("GET", "/qemu/104/status/current")) <= 2


@BOTH
@pytest.mark.parametrize("template", [9000, 9100])
async def test_full_storage(scene: Stage, pve: Pve, template: int) -> None:
    pve.full_storage("local-lvm")
    kind = "qmclone" if template == 9000 else "vzclone"
    pve.next_task(kind, ends="lvcreate error: No space left on device")
    reply = await scene.say(scene.akiko, "create", template_id=template, name="web-02")
    assert "No space left on device" in reply.text
    assert scene.t()("The storage seems to be full.") in reply.text
    assert pve.guest(100) is None


async def test_a_vmid_taken_by_a_guest_the_token_cannot_see(scene: Stage, pve: Pve) -> None:
    pve.deny("VM.Audit", "/vms/104")
    scene.clock.skip(11)
    reply = await scene.say(scene.akiko, "create", template_id=9000, name="web-02", new_vmid=104)
    scene.assert_refused(reply, scene.akiko, VmidTaken(104))
    assert pve.guest(104).name == "palworld"


async def test_a_node_that_is_down(scene: Stage, pve: Pve) -> None:
    pve.node_offline("pve3")
    scene.clock.skip(11)
    reply = await scene.say(scene.emma, "start", vmid=205)
    scene.assert_refused(reply, scene.emma, NodeUnreachable("pve3"))
    text = (await scene.say(scene.emma, "list", node="pve3")).text
    assert text.count("unknown") == 6
    assert "running" not in text, "a dead node's guests are not running"


@BOTH
async def test_a_token_that_sees_no_guest(scene: Stage, pve: Pve) -> None:
    await scene.say(scene.akiko, "monitor add", vmid=101)
    pve.deny("VM.Audit")
    scene.clock.skip(11)
    assert "`VM.Audit`" in (await scene.say(scene.akiko, "list")).text
    await scene.site.watch.poll()
    text = (await scene.say(scene.akiko, "monitor list")).text
    assert (
        scene.told(scene.emma, NothingVisible()) in text or scene.told(scene.akiko, NothingVisible()) in text
    )


async def test_an_unexpected_error_is_an_id_to_look_up(scene: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error itself is not shown. The log has it under the same ID."""
    scene.expected_errors.append("unexpected error")

    def broken(*_: object) -> None:
        raise KeyError("secret-of-the-house")

    monkeypatch.setattr("adapters.proxmox.client_reads.parse_status", broken)
    for person in everyone(scene):
        reply = await scene.say(person, "info", vmid=101)
        error_id = reply.text.split("`")[1]
        assert reply.text == scene.t(person)(
            "Something went wrong. Look for {error_id} in the bot's log.", error_id=f"`{error_id}`"
        )
        assert post_of(reply).ephemeral
        assert "secret" not in reply.text
        assert any(error_id in line and "secret-of-the-house" in line for line in scene.logged)

"""Test random wrong inputs to all commands: each gets a clear private refusal and changes nothing.

None is an unexpected error with an ID.
"""

import random
from typing import Any

import pytest

from tests.support import stage
from tests.support.stage import Stage, post_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

LARGEST = 2**53 - 1
NAMES = [
    "", " ", ".", "..", "../..", "a/b", "%2e%2e", "current", "Pending", "1st", "-x", "x-", "ü", "名前", "a b",
    "a\nb", "a\x00b", "`x`", "@everyone", "<@&1>", "'; DROP", "$(id)", "x" * 64, "x" * 300, "\u202eevil",
]  # fmt: skip
ABSENT = [100, 110, 200, 206, 8999, 9002, 123456, 999_999_999]
WRONG_VMIDS = [*ABSENT, 0, 1, 99, -1, -101, 1_000_000_000, LARGEST, -LARGEST]


def wrong(random_: random.Random) -> tuple[str, dict[str, Any]]:
    """Return a command that cannot be carried out, whatever the demo cluster contains."""
    vmid, name = random_.choice(WRONG_VMIDS), random_.choice(NAMES[1:])
    amount = random_.choice([0, -1, -LARGEST, 5_000_000, LARGEST])
    commands: list[tuple[str, dict[str, Any]]] = [
        ("info", {"vmid": vmid}),
        ("start", {"vmid": random_.choice([vmid, 101, 9000, 109])}),
        ("reboot", {"vmid": random_.choice([vmid, 104, 9100])}),
        ("shutdown", {"vmid": random_.choice([vmid, 205, 9001])}),
        ("stop", {"vmid": random_.choice([vmid, 104, 205, 105])}),
        ("delete", {"vmid": random_.choice([vmid, 101, 102, 105, 201])}),
        ("create", {"template_id": random_.choice([vmid, 101]), "name": "web-02"}),
        (
            "create",
            {"template_id": 9000, "name": random_.choice([" ", "a b", "-x", "ü", "a/b", "x" * 300])},
        ),
        (
            "create",
            {"template_id": 9000, "name": "good", "new_vmid": random_.choice([0, -1, 99, 101, LARGEST])},
        ),
        ("resize", {"vmid": random_.choice([vmid, 9000, 105]), "cores": 2}),
        ("resize", {"vmid": 101, "cores": amount}),
        ("resize", {"vmid": 201, "memory_mb": amount}),
        ("resize", {"vmid": 104}),
        ("snapshot create", {"vmid": 101, "name": random_.choice([n for n in NAMES[1:] if n != "x-"])}),
        ("snapshot create", {"vmid": vmid, "name": "good"}),
        ("snapshot create", {"vmid": 201, "name": "good", "with_memory": True}),
        ("snapshot list", {"vmid": vmid}),
        ("snapshot rollback", {"vmid": random_.choice([vmid, 101]), "name": name}),
        ("snapshot delete", {"vmid": random_.choice([vmid, 103]), "name": name}),
        ("monitor add", {"vmid": random_.choice([vmid, 9000, 9100])}),
        ("monitor remove", {"vmid": random_.choice([vmid, 101])}),
    ]
    return random_.choice(commands)


NEXT_STEPS = {
    "Details",
    "詳細",
    "Snapshots",
    "スナップショット",
    "Start",
    "開始",
    "Shutdown",
    "シャットダウン",
}
"""Labels of the buttons that a refusal here may have."""


@pytest.mark.parametrize("seed", range(2))
async def test_each_is_refused_in_private_and_nothing_changes(scene: Stage, seed: int) -> None:
    random_ = random.Random(seed)  # noqa: S311  # not a secret
    before = scene.cluster()
    for _ in range(40):
        command, options = wrong(random_)
        person = random_.choice([scene.akiko, scene.emma])
        reply = await scene.say(person, command, **options)
        what = f"/{command} {options}: {reply.text!r}"
        assert reply.text, what
        assert post_of(reply).ephemeral, what
        assert {button.label for button in post_of(reply).buttons} <= NEXT_STEPS, what
        assert len(reply.text) < 500, what
        assert (any(ord(char) > 0x3000 for char in reply.text)) is (
            person is scene.akiko
        ) or "`" in reply.text
    assert scene.cluster() == before
    assert scene.changes() == []
    assert scene.logged == []
    assert scene.server.messages(scene.channel) == []


@pytest.mark.parametrize("seed", range(2))
async def test_any_typed_text_completes_or_not(scene: Stage, seed: int) -> None:
    random_ = random.Random(seed)  # noqa: S311  # not a secret
    options = [("info", "vmid"), ("start", "vmid"), ("create", "template_id"), ("list", "node")]
    for _ in range(20):
        command, option = random_.choice(options)
        typed = random_.choice(NAMES)
        assert len(await scene.choices(scene.emma, command, option, typed)) <= 25
        vmid = random_.choice([*WRONG_VMIDS, 103])
        await scene.choices(scene.emma, "snapshot rollback", "name", typed, vmid=vmid)
    assert scene.logged == []

"""Test the guest's fingerprint in buttons: SHA-256 in new messages, CRC32 in messages of earlier versions."""

import zlib
from dataclasses import replace

import pytest

from core.errors import ChangedMeanwhile
from core.guest import Guest, Kind, State
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage, post_of
from ui.interaction.custom_ids import GUEST

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

WEB = Guest(101, Kind.QEMU, "pve1", State.RUNNING, "web01")


def old_mark(guest: Guest) -> str:
    return f"{zlib.crc32(f'{guest.kind.value} {guest.name}'.encode()):08x}"


def same_crc(wanted: int, head: str) -> str:
    """Find a DNS name that begins with `head` and has this CRC32 as a VM's name. Anybody can do this."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    start = zlib.crc32(f"qemu {head}".encode())
    halves: dict[int, str] = {}
    crc_table = _crc_table()
    back = {entry >> 24: byte for byte, entry in enumerate(crc_table)}
    for a in letters:  # forwards from the head, four letters
        one = zlib.crc32(a.encode(), start)
        for b in letters:
            two = zlib.crc32(b.encode(), one)
            for c in letters:
                three = zlib.crc32(c.encode(), two)
                for d in letters:
                    halves[zlib.crc32(d.encode(), three)] = a + b + c + d

    def undo(crc: int, byte: int) -> int:
        """Return the CRC before this byte."""
        crc ^= 0xFFFFFFFF
        index = back[crc >> 24]
        return ((((crc ^ crc_table[index]) << 8) | (index ^ byte)) & 0xFFFFFFFF) ^ 0xFFFFFFFF

    for a in letters:
        one = undo(wanted, ord(a))
        for b in letters:
            two = undo(one, ord(b))
            for c in letters:
                three = undo(two, ord(c))
                for d in letters:
                    if (found := halves.get(undo(three, ord(d)))) is not None:
                        return f"{head}{found}{d}{c}{b}{a}"
    raise LookupError(head)


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xEDB88320 if crc & 1 else 0)
        table.append(crc)
    return table


def test_a_fingerprint_has_128_bits_and_an_old_one_is_known_by_its_length() -> None:
    assert len(WEB.fingerprint) == 32
    assert WEB.has_fingerprint(WEB.fingerprint)
    assert WEB.has_fingerprint(old_mark(WEB))
    for other in (replace(WEB, name="web02"), replace(WEB, kind=Kind.LXC), replace(WEB, name=None)):
        assert not other.has_fingerprint(WEB.fingerprint)
        assert not other.has_fingerprint(old_mark(WEB))
    assert not WEB.has_fingerprint("")
    assert not WEB.has_fingerprint(WEB.fingerprint[:8])
    assert not WEB.has_fingerprint(WEB.fingerprint[:16])
    for fingerprint in (WEB.fingerprint, old_mark(WEB)):
        assert GUEST.fullmatch(f"g1:shutdown:999999999:{fingerprint}")
    assert len(f"g1:shutdown:999999999:{WEB.fingerprint}") <= 100
    for fingerprint in (
        WEB.fingerprint[:31],
        WEB.fingerprint + "0",
        WEB.fingerprint[:16],
        WEB.fingerprint.upper(),
    ):
        assert fingerprint.isdecimal() or not GUEST.fullmatch(f"g1:start:101:{fingerprint}")


async def test_a_crafted_name_does_not_fit_a_panel(scene: Stage, pve: Pve) -> None:
    """Somebody deletes 101 and creates a guest with that VMID whose name has the same CRC32."""
    panel = await scene.say(scene.emma, "info", vmid=101)
    crafted = same_crc(zlib.crc32(b"qemu web01"), "x-")
    assert zlib.crc32(f"qemu {crafted}".encode()) == zlib.crc32(b"qemu web01")
    pve.vms.remove(pve.vm(101))
    pve.add_vm(101, crafted, node="pve1", status="running")
    reply = await scene.press(scene.emma, panel, "Shutdown")
    scene.assert_refused(reply, scene.emma, ChangedMeanwhile(101))
    assert scene.changes() == []


@pytest.mark.parametrize("operation", ["reboot", "shutdown"])
async def test_an_old_messages_button_still_works(scene: Stage, pve: Pve, operation: str) -> None:
    panel = await scene.say(scene.emma, "info", vmid=101)
    reply = await scene.press(
        scene.emma, post_of(panel), f"g1:{operation}:101:{zlib.crc32(b'qemu web01'):08x}", force=True
    )
    assert "was " in reply.text
    assert len(scene.changes()) == 1
    pve.vm(101).name = pve.vm(101).config["name"] = "other"
    scene.clock.skip(61)
    again = await scene.press(
        scene.emma, post_of(panel), f"g1:{operation}:101:{zlib.crc32(b'qemu web01'):08x}", force=True
    )
    assert "has changed since it was shown" in again.text
    assert len(scene.changes()) == 1

"""Test what the running bot shows at METRICS_LISTEN, and what one command leaves in a log of JSON."""

import asyncio
import io
import json
import logging
import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.logging_setup import JsonFormatter, escape_line
from core.audit.store import AuditFilter
from core.proxmox_errors import NodeUnreachable
from playground.pve.server import Pve
from startup.operating.pages import FRESH_SECONDS
from tests.support import stage
from tests.support.stage import Stage
from tests.support.walked import walked

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language


def free_port() -> int:
    with socket.socket() as trying:
        trying.bind(("127.0.0.1", 0))
        return int(trying.getsockname()[1])


async def ask(port: int, path: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split(" ")[1]), body


def samples(page: str) -> dict[str, float]:
    """Return the values by name and labels."""
    return {
        " ".join(
            (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items())))
        ): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


async def test_health_figures_and_the_log_of_a_command(bare_scene: Stage) -> None:
    scene, port, log = bare_scene, free_port(), io.StringIO()
    await scene.start_bot(METRICS_LISTEN=f"127.0.0.1:{port}", MONITOR_VM_IDS="101")
    handler = logging.StreamHandler(log)
    handler.setFormatter(JsonFormatter(["Emma"]))
    audit = logging.getLogger("audit")
    before = audit.level
    audit.addHandler(handler)
    audit.setLevel(logging.INFO)
    try:
        await scene.say(scene.emma, "reboot", vmid=101)
        await scene.say(scene.emma, "info", vmid=999)
    finally:
        audit.removeHandler(handler)
        audit.setLevel(before)

    assert await ask(port, "/healthz") == (200, '{"healthy": true, "ailments": []}\n')
    status, page = await ask(port, "/metrics")
    found = samples(page)
    assert status == 200
    assert found["proxmox_bot_healthy"] == found["proxmox_bot_discord_connected"] == 1
    assert found["proxmox_bot_watched_guests site="] == 1
    assert found["proxmox_bot_command_seconds_count command=reboot"] == 1
    assert found["proxmox_bot_requests_total outcome=ok site="] > 5
    assert found["proxmox_bot_refusals_total error=GuestNotFound"] == 1
    assert found["proxmox_bot_request_seconds_count lane=changes site="] >= 1
    assert "web01" not in page, "no guest is named"

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    rebooting = [line for line in lines if ": reboot by" in line["message"]]
    (number,) = {line["interaction"] for line in rebooting}
    assert all(f"interaction={number}" in line["message"] for line in rebooting)
    trail, _ = await scene.services.audit_store.audit_page(AuditFilter(operation="reboot"), 0, 9)
    assert [(each.record.interaction_id, bool(each.record.upid)) for each in trail] == [(int(number), True)]
    assert any("UPID:" in line["message"] for line in rebooting)
    assert not any("Emma" in line["message"] for line in lines)

    scene.clock.skip(3 * scene.services.poll_seconds + 1)
    status, health = await ask(port, "/healthz")
    assert (status, json.loads(health)["ailments"]) == (503, ["read"])


async def test_unexpected_errors_that_people_are_told_count(
    bare_scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a command and of a press alike."""
    scene, port = bare_scene, free_port()
    await scene.start_bot(METRICS_LISTEN=f"127.0.0.1:{port}")
    scene.expected_errors.append("unexpected error")
    panel = await scene.say(scene.emma, "info", vmid=101)

    def broken(*_: object, **__: object) -> None:
        raise KeyError("no such word")

    monkeypatch.setattr("adapters.proxmox.client_reads.parse_status", broken)
    scene.clock.skip(11)
    await scene.say(scene.emma, "info", vmid=101)
    monkeypatch.setattr("ui.guests.presses.Reply", broken)
    await scene.press(scene.emma, panel, "Refresh")
    _, page = await ask(port, "/metrics")
    assert samples(page)["proxmox_bot_refusals_total error=KeyError"] == 2


async def test_an_actions_error_counts_once_wherever_it_is_shown(bare_scene: Stage, pve: Pve) -> None:
    """The steps are an error as a command's answer, as a panel's note, and as a refusal beside a panel."""
    scene, port = bare_scene, free_port()
    await scene.start_bot(METRICS_LISTEN=f"127.0.0.1:{port}")
    panel = await scene.say(scene.emma, "info", vmid=104)

    async def count() -> float:
        scene.clock.skip(FRESH_SECONDS)  # or the page before is shown again
        _, page = await ask(port, "/metrics")
        return samples(page).get("proxmox_bot_refusals_total error=NodeUnreachable", 0)

    pve.fail("POST", "/status/start", 596, "Connection timed out")
    await scene.say(scene.emma, "start", vmid=104)
    assert await count() == 1
    shown = await scene.press(scene.emma, panel, "Start")
    assert scene.told(scene.emma, NodeUnreachable("pve2", changing=True)) in panel.text
    assert shown.followups == []
    assert await count() == 2
    pve.fail("GET", "/status/current", 595, "No route to host")
    shown = await scene.press(scene.emma, panel, "Start")
    assert scene.told(scene.emma, NodeUnreachable("pve2")) in shown.text
    assert await count() == 3


async def test_nothing_listens_unless_it_is_asked_for(bare_scene: Stage) -> None:
    await bare_scene.start_bot()
    assert bare_scene._bot is not None
    assert bare_scene._bot._operating._endpoint is None


@walked("forged", ['止まった\n{"level": "INFO"}', "\ud83d", "\u2028\x1b[2J", 'a"b\\'])
def test_a_line_of_json_cannot_be_forged(forged: str) -> None:
    record = logging.LogRecord("bot", logging.INFO, __file__, 1, "%s s3cret", (forged,), None)
    line = JsonFormatter(["s3cret"]).format(record)
    assert escape_line(line) == line
    line.encode()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["message"] == f"{forged} ***"

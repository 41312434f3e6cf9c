"""Test odd figures: the host's view of a VM's memory, and a shared storage that each node reports differently."""

import pytest

from adapters.proxmox.parse import parse_status
from adapters.proxmox.resources import parse_cluster
from core.guest import Guest, Kind, State
from core.watch.incidents.model import Metric
from core.watch.incidents.thresholds import usage_percent
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage
from tests.support.walked import walked

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

GIB = 1024**3
ROW = {"type": "qemu", "vmid": 101, "node": "pve1", "status": "running", "maxmem": 16 * GIB}
OVER = 17_231_028_224


@walked(
    ("figures", "percent"),
    [
        ({"mem": OVER, "memhost": OVER}, None),
        ({"mem": 8 * GIB, "memhost": 8 * GIB}, None),  # without balloon data it need not be full
        ({"mem": str(OVER), "memhost": OVER}, None),
        ({"mem": OVER, "memhost": OVER + 1}, None),  # no guest uses more than it has
        ({"mem": OVER}, None),
        ({"mem": OVER, "type": "lxc"}, None),
        ({"mem": 8 * GIB, "memhost": OVER}, 50.0),  # the guest's own figure; the host holds more
        ({"mem": 16 * GIB, "memhost": OVER}, 100.0),
        ({"mem": 8 * GIB}, 50.0),  # Proxmox 8
        ({"mem": 16 * GIB}, 100.0),
        ({"mem": 8 * GIB, "memhost": 8 * GIB, "type": "lxc"}, 50.0),  # a container's own figure
        ({"mem": 0, "memhost": 0}, 0.0),
        ({"mem": 0}, 0.0),
    ],
)
def test_memory_as_the_guest_reports_it(figures: dict[str, object], percent: float | None) -> None:
    (guest,) = parse_cluster([ROW | figures], 0.0).guests
    again = parse_status(guest, {**ROW, **figures, "cpus": 2})
    for seen in (guest, again):
        assert usage_percent(seen, Metric.MEMORY) == percent
        assert seen.memory_seen_by_host is (percent is None)


async def test_the_hosts_view_is_shown_and_raises_no_alert(scene: Stage, pve: Pve) -> None:
    pve.lose_balloon(101)
    added = await scene.say(scene.emma, "monitor add", vmid=101, memory=50)
    assert "check its balloon driver" in added.text
    await scene.poll(6)
    await scene.delivered()
    assert scene.alerts_told() == []
    info = await scene.say(scene.emma, "info", vmid=101)
    figures, advice, *_ = info.text[info.text.index("**Memory**") :].splitlines()
    assert figures == "**Memory** 4.0 / 4.0 GiB (host view)", "a full bar would alarm for nothing"
    assert "check its balloon driver" in advice
    assert "(host view)" in (await scene.say(scene.emma, "list")).text
    assert "memory is not measured" in (await scene.say(scene.emma, "monitor list")).text

    pve.lose_balloon(101, back=True)
    pve.set_use(101, memory=0.9)
    changed = await scene.say(scene.emma, "monitor add", vmid=101, memory=60)
    assert "balloon" not in changed.text
    await scene.poll(3)
    await scene.delivered()
    assert len(scene.alerts_told()) == 1
    assert "90%" in scene.alerts_told()[0]


async def test_proxmox_8_has_no_host_view_and_goes_on_as_before(scene: Stage, pve: Pve) -> None:
    pve.version = "8.4.5"
    pve.set_use(101, memory=0.9)
    await scene.say(scene.emma, "monitor add", vmid=101, memory=50)
    await scene.poll(3)
    await scene.delivered()
    assert ["90%" in text for text in scene.alerts_told()] == [True]


async def test_an_open_alarm_ends_when_the_guest_reports_no_longer(scene: Stage, pve: Pve) -> None:
    pve.set_use(101, memory=0.9)
    await scene.say(scene.emma, "monitor add", vmid=101, memory=50)
    await scene.poll(3)
    await scene.delivered()
    pve.lose_balloon(101)
    await scene.poll(2)  # the figure may be missing for a moment, as after a migration
    pve.lose_balloon(101, back=True)
    await scene.poll(1)
    pve.lose_balloon(101)
    await scene.poll(2)
    await scene.delivered()
    assert len(scene.alerts_told()) == 1
    assert "is no longer checked against" not in scene.alerts_told()[0]
    await scene.poll(1)
    await scene.delivered()
    (alert,) = scene.alerts_told()
    assert "is no longer checked against" in alert
    await scene.poll(6)
    await scene.delivered()
    assert len(scene.alerts_told()) == 1
    assert scene.site.watch.state.open == {}


def test_a_stopped_guest_has_no_view_at_all() -> None:
    (guest,) = parse_cluster([ROW | {"status": "stopped", "mem": 0, "memhost": 0}], 0.0).guests
    assert guest == Guest(101, Kind.QEMU, "pve1", State.STOPPED, memory=0, memory_total=16 * GIB)


# -- a shared storage is measured by the fullest report with figures


@pytest.fixture
def shared(pve: Pve) -> str:
    return next(str(name) for name, store in pve.storages.items() if store.get("shared"))


@pytest.mark.parametrize("fullest", ["pve1", "pve2", "pve3"])
async def test_the_fullest_node_counts(scene: Stage, pve: Pve, shared: str, fullest: str) -> None:
    pve.fill_storage(shared, 0.4)
    pve.fill_storage(shared, 0.97, node=fullest)
    await scene.poll(3)
    await scene.delivered()
    (alert,) = scene.alerts_told()
    assert "97%" in alert
    await scene.poll(3)
    pve.node_fills.clear()
    await scene.poll(3)
    await scene.delivered()
    assert any("40%" in text for text in scene.alerts_told())
    assert scene.site.watch.state.open == {}


async def test_a_node_without_figures_does_not_count(scene: Stage, pve: Pve, shared: str) -> None:
    pve.fill_storage(shared, 0.4)
    pve.fill_storage(shared, 0.97, node="pve2")
    pve.expired_nodes.add("pve2")
    await scene.poll(4)
    await scene.delivered()
    (told,) = scene.alerts_told()
    assert "no new data from node `pve2`" in told

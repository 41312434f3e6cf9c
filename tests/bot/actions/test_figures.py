"""Test the display of CPUs and memory, and of snapshots with impossible times or parents."""

from core.guest import Guest, Kind, Snapshot, State
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage
from tests.support.walked import walked
from ui.guests.figures import cores_of
from ui.guests.snapshots import snapshot_list_card
from ui.i18n import Texts

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

EN, JA = Texts("en").of("en"), Texts("en").of("ja")


@walked(
    ("count", "english", "japanese"),
    [
        (0.5, "0.5 cores", "0.5 コア"),
        (1.25, "1.25 cores", "1.25 コア"),
        (1.0, "1 core", "1 コア"),
        (16.0, "16 cores", "16 コア"),
        (0.999, "1 core", "1 コア"),
    ],
)
def test_cpus_need_not_be_whole(count: float, english: str, japanese: str) -> None:
    assert (cores_of(EN, count), cores_of(JA, count)) == (english, japanese)


async def test_a_containers_cpu_limit_is_shown(scene: Stage, pve: Pve) -> None:
    pve.guest(201).config["cpulimit"] = "0.5"
    text = (await scene.say(scene.emma, "info", vmid=201)).text
    assert "0.5 cores" in text, text


def shown(*snapshots: Snapshot) -> str:
    view = snapshot_list_card(EN, Guest(101, Kind.QEMU, "pve1", State.RUNNING, "web01"), snapshots, 1e9)
    return "\n".join(str(child.content) for child in view.walk_children() if hasattr(child, "content"))


def test_snapshots_in_a_ring_or_without_a_time_are_listed_once_and_not_unfinished() -> None:
    text = shown(
        Snapshot("x", 5, "", False, None),
        Snapshot("a", None, "", False, "b"),
        Snapshot("b", None, "", False, "a"),
        Snapshot("own", None, "", False, "own"),
    )
    assert [text.count(f"`{name}`") for name in ("x", "a", "b", "own")] == [1, 1, 1, 1]
    assert "unfinished" not in text
    assert text.count("time unknown") == 3
    assert "unfinished" in shown(Snapshot("a", 7, "", False, None, incomplete=True))


def test_ten_thousand_snapshots_are_placed_at_once() -> None:
    rows = [Snapshot(f"s{n}", n, "", False, f"s{n - 1}") for n in range(1, 10_000)]
    assert "and 9" in shown(*rows)

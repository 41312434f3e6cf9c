"""Measure answers to one person at a time: completions, /list and /info.

Each measurement returns its figures by name. tests/bench/rows.py has their units. The floor of a figure is measured
right after it or at the same time, so that the machine is equally busy for both.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from playground.discord.people import Person
from tests.bench.discord_side import Answer, percentile, words_typed
from tests.bench.programs.proxmox_server import FIRST
from tests.bench.stage import Stage

Figures = dict[str, float]

SLOW = 0.03
"""Seconds that Proxmox takes for each answer in the measurements of a slow Proxmox."""
HUNG = 3.0
"""Seconds for which a guest agent hangs."""
LAST_LINE = "IP"
"""Name of the line that the guest agent fills."""


def milliseconds(seconds: float) -> float:
    return seconds * 1000


def _acknowledged(answer: Answer) -> float:
    assert answer.acknowledged is not None
    return milliseconds(answer.acknowledged)


async def completions(stage: Stage) -> Figures:
    """Type texts into an option, one after the other, while the last read is fresh."""
    return await _completions(stage, stage.town.next_people)


async def narrow_completions(stage: Stage) -> Figures:
    """Measure `completions` for people who may see only some guests."""
    return await _completions(stage, stage.town.next_narrow)


async def _completions(stage: Stage, next_people: Callable[[int], list[Person]]) -> Figures:
    figures: Figures = {}
    for name, town, people, command, option in (
        ("", stage.town, next_people, "info", "vmid"),
        ("floor ", stage.empty_town, stage.empty_town.next_people, "ping", "word"),
    ):
        words = words_typed()
        await town.type(people(1)[0], command, option, "")  # reads the cluster if the last read is old
        took = [
            _acknowledged(await town.type(person, command, option, next(words)))
            for person in people(stage.samples(100))
        ]
        figures |= {f"{name}p50": percentile(took, 0.5), f"{name}p99": percentile(took, 0.99)}
    return figures


async def lists(stage: Stage) -> Figures:
    """Look at the list of guests while the last read is fresh."""
    figures: Figures = {}
    for name, town, command in (("", stage.town, "list"), ("floor ", stage.empty_town, "ping")):
        await town.read(town.next_people(1)[0], command)
        people = town.next_people(stage.samples(100))
        took = [milliseconds((await town.read(person, command)).texts[0][0]) for person in people]
        figures |= {f"{name}p50": percentile(took, 0.5), f"{name}p99": percentile(took, 0.99)}
    return figures


_next_guest = itertools.count()


def next_vmids(stage: Stage, count: int) -> list[int]:
    """Return VMIDs of guests that were not asked about lately: a recent read of a guest may be shown again."""
    return [FIRST + next(_next_guest) * 3 % min(stage.guests, 600) for _ in range(count)]


STATUS = f"/nodes/pve1/qemu/{FIRST}/status/current"
"""The request whose raw round trip is the floor of /info."""


async def _look(stage: Stage, *, quiet: float = 0.4) -> tuple[Answer, int]:
    """Look at a guest, and return the answer and the number of requests that it took."""
    await stage.town.type(stage.town.next_people(1)[0], "info", "vmid", "")  # the last read is fresh
    (person,), (vmid,) = stage.town.next_people(1), next_vmids(stage, 1)
    await stage.proxmox.order()
    answer = await stage.town.say(person, "info", vmid=vmid)
    await stage.town.settled([answer], quiet=quiet)
    return answer, len(await stage.proxmox.order())


async def info(stage: Stage) -> Figures:
    """Look at guests one after the other."""
    looks = [await _look(stage, quiet=0.2) for _ in range(stage.samples(4))]
    floor = milliseconds(await stage.raw.seconds(STATUS, stage.samples(10)))
    return _of_looks(looks) | {"floor": floor}


async def slow_info(stage: Stage) -> Figures:
    """Look at guests one after the other, while Proxmox takes 30 ms for each answer."""
    await stage.proxmox.order(latency=SLOW)
    figures = await info(stage)
    await stage.proxmox.order(latency=0)
    return figures


def _of_looks(looks: list[tuple[Answer, int]]) -> Figures:
    answers = [answer for answer, _ in looks]
    return {
        "first": percentile([milliseconds(answer.first("**running**")) for answer in answers], 0.5),
        "complete": percentile([milliseconds(answer.complete()) for answer in answers], 0.5),
        "requests": max(requests for _, requests in looks),
    }


async def hung_info(stage: Stage) -> Figures:
    """Look at a guest whose agent hangs. The line of the agent does not count."""
    await stage.proxmox.order(latency=SLOW, hang=HUNG)
    answer, _ = await _look(stage, quiet=0.4 if stage.small else HUNG + 1.0)
    await stage.proxmox.order(hang=0)
    floor = milliseconds(await stage.raw.seconds(STATUS, 5))
    await stage.proxmox.order(latency=0)
    complete = milliseconds(answer.complete(without=f"**{LAST_LINE}**"))
    return {"first": milliseconds(answer.first("**running**")), "complete": complete, "floor": floor}

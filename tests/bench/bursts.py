"""Measure the answers to many people who ask at the same moment. See tests/bench/answers.py for the figures."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence

from tests.bench.answers import SLOW, STATUS, Figures, milliseconds, next_vmids
from tests.bench.discord_side import Answer, Town, at_once, percentile
from tests.bench.processes import Asked
from tests.bench.stage import Stage

WORKERS = 3
"""Requests that Proxmox works on at once: pveproxy and pvedaemon have three workers each."""
MOST_A_SECOND = WORKERS / SLOW
"""Maximum number of requests that these workers answer in a second."""
COMMANDS_EACH = 5
"""Commands of each person in the burst of commands."""


async def _ask_at_once(town: Town, asks: Sequence[tuple[int, str, dict[str, int]]]) -> list[Answer]:
    """Send these commands, each with the number of the person who asks. Return the complete answers."""
    people = town.next_people(max(number for number, _, _ in asks) + 1)
    answers = await at_once(
        [
            lambda number=number, command=command, options=options: town.say(  # type: ignore[misc]  # mypy does not infer the type of a lambda's default
                people[number], command, **options
            )
            for number, command, options in asks
        ]
    )
    await town.settled(answers)
    return answers


async def _burst(
    stage: Stage, asks: Sequence[tuple[int, str, dict[str, int]]], *, workers: int
) -> tuple[list[Answer], Asked, float]:
    """Return the answers, the requests to Proxmox, and the seconds from the first press to the last text."""
    await stage.town.type(stage.town.next_people(1)[0], "info", "vmid", "")  # the last read is fresh
    await stage.proxmox.order(latency=SLOW, workers=workers)
    answers = await _ask_at_once(stage.town, asks)
    asked = await stage.proxmox.order(latency=0, workers=0)
    began = min(answer.opened for answer in answers)
    return answers, asked, max(answer.opened + answer.texts[-1][0] for answer in answers) - began


async def same_guest(stage: Stage) -> Figures:
    """Let 50 people look at one guest at the same moment."""
    (vmid,) = next_vmids(stage, 1)
    asks = [(number, "info", {"vmid": vmid}) for number in range(stage.samples(50))]
    _, asked, seconds = await _burst(stage, asks, workers=0)
    return {"seconds": seconds, "requests": len(asked)}


async def different_guests(stage: Stage) -> Figures:
    """Let 50 people look at 50 guests at the same moment, against three workers."""
    vmids = next_vmids(stage, stage.samples(50))
    asks = [(number, "info", {"vmid": vmid}) for number, vmid in enumerate(vmids)]
    _, asked, seconds = await _burst(stage, asks, workers=WORKERS)
    share = len(asked) / seconds / MOST_A_SECOND
    return {"share": 100 * share, "floor": await _raw_share(stage), "seconds": seconds}


async def many_commands(stage: Stage) -> Figures:
    """Let 40 people send 5 commands each at the same moment, against three workers.

    Each command needs one request to Proxmox.
    """
    vmids = next_vmids(stage, stage.samples(200))
    asks = [(at // COMMANDS_EACH, "snapshot list", {"vmid": vmid}) for at, vmid in enumerate(vmids)]
    answers, asked, seconds = await _burst(stage, asks, workers=WORKERS)
    last = defaultdict[int, list[float]](list)
    for answer in answers:
        last[answer.person].append(answer.texts[-1][0])
    of_people = [max(times) for times in last.values()]
    return {
        "share": 100 * len(asked) / seconds / MOST_A_SECOND,
        "floor": await _raw_share(stage),
        "in flight": asked.most_in_flight,
        "latest": max(answer.texts[-1][0] for answer in answers),
        "starved": max(of_people) / statistics.median(of_people),
    }


async def _raw_share(stage: Stage) -> float:
    """Return the percentage of the three workers' capacity that four connections of http.client use."""
    await stage.proxmox.order(latency=SLOW, workers=WORKERS)
    rate = await stage.raw.rate([STATUS] * stage.samples(60))
    await stage.proxmox.order(latency=0, workers=0)
    return 100 * rate / MOST_A_SECOND


async def acknowledgements(stage: Stage) -> Figures:
    """Let 20 and then 50 people look at different guests at the same moment, against three workers."""
    figures: Figures = {}
    for people, times in ((20, 3), (50, 1)):
        took: list[float] = []
        floor: list[float] = []
        for _ in range(stage.samples(times)):
            asks = [
                (at, "info", {"vmid": vmid})
                for at, vmid in enumerate(next_vmids(stage, stage.samples(people)))
            ]
            answers, _, _ = await _burst(stage, asks, workers=WORKERS)
            took += [milliseconds(answer.acknowledged or 0.0) for answer in answers]
            pings: list[tuple[int, str, dict[str, int]]] = [(at, "ping", {}) for at in range(len(asks))]
            floor += [
                milliseconds(answer.acknowledged or 0.0)
                for answer in await _ask_at_once(stage.empty_town, pings)
            ]
        figures |= {
            f"{people} p99": percentile(took, 0.99),
            f"{people} worst": max(took),
            f"{people} floor p99": percentile(floor, 0.99),
            f"{people} floor worst": max(floor),
        }
    return figures

"""Find what a request has changed, on all sites."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.sites.towns import Town
from tests.support.stage import Stage

State = dict[str, dict[str, Any]]
"""By site: number of requests so far, watch list, mutes, acknowledged incidents, dashboards and read-only mode."""


@dataclass(frozen=True)
class Effect:
    """One change. `vmid`: None if it is not about one guest."""

    kind: str
    site: str
    vmid: int | None
    text: str


def read_state(scene: Stage, towns: Mapping[str, Town]) -> State:
    """Read the present state of each site."""
    found: State = {}
    for site in scene.services.sites:
        watch = site.watch
        found[site.name] = {
            "requests": len(towns[site.name].pve.requests),
            "list": frozenset(watch.entries),
            "mutes": frozenset((mute.target, mute.until) for mute in watch.alerts.mutes()),
            "acked": frozenset(each.id for each in watch.state.open.values() if each.acked),
            "read-only": site.authorizer.read_only.refusal is not None,
            "dashboards": frozenset(
                (each.mark, each.extent.roles) for each, _ in site.dashboards.dashboards()
            ),
        }
    return found


def effects_since(before: State, scene: Stage, towns: Mapping[str, Town]) -> Iterator[Effect]:
    """Yield what has changed on all sites since `before` was read."""
    after = read_state(scene, towns)
    for site, town in towns.items():
        was, now = before[site], after[site]
        for method, path, _ in list(town.pve.requests)[was["requests"] :]:
            if method != "GET":
                match = re.search(r"/(?:qemu|lxc)/([0-9]+)", path)
                yield Effect("requests", site, int(match[1]) if match else None, f"{method} {path}")
        for entry in was["list"] ^ now["list"]:
            yield Effect("list", site, entry.vmid, str(entry.vmid))
        for target, _ in was["mutes"] ^ now["mutes"]:
            match = re.fullmatch(r"guest/([0-9]+)", target)
            yield Effect("mutes", site, int(match[1]) if match else None, target)
        for number in now["acked"] - was["acked"]:  # removed guests end incidents
            yield Effect("acked", site, None, str(number))
        if was["read-only"] != now["read-only"]:
            yield Effect("read-only", site, None, "")
        for mark, roles in was["dashboards"] ^ now["dashboards"]:
            yield Effect("dashboards", site, None, f"{mark} {' '.join(map(str, roles))}".strip())

"""Provide a stage with several sites, and people whose roles reach different ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pytest

from playground.cluster.demo_cluster import NODES, build_demo
from playground.discord.people import Person
from playground.discord.server import Role
from playground.pve.server import Pve
from tests.support.stage import Stage

ROLES: Mapping[str, tuple[str, str, list[str]]] = {
    "chief": ("ADMIN", "en-US", []),
    "homely": ("ADMIN", "en-US", ["site:home"]),
    "reader": ("VIEWER", "en-US", []),
    "guest": ("VIEWER", "en-US", ["home/101"]),
    "colonist": ("OPERATOR", "ja", ["site:colo"]),
}
"""The level, the language, and the scopes of each person's role, by the person's name."""


class People:
    """One person for each row of ROLES, with a role of the same name."""

    def __init__(self, scene: Stage) -> None:
        self._people: dict[str, Person] = {}
        self.roles: dict[str, Role] = {}
        levels: dict[str, list[str]] = {}
        scopes: dict[str, list[str]] = {}
        for name, (level, locale, limits) in ROLES.items():
            role = self.roles[name] = scene.guild.create_role(name)
            levels.setdefault(f"{level}_ROLE_IDS", []).append(str(role.id))
            if limits:
                scopes[str(role.id)] = limits
            self._people[name] = scene.server.person(
                scene.guild, name, display=name.title(), locale=locale, roles=[role]
            )
        self.settings = {name: " ".join(ids) for name, ids in levels.items()}
        self.settings["ROLE_SCOPES"] = json.dumps(scopes)

    def __getitem__(self, name: str) -> Person:
        return self._people[name]


@pytest.fixture
def colo() -> Iterator[Pve]:
    """Provide a second cluster with the same VMIDs and node names."""
    with Pve(nodes=NODES) as made:
        build_demo(made)
        made.auth_delay = 0.0
        yield made


@pytest.fixture
async def people(bare_scene: Stage, pve: Pve, colo: Pve) -> People:
    """Start the bot with the sites `home` and `colo`."""
    colo.guest(101).name = "other"
    bare_scene.add_site("home", pve)
    bare_scene.add_site("colo", colo)
    made = People(bare_scene)
    await bare_scene.start_bot(**made.settings, FIRST_SITE="home")
    return made

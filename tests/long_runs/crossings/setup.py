"""Set up the stage of one seed: its three sites, its people and their roles."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass

from playground.discord.people import Person
from tests.support.sites.meaning import PEOPLE, Oracle
from tests.support.sites.towns import FIRST_SITE, NODES_OF, Town
from tests.support.stage import Stage
from tests.support.watch.at_once import rows_of


@dataclass(frozen=True)
class Setup:
    """The stage with its sites and people.

    `role_ids`: Discord IDs of the roles, by the name of the person who has it. `settings`: of the bot.
    """

    scene: Stage
    towns: Mapping[str, Town]
    people: Mapping[str, Person]
    oracle: Oracle
    role_ids: Mapping[str, str]
    settings: Mapping[str, str]


def set_up(scene: Stage, towns: Mapping[str, Town], chance: random.Random) -> Setup:
    """Give each person of `PEOPLE` their role, and the bot its sites. `root` may do everything."""
    roles = {name: scene.guild.create_role(name) for name, (level, _) in PEOPLE.items() if level}
    roles["root"] = scene.guild.create_role("root")
    people = {
        name: scene.server.person(
            scene.guild,
            name,
            display=name.title(),
            locale=chance.choice(("ja", "en-US")),
            roles=[roles[name]] if name in roles else [],
        )
        for name in (*PEOPLE, "root")
    }
    ids = {name: str(role.id) for name, role in roles.items()}
    levels = {name: level for name, (level, _) in PEOPLE.items()} | {"root": "ADMIN"}
    settings = {
        f"{level}_ROLE_IDS": " ".join(ids[name] for name in ids if levels[name] == level)
        for level in ("VIEWER", "OPERATOR", "ADMIN")
    }
    scopes = {ids[name]: list(scopes) for name, (_, scopes) in PEOPLE.items() if scopes}
    settings |= {"ROLE_SCOPES": json.dumps(scopes), "CHANGES_PER_MINUTE": "0"}
    settings["FIRST_SITE"] = FIRST_SITE
    for site, town in towns.items():
        scene.add_site(site, town.pve, NODE_NAME=NODES_OF[site][0])

    def guests_of(site: str, number: int) -> list[int]:
        incident = rows_of(scene.site_named(site).journal).incident(number)
        return [fact.vmid for fact in incident.guests] if incident else []

    owners = {name: f"owner-{people[name].id}" for name in PEOPLE}
    return Setup(scene, towns, people, Oracle(towns, owners, guests_of), ids, settings)

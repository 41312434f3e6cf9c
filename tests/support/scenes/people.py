"""Provide people of each level, whose roles are set before the bot starts."""

import pytest

from playground.discord.people import Person
from tests.support.stage import Stage

GAME = {103, 104, 105}
"""The guests with the tag `game`."""


class Cast:
    """Hold a viewer, an operator, an admin, a person without a level, and an admin for the tag `game` only."""

    def __init__(self, scene: Stage) -> None:
        make = scene.guild.create_role
        self.roles = {name: make(name) for name in ("viewer", "operator", "admin", "game")}
        self.people = {
            name: scene.server.person(
                scene.guild, name, display=name.title(), locale="en-US", roles=[self.roles[name]]
            )
            for name in self.roles
        }
        self.people["nobody"] = scene.server.person(scene.guild, "nobody", display="Nobody", locale="en-US")
        ids = {name: str(role.id) for name, role in self.roles.items()}
        self.settings = {
            "VIEWER_ROLE_IDS": ids["viewer"],
            "OPERATOR_ROLE_IDS": ids["operator"],
            "ADMIN_ROLE_IDS": f"{ids['admin']} {ids['game']}",
            "ROLE_SCOPES": f'{{"{ids["game"]}": ["tag:game"]}}',
            "CHANGES_PER_MINUTE": "0",
        }

    def __getitem__(self, name: str) -> Person:
        return self.people[name]


@pytest.fixture
async def cast(bare_scene: Stage) -> Cast:
    made = Cast(bare_scene)
    await bare_scene.start_bot(**made.settings)
    return made

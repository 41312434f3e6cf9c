"""Test the diagnoses of answers from Discord."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import aiohttp
import discord

from tests.support.walked import walked
from ui.i18n import Texts
from ui.messages.discord_refusals import ConnectStep, RetryRule, diagnose


@dataclass(frozen=True)
class Answer:
    """The parts of an answer that discord.py's error and the diagnosis read."""

    status: int
    headers: Mapping[str, str]
    reason: str = ""


@walked("kind", ("application/json", "text/html"))
@walked("step", ConnectStep)
def test_a_server_error_that_names_a_wait_is_not_retried_sooner(kind: str, step: ConnectStep) -> None:
    answer = Answer(503, {"Content-Type": kind, "Retry-After": "120"})
    error = discord.DiscordServerError(cast(aiohttp.ClientResponse, answer), {"code": 0, "message": "busy"})
    found = diagnose(Texts("en").public, error, step)
    assert (found.retry, found.wait) == (RetryRule.PASSING, 120.0)

"""Keep the open questions by nonce, and remember the latest that are over."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from core.actions.order import Plan
from core.errors import QuestionAnswered, QuestionOver
from ui.i18n import Text

SECONDS = 60.0
"""Seconds until a question lapses."""
REMEMBERED = 500
"""Maximum number of past questions to remember.

They tell a press on an answered question from one on a lapsed question. They also let the audit trail name the guest.
"""


async def _show_nothing() -> None:
    """Do nothing, for a question that is shown nowhere."""


@dataclass(slots=True)
class Question:
    """One question. Only the actor of its plan's order may answer it."""

    nonce: str
    plan: Plan
    t: Text
    end: Callable[[str], Awaitable[None]]
    """Shows the question as over, with the given note."""
    site: str = ""
    """Name of the site that the question is about."""
    renew: Callable[[], Awaitable[None]] = field(default=_show_nothing)
    """Shows the new deadline."""
    deadline: float = 0.0
    """Unix seconds at which the question lapses."""
    lapse: asyncio.Task[None] | None = field(default=None)
    """Lets the question lapse at the deadline."""
    renewed: bool = False
    """Whether the deadline was renewed. It is renewed only once."""


class Questions:
    """The open questions. An answer removes its question, so that only one press counts."""

    def __init__(self) -> None:
        self._open: dict[str, Question] = {}
        self._past: dict[str, tuple[Question, bool]] = {}
        """The latest questions that are over, and whether they were answered."""

    def add(self, question: Question) -> None:
        self._open[question.nonce] = question

    def find(self, nonce: str) -> Question:
        """Return the open question.

        Raises: QuestionAnswered if it is remembered as answered, otherwise QuestionOver.
        """
        question = self._open.get(nonce)
        if question is None:
            _, answered = self._past.get(nonce, (None, False))
            raise QuestionAnswered if answered else QuestionOver
        return question

    def plan_of(self, nonce: str) -> Plan | None:
        """Return the plan of an open or remembered question, None for any other."""
        question = self._known(nonce)
        return question.plan if question else None

    def site_of(self, nonce: str) -> str | None:
        """Return the name of the site of an open or remembered question, None for any other."""
        question = self._known(nonce)
        return question.site if question else None

    def _known(self, nonce: str) -> Question | None:
        return self._open.get(nonce) or self._past.get(nonce, (None, False))[0]

    def take(self, nonce: str) -> Question:
        """Remove the question as answered, and return it.

        Raises: the errors of `find`.
        """
        question = self.find(nonce)
        self._remove(question, answered=True)
        if question.lapse:
            question.lapse.cancel()
        return question

    def lapse(self, question: Question) -> bool:
        """Remove the question as unanswered. Return False if it is over already."""
        if not self.is_open(question):
            return False
        self._remove(question, answered=False)
        return True

    def is_open(self, question: Question) -> bool:
        return question.nonce in self._open

    def _remove(self, question: Question, *, answered: bool) -> None:
        del self._open[question.nonce]
        self._past[question.nonce] = replace(question, lapse=None), answered
        if len(self._past) > REMEMBERED:
            del self._past[next(iter(self._past))]

    def take_all(self) -> list[Question]:
        """Remove all open questions, stop their timers and return them, because the bot ends."""
        questions = list(self._open.values())
        self._open.clear()
        for question in questions:
            if question.lapse:
                question.lapse.cancel()
        return questions

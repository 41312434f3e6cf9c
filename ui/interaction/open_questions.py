"""The open questions by nonce: what each is about, who was asked, and whether it was answered."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from core.actions.order import Plan
from core.errors import QuestionAnswered, QuestionOver
from ui.i18n import Text

SECONDS = 60.0
REMEMBERED = 500
"""How many questions that are over are remembered, to tell a second press from a late one, and whom it was about."""


@dataclass(slots=True)
class Question:
    """One open question. The order of its plan names the asker."""

    nonce: str
    plan: Plan
    t: Text
    end: Callable[[str], Awaitable[None]]
    """Shows the question as over, with this note."""
    lapse: asyncio.Task[None] | None = field(default=None)
    renewed: bool = False


class Questions:
    """Each answer takes its question out, so that one press counts."""

    def __init__(self) -> None:
        self._open: dict[str, Question] = {}
        self._past: dict[str, tuple[Plan, bool]] = {}
        """The last ones that are over, and whether they were answered."""

    def add(self, question: Question) -> None:
        self._open[question.nonce] = question

    def find(self, nonce: str) -> Question:
        """Raises: QuestionOver, or QuestionAnswered for a press after the one that counted."""
        question = self._open.get(nonce)
        if question is None:
            _, answered = self._past.get(nonce, (None, False))
            raise QuestionAnswered if answered else QuestionOver
        return question

    def plan_of(self, nonce: str) -> Plan | None:
        """Return the plan of an open or a remembered question, None for one of an earlier run."""
        question = self._open.get(nonce)
        return question.plan if question else self._past.get(nonce, (None, False))[0]

    def take(self, nonce: str) -> Question:
        """Take the question out as answered. Raises: as `find` does."""
        question = self.find(nonce)
        self._remove(question, answered=True)
        if question.lapse:
            question.lapse.cancel()
        return question

    def lapse(self, question: Question) -> bool:
        """Take the question out as unanswered. Return False where it is over already."""
        if not self.is_open(question):
            return False
        self._remove(question, answered=False)
        return True

    def is_open(self, question: Question) -> bool:
        return question.nonce in self._open

    def _remove(self, question: Question, *, answered: bool) -> None:
        del self._open[question.nonce]
        self._past[question.nonce] = question.plan, answered
        if len(self._past) > REMEMBERED:
            del self._past[next(iter(self._past))]

    def take_all(self) -> list[Question]:
        """Take out every open question and stop its time. The bot ends, and no question outlives it."""
        questions = list(self._open.values())
        self._open.clear()
        for question in questions:
            if question.lapse:
                question.lapse.cancel()
        return questions

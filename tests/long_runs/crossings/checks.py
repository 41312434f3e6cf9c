"""Make requests, and check their results: effects, answers and the audit trail. Also check alerts and dashboards."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from core.levels import Level
from playground.discord.people import PressResult
from playground.discord.posts import SeenMessage
from tests.long_runs.crossings.effects import Effect, effects_since, read_state
from tests.long_runs.crossings.setup import Setup
from tests.long_runs.seeds import Finding
from tests.support.scenes.shown import act_and_wait, marks_in, numbers, recent_posts, whole
from tests.support.sites.meaning import Want, level_of
from tests.support.sites.towns import SITES
from tests.support.watch.at_once import rows_of

SITE_WORD = re.compile(rf"(?<![a-z0-9-])(?:{'|'.join(SITES)})(?![a-z0-9-])")
FORMER_BUTTON = re.compile(r'"custom_id": "[acdgnps]1:')
FILE = "audit.csv"
NONCE = re.compile(r'"q1:yes:([0-9a-f]{16})"')


class Checks:
    """Check the requests of one stage. `found` and `figures` are the result.

    `held_up`: the bot's tasks of actions that are held up on purpose, which no request waits for.
    """

    def __init__(self, setup: Setup) -> None:
        self.scene, self.towns, self.people, self.oracle = (
            setup.scene,
            setup.towns,
            setup.people,
            setup.oracle,
        )
        self.role_ids = setup.role_ids
        self.found: list[Finding] = []
        self.figures = Counter[str]()
        self.held_up: set[asyncio.Task[Any]] = set()
        self._own: dict[int, tuple[str, str]] = {}
        """Answers by message ID: their owner, and the text last shown to them."""
        self._alerts: dict[int, str] = {}
        self._dashboards: dict[int, str] = {}

    async def ask(
        self,
        name: str,
        words: str,
        want: Want,
        acting: Callable[[], Awaitable[Any]],
        *,
        typed: str = "",
        alert: bool = False,
    ) -> Any:
        """Make one request as this person, and check all its results.

        `words`: describe the request. Its numbers may be shown again. `typed`: text whose sites may be named again.
        `alert`: a button of an alert is pressed.
        """
        self.oracle.note_views()
        self.oracle.note_typed(want, words)
        posts = {post.id: (post.text, whole(post)) for post in self.posts(name)}
        before, after = (
            read_state(self.scene, self.towns),
            rows_of(self.scene.services.audit_store).audit_last(),
        )
        result = await self.do(acting())
        self.figures["requests"] += 1
        self.oracle.note_views()
        found = list(effects_since(before, self.scene, self.towns))
        request = f"{name}: {words}"
        self.judge_effects(name, request, want, found, alert=alert)
        self.judge_trail(name, request, want, after, found)
        may_tell = self.oracle.allowed_numbers(name) | numbers(words)
        may_name = {*SITE_WORD.findall(typed)} | (
            self.oracle.visible(name) if want.named is None else want.named & self.oracle.visible(name)
        )
        if not isinstance(result, PressResult):
            self.judge(request, [json.dumps(result, ensure_ascii=False)], may_tell, may_name)
            return result
        brought = [post for post in [result.post, *result.followups] if post is not None]
        # alerts and dashboards are edited at any time: `check_alerts`, `check_dashboards`
        brought = [post for post in brought if not post.content and not marks_in(post)]
        new = [post for post in brought if posts.get(post.id, ("", ""))[0] != post.text]
        files = [self.scene.server.attached(post, FILE).decode() for post in new if FILE in post.attachments]
        self.judge(request, [*map(whole, new), *files, repr(result.form)], may_tell, may_name)
        for post in set(brought) - set(new):  # pressed messages, in which at most the buttons changed
            there = posts[post.id][1]
            named = may_name | {*SITE_WORD.findall(there)}
            self.judge(request, [whole(post)], may_tell | numbers(there), named)
        for post in new:
            self.judge_sections(name, request, post.text)
            for nonce in NONCE.findall(whole(post)):
                self.oracle.questions[nonce] = name, want
            if post.id in posts:  # an older message of somebody; its owner is unknown from now on
                self._own.pop(post.id, None)
            else:
                self._own[post.id] = (name, whole(post))
        return result

    async def do(self, acting: Awaitable[Any]) -> Any:
        return await act_and_wait(self.scene, acting, self.held_up)

    def posts(self, name: str) -> list[SeenMessage]:
        return recent_posts(self.scene, self.people[name])

    def judge_effects(self, name: str, request: str, want: Want, found: list[Effect], *, alert: bool) -> None:
        pairs = self.oracle.pairs(name)
        for effect in found:
            self.figures["effects"] += 1
            site, vmid = effect.site, effect.vmid
            seen = bool(pairs & want.places) if alert else (site, vmid) in pairs
            may = level_of(name) >= Level.OPERATOR and (seen or self.oracle.is_whole(name, site))
            if effect.kind == "dashboards":
                may = level_of(name) >= Level.ADMIN and self.may_know(name, site, effect.text.split()[1:])
            if not want.has(site, vmid):
                self.crossed(request, f"{effect} is not among {sorted(map(str, want.places))}")
            elif not may:
                self.crossed(request, f"{effect}, which this person may not see or change")

    def may_know(self, name: str, site: str, roles: list[str]) -> bool:
        """Return whether a person may know of a dashboard of these roles. Without roles it shows the whole site."""
        own = bool(roles) and set(roles) == {self.role_ids.get(name)}
        return self.oracle.is_whole(name, site) or (own and site in self.oracle.visible(name))

    def judge_trail(self, name: str, request: str, want: Want, after: int, found: list[Effect]) -> None:
        person = self.people[name].id
        rows = [
            each
            for each in rows_of(self.scene.services.audit_store).audit_after(after, 1000)[0]
            if each.record.actor.user_id == person
        ]
        sites = {each.site for each in rows}
        if wrong := sites - want.sites - want.filed - (want.named or frozenset()) - {""}:
            self.crossed(request, f"the audit trail says {wrong}: {rows}")
        if missing := {effect.site for effect in found} - sites:
            self.crossed(request, f"the audit trail says nothing of {missing}: {rows}")

    def judge(
        self, request: str, shown: list[str], may_tell: set[str], may_name: frozenset[str] | set[str]
    ) -> None:
        """Check that the texts have no numbers and sites but the allowed ones, and no button without a site."""
        for text in shown:
            if wrong := sorted(numbers(text) - may_tell):
                self.crossed(request, f"{wrong} in {text}")
            if named := {*SITE_WORD.findall(text)} - may_name:
                self.crossed(request, f"names {named} in {text}")
            if FORMER_BUTTON.search(text):
                self.crossed(request, f"a button without a site in {text}")

    def judge_sections(self, name: str, request: str, text: str) -> None:
        """Check that each guest below the heading of a site is one of that site."""
        _, *sections = re.split(rf"(?:^|\n)### ({'|'.join(SITES)})(?: · [^\n]*)?\n", text)
        pairs = self.oracle.pairs(name)
        for site, rows in zip(sections[::2], sections[1::2], strict=True):
            for vmid in re.findall(r"\*\*(731[0-9]{6})\*\*", rows):
                self.figures["rows"] += 1
                if (site, int(vmid)) not in pairs:
                    self.crossed(request, f"{vmid} as one of {site} in {text}")

    def crossed(self, request: str, found: str) -> None:
        self.found.append(Finding(request, found[:2000]))

    def check_later_edits(self) -> None:
        """Check the newest answers that changed without a press, such as expired questions and progress."""
        for post in self.scene.server.messages(self.scene.channel)[-14:]:
            name, text = self._own.get(post.id, ("", ""))
            if name and whole(post) != text:
                may_tell = self.oracle.allowed_numbers(name, ever=True) | numbers(text)
                may_name = self.oracle.visible(name, ever=True) | {*SITE_WORD.findall(text)}
                self.judge(f"{name}: edited later", [whole(post)], may_tell, may_name)
                self._own[post.id] = (name, whole(post))

    def check_alerts(self) -> None:
        """Check that each of the newest alerts is about guests of the one site that it and its buttons name."""
        for post in self.scene.server.messages(self.scene.alerts)[-12:]:
            if post.content:
                self._check_public("alerts", post, self._alerts)

    def check_dashboards(self) -> None:
        """Check that each dashboard is about guests of the one site that it and its buttons name."""
        for post in self.scene.server.messages(self.scene.channel):
            if marks_in(post):
                self._check_public("dashboards", post, self._dashboards)

    def _check_public(self, what: str, post: SeenMessage, checked: dict[int, str]) -> None:
        shown = whole(post)
        if checked.get(post.id) == shown:
            return
        checked[post.id] = shown
        self.figures[what] += 1
        sites = {*SITE_WORD.findall(shown)}
        told = self.towns[min(sites)].told if len(sites) == 1 else set()
        if len(sites) != 1 or numbers(shown) - told or FORMER_BUTTON.search(shown):
            self.crossed(f"one of the {what}", f"{sites}: {numbers(shown) - told} in {shown}")

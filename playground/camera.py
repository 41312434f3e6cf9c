"""Bring the demo to each screen of playground/screens.py: run commands, press buttons, wait for answers."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

from core.operations import Operation
from playground.panel.page import NAMES, GuildNames
from playground.panel.seen import words_of_success
from playground.visitor import PATIENCE, DemoProcess, Visitor, until
from ui.formatting import format_duration
from ui.i18n import Language, Text, Texts

CHOSEN = frozenset({"dry_run", "sort", "what"})
"""Options whose value is chosen from the list, not typed."""


class Camera:
    """Act on the demo of one language, as one person after the other."""

    def __init__(self, demo: DemoProcess, page: Page, phone: Page, audit: Page, language: Language) -> None:
        self.demo, self.language = demo, language
        self.page, self.phone, self.audit = page, phone, audit
        self.me = Visitor(page)
        self.t: Text = Texts(language).public
        self.names: GuildNames = NAMES[language]

    def become(self, name: str) -> None:
        if self.page.locator("#viewer-picker option:checked").inner_text() != name:
            self.me.become(name)
            Visitor(self.phone).become(name)

    def command(self, name: str, options: dict[str, str]) -> Locator:
        """Close a form that is still open, run a command with these options, and return its answer.

        The value of one of `CHOSEN` is the English label of a choice.
        """
        if self.page.get_by_role("dialog").count():
            self.page.keyboard.press("Escape")

        def fill() -> None:
            for option, text in options.items():
                self._open_option(option)
                if option in CHOSEN:
                    self.me.completions.filter(has_text=self.t.raw(text)).first.click()
                else:
                    self.me.fill(option, text)

        return self.me.answered(name, fill)

    def _open_option(self, option: str) -> None:
        """Add an option that the command line does not show by itself."""
        field = self.page.locator(f'.command-option-input[data-option="{option}"]')
        if not field.is_visible():
            self.page.locator(".command-chip").click()
            self.me.completions.filter(has_text=option).first.click()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the demo's cluster."""
        children = self.demo.children()
        (cluster,) = (pid for pid, line in children.items() if "demo_cluster" in line)
        os.kill(cluster, number)

    def alerts(self, count: int) -> Locator:
        """Wait until this many alerts of stopped guests are open and not muted, and return the newest one.

        A dashboard names them, too, but has nothing to acknowledge.
        """
        acknowledge = self.page.get_by_role("button", name=self.t("Acknowledge"))
        signs = self.posts.filter(has_text="🔴").filter(has=acknowledge)

        def shown() -> bool:
            self.scroll_to_end()
            return signs.count() == count

        until(shown, f"{count} alerts")
        return signs.last

    @property
    def posts(self) -> Locator:
        """All messages of the channel."""
        return self.me.messages.locator("article")

    def scroll_to_end(self) -> None:
        """Go where the page shows new messages."""
        newer = self.page.get_by_text("jump to latest")
        if newer.is_visible():
            newer.click()

    def post(self, found: Locator) -> Locator:
        """Wait for a message of the channel, and return it."""

        def shown() -> bool:
            self.scroll_to_end()
            return found.count() > 0

        until(shown, "the message")
        return found.last


Show = Callable[[Camera], Locator]


@dataclass(frozen=True, slots=True)
class Screen:
    """One row of the table. `name`: beginning of the names of its pictures. `titles`: in Japanese and English."""

    name: str
    titles: tuple[str, str]
    show: Show
    whole: bool = False
    """Whether the picture shows the whole window."""


def run(
    command: str, operation: Operation | None = None, *, button: str = "", who: str = "admin", **options: str
) -> Show:
    """Run a command. Wait for the success of `operation`, and for a button with this label (in English), if given.

    `who`: the person, by the field of GuildNames.
    """

    def show(camera: Camera) -> Locator:
        camera.become(getattr(camera.names, who))
        answer = camera.command(command, options)
        if operation is not None:
            expect(answer).to_contain_text(words_of_success(camera.t, operation), timeout=PATIENCE * 1000)
        if button:
            pressed = answer.get_by_role("button", name=camera.t.raw(button))
            expect(pressed).to_be_visible(timeout=PATIENCE * 1000)
        settle(camera, answer)
        return answer

    return show


def settle(camera: Camera, answer: Locator) -> None:
    """Wait until the answer has a card or a text, and says nowhere that the bot is still reading."""
    expect(answer.locator(".components-v2, .message-content").first).to_be_visible()
    expect(answer).not_to_contain_text(camera.t.raw("reading…"))


def completions(command: str, option: str, typed: str, who: str = "admin") -> Show:
    """Type into an option, and show its completions."""

    def show(camera: Camera) -> Locator:
        camera.become(getattr(camera.names, who))
        camera.me.leave_command()
        camera.me.type_command(command).click()
        camera.me.fill(option, typed)
        popup = camera.page.locator(".command-popup")
        expect(popup).not_to_contain_text("Loading")
        expect(popup.locator(".command-suggestion").first).to_be_visible()
        return popup

    return show


def hello(camera: Camera) -> Locator:
    """Show the first message that the bot posts in a new channel."""
    return camera.posts.filter(has_text="👋").first


def past(camera: Camera) -> Locator:
    """Show the oldest message: the incident of playground/history.py."""
    return camera.me.messages.locator("article").first


def board(camera: Camera) -> Locator:
    """Create a dashboard and show it."""
    run("dashboard create")(camera)
    shown = camera.me.messages.locator("article").filter(has=camera.page.locator(".components-v2"))
    found = shown.filter(has_text=camera.t("Busiest guests")).last
    expect(found).to_be_visible()
    return found


def first_alerts(camera: Camera) -> Locator:
    """Let the first guests crash, and show the newest of their alerts."""
    camera.send(signal.SIGUSR1)
    return camera.alerts(3)


def burst(camera: Camera) -> Locator:
    """Let the other guests crash, and show the channel with their alerts."""
    camera.send(signal.SIGUSR1)
    camera.alerts(6)
    return camera.page.locator("#channel-timeline")


def recovery(camera: Camera) -> Locator:
    """Mute the newest alert with its button, and start all guests again. This mute ends with its incident."""
    acknowledge = camera.page.get_by_role("button", name=camera.t("Acknowledge"))
    newest = camera.posts.filter(has_text="🔴").filter(has=acknowledge).last
    identity = newest.get_attribute("data-message-id")
    newest.get_by_role("button", name=camera.t("Mute {time}", time=format_duration(camera.t, 3600))).click()
    muted = camera.page.locator(f'article[data-message-id="{identity}"]').filter(has_text="🔕")
    expect(muted).to_be_visible(timeout=PATIENCE * 1000)
    camera.send(signal.SIGUSR2)
    camera.alerts(0)
    return camera.page.locator("#channel-timeline")


def still_muted(camera: Camera) -> Locator:
    """Show the alert of a guest that is back, but was muted by command."""
    unmute = camera.page.get_by_role("button", name=camera.t("Unmute"))
    return camera.post(camera.posts.filter(has=unmute))


def full_disk(camera: Camera) -> Locator:
    """Show the alert of a VM whose disk is watched."""
    acknowledge = camera.page.get_by_role("button", name=camera.t("Acknowledge"))
    return camera.post(camera.posts.filter(has_text="web01").filter(has=acknowledge))


def failed_backup(camera: Camera) -> Locator:
    """Let a backup fail, and show its alert."""
    camera.send(signal.SIGUSR1)
    words = max(camera.t.raw("Backup of {guest} failed").split("{guest}"), key=len).strip()
    return camera.post(camera.posts.filter(has_text="nas").filter(has_text=words))


def audit_channel(camera: Camera) -> Locator:
    expect(camera.audit.locator("#channel-message-list article").first).to_be_visible()
    return camera.audit.locator("#channel-timeline")


def disks(camera: Camera) -> Locator:
    """Press the button of a panel that shows the file systems and backups."""
    panel = run("info", button="Disks and backups", vmid="101")(camera)
    panel.get_by_role("button", name=camera.t.raw("Disks and backups")).click()
    shown = camera.me.messages.locator("article").filter(has_text=camera.t.raw("File systems")).last
    expect(shown).to_be_visible()
    return shown


def delete_form(camera: Camera) -> Locator:
    question = run("delete", vmid="205")(camera)
    question.locator("button").first.click()
    form = camera.page.get_by_role("dialog")
    expect(form).to_be_visible()
    return form


def deleted(camera: Camera) -> Locator:
    form = delete_form(camera)  # anew: a press after the window changed its width may be lost
    form.locator("input[name=name]").fill("grafana")
    form.locator("button[type=submit]").click()
    shown = (
        camera.me.messages.locator("article")
        .filter(has_text=words_of_success(camera.t, Operation.DELETE))
        .last
    )
    expect(shown).to_be_visible(timeout=PATIENCE * 1000)
    return shown

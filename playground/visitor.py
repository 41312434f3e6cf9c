"""Run the demo and visit its page in a browser: for the tests, and for the pictures (playground/screens.py)."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

PATIENCE = 120.0
"""Seconds after which a wait fails. It only has to end hangs, on busy machines too."""
RESTING = re.compile("^(Action completed|Preview ready)$")
"""The page's status while no action is under way."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def find_browser() -> str | None:
    """Return the path of an installed browser, None if there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def required_browser() -> str:
    """Return the path of an installed browser, for a program that cannot do without one.

    Raises: SystemExit with the code 2, after printing what to install.
    """
    if binary := find_browser():
        return binary
    print("Install a browser first: apt install chromium", file=sys.stderr)
    raise SystemExit(2)


class DemoProcess:
    """Run `python -m playground` in a source tree, as a user would start it there."""

    def __init__(self, tree: Path, log: Path, *options: str, **environment: str) -> None:
        self._log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(  # noqa: S603 - this very program
                [sys.executable, "-m", "playground", *options],
                cwd=tree,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def output(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def addresses(self) -> list[str]:
        """Wait until the demo says that it is ready. Return the addresses of its page and of the pages linked there.

        Raises: RuntimeError if the demo ends first, TimeoutError.
        """
        until(lambda: "Ctrl-C" in self.output() or self.process.poll() is not None, "the demo to be ready")
        if self.process.poll() is not None:
            raise RuntimeError(f"the demo has ended:\n{self.output()}")
        (address,) = re.findall(r"http://127\.0\.0\.1:\d+/#\S+", self.output())
        secret = address.partition("#")[2]
        with urllib.request.urlopen(address) as page:  # noqa: S310 - this machine's own page
            ports = re.findall(r'data-port="(\d+)"', page.read().decode())
        return [address, *(f"http://127.0.0.1:{port}/#{secret}" for port in ports)]

    def children(self) -> dict[int, str]:
        """Return the command lines of the demo's child processes by PID."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {
            int(pid): Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            for pid in listed
        }

    def end(self) -> int:
        """Send Ctrl-C and return the exit code. Raises: subprocess.TimeoutExpired."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()


def until(condition: Callable[[], object], what: str) -> None:
    """Wait until the condition is true. Raises: TimeoutError."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {PATIENCE} s: {what}")
        time.sleep(0.02)


class Visitor:
    """Type and press as a visitor of the page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.messages = page.locator("#channel-message-list")
        self.completions = page.locator(".command-suggestion")

    def type_command(self, name: str) -> Locator:
        """Type the command, and return its entry in the list, which is not chosen yet.

        When the page is published anew (an alert came, or another person looks) the typed text is lost. The
        command is then typed again.
        """
        box = self.page.locator("#channel-composer-input")
        entry = self.page.locator(".command-entry").filter(has_text=f"/{name}").first
        for patience in (3000, 3000, None):  # milliseconds; None: Playwright's own limit
            box.click()
            box.fill("")
            box.press_sequentially(f"/{name}")
            try:
                expect(entry).to_be_visible(timeout=patience)
                break
            except AssertionError:
                if patience is None:
                    raise
        return entry

    def fill(self, option: str, typed: str) -> None:
        field = self.page.locator(f'.command-option-input[data-option="{option}"]')
        expect(field).to_be_visible()
        field.press_sequentially(typed)

    def complete(self, option: str, typed: str, wanted: str) -> None:
        """Type into an option and choose the completion that contains `wanted`."""
        self.fill(option, typed)
        expect(self.completions.first).to_contain_text(wanted)
        self.completions.first.click()

    def leave_command(self) -> None:
        """Drop the command that is being typed, if there is one."""
        leave = self.page.get_by_role("button", name="Exit command mode")
        if leave.is_visible():
            leave.click()
            self.page.locator("#channel-composer-input").fill("")

    def run(self, name: str, typed: str, wanted: str) -> Locator:
        """Run a command with one guest and return the message that answers it."""
        return self.answered(name, lambda: self.complete("vmid", typed, wanted))

    def answered(self, name: str, fill_options: Callable[[], None] = lambda: None) -> Locator:
        """Send the command and return the message that answers it.

        When the page is published anew, the typed options are lost even while Send is pressed. The command is
        then typed and sent again. The message is found by its ID, so that later ones do not take its place.
        """
        header = self.page.locator(".message-interaction-header").filter(
            has_text=f"/{name.split(maxsplit=1)[0]}"
        )
        answers = self.messages.locator("article").filter(has=header)
        before = answers.count()
        for patience in (15_000, 15_000, None):  # as above
            self.leave_command()
            self.type_command(name).click()
            fill_options()
            self.page.locator(".command-chip").focus()
            self.page.locator("#send-message").click()
            try:
                expect(answers).not_to_have_count(before, timeout=patience)
                break
            except AssertionError:
                if patience is None:
                    raise
        identity = answers.last.get_attribute("data-message-id")
        return self.messages.locator(f'article[data-message-id="{identity}"]')

    @property
    def viewer(self) -> str:
        """The person whose view is shown."""
        return self.page.locator("#viewer-picker option:checked").inner_text().strip()

    def become(self, name: str) -> None:
        """Choose another viewer, and wait until the page has replaced its messages and typed text."""
        self.page.locator("#viewer-picker").select_option(label=name)
        expect(self.page.locator("#action-status")).to_have_text(RESTING)
        expect(self.page.locator("#viewer-picker option:checked")).to_have_text(name)

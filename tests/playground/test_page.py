"""Test the demo as a newcomer meets it: `python -m playground` and its page in a browser.

All tests visit one demo with two sites, because starting a demo takes longer than the tests. It begins in Japanese;
the tests of the phone come last and switch it to English.
"""

from __future__ import annotations

import re
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, expect, sync_playwright
from proxmoxer import ProxmoxAPI

from playground.panel.steps import STEPS
from playground.visitor import BROWSERS, PATIENCE, DemoProcess, Visitor, find_browser, until

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.xdist_group("page")
CHART_WIDTH = 680  # pixels
AKIKO = "管理者 akiko"
"""The person whose view a page opens with."""


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    """Start a browser. All pages share its cache, so that each opens in half the time."""
    binary = find_browser()
    if binary is None:
        pytest.fail(
            f"The page's tests need a browser: install one of {', '.join(BROWSERS)} (apt install chromium)"
        )
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=binary, args=["--no-sandbox", "--disable-gpu", "--disable-extensions"]
        )
        yield launched.new_context(reduced_motion="reduce")
        launched.close()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProcess]:
    """Run the demo beside a user's config. At the end, Ctrl-C stops all of it."""
    folder = tmp_path_factory.mktemp("demo")
    marker, tree = folder / "config.py was run", folder / "tree"
    copy_tree(tree, marker)
    process = DemoProcess(tree, folder / "log", "--verbose", LANGUAGE="ja")
    try:
        process.addresses()
        yield process
        children = programs(process)
        began = time.monotonic()
        assert process.end() == 0, process.output()
        assert time.monotonic() - began < 30
    finally:
        process.end()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "the children to be gone")
    assert len(children) == 2
    assert "Traceback" not in process.output()
    assert not marker.exists()
    assert not list(tree.glob("monitor_list.json*"))


def programs(demo: DemoProcess) -> dict[int, str]:
    """Return the command lines of bot and cluster by PID, without a child that has only just been forked."""
    return {pid: line for pid, line in demo.children().items() if "bot.py" in line or "demo_cluster" in line}


class Pages:
    """Keep one page of each channel open, because opening one costs more than what a test does there."""

    def __init__(self, browser: BrowserContext, demo: DemoProcess) -> None:
        self._browser, self._demo = browser, demo
        self._open: dict[int, Visitor] = {}
        self.faults: list[str] = []

    def close(self) -> None:
        """Close all pages: those that nobody looks at render each change, too."""
        for visitor in self._open.values():
            visitor.page.close()
        self._open.clear()

    def visit(self, number: int) -> Visitor:
        """Return a channel's page as akiko sees it: 0 the allowed one, 1 the audit channel, 2 one outside."""
        if number in self._open:
            me = self._open[number]
            me.leave_command()
            if me.viewer != AKIKO:
                me.become(AKIKO)
            return me
        page = self._browser.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.goto(self._demo.addresses()[number])
        expect(page.locator("#channel-composer-input")).to_be_visible()
        self._open[number] = me = Visitor(page)
        return me


@pytest.fixture(scope="module")
def pages(browser: BrowserContext, demo: DemoProcess) -> Pages:
    expect.set_options(timeout=PATIENCE * 1000)
    return Pages(browser, demo)


@pytest.fixture
def visit(pages: Pages) -> Iterator[Callable[[int], Visitor]]:
    yield pages.visit
    assert pages.faults == []


@pytest.fixture(scope="module")
def phone(browser: BrowserContext, demo: DemoProcess, pages: Pages) -> Iterator[Visitor]:
    """Open the page on a phone, without any other page. It may only send requests to this machine."""
    pages.close()
    page, faults = browser.new_page(), list[str]()
    page.set_viewport_size({"width": 390, "height": 844})
    page.set_default_timeout(PATIENCE * 1000)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda sent: faults.append(sent.url) if not is_here(sent.url) else None)
    page.goto(demo.addresses()[0])
    yield Visitor(page)
    page.close()
    assert faults == []


Visit = Callable[[int], Visitor]


def test_a_command_a_completion_and_a_button(visit: Visit) -> None:
    me = visit(0)
    panel = me.run("info", "palw", "104 palworld · pve2 · VM")
    expect(panel).to_contain_text("停止中")
    expect(panel.get_by_role("button", name="シャットダウン")).to_be_disabled()
    panel.get_by_role("button", name="開始").click()
    expect(panel).to_contain_text("を開始しました")
    expect(panel).to_contain_text("稼働中")
    expect(panel.get_by_role("button", name="シャットダウン")).to_be_enabled()
    expect(panel.get_by_role("button", name="開始")).to_be_disabled()


def test_deleting_asks_for_the_name_in_a_form(visit: Visit) -> None:
    me = visit(0)
    question = me.run("delete", "graf", "205 grafana")
    expect(question).to_contain_text("取り消せません")
    question.get_by_role("button", name="grafana を削除").click()
    form = me.page.get_by_role("dialog")
    expect(form).to_contain_text("205 grafana")
    form.locator("input[name=name]").fill("grafana")
    form.locator("button[type=submit]").click()
    expect(question).to_contain_text("を削除しました")
    me.type_command("info").click()
    me.fill("vmid", "graf")
    expect(me.page.locator(".command-popup")).to_contain_text("No options match")


def test_a_chart_is_a_picture_and_another_period_is_another_picture(visit: Visit) -> None:
    chart = chart_of(visit(0), "web01", "101 web01")
    picture = chart.locator("img[alt^='過去 24 時間']")
    expect(picture).to_have_js_property("naturalWidth", CHART_WIDTH)
    chart.get_by_role("button", name="週").click()
    expect(chart.locator("img[alt^='過去 7 日間']")).to_have_js_property("naturalWidth", CHART_WIDTH)
    expect(picture).to_have_count(0)


def test_everybody_reads_commands_and_refusals_in_their_own_language(visit: Visit) -> None:
    me = visit(0)
    expect(me.type_command("info")).to_contain_text("ゲストの状態と操作ボタンを表示")
    me.page.locator(".command-entry").first.click()
    expect(me.page.locator(".command-context")).to_contain_text("ゲスト（VMID または名前）")
    me.leave_command()
    assert status_choices(me) == ["稼働中", "停止中", "テンプレート", "稼働中・停止以外"]
    refusal = me.run("start", "web01", "101 web01")
    expect(refusal).to_contain_text("はすでに稼働中です")

    me.become("閲覧者 emma")
    expect(me.type_command("info")).to_contain_text("Show a guest and its controls")
    me.page.locator(".command-entry").first.click()
    expect(me.page.locator(".command-context")).to_contain_text("Guest: VMID or name")
    me.leave_command()
    assert status_choices(me) == ["running", "stopped", "template", "other states"]
    refusal = me.answered("start", lambda: me.fill("vmid", "home/101"))  # she gets no choices
    expect(refusal).to_contain_text("You need the “operator” level; yours is “viewer”.")
    expect(me.messages).not_to_contain_text("はすでに稼働中です")  # that answer was for akiko only


def status_choices(me: Visitor) -> list[str]:
    """Return the choices of /list for its option `status`, in this person's language."""
    me.type_command("list").click()
    me.page.locator(".command-chip").click()
    me.page.locator(".command-suggestion").filter(has_text="status").click()
    expect(me.completions).to_have_count(4)
    offered = [text.strip() for text in me.completions.all_inner_texts()]
    me.leave_command()
    return offered


def test_an_alert_appears_by_itself(visit: Visit, demo: DemoProcess) -> None:
    """Another administrator stops a watched guest without the bot."""
    me = visit(0)
    bot = next(pid for pid, line in demo.children().items() if "bot.py" in line)
    told = dict(
        entry.split("=", 1)
        for entry in Path(f"/proc/{bot}/environ").read_bytes().decode().split("\0")
        if "=" in entry
    )
    host, _, port = told["SITE_HOME_PROXMOX_HOST"].rpartition(":")
    proxmox = ProxmoxAPI(
        host,
        port=int(port),
        user=told["SITE_HOME_PROXMOX_USER"],
        token_name=told["SITE_HOME_PROXMOX_TOKEN_NAME"],
        token_value=told["SITE_HOME_PROXMOX_TOKEN_VALUE"],
        verify_ssl=told["SITE_HOME_PROXMOX_VERIFY_SSL"],
    )
    proxmox.nodes("pve1").lxc(201).status.stop.post()
    alert = me.messages.locator("article").filter(has_text="dns").filter(has_text="停止しました")
    expect(alert).to_have_count(1)
    proxmox.nodes("pve1").lxc(201).status.start.post()
    back = me.messages.locator("article").filter(has_text="dns").filter(has_text="復旧しました")
    expect(back).to_have_count(2)  # the alert itself, edited, and the message that it is over
    expect(alert).to_have_count(0)


def test_outside_of_its_category_the_bot_refuses(visit: Visit) -> None:
    me = visit(2)
    me.type_command("info").click()
    me.fill("vmid", "web")
    expect(me.page.locator(".command-popup")).to_contain_text("No options match")
    expect(me.answered("list")).to_contain_text("このチャンネルでは使えません")
    expect(me.messages).not_to_contain_text("web01")


def test_a_scoped_user_sees_no_other_guests(visit: Visit) -> None:
    me = visit(0)
    me.become("ゲーム担当 ken")
    shown = me.answered("list")
    expect(shown).to_contain_text("minecraft")
    expect(shown).not_to_contain_text("web01")


def test_the_owner_reboots_their_guest_and_the_audit_channel_tells_of_it(visit: Visit) -> None:
    """The owner is a viewer of everything else."""
    audit, me = visit(1), visit(0)
    me.become("閲覧者 emma")
    outcome = me.run("reboot", "wiki", "204 wiki")
    expect(outcome).to_contain_text("を再起動しました")
    expect(audit.messages).to_contain_text("wiki")
    expect(audit.messages).to_contain_text("閲覧者 emma")


def test_a_reset_in_the_other_language_starts_over_and_the_page_follows(
    phone: Visitor, demo: DemoProcess
) -> None:
    """Somebody else's reset ends bot and cluster and starts others."""
    panel = phone.page.locator("#demo-panel")
    expect(panel).to_contain_text("ツアー")
    first_children = programs(demo)
    base, _, secret = demo.addresses()[0].partition("#")
    wanted = urllib.request.Request(  # noqa: S310 - this machine's own page
        f"{base}demo/reset", b'{"language": "en"}', {"X-Simcord-Capability": secret}
    )
    urllib.request.urlopen(wanted).close()  # noqa: S310 - see above
    expect(panel.get_by_role("button", name="Start the tour")).to_be_visible()
    expect(phone.messages.locator("article").filter(has_text="👋")).to_contain_text("The bot is ready")
    expect(phone.messages.locator("article").first).to_contain_text("103 minecraft recovered at")
    assert not re.search("[ぁ-んァ-ヶ一-龥]", phone.page.locator("body").inner_text()), (
        "all of it is in English"
    )
    assert "grafana" not in phone.messages.inner_text()
    children = programs(demo)
    assert len(children) == len(first_children) == 2
    assert not set(children) & set(first_children)
    assert not [pid for pid in first_children if Path(f"/proc/{pid}").exists()]


def test_both_sites_are_ready_and_named(phone: Visitor, demo: DemoProcess) -> None:
    until(lambda: "ready: home: " in demo.output(), "both sites to be ready")
    assert "ready: home: ゲスト 17 台, ノード 3 台 · parents: ゲスト 4 台, ノード 1 台" in demo.output()
    assert "--one-site" in demo.output()
    assert "かかる時間: 開始は 2 秒" in demo.output()
    assert "❌" not in demo.output()
    shown = phone.run("info", "101 home", "parents/101 homeassistant")
    expect(shown).to_contain_text("nuc")
    expect(shown).to_contain_text(re.compile("running|稼働中"))  # the other config's fingerprint is not used
    phone.type_command("info").click()
    phone.fill("vmid", "dns")
    expect(phone.completions).to_contain_text(["home/201 dns", "parents/201 dns"])
    phone.leave_command()


def test_the_tour_and_a_breakage(phone: Visitor) -> None:
    """The page does every step for a visitor, and notices by itself when it is done."""
    panel = phone.page.locator("#demo-panel")
    panel.get_by_role("button", name="Start the tour").click()
    for at, step in enumerate(STEPS, 1):
        expect(panel.locator("h3")).to_have_text(f"{at} / {len(STEPS)}  {step.title['en']}")
        panel.get_by_role("button", name="Do it for me").click()
    expect(panel).to_contain_text("That's all")
    expect(phone.messages).to_contain_text("Audit trail")
    assert phone.viewer == "admin akiko"
    assert phone.page.evaluate("document.documentElement.scrollWidth") == 390

    panel.locator("[data-tab=break]").click()
    panel.get_by_role("button", name="Break: Cut off Proxmox").dblclick()
    expect(panel.get_by_role("button", name="Fix: Cut off Proxmox")).to_be_visible()
    alert = phone.messages.locator("article").filter(has_text="No connection to Proxmox")
    expect(alert).to_have_count(1)
    panel.get_by_role("button", name="Fix: Cut off Proxmox").click()
    expect(alert).to_have_count(0)


def chart_of(me: Visitor, typed: str, wanted: str) -> Locator:
    """Ask for a guest's chart, and ask again if a busy machine could not draw it in the bot's time."""
    ends = time.monotonic() + PATIENCE
    while True:
        chart = me.run("graph guest", typed, wanted)
        expect(chart.locator("img").or_(chart.get_by_text("時間がかかりすぎたため"))).to_be_visible()
        if chart.locator("img").count() or time.monotonic() > ends:
            return chart


def copy_tree(tree: Path, marker: Path) -> None:
    """Copy the tree, and lay a real bot's config.py beside bot.py. It touches `marker` if it is run."""
    tree.mkdir()
    for path in ROOT.glob("*.py"):
        if path.name != "config.py":
            shutil.copy2(path, tree)
    for part in ("core", "cogs", "ui", "adapters", "startup", "locales", "playground"):
        shutil.copytree(ROOT / part, tree / part)  # with its bytecode: nothing is compiled anew
    (tree / "config.py").write_text(
        f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n"
        f'PROXMOX_FINGERPRINT = "{":".join(["AB"] * 32)}"\nLANGUAGE = "en"\nnonsense = 1\nNONSENSE = 1\n'
    )


def is_here(url: str) -> bool:
    """Return whether the address is on this machine or in the page itself."""
    return url.startswith(("http://127.0.0.1:", "blob:", "data:"))

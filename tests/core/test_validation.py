"""Test which names, numbers, UPIDs and durations are accepted."""

import contextlib
import re
from collections.abc import Callable
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.proxmox.paths import task_path
from core.guest import Kind
from core.validation import (
    LEAST_SECONDS,
    MOST_SECONDS,
    Upid,
    checked_cores,
    checked_guest_name,
    checked_memory,
    checked_snapshot_name,
    checked_vmid,
    is_node,
    parse_duration,
)
from core.wanted_errors import BadAmount, BadDuration, BadGuestName, BadSnapshotName, BadVmid
from tests.support.walked import walked
from ui.formatting import format_duration
from ui.i18n import Texts
from ui.options.completions import OFFERED

# As in pve-common JSONSchema.pm and PVE/UPID.pm, but with \Z for Perl's $, which also allows a newline at the end.
PVE_NAME = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9\-]*[a-zA-Z0-9])?)"
PVE_DNS_NAME = re.compile(rf"\A(?:{PVE_NAME}\.)*{PVE_NAME}\Z")
PVE_NODE = re.compile(rf"\A{PVE_NAME}\Z")
PVE_CONFIGID = re.compile(r"\A[a-zA-Z][a-zA-Z0-9_\-]+\Z")
PVE_VMID = re.compile(r"\A[1-9][0-9]{2,8}\Z")
PVE_UPID = re.compile(
    rf"\AUPID:{PVE_NAME}:[0-9A-Fa-f]{{8}}:[0-9A-Fa-f]{{8,9}}:[0-9A-Fa-f]{{8}}:[^:\s]+:[^:\s]*:[^:\s]+:\Z"
)

HOSTILE = [
    "",
    " ",
    ".",
    "..",
    "../200",
    "a/b",
    "a?force=1",
    "a#b",
    "a%2Fb",
    "a b",
    "a\tb",
    "a\nb",
    "ab\n",
    "\nab",
    "a\x00b",
    "a\u200bb",
    "\u202eab",
    "a;b",
    "a:b",
    "a\\b",
    "a'b",
    'a"b',
    "a$(b)",
    "a`b`",
    "<@1>",
    "1٣",
    "a٣b",
    "ab１",
    "é1",
    "日本",
    "K\u212a",  # the Kelvin sign, which lower-cases to k
    "a" * 300,
]
NASTY = st.one_of(
    st.text(max_size=70),
    st.text(alphabet="abzAZ019-_./%?#: \n٣\u202e", max_size=70),
    st.from_regex(r"[a-zA-Z0-9._-]{0,70}", fullmatch=True),
    st.sampled_from(HOSTILE),
)


@walked("value", [100, 101, 9999, 999_999_999])
def test_vmids_accepted(value: int) -> None:
    assert checked_vmid(value) == value


@walked("value", [-101, -1, 0, 1, 99, 1_000_000_000, 2**63])
def test_vmids_refused(value: int) -> None:
    with pytest.raises(BadVmid) as caught:
        checked_vmid(value)
    assert caught.value.value == str(value)


@given(st.integers())
def test_a_vmid_is_accepted_exactly_where_proxmox_accepts_it(value: int) -> None:
    try:
        checked_vmid(value)
        accepted = True
    except BadVmid:
        accepted = False
    assert accepted == (PVE_VMID.match(str(value)) is not None)


@walked("name", ["ab", "a1", "A_", "a-", "before-update", "v2_1", "x" * 40, "vzdump"])
def test_snapshot_names_accepted(name: str) -> None:
    assert checked_snapshot_name(name) == name


@walked(
    "name", [*HOSTILE, "a", "1a", "-a", "_a", "a.b", "x" * 41, "current", "pending", "Pending", "PENDING"]
)
@walked("kind", [None, *Kind])
def test_snapshot_names_refused(name: str, kind: Kind | None) -> None:
    with pytest.raises(BadSnapshotName) as caught:
        checked_snapshot_name(name, kind)
    assert caught.value.value == name


def test_a_container_has_one_more_reserved_snapshot_name() -> None:
    assert checked_snapshot_name("vzdump", Kind.QEMU) == "vzdump"
    with pytest.raises(BadSnapshotName):
        checked_snapshot_name("vzdump", Kind.LXC)


@given(NASTY)
def test_every_accepted_snapshot_name_is_valid_in_proxmox(name: str) -> None:
    try:
        assert checked_snapshot_name(name) == name
    except BadSnapshotName as error:
        assert error.value == name
        own = PVE_CONFIGID.match(name) and len(name) <= 40
        assert not own or name.lower() in ("current", "pending")
    else:
        assert PVE_CONFIGID.match(name)
        assert len(name) <= 40


@walked("name", ["a", "1", "web-01", "db.example.com", "A-1.B-2", "x" * 63, "0.0"])
def test_guest_names_accepted(name: str) -> None:
    assert checked_guest_name(name) == name


@walked("name", [*HOSTILE, "-a", "a-", "a_b", ".a", "a.", "a..b", "a.-b", "x" * 64, ".".join(["ab"] * 85)])
def test_guest_names_refused(name: str) -> None:
    with pytest.raises(BadGuestName) as caught:
        checked_guest_name(name)
    assert caught.value.value == name


@given(NASTY)
def test_every_accepted_guest_name_is_valid_in_proxmox(name: str) -> None:
    try:
        assert checked_guest_name(name) == name
    except BadGuestName as error:
        assert error.value == name
        too_long = len(name) > 253 or any(len(label) > 63 for label in name.split("."))
        assert too_long or not PVE_DNS_NAME.match(name)
    else:
        assert PVE_DNS_NAME.match(name)


@walked(
    ("name", "fits"),
    [
        ("pve", True),
        ("pve-1", True),
        ("1", True),
        ("x" * 63, True),
        ("x" * 64, False),
        ("-pve", False),
        ("pve-", False),
        ("pve.lan", False),
        ("pve_1", False),
        *((name, False) for name in HOSTILE),
    ],
)
def test_nodes(name: str, fits: bool) -> None:
    assert is_node(name) is fits


@given(NASTY)
def test_every_accepted_node_name_is_valid_in_proxmox(name: str) -> None:
    assert is_node(name) == (PVE_NODE.match(name) is not None and len(name) <= 63)


@walked(
    ("check", "option", "least", "most"),
    [(checked_cores, "cores", 1, 8192), (checked_memory, "memory_mb", 16, 4_178_944)],
)
def test_amounts(check: Callable[[int], int], option: str, least: int, most: int) -> None:
    for value in (least, least + 1, most - 1, most):
        assert check(value) == value
    for value in (least - 1, 0, -1, -least, most + 1, 2**70):
        with pytest.raises(BadAmount) as caught:
            check(value)
        error = caught.value
        assert (error.option, error.value, error.least, error.most) == (option, value, least, most)


# --- UPIDs ---

REAL = "UPID:pve1:0000A1B2:00C3D4E5:6716F2A0:qmstart:101:discordbot@pve!bot:"


@walked(
    ("text", "parts"),
    [
        (REAL, ("pve1", "qmstart", "101", "discordbot@pve!bot", 0x6716F2A0)),
        (
            "UPID:node-2:001F3CA1:1A2B3C4D5:6716f2a0:vzdestroy:205:root@pam:",
            ("node-2", "vzdestroy", "205", "root@pam", 0x6716F2A0),
        ),
        (
            "UPID:a:00000001:00000001:00000001:imgcopy::root@pam:",
            ("a", "imgcopy", "", "root@pam", 1),
        ),
        (
            "UPID:pve1:0000A1B2:00C3D4E5:6716F2A0:hastart:101:discordbot@pve!bot:",
            ("pve1", "hastart", "101", "discordbot@pve!bot", 0x6716F2A0),
        ),
        *(
            (REAL.replace("discordbot", name), ("pve1", "qmstart", "101", f"{name}@pve!bot", 0x6716F2A0))
            for name in ("bot#1", "what?", "100%", "a&b;c", "ボット", "back\\slash", "a'b(c)+=~$,*")
        ),
    ],
)
def test_real_upids_are_taken_apart(text: str, parts: tuple[str, str, str, str, int]) -> None:
    upid = Upid.parse(text)
    assert upid is not None
    assert (upid.node, upid.type, upid.id, upid.user, upid.started) == parts
    assert upid.text == text


@walked(
    "text",
    [
        "",
        "UPID:",
        REAL[:-1],
        REAL + " ",
        REAL + "\n",
        " " + REAL,
        REAL + REAL,
        REAL.lower(),
        REAL.replace("UPID", "upid"),
        REAL.replace("pve1", ""),
        REAL.replace("pve1", "-pve1"),
        REAL.replace("pve1", "pve1-"),
        REAL.replace("pve1", "pve1/../pve2"),
        REAL.replace("pve1", "pve.1"),
        REAL.replace("pve1", "pv\u202ee1"),
        REAL.replace("0000A1B2", "A1B2"),
        REAL.replace("0000A1B2", "0000A1B٣"),
        REAL.replace("0000A1B2", "0000A1BG"),
        REAL.replace("00C3D4E5", "0000C3D4E5"),
        REAL.replace("6716F2A0", "-6716F2A"),
        REAL.replace("6716F2A0", "6716F2A０"),
        REAL.replace("qmstart", ""),
        REAL.replace("qmstart", "qm start"),
        REAL.replace("qmstart", "../../../../access/users"),
        REAL.replace("101", "101/../../.."),
        REAL.replace("101", "1:2"),
        REAL.replace("101", "101\n"),
        REAL.replace("discordbot@pve!bot", ""),
        REAL.replace("discordbot@pve!bot", "a/b"),
        # pveproxy unescapes the path before it routes, and a ? or # would end it
        REAL.replace("101", "..%2F..%2Fstatus"),
        REAL.replace("101", "101?limit=0"),
        REAL.replace("101", "101#"),
        REAL.replace("discordbot@pve!bot", "%2e%2e%2f@pve"),
        "٣" * 60,
    ],
)
def test_texts_that_are_no_upid_give_none(text: str) -> None:
    assert Upid.parse(text) is None


@given(
    st.one_of(
        st.text(max_size=90),
        st.builds(
            lambda at, text: REAL[:at] + text + REAL[at:],
            st.integers(0, len(REAL)),
            st.text(alphabet=":/.?#%\\ \n\u202e٣AFGaf09", max_size=6),
        ),
        st.builds(
            lambda at, count, text: REAL[:at] + text + REAL[at + count :],
            st.integers(0, len(REAL)),
            st.integers(0, 9),
            st.text(alphabet=":/.?#%\\ \n\u202e٣AFGaf09", max_size=6),
        ),
    )
)
def test_every_accepted_upid_is_valid_in_proxmox_and_one_segment_of_a_path(text: str) -> None:
    upid = Upid.parse(text)
    if upid is not None:
        assert PVE_UPID.match(text)
        assert not set("/?#%") & set(f"{upid.node}{upid.type}{upid.id}")
        assert "/" not in upid.user
        *_, segment = task_path(text)
        assert not set("/?#") & set(segment)
        assert unquote(segment) == text
        assert is_node(upid.node) or len(upid.node) > 63
        assert f":{upid.type}:{upid.id}:{upid.user}:" in text


MINUTE, HOUR, DAY = 60, 3600, 86_400
TEXTS = Texts("ja")


@walked(
    ("text", "seconds"),
    [
        ("1m", MINUTE),
        ("30m", 30 * MINUTE),
        ("8h", 8 * HOUR),
        ("2d", 2 * DAY),
        ("30d", 30 * DAY),
        ("720h", 30 * DAY),
        ("43200m", 30 * DAY),
        ("1d12h30m", 36 * HOUR + 30 * MINUTE),
        ("1h 30m", 90 * MINUTE),
        (" 8 H ", 8 * HOUR),
        ("30 min", 30 * MINUTE),
        ("30mins", 30 * MINUTE),
        ("1 minute", MINUTE),
        ("90 minutes", 90 * MINUTE),
        ("8 hours", 8 * HOUR),
        ("1hr", HOUR),
        ("2 days", 2 * DAY),
        ("30分", 30 * MINUTE),
        ("30分間", 30 * MINUTE),
        ("8時間", 8 * HOUR),
        ("1時間30分", 90 * MINUTE),
        ("2日", 2 * DAY),
        ("2日間", 2 * DAY),
        ("８ 時間", 8 * HOUR),
        ("３０分", 30 * MINUTE),
        ("８ｈ", 8 * HOUR),
        ("1\u3000日", DAY),
        ("007h", 7 * HOUR),
        ("0d1h", HOUR),
    ],
)
def test_durations_as_people_write_them(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@walked(
    "text",
    [
        "",
        " ",
        "0m",
        "0h",
        "30",
        "h",
        "-1h",
        "+1h",
        "1.5h",
        "1,5h",
        "1h1h",
        "30m1h",
        "59s",
        "60s",
        "1w",
        "30d1m",
        "31d",
        "721h",
        "999999d",
        "9" * 5000 + "m",
        "1e3m",
        "1h; rm",
        "soon",
        "永遠",
        "٣h",
        "1h\n@everyone",
    ],
)
def test_texts_that_are_no_duration(text: str) -> None:
    with pytest.raises(BadDuration) as caught:
        parse_duration(text)
    assert caught.value.value == text


@given(st.integers(LEAST_SECONDS // 60, MOST_SECONDS // 60), st.sampled_from(["ja", "en"]))
def test_shown_durations_can_be_typed(minutes: int, language: str) -> None:
    """The shown form keeps only the two largest units."""
    shown = format_duration(TEXTS.of("ja" if language == "ja" else "en"), minutes * 60)
    assert 0 <= minutes * 60 - parse_duration(shown) < 3600


@given(st.text(max_size=40))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    with contextlib.suppress(BadDuration):
        assert LEAST_SECONDS <= parse_duration(text) <= MOST_SECONDS


def test_every_offered_duration_is_one() -> None:
    assert [parse_duration(text) for text in OFFERED] == sorted({parse_duration(text) for text in OFFERED})

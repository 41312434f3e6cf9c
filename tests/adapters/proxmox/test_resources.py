"""Test the two ways to decode the cluster's list, and what one read shares with the one before.

Every body leads to the same cluster as when it is decoded like any other answer. Only the way there is shorter.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.proxmox.resources import FormerRead, decode_resources, parse_cluster
from adapters.proxmox.transport.responses import CONTAINERS_MOST, Response, TooLarge, parse_response
from core.guest import Cluster, Kind, State
from tests.support.walked import walked

USUAL: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(["qemu", "qemu", "lxc", "node", "storage", "pool", "sdn"]),
    "id": st.just("qemu/100"),
    "vmid": st.integers(1, 20),
    "node": st.sampled_from(["a", "b", ""]),
    "status": st.sampled_from(["running", "stopped", "offline", "online", "available", "unknown", "paused"]),
    "name": st.sampled_from(["web", "db", "名前", ""]),
    "cpu": st.sampled_from([0, 0.25, 1, 1e-9]),
    "maxcpu": st.sampled_from([1, 2, 2.5]),
    "mem": st.sampled_from([0, 5, 100]),
    "memhost": st.sampled_from([5, 7]),
    "maxmem": st.sampled_from([0, 50, 100]),
    "disk": st.sampled_from([0, 3]),
    "maxdisk": st.sampled_from([0, 9]),
    "uptime": st.integers(0, 2),
    "template": st.sampled_from([0, 1, "1", "", True]),
    "lock": st.sampled_from(["backup", ""]),
    "tags": st.sampled_from(["", "prod", "a;b, c"]),
    "hastate": st.sampled_from(["started", "ignored", ""]),
    "pool": st.sampled_from(["p", "p/q", ""]),
    "storage": st.sampled_from(["local", "nfs", ""]),
    "shared": st.sampled_from([0, 1, "1"]),
}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from(
        [2**53 + 1, 2**63, 2**64, 10**18, 10**18 - 1, -(10**18), 10**400, -0.0, 1e300, 123456789.0]
    ),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["1", "12", "1e3", "nan", "\ud800", "running", "9" * 5000, "x" * 10_001]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["type", "vmid", "node"]), st.integers(), max_size=2),
)
TYPES = {"type": USUAL.pop("type")}
USUAL_ROWS = st.fixed_dictionaries(TYPES, optional=USUAL)
ODD_ROWS = st.fixed_dictionaries({}, optional={key: one | ODD for key, one in (TYPES | USUAL).items()})
ROWS = st.lists(st.one_of(USUAL_ROWS, USUAL_ROWS, ODD_ROWS), max_size=5)


def body_of(data: object, *, ascii_only: bool = True) -> bytes:
    return json.dumps({"data": data}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


def plainly(body: bytes) -> Any:
    """Decode the `data` of a body as any other answer is decoded."""
    found = parse_response(Response(200, "OK", body))
    return None if found is None else found.data


def typed(body: bytes) -> Cluster | None:
    rows = decode_resources(body)
    return None if rows is None else parse_cluster(rows, 1.0)


def assert_same(body: bytes) -> bool:
    """Check that both ways lead to the same cluster, and return whether the short way was taken."""
    found, data = typed(body), plainly(body)
    if found is None:
        return False
    assert isinstance(data, list)
    expected = parse_cluster(data, 1.0)
    assert found == expected
    assert repr(found) == repr(expected), "2 and 2.0 are equal, and True and 1"
    return True


@given(st.lists(USUAL_ROWS, max_size=5), st.booleans())
def test_usual_rows_are_decoded_the_short_way(rows: list[dict[str, Any]], ascii_only: bool) -> None:
    assert assert_same(body_of(rows, ascii_only=ascii_only))


@given(ROWS, st.booleans())
def test_both_ways_lead_to_the_same_cluster(rows: list[dict[str, Any]], ascii_only: bool) -> None:
    assert_same(body_of(rows, ascii_only=ascii_only))


@given(st.lists(USUAL_ROWS, min_size=3, max_size=8), st.sampled_from([0, 50, 500]), st.booleans())
def test_a_body_may_be_cut_into_pieces_anywhere(
    rows: list[dict[str, Any]], piece: int, ascii_only: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adapters.proxmox.resource_rows.PIECE", piece)
        assert assert_same(body_of(rows, ascii_only=ascii_only))


@walked(
    "odd",
    [
        {"name": "a},{b"},
        {"name": 'a}, {"type": "qemu", "vmid": 9, "node": "b"'},
        {"deep": [{"a": 1}, {"type": "qemu", "vmid": 9, "node": "b"}]},
        {"tags": r'\\"},{"'},
    ],
)
@walked("piece", range(0, 120, 7))
def test_no_cut_within_a_row_makes_another_list(
    odd: dict[str, Any], piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.proxmox.resource_rows.PIECE", piece)
    assert_same(body_of([guest_row(100), guest_row(101, **odd), guest_row(102)]))


def test_a_guest_on_an_offline_node_that_is_listed_later_is_unknown() -> None:
    former = FormerRead()
    offline: dict[str, object] = {"type": "node", "node": "node-of-guest", "status": "offline"}
    first = read(former, guest_row(100), guest_row(101, node="other"), offline)
    assert [guest.state for guest in first.guests] == [State.UNKNOWN, State.RUNNING]
    assert read(former, guest_row(100), offline).find(100) is first.find(100)


@given(st.lists(USUAL_ROWS, min_size=1, max_size=3), st.data())
def test_a_broken_body_gives_the_same_result_both_ways(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    body = bytearray(body_of(rows, ascii_only=False))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    assert_same(bytes(body))


GUEST = '{"type": "qemu", "vmid": 100, "node": "a", "status": "running", "name": "web", "cpu": 0.5, "mem": 7'


@walked(
    "extra",
    [
        '"name": 7',
        '"mem": "12"',
        '"mem": 1.5',
        '"mem": true',
        '"mem": 1e400',
        f'"mem": 1{"0" * 400}',
        '"cpu": NaN',
        '"cpu": Infinity',
        '"cpu": "0.5"',
        '"cpu": true',
        '"vmid": true',
        '"vmid": "100"',
        '"vmid": 101.0',
        '"status": ["running"]',
        '"tags": {"a": 1}',
        '"template": [1]',
        '"template": 1.0',
        r'"name": "\ud800"',
        f'"name": "{"x" * 20_000}"',
        '"name": null',
        '"vmid": 101, "vmid": 102',
        '"vmid": "x", "vmid": 102',
        '"netin": NaN',
        '"netin": {"deep": [[[]]]}',
    ],
)
def test_one_odd_value_spoils_nothing_else(extra: str) -> None:
    """Each value is converted or left out as before, and the guests beside it are listed."""
    other = '{"type": "lxc", "vmid": 9, "node": "b", "status": "stopped"}'
    body = f'{{"data": [{GUEST}, {extra}}}, {other}]}}'.encode()
    assert_same(body)
    answer = parse_response(Response(200, "OK", body), decode_resources)
    assert answer is not None
    rows: Any = answer.data
    cluster = parse_cluster(rows, 1.0)
    assert cluster == parse_cluster(plainly(body), 1.0)
    assert cluster.find(9) is not None


@walked(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"data": null}',
        b'{"data": {}}',
        b'{"data": 7}',
        b'{"data": [7]}',
        b'{"data": [null]}',
        b'{"data": [[]]}',
        b'{"data": []} x',
        b'{"data": [],}',
        b'\xef\xbb\xbf{"data": []}',
        b'{"data": [{"type": "qemu", "id": "\xff"}]}',
        b'{"data": [{"type": "qemu", "id": "\x01"}]}',
        b'{"data": [{"type": "qemu", "id": 01}]}',
        b"<html></html>",
        b'{"data": [' + b'{"a":' * 100_000,
    ],
)
def test_answers_that_are_no_list_of_rows_are_parsed_as_usual(body: bytes) -> None:
    assert decode_resources(body) is None


def test_a_body_of_too_many_objects_is_refused_by_both_ways() -> None:
    body = body_of([{}] * (CONTAINERS_MOST + 1))
    with pytest.raises(TooLarge):
        parse_response(Response(200, "OK", body), decode_resources)


def test_an_error_of_proxmox_is_read_as_always() -> None:
    answer = parse_response(Response(500, "", b'{"data": null, "message": "no quorum"}'), decode_resources)
    assert answer is not None
    assert (answer.refused, answer.message) == (True, "no quorum")


# -- two reads


def guest_row(vmid: int, **values: object) -> dict[str, object]:
    text = {"node": "node-of-guest", "name": f"guest-{vmid}", "tags": "some;tags", "pool": "some-pool"}
    return {"type": "qemu", "vmid": vmid, "status": "running", "maxmem": 2**40, "uptime": 5, **text, **values}


def read(former: FormerRead, *rows: dict[str, object]) -> Cluster:
    decoded = decode_resources(body_of(list(rows)), former)
    assert decoded is not None
    return parse_cluster(decoded, 1.0)


def test_an_unchanged_guest_is_the_same_object_in_the_next_read() -> None:
    former = FormerRead()
    first = read(former, guest_row(100), guest_row(101), guest_row(102))
    second = read(former, guest_row(101, uptime=15), guest_row(100), guest_row(103))
    assert second.find(100) is first.find(100)
    assert second.find(101) is not first.find(101)
    assert [guest.vmid for guest in second.guests] == [100, 101, 103]
    third = read(former, guest_row(100, status="stopped"))
    guest = third.find(100)
    assert guest is not None
    assert guest.state is State.STOPPED, "a change is a change, even with the same uptime"


def test_an_unchanged_guest_of_the_other_way_is_the_same_object_too() -> None:
    former = FormerRead()
    first = read(former, guest_row(100))
    second = parse_cluster([guest_row(100), "junk"], 2.0, former)
    assert second.find(100) is first.find(100)


def test_guests_share_their_texts_within_and_between_reads() -> None:
    former = FormerRead()
    first = read(former, guest_row(100), guest_row(101))
    second = read(former, guest_row(100, uptime=15), guest_row(101, uptime=15))
    one, other = first.guests
    changed, _ = second.guests
    assert changed is not one
    for field in ("node", "pool", "tags", "memory_total"):
        assert getattr(one, field) is getattr(other, field)
        assert getattr(one, field) is getattr(changed, field)
    assert one.name is changed.name
    assert one.name != other.name


def test_a_guest_with_another_name_or_kind_is_another() -> None:
    former = FormerRead()
    read(former, guest_row(100))
    (renamed,) = read(former, guest_row(100, name="new")).guests
    (swapped,) = read(former, guest_row(100, name="new", type="lxc")).guests
    assert (renamed.name, renamed.kind) == ("new", Kind.QEMU)
    assert (swapped.name, swapped.kind) == ("new", Kind.LXC)


def test_values_that_are_shared_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.proxmox.resources.SHARED_MOST", 10)
    former = FormerRead()
    for number in range(100):
        read(
            former, guest_row(100, tags=f"tag-{number}", pool=f"pool-{number}", maxmem=number, maxcpu=number)
        )
    assert all(len(kept) <= 11 for kept in (former.texts, former.tags, former.sizes, former.counts))
    assert former.cluster is not None
    assert former.cluster.vmids == {100}

"""Test the cost and the choices of each keystroke, for any text, any size of cluster and any person."""

import gc
import time
from collections.abc import Callable
from dataclasses import replace
from pkgutil import resolve_name
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.access.authorizer import Authorizer
from core.access.guest_index import GuestIndex, offered_rows
from core.access.guest_table import FEW, TYPED_MOST, WORDS_MOST, GuestTable, normalized, words_of
from core.access.policy import AccessRules, Actor, Place, Scope, ScopeKind, decide
from core.access.read_only import ReadOnlySwitch
from core.clock import Clock
from core.cluster.cache import ClusterCache
from core.errors import ReadOnly
from core.guest import Cluster, Guest, Kind, State
from core.levels import Level
from core.operations import Operation
from core.proxmox import Proxmox
from playground.discord.people import Person
from playground.pve.server import Pve
from tests.support import stage
from tests.support.catalogue import EVERY_COMPLETION
from tests.support.stage import Stage

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language

MANY = 10_000
SECONDS = 0.25
"""CPU seconds that one keystroke may cost with this many guests, including the playground's Discord.

It was once 8.6 s.
"""
HERE = Place(1, 2)


# -- the part of a typed text that counts


def test_a_hundred_characters_and_five_words_count() -> None:
    assert words_of("e " * 3000) == ("e",)
    assert words_of("a B c d e f g") == ("a", "b", "c", "d", "e")
    assert WORDS_MOST == 5
    assert words_of("x" * 6000) == ("x" * TYPED_MOST,)
    assert len(normalized("ß" * 6000)) <= 2 * TYPED_MOST
    assert normalized(" WEB ") == "web"
    assert words_of("") == words_of("   ") == ()


async def test_no_read_is_kept_for_the_next_index() -> None:
    class Reads:
        async def cluster(self) -> Cluster:
            return Cluster((Guest(100, Kind.QEMU, "pve1", State.RUNNING, "web"),), (), 0.0)

    cluster_cache = ClusterCache(cast(Proxmox, Reads()), Clock())
    authorizer = Authorizer(AccessRules(1, 2), cluster_cache, cast(ReadOnlySwitch, None))
    cluster_cache.subscribe(authorizer.forget_read)
    first = await cluster_cache.read(0)
    table = authorizer.guest_index(first).table
    second = await cluster_cache.read(0)
    gc.collect()
    assert not [one for one in gc.get_referrers(first) if isinstance(one, GuestIndex)]
    index = authorizer.guest_index(second)
    assert index.table is table, "what is still right is used again"
    assert index.guests_named("WEB") == [second.find(100)]


# -- the offered guests are those that the decision allows


TAGS = st.lists(
    st.sampled_from(["web", "Web", "db", "protected", "owner-1", "OWNER-1", "owner-2"]), max_size=3
)
GUESTS = st.lists(
    st.builds(
        Guest,
        st.sampled_from([100, 101, 102, 103, 210, 1010, 2101]),
        st.sampled_from(Kind),
        st.sampled_from(["pve1", "pve2", ""]),
        st.sampled_from(State),
        st.sampled_from([None, "web01", "db 02"]),
        tags=TAGS.map(tuple),
        pool=st.sampled_from([None, "lab", "lab/web", "labs"]),
        protected=st.booleans(),
        template=st.booleans(),
    ),
    unique_by=lambda guest: guest.vmid,
    max_size=6,
)
SCOPES = st.lists(
    st.sampled_from(
        [
            Scope(ScopeKind.TAG, "WEB"), Scope(ScopeKind.TAG, "none"),
            Scope(ScopeKind.POOL, "lab"), Scope(ScopeKind.POOL, "labs"),
            Scope(ScopeKind.NODE, "pve1"), Scope(ScopeKind.VMID, "101"), Scope(ScopeKind.VMID, "999"),
        ]
    ),
    max_size=3,
).map(tuple)  # fmt: skip
RULES = st.builds(
    lambda levels, scopes, protected: AccessRules(
        1, 2, levels=levels, scopes={role: each for role, each in scopes.items() if role in levels},
        protected=protected,
    ),
    st.dictionaries(st.integers(1, 4), st.sampled_from([Level.VIEWER, Level.OPERATOR, Level.ADMIN])),
    st.dictionaries(st.integers(1, 4), SCOPES),
    st.frozensets(st.integers(100, 102)),
)  # fmt: skip
ACTORS = st.builds(
    Actor,
    st.sampled_from([1, 2, 3]),
    st.just("A"),
    st.sampled_from([HERE, Place(1, 3)]),
    st.frozensets(st.integers(1, 4)),
)


@given(RULES, ACTORS, GUESTS, st.sampled_from(Operation), st.booleans())
def test_only_permitted_actions_are_offered(
    rules: AccessRules, actor: Actor, guests: list[Guest], operation: Operation, read_only: bool
) -> None:
    cluster = Cluster(tuple(sorted(guests, key=lambda guest: guest.vmid)), (), 0.0)
    held = ReadOnly("Ada", 0.0) if read_only else None
    index = GuestIndex(cluster)
    offered = offered_rows(rules, actor, operation, index, read_only=read_only)
    expected = [
        guest
        for guest in cluster.guests
        if decide(rules, actor, operation, guest, guests=cluster.guests, read_only=held) is None
    ]
    assert list(index.guests_in(offered)) == expected


# -- what it costs, at the real bot


class Crowd:
    """Hold four people.

    One may do everything, one sees half of the guests through many scopes, one sees one guest, and one sees
    nothing.
    """

    def __init__(self, scene: Stage) -> None:
        roles = {name: scene.guild.create_role(name) for name in ("all", "half", "one")}
        self.people = {
            name: scene.server.person(scene.guild, name, locale="en-US", roles=[role])
            for name, role in roles.items()
        }
        self.people["none"] = scene.server.person(scene.guild, "none", locale="en-US")
        half = [*(f"tag:t{n}" for n in range(40)), "node:pve1", "pool:lab", 1001]
        scopes = {roles["half"].id: half, roles["one"].id: [1001]}
        self.settings = {
            "ADMIN_ROLE_IDS": str(roles["all"].id),
            "OPERATOR_ROLE_IDS": f"{roles['half'].id} {roles['one'].id}",
            "ROLE_SCOPES": str({str(role): scope for role, scope in scopes.items()}).replace("'", '"'),
        }


KEYS: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "a hit": lambda: "1001",
    "a miss": lambda: "zzz",
    "many hits": lambda: "v",
    "3,000 words": lambda: "e " * 2999 + "e",
    "3,000 different words": lambda: " ".join(f"{n:x}" for n in range(1500)),
    "6,000 characters": lambda: "ﷺ" * 6000,
}


async def cost(
    scene: Stage, person: Person, command: str, option: str, typed: str, filled: dict[str, Any]
) -> float:
    """Return the CPU seconds of the loop's thread. Time taken by other programs does not count."""
    began = time.thread_time()
    await scene.server.autocomplete(person, scene.channel, command, option, typed, **filled)
    return time.thread_time() - began


WORST = ("half", ("many hits", "3,000 different words"))
"""The person and the text that are tried at every option. All people type all texts at one option of each name."""


async def test_a_keystroke_is_cheap_whatever_is_typed(bare_scene: Stage, pve: Pve) -> None:
    scene, crowd = bare_scene, Crowd(bare_scene)
    pve.add_many(MANY, first=20_000)
    for at, guest in enumerate([*pve.vms, *pve.cts]):
        guest.config["tags"] = f"t{at % 80};game"
    await scene.start_bot(**crowd.settings)
    slow, tried = {}, set[str]()
    for command, option, filled in [("audit", "who", {}), *EVERY_COMPLETION]:
        whole, (most, worst) = option not in tried, WORST
        tried.add(option)
        await scene.site.cluster_cache.read()
        for name, person in crowd.people.items() if whole else [(most, crowd.people[most])]:
            await cost(scene, person, command, option, "", filled)  # work done once per read
            for words in KEYS if whole else worst:
                took = await cost(scene, person, command, option, KEYS[words](), filled)
                if took > SECONDS:
                    slow[name, command, option, words] = round(took, 2)
    assert slow == {}


async def test_a_keystroke_looks_at_no_guest_by_itself(
    bare_scene: Stage, pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether an operation fits is asked once per kind, state and lock, and each word is searched for once.

    Words are searched for again only after a name has changed.
    """
    scene, crowd = bare_scene, Crowd(bare_scene)
    pve.add_many(2 * FEW)
    await scene.start_bot(**crowd.settings)
    asked = count_calls(monkeypatch, "ui.options.guest.can_act")
    words = count_calls(monkeypatch, "core.access.guest_table.GuestTable._containing")
    rights = count_calls(monkeypatch, "core.access.guest_table.GuestTable.in_scopes")
    sorts = count_calls(monkeypatch, "core.access.guest_table._Sorted.__init__")
    for typed in ("", "v", "vm", "vm 1", "vm 1 p", "v", "", "zzz", "pve1"):
        for command in ("start", "stop"):
            for name in ("all", "half"):
                await scene.choices(crowd.people[name], command, "vmid", typed)
    natures = {
        (guest.template, guest.kind, guest.lock, guest.protected, guest.state)
        for guest in scene.site.cluster_cache.last.guests  # type: ignore[union-attr]  # it was read
    }
    assert len(asked) == 2 * len(natures)
    assert len(words) <= 6, "once for each different word"
    assert len(rights) <= 2, "once for each person with scopes, and for their level of admin"
    assert len(sorts) == 2, "texts and names"
    guest = scene.site.cluster_cache.find(pve.vms[0].vmid)
    assert guest is not None
    scene.site.cluster_cache.overlay(guest.vmid, replace(guest, state=State.PAUSED))
    before = len(words), len(rights), len(sorts)
    first = await scene.choices(crowd.people["all"], "resume", "vmid", "v")
    assert first[0].startswith(f"⏸️ {guest.vmid} "), "only this one can be resumed"
    assert (len(words), len(rights), len(sorts)) == before, "the action has changed no name and no right"
    scene.site.cluster_cache.overlay(guest.vmid, None)
    left = await scene.choices(crowd.people["all"], "info", "vmid", str(guest.vmid))
    assert left
    assert not any(f" {guest.vmid} " in label for label in left)


def count_calls(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Any]:
    """Return a list that grows by one at each call of the function of this name."""
    called: list[Any] = []
    owner, _, word = name.rpartition(".")
    original = getattr(resolve_name(owner), word)

    def counted(*given: Any, **named: Any) -> Any:
        called.append(given)
        return original(*given, **named)

    monkeypatch.setattr(name, counted)
    return called


async def test_rights_are_not_worked_out_for_people_who_see_nothing(
    bare_scene: Stage, pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a person who sees some guests there are at most as many decisions as choices, not one per guest."""
    scene, crowd = bare_scene, Crowd(bare_scene)
    pve.add_many(300)
    await scene.start_bot(**crowd.settings)
    decided: list[Any] = []
    searched: list[Any] = []

    def counted(*given: Any, **named: Any) -> Any:
        decided.append(given)
        return decide(*given, **named)

    def matching(self: GuestTable, words: Any, among: Any) -> Any:
        searched.append(among)
        return match(self, words, among)

    match = GuestTable.matching
    monkeypatch.setattr("core.access.authorizer.decide", counted)
    monkeypatch.setattr(GuestTable, "matching", matching)
    for name, person in crowd.people.items():
        for typed in ("", "v", "zzz"):
            decided.clear()
            searched.clear()
            await scene.choices(person, "start", "vmid", typed)
            assert len(decided) <= 2, (name, typed)
            assert name != "none" or not any(searched)


def clusters() -> list[Cluster]:
    gc.collect()
    gc.unfreeze()
    try:
        return [each for each in gc.get_objects() if isinstance(each, Cluster) and each.guests]
    finally:
        gc.freeze()  # as tests/conftest.py left it


async def test_one_read_is_in_memory(bare_scene: Stage) -> None:
    """A large cluster is many megabytes: neither the start check nor the completions keep a former read."""
    before = clusters()  # what other tests have left
    await bare_scene.start_bot(MONITOR_VM_IDS="101")
    for _ in range(2):
        await bare_scene.poll()
        await bare_scene.choices(bare_scene.emma, "info", "vmid", "1")
    await bare_scene.poll()
    kept = [each for each in clusters() if not any(each is other for other in before)]
    assert kept == [bare_scene.site.cluster_cache.last]

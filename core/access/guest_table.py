"""Search the guests of a cluster by text, VMID, tag, pool and node, and by the rights of a person.

The table holds data that seldom changes from one read to the next, so that several reads share it. It does not know
the state of a guest.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate, chain, compress, repeat
from operator import attrgetter, contains
from typing import Any

from core.access.policy import OWNER_TAG, PROTECTED_TAG, AccessRules, Actor, Scope, ScopeKind
from core.access.recent import Recent
from core.access.rows import NO_ROWS, Rows, all_rows, flags_of, numbers_of, rows_at, rows_where
from core.guest import Guest
from core.levels import Level

TYPED_MOST, WORDS_MOST = 100, 5
"""Characters and words of the typed text that are used."""
FEW = 300
"""Maximum number of rows that are looked at one by one. For more, the whole table is searched at once."""
WORDS_KEPT, RIGHTS_KEPT = 32, 32
"""Maximum number of words, and of sets of rights, whose rows are kept."""

_COLUMNS: tuple[Callable[[Guest], Any], ...] = tuple(
    map(attrgetter, ("vmid", "name", "node", "tags", "pool", "protected", "template"))
)


def normalized(typed: str) -> str:
    """Return the used part of the text, in lower case."""
    return typed[:TYPED_MOST].casefold().strip()


def words_of(typed: str) -> tuple[str, ...]:
    """Return the words that must all match."""
    return tuple(dict.fromkeys(normalized(typed).split()))[:WORDS_MOST]


class GuestTable:
    """The guests as rows, ordered by VMID. Each part is built when it is first used."""

    def __init__(self, guests: Sequence[Guest]) -> None:
        self.count = len(guests)
        self._columns = [list(map(read, guests)) for read in _COLUMNS]
        self._vmids, self._names, self._nodes, self._tags, self._pools, self._flagged, self._templates = (
            self._columns
        )
        self.everyone: Rows = all_rows(self.count)
        self._by_word: Recent[str, Rows] = Recent(WORDS_KEPT)
        self._by_rights: Recent[object, Rows] = Recent(RIGHTS_KEPT)

    def next(self, guests: Sequence[Guest]) -> "GuestTable":
        """Return the table of a later read: this one if it would be the same."""
        other = GuestTable(guests)
        return self if other._columns == self._columns else other

    def build(self) -> Iterator[None]:
        """Build the missing parts for completions, one in each step of the iterator. No part takes long."""
        for part in ("texts", "_joined", "_starts", "_sorted_texts", "_sorted_names", "_by_tag"):
            if part not in self.__dict__:
                getattr(self, part)
                yield

    # -- by text

    @cached_property
    def texts(self) -> list[str]:
        """The lower-case text of each row, which is searched for words."""
        rows = zip(self._vmids, self.names, self._nodes, strict=True)
        return [f"{vmid} {name} {node.casefold()}" for vmid, name, node in rows]

    @cached_property
    def names(self) -> list[str]:
        """The name of each row in lower case, "" if it has none."""
        named = ((name or "", (name or "").casefold()) for name in self._names)
        return [name if name == folded else folded for name, folded in named]  # mostly no new object

    @cached_property
    def _joined(self) -> str:
        """All texts. A word has no white space, so it is never found across two of them."""
        return "\n".join(self.texts)

    @cached_property
    def _starts(self) -> Sequence[int]:
        """The place of each text in `_joined`, and the end."""
        return array("Q", accumulate((len(text) + 1 for text in self.texts), initial=0))

    @cached_property
    def _sorted_texts(self) -> "_Sorted":
        return _Sorted(self.texts)

    @cached_property
    def _sorted_names(self) -> "_Sorted":
        return _Sorted(self.names)

    def matching(self, words: Iterable[str], among: Rows) -> Rows:
        """Return the rows of `among` that contain all these words."""
        found = among
        for word in sorted(words, key=len, reverse=True):  # the longest leaves the fewest rows
            if found.bit_count() <= FEW:
                rows = (row for row in numbers_of(found, self.count) if word in self.texts[row])
                found = rows_at(rows, self.count)
            else:
                found &= self.containing(word)
        return found

    def containing(self, word: str) -> Rows:
        """Return the rows that contain a word, which must have no white space."""
        return self._by_word.get(word, lambda: self._containing(word))

    def _containing(self, word: str) -> Rows:
        rows = list[int]()
        at = self._joined.find(word)
        while at >= 0:
            if len(rows) == FEW:
                return rows_where(map(contains, self.texts, repeat(word)))
            rows.append(bisect_right(self._starts, at) - 1)
            at = self._joined.find(word, self._starts[rows[-1] + 1])
        return rows_at(rows, self.count)

    def beginning(self, start: str, among: Rows) -> Rows:
        """Return the rows of `among` whose text or name begins with this lower-case text."""
        if among.bit_count() <= FEW:
            texts, names = self.texts, self.names
            rows = (
                row
                for row in numbers_of(among, self.count)
                if texts[row].startswith(start) or names[row].startswith(start)
            )
            return rows_at(rows, self.count)
        if not start:
            return among
        found = chain(self._sorted_texts.beginning(start), self._sorted_names.beginning(start))
        return among & rows_at(found, self.count)

    def vmids_beginning(self, digits: str) -> Rows:
        """Return the rows whose VMID begins with these digits."""
        return rows_at(self._sorted_texts.beginning(digits), self.count) if digits.isdecimal() else NO_ROWS

    def named(self, name: str) -> list[int]:
        """Return the numbers of the rows with exactly this name. Upper and lower case are the same."""
        folded = name.casefold()
        return sorted(row for row in self._sorted_names.beginning(folded) if self.names[row] == folded)

    # -- by the guests' properties

    def with_vmids(self, vmids: Collection[int]) -> Rows:
        """Return the rows of these VMIDs. Those that no guest has are left out."""
        if len(vmids) > FEW:
            return rows_where(map(contains, repeat(vmids), self._vmids))
        found = (self._with_vmid(vmid) for vmid in vmids)
        return rows_at(chain.from_iterable(found), self.count)

    def _with_vmid(self, vmid: int) -> range:
        return range(bisect_left(self._vmids, vmid), bisect_right(self._vmids, vmid))

    def typed_exactly(self, typed: str) -> Rows:
        """Return the row whose VMID is exactly this text."""
        is_vmid = typed.isascii() and typed.isdecimal() and typed == str(int(typed))
        return rows_at(self._with_vmid(int(typed)), self.count) if is_vmid else NO_ROWS

    def nodes_of(self, rows: Rows) -> list[str]:
        """Return the nodes that host these guests, in alphabetical order."""
        return sorted(set(compress(self._nodes, flags_of(rows, self.count))))

    @cached_property
    def templates(self) -> Rows:
        return rows_where(map(bool, self._templates))

    @cached_property
    def _by_tag(self) -> Mapping[str, Sequence[int]]:
        found: defaultdict[str, array[int]] = defaultdict(_no_numbers)
        for row, tags in enumerate(self._tags):
            for tag in tags:
                found[tag.casefold()].append(row)
        return dict(found)

    @cached_property
    def _by_pool(self) -> Mapping[str, Sequence[int]]:
        return _group(pool or "" for pool in self._pools)

    @cached_property
    def _by_node(self) -> Mapping[str, Sequence[int]]:
        return _group(self._nodes)

    # -- by rights

    def owned_by(self, user_id: int) -> Sequence[int]:
        """Return the numbers of the rows whose tags name this person as owner."""
        return self._by_tag.get(f"{OWNER_TAG}{user_id}", ())

    def protected_by(self, vmids: frozenset[int]) -> Rows:
        """Return the rows protected by their tag, by Proxmox' flag if that was read, or by these VMIDs."""
        return self._by_rights.get(("protected", vmids), lambda: self._protected_by(vmids))

    def _protected_by(self, vmids: frozenset[int]) -> Rows:
        tagged = rows_at(self._by_tag.get(PROTECTED_TAG, ()), self.count)
        return tagged | rows_where(map(bool, self._flagged)) | self.with_vmids(vmids)

    def at_level(self, rules: AccessRules, actor: Actor, least: Level) -> Rows:
        """Return the guests on which the person has at least this level.

        The result depends only on the table, on the scopes of the person's roles and on the owner tag of the person.
        The scopes and the owner are its key in the cache.
        """
        if not rules.levels:
            return self.everyone
        held = [role for role, level in rules.levels.items() if role in actor.roles and level >= least]
        if any(role not in rules.scopes for role in held):
            return self.everyone
        scopes = tuple(rules.scopes[role] for role in held)
        owner = actor.user_id if least <= Level.OPERATOR and self.owned_by(actor.user_id) else None
        return self._by_rights.get((scopes, owner), lambda: self.in_scopes(scopes, owner))

    def in_scopes(self, scopes: Iterable[tuple[Scope, ...]], owner: int | None = None) -> Rows:
        """Return the guests in these scopes, and those that this person owns."""
        found = chain.from_iterable(map(self._in_scope, chain.from_iterable(scopes)))
        owned = () if owner is None else self.owned_by(owner)
        return rows_at(chain(found, owned), self.count)

    def _in_scope(self, scope: Scope) -> Iterable[int]:
        """Return the numbers of the rows for which `Scope.covers`."""
        match scope.kind:
            case ScopeKind.VMID:
                return self._with_vmid(int(scope.value))
            case ScopeKind.TAG:
                return self._by_tag.get(scope.value.casefold(), ())
            case ScopeKind.NODE:
                return self._by_node.get(scope.value, ())
            case ScopeKind.POOL:
                inside = (pool for pool in self._by_pool if f"{pool}/".startswith(f"{scope.value}/"))
                return chain.from_iterable(self._by_pool[pool] for pool in inside)


class _Sorted:
    """Texts in alphabetical order, to find all that begin with a given text."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._rows = array("I", sorted(range(len(texts)), key=texts.__getitem__))
        self._texts = [texts[row] for row in self._rows]

    def beginning(self, start: str) -> Sequence[int]:
        """Return the numbers of the texts that begin with `start`."""
        first = bisect_left(self._texts, start)
        last = bisect_right(self._texts, start, first, key=lambda text: text[: len(start)])
        return self._rows[first:last]


def _no_numbers() -> "array[int]":
    """Return an empty array of row numbers. A number takes 4 bytes in an array, and 36 in a list."""
    return array("I")


def _group(values: Iterable[str]) -> Mapping[str, Sequence[int]]:
    found: defaultdict[str, array[int]] = defaultdict(_no_numbers)
    for row, value in enumerate(values):
        found[value].append(row)
    return dict(found)

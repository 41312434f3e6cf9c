"""Index one read of the cluster for completions and lists: by text, state and access.

The index is built once per read and shared by all people: each keystroke is then cheap in a large cluster. It decides
only which guests are offered and shown. For an operation on one of them core/access/policy.py decides. A test ensures
that index and policy agree.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from itertools import compress
from operator import attrgetter, is_not
from typing import Any, TypeVar

from core.access.guest_table import FEW, GuestTable
from core.access.policy import AccessRules, Actor, level_everywhere, place_refusal
from core.access.recent import Recent
from core.access.rows import NO_ROWS, Rows, flags_of, numbers_of, rows_where
from core.guest import Cluster, Guest
from core.levels import Level, Reach
from core.operations import OPERATIONS, Operation

T = TypeVar("T", bound=Hashable)

TESTS_KEPT, VIEWS_KEPT = 32, 8
"""Maximum number of tests whose rows are kept, and of kept lists and narrowed clusters."""

_nature = attrgetter("template", "kind", "lock", "protected", "state")


class GuestIndex:
    """The index of one read. `next` makes the index of the following read."""

    def __init__(
        self, cluster: Cluster, table: GuestTable | None = None, natures: "_Natures | None" = None
    ) -> None:
        self.cluster = cluster
        self.table = table or GuestTable(cluster.guests)
        self._kept_natures = natures
        self._by_test: Recent[Hashable, Rows] = Recent(TESTS_KEPT)
        self.views: Recent[Hashable, Any] = Recent(VIEWS_KEPT)
        """Views of this read that are kept, such as the guests of a filtered list."""

    def next(self, cluster: Cluster) -> "GuestIndex":
        """Return the index of a later read. It reuses unchanged parts."""
        table, natures, guests = self.table.next(cluster.guests), None, cluster.guests
        if self._kept_natures and table is self.table and table.count > FEW:
            changes = rows_where(map(is_not, guests, self.cluster.guests))
            if changes.bit_count() <= FEW:  # as after an action, which overlays the list
                changed = {row: guests[row] for row in numbers_of(changes, table.count)}
                natures = self._kept_natures.with_changes(changed)
        return GuestIndex(cluster, table, natures)

    def without_read(self) -> "GuestIndex":
        """Return an index without guests that keeps only the table, from which `next` builds."""
        return GuestIndex(Cluster((), (), 0.0), self.table)

    def build(self) -> Iterator[None]:
        """Build the parts for completions, one in each step of the iterator, so that others can run between them."""
        yield from self.table.build()
        if self._kept_natures is None:
            self._natures  # noqa: B018 - the property builds it
            yield

    @property
    def _natures(self) -> "_Natures":
        if self._kept_natures is None:
            self._kept_natures = _Natures.of(self.cluster)
        return self._kept_natures

    def where(self, key: Hashable, test: Callable[[Guest], bool]) -> Rows:
        """Return the guests that pass the test. The result is kept under this key.

        The test may depend only on whether a guest is a template, its kind, lock, protection flag and state.
        """
        return self._by_test.get(key, lambda: self._natures.where(test))

    def counted(self, rows: Rows, of: Callable[[Guest], T]) -> Counter[T]:
        """Count the guests by a value that depends only on the properties that `where` allows."""
        return self._natures.counted(flags_of(rows, self.table.count), of)

    def guests_in(self, rows: Rows) -> Iterator[Guest]:
        """Yield the guests, ordered by VMID."""
        return compress(self.cluster.guests, flags_of(rows, self.table.count))

    def guests_owned_by(self, user_id: int) -> tuple[Guest, ...]:
        """Return the guests that have this person as owner in their tags."""
        return tuple(self.cluster.guests[row] for row in self.table.owned_by(user_id))

    def guests_named(self, name: str) -> list[Guest]:
        """Return the guests with exactly this name. Upper and lower case are the same."""
        return [self.cluster.guests[row] for row in self.table.named(name)]


class _Natures:
    """Each guest's nature, as a number: the properties that a test of `GuestIndex.where` may use.

    A large cluster has few different natures, so a test is asked once for each.
    """

    def __init__(self, codes: list[int], numbers: dict[Any, int], samples: dict[int, Guest]) -> None:
        self._codes, self._numbers, self._samples = codes, numbers, samples

    @classmethod
    def of(cls, cluster: Cluster) -> "_Natures":
        numbers = dict[Any, int]()
        codes = [numbers.setdefault(nature, len(numbers)) for nature in map(_nature, cluster.guests)]
        return cls(codes, numbers, dict(zip(codes, cluster.guests, strict=True)))

    def with_changes(self, changed: dict[int, Guest]) -> "_Natures":
        """Return the natures after these rows have changed."""
        codes, numbers, samples = self._codes.copy(), self._numbers.copy(), self._samples.copy()
        for row, guest in changed.items():
            codes[row] = numbers.setdefault(_nature(guest), len(numbers))
            samples.setdefault(codes[row], guest)
        return _Natures(codes, numbers, samples)

    def where(self, test: Callable[[Guest], bool]) -> Rows:
        passes = {code: test(sample) for code, sample in self._samples.items()}
        return rows_where(map(passes.__getitem__, self._codes))

    def counted(self, flags: bytes, of: Callable[[Guest], T]) -> Counter[T]:
        counts: Counter[T] = Counter()
        for code, count in Counter(compress(self._codes, flags)).items():
            counts[of(self._samples[code])] += count
        return counts


def offered_rows(
    rules: AccessRules, actor: Actor, operation: Operation, guest_index: GuestIndex, *, read_only: bool
) -> Rows:
    """Return the guests for which `decide` would not refuse the operation.

    `read_only`: whether changes are switched off.
    """
    right, table = OPERATIONS[operation], guest_index.table
    if place_refusal(rules, actor, operation) or (read_only and right.changes):
        return NO_ROWS
    if right.reach is Reach.WHOLE:
        return table.everyone if level_everywhere(rules, actor) >= right.level else NO_ROWS
    rows = table.at_level(rules, actor, max(right.level, Level.VIEWER))
    if not right.guarded:
        return rows
    return rows & (~table.protected_by(rules.protected) | table.at_level(rules, actor, Level.ADMIN))

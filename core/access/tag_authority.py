"""What a guest's tags and its protection decide, and so what a clone or a rollback would hand on, give or take."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from core.access.policy import OWNER_TAG, PROTECTED_TAG, AccessRules, ScopeKind

_OWNER = re.compile(re.escape(OWNER_TAG) + r"([0-9]{1,20})")


@dataclass(frozen=True, slots=True)
class TagAuthority:
    """`owners`: user ids, who are operators of the guest. `scoped`: tags that ROLE_SCOPES goes by, in lower case."""

    owners: frozenset[int] = frozenset()
    protected: bool = False
    scope_tags: frozenset[str] = frozenset()

    @property
    def has_effect(self) -> bool:
        """Whether it names an owner or protects."""
        return bool(self.owners) or self.protected

    def minus(self, other: "TagAuthority") -> "TagAuthority":
        """What this one has and the other has not."""
        return TagAuthority(
            self.owners - other.owners,
            self.protected and not other.protected,
            self.scope_tags - other.scope_tags,
        )


def authority_of(
    rules: AccessRules, tags: Iterable[str], *, protection: bool = False, vmid: int | None = None
) -> TagAuthority:
    """`protection` is Proxmox' flag. `vmid`: also what the bot's configuration says of that VMID."""
    low = frozenset(tag.casefold() for tag in tags)
    scopes = {
        scope.value.casefold()
        for some in rules.scopes.values()
        for scope in some
        if scope.kind is ScopeKind.TAG
    }
    return TagAuthority(
        frozenset(int(match[1]) for tag in low if (match := _OWNER.fullmatch(tag))),
        protection or PROTECTED_TAG in low or vmid in rules.protected,
        low & scopes,
    )

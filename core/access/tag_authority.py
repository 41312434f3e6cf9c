"""Read the access that a guest's tags and protection give: now, after a rollback, or in a clone."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from core.access.policy import OWNER_TAG, PROTECTED_TAG, AccessRules, ScopeKind

_OWNER = re.compile(re.escape(OWNER_TAG) + r"([0-9]{1,20})")


@dataclass(frozen=True, slots=True)
class TagAuthority:
    """The access that a guest's tags and protection give.

    `owners`: user ids in its owner tags.
    `protected`: by a tag, Proxmox' flag or the bot's configuration.
    `scope_tags`: its tags that ROLE_SCOPES uses, in lower case.
    """

    owners: frozenset[int] = frozenset()
    protected: bool = False
    scope_tags: frozenset[str] = frozenset()

    @property
    def has_owner_or_protection(self) -> bool:
        """Whether the guest has an owner or is protected. Tags of scopes do not count."""
        return bool(self.owners) or self.protected

    def minus(self, other: "TagAuthority") -> "TagAuthority":
        """Return the part that `other` does not have."""
        return TagAuthority(
            self.owners - other.owners,
            self.protected and not other.protected,
            self.scope_tags - other.scope_tags,
        )


def authority_of(
    rules: AccessRules, tags: Iterable[str], *, protection: bool = False, vmid: int | None = None
) -> TagAuthority:
    """Return the access that these tags give.

    `protection`: Proxmox' flag. `vmid`: the guest's, which the bot's configuration may protect; None: not checked.
    """
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

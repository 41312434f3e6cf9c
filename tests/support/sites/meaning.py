"""Judge the meaning of a request and the view of a person: the rules of several sites, apart from the product's.

The typed text or pressed button, the settings of `PEOPLE` and the guests decide. The bot may not know the latest
changes of the guests yet: any answer that was right at some time since the bot last read a site counts as right.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from core.levels import Level
from tests.support.scenes.shown import numbers
from tests.support.sites.towns import FIRST_SITE, NAMES, NO_SITE, NODES_OF, SINGLE, SITES, Sight, Town

PEOPLE: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "chief": ("ADMIN", ()),
    "reader": ("VIEWER", ()),
    "sited": ("ADMIN", ("site:oslo",)),
    "noder": ("OPERATOR", ("node:oslo/pve2",)),
    "pooler": ("OPERATOR", ("pool:bern/lan",)),
    "tagger": ("ADMIN", ("tag:bern/game",)),
    "single": ("ADMIN", (f"oslo/{SINGLE}",)),
    "former": ("ADMIN", ("tag:web",)),
    "viewer": ("VIEWER", ("site:rome",)),
    "double": ("ADMIN", ("node:bern/pve3", "site:rome")),
    "owner": ("", ()),
    "nobody": ("", ()),
}
"""The role of each person: its level, and its scopes. `owner` and `nobody` have no role; `owner` owns guests."""
Place = tuple[str, int | None]
"""A site and a VMID. None: all of the site."""


@dataclass(frozen=True)
class Want:
    """The possible meaning of a request.

    `places`: what it may be about.
    `named`: the sites that the answer may name. None: those that the person may see.
    `several`: the request fits several guests, so nothing may be done.
    `filed`: more sites that the audit trail may name.
    """

    places: frozenset[Place] = frozenset()
    named: frozenset[str] | None = None
    several: bool = False
    filed: frozenset[str] = frozenset()

    @property
    def sites(self) -> frozenset[str]:
        return frozenset(site for site, _ in self.places)

    def has(self, site: str, vmid: int | None) -> bool:
        return bool({(site, vmid), (site, None)} & self.places) or (vmid is None and site in self.sites)


def scope_of(text: str) -> tuple[str, str, str]:
    """Return the site, the kind and the value of a scope. Without a site it means FIRST_SITE."""
    kind, colon, value = text.partition(":")
    if not colon:
        kind, value = "vmid", text
    if kind == "site":
        return value, kind, ""
    site, slash, rest = value.partition("/")
    return (site, kind, rest) if slash and site in SITES else (FIRST_SITE, kind, value)


def level_of(name: str) -> Level:
    """Return the level of a person on their own sites and guests. Owners are operators."""
    return Level[PEOPLE[name][0] or ("OPERATOR" if name == "owner" else "NONE")]


class Oracle:
    """Know the guests that each person may see now, may have seen lately, and ever saw.

    `owners`: the owner tag of each person. `guests_of`: returns the VMIDs of an incident of a site by its id.
    """

    def __init__(
        self,
        towns: Mapping[str, Town],
        owners: Mapping[str, str],
        guests_of: Callable[[str, int], Collection[int]],
    ) -> None:
        self.towns, self._owners, self._guests_of = towns, owners, guests_of
        self._base = self._views()
        """Each person's view of each site when the bot last read it."""
        self._lately = dict(self._base)
        """Each person's views of each site since then, added up."""
        self._ever = dict(self._base)
        self._typed: dict[str, set[str]] = {site: set() for site in (*SITES, "")}
        """By site, the numbers that people typed for its guests: they are in its audit trail. "": for no site."""
        self.questions: dict[str, tuple[str, Want]] = {}
        """By nonce: the person who was asked, and the meaning of the request."""

    def settle(self, away: Collection[str]) -> None:
        """Note that the bot has read all sites except these."""
        for key, seen in self._views().items():
            if key[1] not in away:
                self._base[key] = self._lately[key] = seen

    def note_typed(self, want: Want, words: str) -> None:
        for site in want.sites or ("",):
            self._typed[site] |= numbers(words)

    # -- visible guests

    def limits(self, name: str, site: str) -> list[tuple[str, str]] | None:
        level, scopes = PEOPLE[name]
        if level and not scopes:
            return None
        return [(kind, value) for where, kind, value in map(scope_of, scopes) if where == site]

    def is_whole(self, name: str, site: str) -> bool:
        limits = self.limits(name, site)
        return limits is None or ("site", "") in limits

    def _views(self) -> dict[tuple[str, str], frozenset[Sight]]:
        known = {site: town.look() for site, town in self.towns.items()}
        return {
            (name, site): frozenset(each.sight for each in known[site] if each.is_within(limits, owner))
            for name, owner in self._owners.items()
            for site in SITES
            for limits in [self.limits(name, site)]
        }

    def note_views(self) -> None:
        now = self._views()
        self._lately = {key: self._lately[key] | seen for key, seen in now.items()}
        self._ever = {key: self._ever[key] | seen for key, seen in now.items()}

    def visible(self, name: str, *, ever: bool = False) -> frozenset[str]:
        """Return the sites where the person may see anything."""
        views = self._ever if ever else self._lately
        return frozenset(
            site for site in SITES if self.limits(name, site) != [] or views[name, site]
        )  # fmt: skip

    def pairs(self, name: str) -> set[Place]:
        """Return the guests that the person may see. On a site that they may see whole, deleted ones count, too."""
        found: set[Place] = set()
        for site, town in self.towns.items():
            found |= {(site, each.vmid) for each in self._lately[name, site]}
            if self.is_whole(name, site):
                found |= {(site, vmid) for vmid in town.ever}
        return found | ({("oslo", SINGLE)} if name == "single" else set())

    def allowed_numbers(self, name: str, *, ever: bool = False) -> set[str]:
        views = self._ever if ever else self._lately
        found = {number for site in SITES for each in views[name, site] for number in each.told}
        for site, town in self.towns.items():
            if self.is_whole(name, site):
                found |= town.told | self._typed[site]
        of_every_site = all(self.is_whole(name, site) for site in SITES)
        return found | (self._typed[""] if of_every_site else set())

    # -- meanings of requests

    def meant(self, name: str, typed: str, *, many: bool = False) -> Want:
        """Return the possible meaning of a text for a guest. `many`: it may fit several guests, and mean any."""
        head, slash, rest = typed.strip().lower().partition("/")
        visible = self.visible(name)
        if slash and head.strip() not in visible:
            return Want()
        sites, rest = ([head.strip()], rest.strip()) if slash else (sorted(visible), head)
        found: set[Place] = set()
        certain: set[Place] = set()
        now = self._views()
        for site in sites:
            key = name, site
            found |= {(site, each.vmid) for each in self._lately[key] if each.fits(rest)}
            certain |= {(site, each.vmid) for each in self._base[key] & now[key] if each.fits(rest)}
            if rest.isdecimal() and (slash or int(rest) in self.towns[site].ever):
                whole_there = self.is_whole(name, site) or (name == "single" and rest == str(SINGLE))
                found |= {(site, int(rest))} if slash or whole_there else set()
        if len(certain) > 1 and not many:
            return Want(several=True)
        return Want(frozenset(found), frozenset(sites) if slash else None)

    def meant_target(self, name: str, typed: str, *, many: bool) -> Want:
        """Return the possible meaning of the target of a mute."""
        text, visible = typed.strip().lower(), self.visible(name)
        if text in ("all", "everything"):
            return Want(self.everywhere(name))
        head, slash, rest = text.partition("/")
        site, subject = (head, rest) if slash and head in (*SITES, NO_SITE) else ("", text)
        guest = subject.removeprefix("guest/")
        if guest.isdecimal() or guest in NAMES:
            return self.meant(name, f"{site}/{guest}" if site else guest, many=many)
        if site:
            return Want(
                frozenset({(site, None)} & {(each, None) for each in visible}), frozenset({site} & visible)
            )
        places = [(each, None) for each in visible if self.has_subject(each, subject)]
        certain = [place for place in places if self.is_whole(name, place[0])]
        return Want(several=True) if len(certain) > 1 and not many else Want(frozenset(places))

    @staticmethod
    def has_subject(site: str, subject: str) -> bool:
        return subject == "source" or subject.rpartition("/")[2] in NODES_OF[site]

    def everywhere(self, name: str) -> frozenset[Place]:
        """Return all sites that the person may see, if they may act on each as a whole."""
        visible = self.visible(name)
        every = all(self.is_whole(name, site) for site in visible)
        return frozenset((site, None) for site in visible) if every else frozenset()

    def meant_by_command(self, name: str, command: str, values: Mapping[str, Any]) -> Want:
        visible = self.visible(name)
        guest = str(values.get("vmid") or values.get("template_id") or "")
        if "site" in values:
            site = str(values["site"]).strip().lower()
            at = guest.lower().partition("/")[0].strip() if "/" in guest else site
            if site not in visible or at != site:
                return Want(filed=frozenset({site}) & visible)
            if guest:
                return self.meant(name, guest if "/" in guest else f"{site}/{guest}")
            return Want(frozenset({(site, None)}), frozenset({site}))
        if guest:
            return self.meant(name, guest)
        if "target" in values:
            return self.meant_target(name, values["target"], many=command == "monitor unmute")
        if command in ("readonly on", "readonly off", "monitor test"):
            return Want(self.everywhere(name))
        return Want(frozenset((site, None) for site in visible))

    def meant_by_button(self, name: str, custom_id: str) -> Want:
        visible, kind = self.visible(name), custom_id[:2]
        every_site = frozenset((each, None) for each in visible)
        if kind == "q1":
            asker, want = self.questions.get(custom_id.split(":")[2], ("", Want()))
            return Want(want.places if asker == name else frozenset(), filed=want.sites)
        if kind == "w1":  # as `/list`, `/monitor test` and `/access` without a site
            return Want(self.everywhere(name) if custom_id == "w1:test" else every_site)
        site, rest = FIRST_SITE, custom_id.split(":")[1:]
        if kind[1] == "2":
            site, *rest = rest
        if kind[0] == "s":  # in a list of all sites, the value names the site
            named, slash, rest[1] = rest[1].rpartition("/")
            if bool(slash) != (site == "*"):
                return Want()
            site = named or site
        if site == "*":
            return Want(every_site)
        if site not in visible:
            return Want()
        vmid: int | None = None
        if kind[0] == "g" or (kind[0] == "s" and rest[0] == "guest"):
            vmid = int(rest[1])
        if kind[0] == "c" and rest[2].startswith("g"):
            vmid = int(rest[2][1:])
        if kind[0] == "a":
            return self.meant_by_alert(site, int(rest[1]))
        return Want(frozenset({(site, vmid)}), frozenset({site}))

    def meant_by_alert(self, site: str, number: int) -> Want:
        if SITES[number // 10**12 % len(SITES)] != site or number >= len(SITES) * 10**12:
            return Want(named=frozenset({site}))
        places: set[Place] = {(site, vmid) for vmid in self._guests_of(site, number)}
        return Want(frozenset(places or {(site, None)}), frozenset({site}))

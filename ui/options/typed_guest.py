"""Find the guest of a typed text: a VMID, the exact name of a guest, or either with a site, as in `home/101`.

Completions insert the VMID alone with one site, and `site/VMID` with several. A text that fits more than one
guest is refused. Guests that the person may not see do not count.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from core.access.guest_index import GuestIndex
from core.access.guest_table import TYPED_MOST
from core.access.policy import level_on, unknown_guest
from core.actions.order import Order
from core.audit.record import failure_step
from core.errors import BotError, Refused
from core.guest import Cluster, Guest
from core.guest_errors import GuestNotFound
from core.levels import Level
from core.operations import Operation
from core.validation import is_vmid
from core.wanted_errors import BadVmid, NoSuchGuest, SeveralGuests, SitesUnread
from ui.formatting import choice_label, more_word
from ui.interaction.attempt import Attempt
from ui.interaction.context import Interaction, actor_of, choose_site, services_of, visible_sites
from ui.interaction.services import Services, Site
from ui.options.completions import clusters_of

NAMED_MOST = 5
"""Maximum number of guests named when a text fits several. The others are counted."""


@dataclass(frozen=True, slots=True)
class TypedGuest:
    """A typed text in parts. `text`: the whole text. `name`: the text without the site, even if it is a number.

    `site`: "" if none was typed. `vmid`: the number, valid or not; None for a name or an overlong number.
    """

    text: str
    site: str
    vmid: int | None
    name: str

    @classmethod
    def parse(cls, text: str) -> "TypedGuest":
        written = unicodedata.normalize("NFKC", text[:TYPED_MOST]).strip()
        match = _TYPED.fullmatch(written)
        site, rest = (match["site"].lower(), match["rest"]) if match else ("", written)
        vmid = int(rest) if re.fullmatch(r"[+-]?[0-9]{1,15}", rest) else None
        return cls(written, site, vmid, rest)

    @property
    def is_overlong_number(self) -> bool:
        """Return whether a number with too many digits for any VMID was typed."""
        return self.vmid is None and re.fullmatch(r"[+-]?[0-9]+", self.name) is not None

    def find(self, guest_index: GuestIndex) -> list[Guest]:
        """Return the guests in the index that the text fits."""
        if self.vmid is not None:
            guest = guest_index.cluster.find(self.vmid)
            return [guest] if guest else []
        return guest_index.guests_named(self.name) if self.name else []


_TYPED = re.compile(r"(?P<site>[A-Za-z0-9-]{1,16})\s*/\s*(?P<rest>.+)", re.S)


@dataclass(frozen=True, slots=True)
class FoundGuest:
    """The guest that a person means. It may not exist: the command itself finds out.

    `fingerprint`: that of the guest with the typed name in the last read, None if a VMID was typed.
    """

    site: Site
    vmid: int
    fingerprint: str | None = None

    def order(self, interaction: Interaction, operation: Operation) -> Order:
        """Return the person's order for this guest. `dataclasses.replace` adds its options."""
        return Order(operation, self.vmid, actor_of(interaction), fingerprint=self.fingerprint)


async def find_guest(interaction: Interaction, typed: str, operation: Operation) -> FoundGuest:
    """Return the guest that the person typed, and note its site as that of the interaction.

    Also note the guest as recently used. A refusal is recorded in the audit trail.
    A VMID needs no read if there is only one site or the site is typed.
    Raises: BadVmid, GuestNotFound, NoSuchGuest, SeveralGuests, SitesUnread; ProxmoxError if the only site could
    never be read.
    """
    wanted = TypedGuest.parse(typed)
    found = _without_reading(interaction, wanted)
    if found is None:
        try:
            found = await _found_by_reading(interaction, wanted)
        except BotError as error:
            attempt = Attempt(interaction, operation.value, wanted.vmid, f"vmid={wanted.text}")
            attempt.record(failure_step(error), str(error))
            raise
    choose_site(interaction, found.site)
    services_of(interaction).recent_guests.note(interaction.user.id, found.site.name, found.vmid)
    return found


def _without_reading(interaction: Interaction, wanted: TypedGuest) -> FoundGuest | None:
    if wanted.vmid is None:
        return None
    sites = services_of(interaction).sites
    if not sites.several and not wanted.site:
        return FoundGuest(sites.only, wanted.vmid)
    named = [site for site in visible_sites(interaction) if wanted.site and site.name == wanted.site]
    return FoundGuest(named[0], wanted.vmid) if named else None


async def _found_by_reading(interaction: Interaction, wanted: TypedGuest) -> FoundGuest:
    if wanted.is_overlong_number:
        raise BadVmid(wanted.text)
    sites = meant_sites(interaction, wanted)
    known = list(zip(sites, await clusters_of(sites), strict=True))
    several = services_of(interaction).sites.several
    if not several:  # a name cannot be called unknown before the only site was read
        known = [(site, cluster or await site.cluster_cache.read()) for site, cluster in known]
    found = list(matching_guests(interaction, wanted, known))
    if len(found) > 1:
        raise SeveralGuests(wanted.text, "\n".join(_choices_of(interaction, found)))
    unread = tuple(site.name for site, cluster in known if cluster is None)
    if unread and several:
        raise SitesUnread(wanted.text, "\n".join(unread))
    if found:
        site, guest = found[0]
        return FoundGuest(site, guest.vmid, guest.fingerprint if wanted.vmid is None else None)
    raise missing_guest(wanted)


def _choices_of(interaction: Interaction, found: Sequence[tuple[Site, Guest]]) -> Iterator[str]:
    """Yield the labels of the first NAMED_MOST guests, and a line with the number of the others."""
    services = services_of(interaction)
    for site, guest in found[:NAMED_MOST]:
        yield guest_label(services, interaction, site, guest)
    if len(found) > NAMED_MOST:
        yield more_word(services.texts.of_locale(str(interaction.locale)), len(found) - NAMED_MOST)


def missing_guest(wanted: TypedGuest) -> Refused:
    """Return the refusal of a text that fits no guest that the person may see."""
    if wanted.is_overlong_number:
        return BadVmid(wanted.text)
    if wanted.vmid is not None and not is_vmid(wanted.vmid):
        return BadVmid(str(wanted.vmid))
    return NoSuchGuest(wanted.text) if wanted.vmid is None or wanted.site else GuestNotFound(wanted.vmid)


def matching_guests(
    interaction: Interaction, wanted: TypedGuest, known: Iterable[tuple[Site, Cluster | None]]
) -> Iterator[tuple[Site, Guest]]:
    """Yield the guests that fit and that the person may see. A VMID also fits a guest only on the watch list."""
    actor = actor_of(interaction)
    for site, cluster in known:
        fitting = wanted.find(site.authorizer.guest_index(cluster)) if cluster else []
        if not fitting and wanted.vmid is not None and site.watch.find(wanted.vmid):
            fitting = [unknown_guest(wanted.vmid)]
        for guest in fitting:
            if level_on(site.authorizer.rules, actor, guest) > Level.NONE:
                yield site, guest


def meant_sites(interaction: Interaction, wanted: TypedGuest) -> list[Site]:
    """Return the sites where the person may see anything: all of them, or only the typed one."""
    return [site for site in visible_sites(interaction) if wanted.site in ("", site.name)]


def guest_value(services: Services, site: Site, vmid: int) -> str:
    """Return the text that a completion inserts for a guest."""
    return f"{site.name}/{vmid}" if services.sites.several else str(vmid)


def guest_label(services: Services, interaction: Interaction, site: Site, guest: Guest) -> str:
    """Return the label of a completion in the person's language."""
    t = services.texts.of_locale(str(interaction.locale))
    return choice_label(t, guest, guest_value(services, site, guest.vmid))

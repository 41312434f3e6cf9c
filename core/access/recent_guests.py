"""Remember the guests that each person used lately, so that completions offer them first. Nothing is stored."""

from collections import OrderedDict

GUESTS_MOST = 8
"""Maximum number of guests remembered per person."""
PEOPLE_MOST = 500
"""Maximum number of people remembered. The one who was away longest is forgotten first."""


class RecentGuests:
    """The guests that people named, or whose buttons they pressed, in this run.

    A guest is remembered as site and VMID only. Whether the person may see it is decided when it is offered.
    """

    def __init__(self) -> None:
        self._of_person: OrderedDict[int, OrderedDict[tuple[str, int], None]] = OrderedDict()

    def note(self, user_id: int, site: str, vmid: int) -> None:
        """Remember this guest as the person's latest one."""
        guests = self._of_person.setdefault(user_id, OrderedDict())
        self._of_person.move_to_end(user_id)
        guests[site, vmid] = None
        guests.move_to_end((site, vmid))
        while len(guests) > GUESTS_MOST:
            guests.popitem(last=False)
        while len(self._of_person) > PEOPLE_MOST:
            self._of_person.popitem(last=False)

    def of(self, user_id: int, site: str) -> tuple[int, ...]:
        """Return the VMIDs of the person's latest guests of a site, the latest first."""
        return tuple(vmid for name, vmid in reversed(self._of_person.get(user_id, ())) if name == site)

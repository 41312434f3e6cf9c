"""Choose the sites that a command is about: by its option `site`, or all sites that the person may see."""

from collections.abc import Iterable, Sequence
from typing import Any

from discord import app_commands
from discord.app_commands import locale_str

from core.access.guest_table import normalized
from core.operations import Operation
from core.wanted_errors import SeveralTargets, UnknownSite
from ui.formatting import more_word
from ui.interaction.context import (
    Interaction,
    actor_of,
    choose_site,
    chosen_site,
    operation_of,
    services_of,
    visible_sites,
)
from ui.interaction.empty_choices import Choices, choices_or_reason, unmatched_choice
from ui.interaction.services import Site
from ui.messages.nothing import Nothing
from ui.options.completions import CHOICES_MOST
from ui.options.typed_guest import find_guest

_NAME = "site"
SITE = locale_str("Only this site")
NAMED_MOST = 5
"""Maximum number of targets that a refusal names."""


def asked_sites(interaction: Interaction) -> list[Site]:
    """Return the site that was chosen, or all sites that the person may see."""
    site = chosen_site(interaction)
    return visible_sites(interaction) if site is None else [site]


def find_visible_site(interaction: Interaction, name: str) -> Site | None:
    return next((site for site in visible_sites(interaction) if site.name == name.strip().lower()), None)


def choose_typed_site(interaction: Interaction, typed: str) -> None:
    """Note the site that was typed into the option `site`. "": nothing was typed.

    Raises: UnknownSite, also for a site where the person may see nothing.
    """
    if typed.strip():
        site = find_visible_site(interaction, typed)
        if site is None:
            raise UnknownSite(typed)
        choose_site(interaction, site)


def several_targets(interaction: Interaction, typed: str, values: Sequence[str]) -> SeveralTargets:
    """Return the refusal of a text that fits several targets. It names the first NAMED_MOST and counts the others.

    `values`: all of them, as they can be typed.
    """
    names, left = ", ".join(values[:NAMED_MOST]), len(values) - NAMED_MOST
    if left > 0:
        t = services_of(interaction).texts.of_locale(str(interaction.locale))
        names = f"{names} {more_word(t, left)}"
    return SeveralTargets(typed, names)


async def find_vmid(
    interaction: Interaction, typed: str | None, site: str, operation: Operation
) -> int | None:
    """Return the VMID of the guest that was typed, and note its site. None: nothing was typed.

    `site`: the option `site`, "" if it is not used.
    Raises: as `find_guest`.
    """
    if not typed:
        return None
    name, slash, _ = typed.partition("/")
    if site.strip() and not (slash and name.strip().lower() == site.strip().lower()):
        typed = f"{site.strip()}/{typed}"
    return (await find_guest(interaction, typed, operation)).vmid


class SiteOption(app_commands.Transformer):
    """A text option for a site, with completion. `choose_typed_site` reads the typed text."""

    async def transform(self, _interaction: Interaction, value: object, /) -> str:
        return str(value)

    async def autocomplete(  # type: ignore[override]  # discord.py types it for choices of every kind
        self, interaction: Interaction, value: object, /
    ) -> list[app_commands.Choice[str]]:
        return await choices_or_reason(
            interaction, value, Nothing.SITE, lambda typed: _offered(interaction, str(typed)), _unknown
        )


SiteName = app_commands.Transform[str, SiteOption()]


async def _offered(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """Offer the sites on which the person may use the command."""
    actor, operation, start = actor_of(interaction), operation_of(interaction), normalized(typed)
    names = [
        site.name
        for site in visible_sites(interaction)
        if start in site.name and site.authorizer.refusal(actor, operation) is None
    ]
    names.sort(key=lambda name: not name.startswith(start))
    return [app_commands.Choice(name=name, value=name) for name in names[:CHOICES_MOST]]


def _unknown(interaction: Interaction, typed: str) -> Choices:
    return unmatched_choice(interaction, typed, UnknownSite(typed))


AnyCommand = app_commands.Command[Any, ..., Any] | app_commands.Group | app_commands.ContextMenu


def hide_site_options(found: Iterable[AnyCommand]) -> None:
    """Take the option `site` out of these commands before they are registered, because there is one site only.

    A call without the option passes the default of the command's function.
    """
    for command in found:
        if isinstance(command, app_commands.Group):
            hide_site_options(command.commands)
        elif isinstance(command, app_commands.Command):
            command._params.pop(_NAME, None)  # noqa: SLF001  # discord.py has no public way to remove an option

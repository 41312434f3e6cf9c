"""Ask about a cluster: the token and its privileges, the node and the guests.

Every step raises Back or Cancelled (startup/first_run/terminal.py).
"""

from __future__ import annotations

import re

from adapters.settings.load import Secret
from adapters.settings.written_sites import variable_prefix_of
from core.guest import Guest, State
from core.health.grants import Use, needs_of, token_commands
from core.health.readiness import Problem
from core.health.result import Result, Verdict
from startup.first_run.answers import (
    find_vmids,
    is_none,
    split_names,
    split_token,
    token_value,
)
from startup.first_run.draft import Draft, Given
from startup.first_run.talk import Row, Talk
from startup.health.proxmox import ClusterCheck
from ui.formatting import OK, STATE_EMOJI, more_word, plain
from ui.i18n import N_, Marked

GUESTS_SHOWN = 20
USES: tuple[tuple[Use, Marked], ...] = (
    (Use.WATCH, N_("watch only")),
    (Use.POWER, N_("watch, start, stop and reboot")),
    (Use.ALL, N_("everything: also snapshots, create, resize, delete")),
)


def ask_use(talk: Talk) -> None:
    """Ask what the bot may do and for the version of Proxmox, and print the commands that create the token."""
    t, site = talk.t, talk.draft.site
    rows = [Row(t(words), t(words)) for _, words in USES]
    uses = [use for use, _ in USES]
    site.use = uses[talk.choose(t("What may the bot do in Proxmox?"), rows, uses.index(site.use))]
    while version := talk.ask(
        t("Version of Proxmox VE, 8 or 9 (the web interface shows it)"), str(site.version)
    ):
        number = re.match(r"\s*([89])(?:\.|\s*$)", version)
        if number:
            site.version = int(number[1])
            break
        talk.refuse(t("Answer 8 or 9."))
    if site.use is Use.ALL:
        site.storages = _ask_storages(talk)
    talk.say(
        t(
            "Run these commands as root on a node. One of them prints a table with the `value` of the token. "
            "Proxmox shows it only once; you will need it in the next step:"
        )
    )
    talk.say()
    for line in token_commands(site.use, site.version, site.user, site.token_name, site.storages):
        talk.terminal.copy(line)
    talk.say()
    talk.say(t("If a role or the user already exists, Proxmox says so; the other commands still work."))


def _ask_storages(talk: Talk) -> tuple[str, ...]:
    t, before = talk.t, ", ".join(talk.draft.site.storages)
    while True:
        typed = talk.ask(t("Storages for new guests (with commas)"), before)
        names = () if is_none(typed) else tuple(split_names(typed))
        wrong = [name for name in names if not re.fullmatch(r"[A-Za-z][\w.-]*", name, re.A)]
        if not wrong:
            return names
        talk.refuse(t("“{value}” is not a storage name.", value=plain(wrong[0], 60)))


def ask_access(talk: Talk) -> None:
    """Ask for the token until Proxmox accepts it, and name its missing privileges."""
    site = talk.draft.site
    first, known = site.token is None, site.token
    while True:
        if not _ask_token(talk, first=first, known=known):
            continue
        first, known = False, None
        if _test_access(talk):
            return


def _ask_token(talk: Talk, *, first: bool, known: Given | None) -> bool:
    """Ask for the name and the value of the token. Return whether both could be right.

    `first`: take the value from the environment if it is there. `known`: the value that an empty answer keeps.
    """
    t, site = talk.t, talk.draft.site
    typed = talk.ask(t("Token ID (user@realm!name)"), f"{site.user}!{site.token_name}")
    whole = split_token(typed)
    if whole is None:
        talk.refuse(t("That is not a token ID. It looks like {example}.", example="discord-bot@pve!bot"))
        return False
    given: Given | None
    if whole[2]:
        talk.say(t("The value was shown on the screen. Clear it afterwards, or create a new value."))
        given = Given(Secret(token_value(whole[2])))
    else:
        kept = t("Token value (not shown; empty: keep it)") if known else t("Token value (not shown)")
        given = talk.secret(_token_variable(talk.draft), kept, first=first) or known
    if given is None:
        return False
    pasted = split_token(given.secret.reveal()) if given.typed else None
    if pasted is not None and pasted[2]:
        whole = pasted
        given = Given(Secret(pasted[2]))
    given = given.cleaned(token_value)
    parsed = [
        talk.parsed(name, value)
        for name, value in (
            ("PROXMOX_USER", whole[0]),
            ("PROXMOX_TOKEN_NAME", whole[1]),
            ("PROXMOX_TOKEN_VALUE", given.secret.reveal()),
        )
    ]
    if None in parsed:
        return False
    site.user, site.token_name, site.token = parsed[0], parsed[1], given
    return True


def _token_variable(draft: Draft) -> str:
    """Return the variable for the token's value. For all but the first cluster it contains the cluster's name."""
    site = draft.site
    return f"{'' if site is draft.sites[0] else variable_prefix_of(site.name)}PROXMOX_TOKEN_VALUE"


def _test_access(talk: Talk) -> bool:
    """Test the token, again while the person adds missing privileges. Return whether the token is accepted.

    Raises: Back, Cancelled.
    """
    t, site = talk.t, talk.draft.site
    while True:
        results = _read_cluster(talk)
        talk.tell(results)
        wrong = [result for result in results if result.level is not Verdict.OK]
        if site.cluster is None and not any(result.word == "token_refused" for result in wrong):
            talk.wait(t("Press Enter to try again"))
            continue
        if site.cluster is None:
            if not talk.terminal.interactive:
                talk.wait("")  # raises Cancelled
            return False
        if not wrong or not talk.terminal.interactive:
            return True
        if talk.wait(t("Press Enter to check again (s: continue as is)")).casefold() == "s":
            return True


def _read_cluster(talk: Talk) -> list[Result]:
    """Return the health check's results through the first host that works, else through the last one.

    Skipped checks are left out, and results about the node of new guests, because it is not chosen yet.
    """
    site = talk.draft.site
    talk.say(talk.t("Testing the token…"))
    check, results = None, list[Result]()
    for point in site.points:
        check = ClusterCheck(site.probe, point, needs_of(site.use, site.version))
        results = talk.run(check.run())
        if check.cluster is not None:
            break
    site.cluster = check.cluster if check else None
    unasked = (Problem.NO_NODE, Problem.NODE_OFFLINE)
    return [
        result
        for result in results
        if not (result.finding and result.finding.problem in unasked)
        and result.level is not Verdict.UNCHECKED
    ]


def ask_node(talk: Talk) -> None:
    """Ask for the node of new guests, unless there is only one."""
    t, site = talk.t, talk.draft.site
    names = [node.name for node in site.cluster.nodes] if site.cluster else []
    if len(names) == 1:
        site.node = names[0]
    elif names:
        rows = [Row(name, plain(name)) for name in names]
        before = site.node if site.node in names else names[0]
        site.node = names[talk.choose(t("Node for new guests"), rows, names.index(before))]
    else:
        typed = None
        while typed is None:
            typed = talk.parsed("NODE_NAME", talk.ask(t("Node for new guests"), site.node))
        site.node = typed
    talk.say(f"{OK} {t('Node: {name}', name=plain(site.node))}")


def ask_guests(talk: Talk) -> None:
    """Show the guests that the token sees, and ask which of them to watch."""
    t, site = talk.t, talk.draft.site
    guests = [guest for guest in site.cluster.guests if not guest.template] if site.cluster else []
    if not guests:
        talk.say(t("No guest is visible yet. Watch guests later with `/monitor add`."))
        site.watched = ()
        return
    talk.say(t.plural("{n} guest can be watched:", "{n} guests can be watched:", len(guests)))
    for guest in guests[:GUESTS_SHOWN]:
        talk.say(f"  {_guest(guest)}", indent=4)
    if len(guests) > GUESTS_SHOWN:
        talk.say(f"  {more_word(t, len(guests) - GUESTS_SHOWN)}")
    running = [guest.vmid for guest in guests if guest.state is State.RUNNING]
    everything = {guest.vmid: guest.name or "" for guest in guests}
    talk.say(
        t(
            "Which of them should be watched from the start? Type VMIDs or names separated by commas (101-105 is "
            "possible), “running” for the {n} that are running now, or - for none. Add others later with "
            "`/monitor add`.",
            n=len(running),
        )
    )
    default = ", ".join(str(vmid) for vmid in site.watched if vmid in everything) or t("running")
    while True:
        typed = talk.ask(t("Guests to watch"), default)
        if is_none(typed):
            site.watched = ()
            return
        found = running if typed == t("running") else find_vmids(typed, everything)
        if found is not None:
            site.watched = tuple(found)
            return
        talk.refuse(
            t(
                "Type VMIDs or names from the list, such as {example}.",
                example=", ".join(map(str, [*everything][:2])),
            )
        )


def _guest(guest: Guest) -> str:
    return f"{STATE_EMOJI[guest.state]} {guest.vmid} {plain(guest.name or '?', 40)} ({plain(guest.node, 30)})"

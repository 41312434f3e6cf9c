"""Check in ten thousand requests that nothing crosses from one site to another: `make crossings`.

    python -m tests.long_runs.crossings [REQUESTS] [--seed N]

The bot has three sites, whose guests take their names from one list. `oslo` and `bern` also share their nodes and
most VMIDs; `rome` is a single host. Some people have roles for everything, others for one site, for some guests of
one, for both of these, or no role.

Each request says which guests of which sites it can mean. That is decided here a second time, apart from the product:
from what was typed or pressed, from the settings of `PEOPLE`, and from the guests. Then four things are checked:

- Effects are looked for on all sites: requests that change something, watch lists, mutes, acknowledgements,
  dashboards, read-only mode. Each must be on a site, and about a guest, that the request can mean, and that the
  person may change.
- What is shown may name only sites and guests that the person may see, and only the site that is meant. No button in
  it may have the form of a bot with one site.
- The audit trail must have a row of each site with an effect, and none of a site that is not meant.
- A site or guest that is hidden must get the same answer as one that does not exist.

Alerts and dashboards must be about guests of the site that they name.

Each seed makes REQUESTS_A_SEED requests on a stage of its own. Meanwhile guests crash, move, are removed and made
again, and change their tags and names, sometimes to those of guests of another site. Actions run, a site is away at
times, and the bot is restarted.
"""

from __future__ import annotations

import sys
from collections import Counter

from tests.long_runs.crossings.happenings import HAPPENINGS
from tests.long_runs.crossings.trial import trial
from tests.long_runs.seeds import run_seeds


def summary(figures: Counter[str]) -> str:
    return (
        f"{figures['requests']} requests with {figures['effects']} effects, {figures['inserted']} with what a "
        f"completion inserted; {figures['alerts']} alerts, {figures['dashboards']} looks at dashboards; "
        f"{figures['twins']} requests for something hidden beside one for nothing"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line. Return 1 if anything crossed."""
    return run_seeds("tests.long_runs.crossings", __doc__, trial, HAPPENINGS, summary, arguments)


if __name__ == "__main__":
    sys.exit(main())

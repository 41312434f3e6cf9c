"""Run the bot of the demo with `--calm`, for the pictures.

Its alerts of full disks and failed backups come within a minute, not within ten.
"""

import runpy

from core.watch.polling import disk_poller, poller

SOONER = (
    (disk_poller, "EVERY_SECONDS", 10.0),
    (disk_poller, "BOOT_SECONDS", 0),
    (poller, "RECENT_SECONDS", 10.0),  # between two reads of the task list
)

if __name__ == "__main__":
    for module, name, seconds in SOONER:
        setattr(module, name, seconds)
    runpy.run_path("bot.py", run_name="__main__")

"""Run the bot for `python -m playground --calm`, from which the pictures are taken.

It reads the disks of each VM and the task list about every 10 s, so that alerts of full disks and failed backups come
within a minute.
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

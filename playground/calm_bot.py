"""Run the bot for the pictures. It asks for disks and failed backups so often that their alerts come within a minute."""

import runpy

from core.watch.polling import disk_poller, poller

if __name__ == "__main__":
    disk_poller.EVERY_SECONDS = poller.RECENT_SECONDS = disk_poller.GAP_SECONDS
    disk_poller.BOOT_SECONDS = 0
    runpy.run_path("bot.py", run_name="__main__")

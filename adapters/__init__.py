"""Connect the bot with Proxmox, the disk, the settings, the outside monitor, the log and the process that draws."""

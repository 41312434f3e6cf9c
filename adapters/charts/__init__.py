"""Draw charts in a process of their own, so that the bot never imports matplotlib."""

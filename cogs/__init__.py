"""The commands, a few lines each: who asks, defer, one call, one answer."""

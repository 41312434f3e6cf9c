"""Talk to people through Discord: the access gate, parameters, rendering, views, replies and translation."""

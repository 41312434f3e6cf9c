"""All that Discord shows or receives: the gate, parameters, rendering, views, replies and translation."""

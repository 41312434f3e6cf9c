"""How an interaction is taken, allowed, acknowledged and answered."""

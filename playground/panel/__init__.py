"""Lead a visitor through the demo's page: a guided tour, buttons that break things, and a reset."""

"""From an order to its report: plan, send, follow."""

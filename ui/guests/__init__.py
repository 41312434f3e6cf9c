"""Show guests, and plan, confirm and carry out actions on them."""

"""Show charts: ask for them, put their texts into the reader's language, and send them."""

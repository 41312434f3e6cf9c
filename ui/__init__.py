"""Talk to people through Discord: receive interactions, check access, translate, and show answers and alerts."""

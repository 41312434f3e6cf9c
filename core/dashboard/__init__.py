"""Keep dashboards: each is one message that shows a cluster, or a part of it, and is edited when that changes."""

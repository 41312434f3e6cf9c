"""Keep dashboards: each is one message that shows a cluster and is always up to date."""

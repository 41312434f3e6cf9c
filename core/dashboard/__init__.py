"""Keep dashboards: messages that show a cluster, one each, and are always up to date."""

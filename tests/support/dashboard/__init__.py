"""Run dashboards over channels of this process."""

"""Run dashboards over channels of this process, and find those of a running bot."""

"""The watch: from what was read of the cluster to what is told, once each.

incidents/model.py and incidents/state.py have the words. poller.py reads and confirms; incidents/step.py
decides, with its parts incidents/infrastructure.py, incidents/guests.py, incidents/thresholds.py and
incidents/notifications.py; service.py is the whole at work; core/delivery/alerts.py is the way to Discord.
"""

"""The watch: from what was read of the cluster to what is told, once each.

incidents/model.py and incidents/state.py have the words. poller.py reads and confirms;
core/watch/incidents/step.py decides, with its parts core/watch/incidents/infrastructure.py,
core/watch/incidents/guests.py, core/watch/incidents/thresholds.py and core/watch/incidents/notifications.py;
core/watch/service.py is the whole at work; core/delivery/alerts.py is the way to Discord.
"""

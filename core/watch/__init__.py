"""Watch the guests: turn each poll of the cluster into incidents, and these into alerts.

`incidents/model.py` and `incidents/state.py` define the data. `polling/poller.py` reads and confirms.
`incidents/step.py` decides, using `incidents/infrastructure.py`, `incidents/guests.py`,
`incidents/thresholds.py` and `incidents/notifications.py`. `service.py` runs the watch.
`core/delivery/alerts.py` sends the alerts to Discord.
"""

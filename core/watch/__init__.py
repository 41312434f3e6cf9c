"""Watch the cluster: turn each poll into incidents, and incidents into messages for the alert channel.

`service.py` runs the watch. `polling/poller.py` reads and confirms. `incidents/step.py` decides, using the rules in
the other files of `incidents/`. `incidents/model.py`, `incidents/state.py` and `incidents/observation.py` define the
data. `persistence.py` stores the result. `core/delivery/alerts.py` sends the messages to Discord.
"""

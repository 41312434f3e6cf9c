"""The watch: from what was read of the cluster to what is told, once each.

model.py and state.py have the words. looking.py reads and confirms; step.py decides, with its parts sources.py,
guests.py, gauges.py and telling.py; keeper.py is the whole at work; delivery.py is the way to Discord.
"""

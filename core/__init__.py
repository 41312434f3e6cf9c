"""Hold the rules: access, actions, audit trail, charts, dashboards, deliveries, health check and watch.

Standard library only, without files and sockets. The texts of Discord's messages are in ui.
"""

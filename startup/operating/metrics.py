"""Count and measure for Prometheus. No label names a guest or a person."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

NAME = "proxmox_bot"
REQUEST_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)  # seconds
COMMAND_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)  # seconds


@dataclass(frozen=True, slots=True)
class SiteFigures:
    """The figures of one site.

    `read_age`: seconds since the last good read of Proxmox, or since the start if there was none.
    `watched`: guests on the watch list. `waiting`: messages not delivered yet.
    `oldest`: seconds that the oldest of them has waited. `given_up`: messages that were never delivered.
    """

    read_age: float
    watched: int
    incidents: int
    waiting: int
    oldest: float
    given_up: int
    is_read_only: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures that are read for a page.

    `latency`: seconds, None if it is not known. `gateway_age`: seconds since Discord acknowledged a heartbeat, None
    if the bot is not connected.
    """

    is_healthy: bool
    latency: float | None
    gateway_age: float | None
    sites: dict[str, SiteFigures]


class Metrics:
    """Implement `core.audit.measures.Measures` with a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            f"{NAME}_request_seconds",
            "Calls to Proxmox, from their place in the queue to the answer",
            ["site", "lane"],
            buckets=REQUEST_BUCKETS,
            registry=self._registry,
        )
        self._commands = Histogram(
            f"{NAME}_command_seconds",
            "Commands, from their arrival to their end",
            ["command"],
            buckets=COMMAND_BUCKETS,
            registry=self._registry,
        )
        self._outcomes = Counter(
            f"{NAME}_requests",
            "Calls to Proxmox by outcome: ok, or the class of the error",
            ["site", "outcome"],
            registry=self._registry,
        )
        self._errors = Counter(
            f"{NAME}_refusals",
            "Refusals and failures that people were told, by class",
            ["error"],
            registry=self._registry,
        )
        self._healthy = self._gauge("healthy", "1 if the bot is healthy, as /healthz says")
        self._connected = self._gauge("discord_connected", "1 while Discord's gateway is connected")
        self._latency = self._gauge("discord_latency_seconds", "Latency of Discord's gateway")
        self._gateway_age = self._gauge(
            "discord_acknowledged_age_seconds",
            "Seconds since Discord last acknowledged a heartbeat of its gateway",
        )
        self._site_gauges = {
            "read_age": self._gauge(
                "last_read_age_seconds", "Seconds since the last good read of Proxmox", "site"
            ),
            "watched": self._gauge("watched_guests", "Guests on the watch list", "site"),
            "incidents": self._gauge("open_incidents", "Open incidents", "site"),
            "waiting": self._gauge("undelivered_messages", "Messages not delivered yet", "site"),
            "oldest": self._gauge(
                "oldest_undelivered_seconds", "Seconds that the oldest undelivered message has waited", "site"
            ),
            "given_up": self._gauge("given_up_messages", "Messages that were never delivered", "site"),
            "is_read_only": self._gauge("read_only", "1 in read-only mode", "site"),
        }

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{NAME}_{name}", text, labels, registry=self._registry)

    def on_request(self, site: str, lane: str, seconds: float, outcome: str) -> None:
        self._requests.labels(site, lane).observe(seconds)
        self._outcomes.labels(site, outcome).inc()

    def on_command(self, command: str, seconds: float) -> None:
        self._commands.labels(command).observe(seconds)

    def on_error(self, error: str) -> None:
        self._errors.labels(error).inc()

    def page(self, figures: Figures) -> bytes:
        """Return the page in Prometheus' text format."""
        nothing = float("nan")
        self._healthy.set(figures.is_healthy)
        self._connected.set(figures.gateway_age is not None)
        self._latency.set(nothing if figures.latency is None else figures.latency)
        self._gateway_age.set(nothing if figures.gateway_age is None else figures.gateway_age)
        for site, shown in figures.sites.items():
            for name, gauge in self._site_gauges.items():
                gauge.labels(site).set(getattr(shown, name))
        return generate_latest(self._registry)

"""Build and open the pages of METRICS_LISTEN. Without it nothing is loaded, counted or opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from core.audit.measures import Measures, NoMeasures
from ui.interaction.services import Services

if TYPE_CHECKING:
    from startup.operating.endpoint import OperatingEndpoint
    from startup.operating.metrics import Metrics


class Operating:
    """The counts, and the pages that show them. `measures`: takes the measurements."""

    def __init__(self, listen: tuple[str, int] | None) -> None:
        self.measures: Measures = NoMeasures()
        self._listen = listen
        self._metrics: Metrics | None = None
        self._endpoint: OperatingEndpoint | None = None
        if listen is not None:
            from startup.operating.metrics import Metrics  # noqa: PLC0415 - the package costs 1.5 MB of memory

            self.measures = self._metrics = Metrics()

    async def open(self, services: Services, latency: Callable[[], float]) -> None:
        """Listen, if METRICS_LISTEN is set. `latency`: returns that of Discord's gateway, in seconds."""
        if self._listen is None or self._metrics is None:
            return
        from startup.operating.endpoint import OperatingEndpoint  # noqa: PLC0415 - as above
        from startup.operating.pages import Pages  # noqa: PLC0415 - as above

        self._endpoint = OperatingEndpoint(Pages(services, self._metrics, latency).get)
        await self._endpoint.open(*self._listen)

    async def close(self) -> None:
        if self._endpoint is not None:
            await self._endpoint.close()

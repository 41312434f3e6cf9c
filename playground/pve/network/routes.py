"""Compile fakepve's routes once per process. Every cluster has the same 250, and compiling them takes 15 ms.

Each cluster has handlers of its own. Those of a table of fakepve are made when one of them is needed: most clusters
need few tables.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractRouter

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = tuple[str, str]
"""Method and path."""


class _Match(web.UrlMappingMatchInfo):
    """A match of a shared route, with the handler of one cluster."""

    def __init__(self, found: web.UrlMappingMatchInfo, handler: Handler) -> None:
        super().__init__(dict(found), found.route)
        self._own = handler

    @property
    def handler(self) -> Handler:
        return self._own


class SharedRoutes(AbstractRouter):
    """Take routes as aiohttp's own router does. Routers with the same routes share one compiled router."""

    def __init__(self) -> None:
        super().__init__()
        self._routes: list[Route] = []
        self._handlers: list[Handler | None] = []
        self._tables: dict[int, Callable[[], Mapping[Route, Handler]]] = {}
        """By the number of a route without a handler: the function that makes the handlers of its whole table."""
        self._compiled: tuple[web.UrlDispatcher, Mapping[Any, int]] | None = None

    def add_route(self, method: str, path: str, handler: Handler) -> None:
        self._routes.append((method, path))
        self._handlers.append(handler)

    def add_table(self, routes: Iterable[Route], make: Callable[[], Mapping[Route, Handler]]) -> None:
        """Add routes whose handlers `make` returns when one of them is needed."""
        for route in routes:
            self._tables[len(self._routes)] = make
            self._routes.append(route)
            self._handlers.append(None)

    def add_get(self, path: str, handler: Handler) -> None:
        self.add_route("HEAD", path, handler)
        self.add_route("GET", path, handler)

    def add_post(self, path: str, handler: Handler) -> None:
        self.add_route("POST", path, handler)

    def add_put(self, path: str, handler: Handler) -> None:
        self.add_route("PUT", path, handler)

    async def resolve(self, request: web.Request) -> web.UrlMappingMatchInfo:
        if self._compiled is None:
            self._compiled = _compiled(tuple(self._routes))
        router, numbers = self._compiled
        found = await router.resolve(request)
        number = numbers.get(found.route)
        return found if number is None else _Match(found, self._handler(number))

    def _handler(self, number: int) -> Handler:
        handler = self._handlers[number]
        if handler is None:
            handler = self._handlers[number] = self._tables[number]()[self._routes[number]]
        return handler


@functools.lru_cache(maxsize=8)
def _compiled(routes: tuple[Route, ...]) -> tuple[web.UrlDispatcher, dict[Any, int]]:
    router = web.UrlDispatcher()
    numbers = {router.add_route(*route, _never): number for number, route in enumerate(routes)}
    return router, numbers


class _Collected(dict[Route, Handler]):
    """Take routes as a router does, and keep them in their order."""

    def add_route(self, method: str, path: str, handler: Handler) -> None:
        self.setdefault((method, path), handler)


class _OneTable:
    """A cluster as if it had only one of its tables of routes."""

    def __init__(self, cluster: Any, table: str) -> None:
        self._cluster, self._table = cluster, table

    def __dir__(self) -> list[str]:
        return [self._table]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)


_tables: dict[type, dict[str, tuple[Route, ...]]] = {}
"""The routes of each table of a class of clusters."""


def add_tables(router: SharedRoutes, cluster: Any, register: Callable[[Any, Any], None]) -> None:
    """Add the tables of a cluster, which are its methods `_routes_…`, to the router.

    `register(object, router)` adds the tables of one object as fakepve does.
    """

    def made(table: str) -> Mapping[Route, Handler]:
        found = _Collected()
        register(_OneTable(cluster, table), found)
        return found

    kind = type(cluster)
    if kind not in _tables:
        names = sorted(name for name in dir(cluster) if name.startswith("_routes_"))
        _tables[kind] = {name: tuple(made(name)) for name in names}
    for table, routes in _tables[kind].items():
        router.add_table(routes, functools.cache(functools.partial(made, table)))


async def _never(_request: web.Request) -> web.StreamResponse:
    raise AssertionError("the cluster's own handler is called instead")


class _Web:
    """aiohttp.web as fakepve sees it: its applications have shared routes."""

    def __getattr__(self, name: str) -> Any:
        return getattr(web, name)

    @staticmethod
    def Application(**options: Any) -> web.Application:  # noqa: N802 - aiohttp's own name for it
        made = web.Application(**options)
        setattr(made, "_router", SharedRoutes())  # noqa: B010 - mypy knows the type of aiohttp's router only
        return made


WEB = _Web()

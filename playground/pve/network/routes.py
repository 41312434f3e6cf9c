"""Compile fakepve's routes once per process. Every cluster has the same 240, and compiling takes 15 ms."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractRouter

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


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
        self._routes: list[tuple[str, str]] = []
        self._handlers: list[Handler] = []

    def add_route(self, method: str, path: str, handler: Handler) -> None:
        self._routes.append((method, path))
        self._handlers.append(handler)

    def add_get(self, path: str, handler: Handler) -> None:
        self.add_route("HEAD", path, handler)
        self.add_route("GET", path, handler)

    def add_post(self, path: str, handler: Handler) -> None:
        self.add_route("POST", path, handler)

    def add_put(self, path: str, handler: Handler) -> None:
        self.add_route("PUT", path, handler)

    async def resolve(self, request: web.Request) -> web.UrlMappingMatchInfo:
        router, numbers = _compiled(tuple(self._routes))
        found = await router.resolve(request)
        number = numbers.get(found.route)
        return found if number is None else _Match(found, self._handlers[number])


@functools.lru_cache(maxsize=8)
def _compiled(routes: tuple[tuple[str, str], ...]) -> tuple[web.UrlDispatcher, dict[Any, int]]:
    router = web.UrlDispatcher()
    numbers = {router.add_route(*route, _never): number for number, route in enumerate(routes)}
    return router, numbers


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

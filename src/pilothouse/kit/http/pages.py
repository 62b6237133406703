"""A small set of pages that a component tells of itself: figures, health.

await serve(pages, clock, "127.0.0.1", 10249, "proxy-metrics")
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from pilothouse.kit.clock import Clock
from pilothouse.kit.http.messages import Request, Response
from pilothouse.kit.http.server import Server
from pilothouse.kit.metrics import CONTENT_TYPE, Registry

log = logging.getLogger(__name__)
# How often a port that somebody else has is tried again.
RETRY_SECONDS = 5.0
Page = Callable[[], Response]
Pages = Mapping[str, Page]
PLAIN = b"text/plain; charset=utf-8"


def metrics_page(registry: Registry) -> Page:
    return lambda: Response(200, registry.text().encode(), CONTENT_TYPE.encode())


def text_page(text: str) -> Page:
    return lambda: Response(200, text.encode(), PLAIN)


def answer(pages: Pages, target: bytes) -> Response:
    """The page of a request target; 404 as Go's net/http words it."""
    page = pages.get(target.split(b"?", 1)[0].decode(errors="replace"))
    return Response(404, b"404 page not found\n", PLAIN) if page is None else page()


async def serve(pages: Pages, clock: Clock, host: str, port: int, name: str) -> None:
    """Serve `pages`, by path, until cancelled. A port that somebody else has is tried again until it is free."""

    async def handler(request: Request) -> Response:
        return answer(pages, request.target)

    server = Server(handler, clock, name=name)
    try:
        while True:
            try:
                await server.listen(host, port)
                break
            except OSError as error:
                log.warning("%s: port %d of %s: %s; trying again", name, port, host, error)
                await clock.sleep(RETRY_SECONDS)
        await asyncio.Event().wait()
    finally:
        await server.close()

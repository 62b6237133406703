"""Bodies that do not come: they hold up their sender alone."""

from __future__ import annotations

import asyncio
from typing import Any

from pilothouse.apiserver.filters.uploads import MOST
from pilothouse.kit.http.messages import Response
from tests.apiserver.filters.test_flowcontrol_metrics import Asked
from tests.apiserver.servers import running

REVIEW = b"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
BODY = b'{"spec":{"resourceAttributes":{"verb":"get","resource":"pods"}}}'


class Slow(Asked):
    """A request whose body is on its way until `arrived`."""

    complete = False

    def __init__(self, arrived: asyncio.Event) -> None:
        super().__init__("POST", REVIEW, BODY)
        self._arrived = arrived

    async def body(self, limit: int) -> bytes:
        await self._arrived.wait()
        return BODY


async def status(server: Any, request: Asked) -> int:
    answer = await server.handle(request)
    assert isinstance(answer, Response)
    return answer.status


async def test_one_user_keeps_the_server_waiting_for_so_many_bodies_and_no_more() -> None:
    async with running() as (server, _):
        arrived = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            slow = [group.create_task(status(server, Slow(arrived))) for _ in range(MOST)]
            for _ in range(20):
                await asyncio.sleep(0)
            assert await status(server, Slow(arrived)) == 429
            assert await status(server, Asked("POST", REVIEW, BODY)) == 201
            arrived.set()
        assert [task.result() for task in slow] == [201] * MOST
        assert await status(server, Slow(arrived)) == 201

"""A connection that is read as a stream and written to without waiting, and may be broken off at any time."""

from __future__ import annotations

import asyncio
import ssl

LARGEST = 1 << 26


async def dial(
    port: int, context: ssl.SSLContext, limit: int = LARGEST
) -> tuple[asyncio.StreamReader, asyncio.Transport]:
    """Connect to this machine's port. Raises OSError."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=limit, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, "127.0.0.1", port, ssl=context)
    return reader, transport

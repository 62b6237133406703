"""What happens to containers, from containerd's own event service.

CRI's GetContainerEvents came with containerd 1.7, Debian 12 has 1.6; the event service is in both. Filters keep what
is of no interest from being sent at all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from pilothouse.kit.clock import Clock
from pilothouse.kit.protobuf import ProtobufError
from pilothouse.kit.protowire import parts
from pilothouse.runtime.containerd.channel import Channel
from pilothouse.seams.runtime import EventType, RuntimeEvent, RuntimeFailure

SUBSCRIBE = "/containerd.services.events.v1.Events/Subscribe"
# A container's task is deleted once CRI has taken note of its end: from then on its status tells the exit code.
TOPICS = {
    "/tasks/start": EventType.STARTED,
    "/tasks/delete": EventType.STOPPED,
    "/tasks/oom": EventType.OOM,
}
RETRY_SECONDS = 0.2


def subscription() -> bytes:
    """A SubscribeRequest: one filter a topic; a filter is text in field 1."""
    filters = [f'namespace=="k8s.io",topic=="{topic}"'.encode() for topic in TOPICS]
    return b"".join(b"\x0a" + bytes([len(f)]) + f for f in filters)


def event_of(envelope: bytes) -> RuntimeEvent | None:
    """The event in an Envelope (3 topic, 4 Any{2 bytes}); an exec's end, which is nobody's business here, is None."""
    topic, body = "", b""
    for number, _, raw in parts(memoryview(envelope)):
        if number == 3:
            topic = bytes(raw).decode()
        elif number == 4:
            body = next((bytes(part) for n, _, part in parts(raw) if n == 2), b"")
    kind = TOPICS.get(topic)
    if kind is None:
        return None
    fields = {number: raw for number, _, raw in parts(memoryview(body))}
    # TaskDelete: 1 container_id, 2 pid, 3 exit status, 4 exited at, 5 exec id. The others: 1 container_id.
    if kind is EventType.STOPPED and 5 in fields and bytes(fields[5]):
        return None
    return RuntimeEvent(kind, bytes(fields.get(1, b"")).decode())


async def watch(channel: Channel, clock: Clock) -> AsyncIterator[RuntimeEvent]:
    """Events for ever; after each gap (and first of all) a RELIST."""
    while True:
        yield RuntimeEvent(EventType.RELIST)
        try:
            async for envelope in channel.raw_stream(SUBSCRIBE, subscription()):
                event = event_of(envelope)
                if event is not None:
                    yield event
        except (RuntimeFailure, ProtobufError):
            pass
        await clock.sleep(RETRY_SECONDS)

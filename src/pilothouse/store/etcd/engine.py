"""The etcd engine. Every write is a transaction on the key's mod revision; every read is linearizable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from pilothouse.kit.tasks import TaskScope
from pilothouse.seams.store import (
    Compacted,
    FutureRevision,
    KeyExists,
    KeyValue,
    NotRestorable,
    Range,
    RevisionMismatch,
    Sink,
    Snapshot,
    StoreUnavailable,
    Watch,
)
from pilothouse.store.etcd import messages as m
from pilothouse.store.etcd.channel import Channel, CompactedThere, Endpoint, FutureThere
from pilothouse.store.etcd.watch import EtcdWatch, Keys
from pilothouse.store.keys import bounds

# etcd's word for "from the first key" and "to the last".
_OPEN_END = b"\0"
# Keys of a snapshot that are asked for at once.
_PIECE = 512


def progress_is_sound(version: str) -> bool:
    """Whether the server's progress messages never overtake events: since 3.4.25 and 3.5.8."""
    try:
        major, minor, patch = (int(part.partition("-")[0]) for part in version.split(".")[:3])
    except ValueError:
        return False
    return (
        (major, minor) > (3, 5)
        or ((major, minor) == (3, 5) and patch >= 8)
        or ((major, minor) == (3, 4) and patch >= 25)
    )


class EtcdSnapshot:
    """A `seams.store.Snapshot`: etcd itself reads the past, as long as it is not compacted."""

    def __init__(self, store: EtcdStore, revision: int) -> None:
        self._store = store
        self.revision = revision

    async def pieces(self) -> AsyncIterator[Sequence[KeyValue]]:
        position, more = "", True
        while more:
            page = await self._store.range("", start=position, limit=_PIECE, revision=self.revision)
            if page.items:
                yield page.items
                position = page.items[-1].key + "\0"
            more = page.more

    async def close(self) -> None:
        """Nothing is held."""


class EtcdStore:
    """A `seams.store.Store` on an etcd server, under the key prefix `root`. Make it with `open`."""

    def __init__(self, channel: Channel, root: str, trusts_progress: bool) -> None:
        self._channel = channel
        self._root = root.encode()
        self._trusts_progress = trusts_progress
        self._scope = TaskScope("etcd")
        self._watches: set[EtcdWatch] = set()
        self._compacted = 0
        self._closed = False

    @classmethod
    async def open(cls, endpoint: Endpoint, root: str = "") -> EtcdStore:
        """Raises StoreUnavailable if the server cannot be reached."""
        channel = Channel(endpoint)
        try:
            status = await channel.call(m.STATUS, m.StatusRequest())
        except StoreUnavailable:
            await channel.close()
            raise
        return cls(channel, root, progress_is_sound(status.version))

    async def revision(self) -> int:
        self._require_open()
        found = await self._channel.call(m.RANGE, m.RangeRequest(key=self._root + b"/", count_only=True))
        return found.header.revision

    async def compacted(self) -> int:
        """etcd tells it only to a watch that asks for too much."""
        self._require_open()
        asked = self._compacted + 1
        try:
            await self._channel.call(m.RANGE, m.RangeRequest(key=self._root + b"/", revision=asked, count_only=True))
        except FutureThere:
            return self._compacted
        except CompactedThere:
            stream = self._channel.watch()
            try:
                create = m.WatchCreate(key=self._root + b"/", start_revision=asked)
                await stream.send(m.WatchRequest(create=create))
                while not (response := await stream.receive()).canceled:
                    pass
            finally:
                stream.cancel()
            self._compacted = max(self._compacted, response.compact_revision)
        return self._compacted

    async def get(self, key: str) -> KeyValue | None:
        self._require_open()
        found = await self._channel.call(m.RANGE, m.RangeRequest(key=self._key(key)))
        return self._item(found.kvs[0]) if found.kvs else None

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Range:
        self._require_open()
        first, end = self._bounds(prefix, start)
        empty = end != _OPEN_END and first >= end
        # etcd refuses an empty range; a single key is asked for in its place, for the revision's sake.
        request = m.RangeRequest(
            key=first, range_end=b"" if empty else end, limit=limit, revision=revision, count_only=empty
        )
        try:
            found = await self._channel.call(m.RANGE, request)
        except CompactedThere:
            raise Compacted(await self.compacted()) from None
        except FutureThere:
            raise FutureRevision(await self.revision()) from None
        items = [self._item(kv) for kv in found.kvs]
        total = 0 if empty else found.count
        return Range(items, revision or found.header.revision, len(items) < total, total)

    async def create(self, key: str, value: bytes) -> int:
        done, current = await self._swap(key, 0, m.Operation(put=m.PutRequest(key=self._key(key), value=value)))
        if current is not None:
            raise KeyExists(current)
        return done

    async def replace(self, key: str, value: bytes, expected_revision: int) -> int:
        return await self._change(
            key, expected_revision, m.Operation(put=m.PutRequest(key=self._key(key), value=value))
        )

    async def delete(self, key: str, expected_revision: int) -> int:
        return await self._change(key, expected_revision, m.Operation(delete=m.DeleteRequest(key=self._key(key))))

    async def watch(self, prefix: str, after_revision: int, sink: Sink) -> Watch:
        self._require_open()
        first, end = self._bounds(prefix, "")

        async def keys_at(revision: int) -> Keys:
            request = m.RangeRequest(key=first, range_end=end, revision=revision, keys_only=True)
            return {kv.key: kv.mod_revision for kv in (await self._channel.call(m.RANGE, request)).kvs}

        begin = max(min(after_revision, await self.revision()), 1)
        keys_now = None if self._trusts_progress else keys_at
        try:
            # A watch that begins too early is refused only some time later; whoever asks is to know now.
            await self._channel.call(m.RANGE, m.RangeRequest(key=first, revision=begin, count_only=True))
            known = {} if self._trusts_progress else await keys_at(begin)
        except CompactedThere:
            raise Compacted(await self.compacted()) from None
        watch = EtcdWatch(self._channel.watch(), self._root, after_revision, sink, self.revision, keys_now)
        await watch.start(first, end, begin, known)
        self._watches.add(watch)
        following = self._scope.spawn(watch.run(), f"watch {prefix}")
        following.add_done_callback(lambda _: self._watches.discard(watch))
        return watch

    async def compact(self, revision: int) -> None:
        self._require_open()
        try:
            await self._channel.call(m.COMPACT, m.CompactionRequest(revision=revision))
        except CompactedThere:
            raise Compacted(await self.compacted()) from None
        except FutureThere:
            raise FutureRevision(await self.revision()) from None
        self._compacted = max(self._compacted, revision)

    async def snapshot(self) -> Snapshot:
        return EtcdSnapshot(self, await self.revision())

    async def restore(self, snapshot: Snapshot) -> int:
        """Raises NotRestorable: a client of etcd can neither give keys their old revisions nor write many of them at
        once."""
        self._require_open()
        raise NotRestorable("etcd is restored by `etcdutl snapshot restore`, with --bump-revision and --mark-compacted")

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for watch in list(self._watches):
            watch.end(StoreUnavailable("the store is closed"))
        await self._scope.close()
        await self._channel.close()

    def _require_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    def _key(self, key: str) -> bytes:
        return self._root + key.encode()

    def _bounds(self, prefix: str, start: str) -> tuple[bytes, bytes]:
        root = self._root.decode()
        first, end = bounds(root + prefix, root + start)
        return first.encode() or _OPEN_END, end.encode() or _OPEN_END

    def _item(self, kv: m.KV) -> KeyValue:
        return KeyValue(kv.key[len(self._root) :].decode(), kv.value, kv.create_revision, kv.mod_revision)

    async def _change(self, key: str, expected_revision: int, operation: m.Operation) -> int:
        if expected_revision <= 0:
            raise RevisionMismatch(key, expected_revision, await self.get(key))
        done, current = await self._swap(key, expected_revision, operation)
        if not done:
            raise RevisionMismatch(key, expected_revision, current)
        return done

    async def _swap(self, key: str, expected: int, operation: m.Operation) -> tuple[int, KeyValue | None]:
        """(new revision, None) if `key` stood at `expected` (0: was not there), else (0, what is there)."""
        self._require_open()
        raw = self._key(key)
        request = m.TxnRequest(
            compare=(m.Compare(key=raw, mod_revision=expected),),
            success=(operation,),
            failure=(m.Operation(range=m.RangeRequest(key=raw)),),
        )
        answer = await self._channel.call(m.TXN, request)
        if answer.succeeded:
            return answer.header.revision, None
        found = answer.responses[0].range
        return 0, self._item(found.kvs[0]) if found is not None and found.kvs else None

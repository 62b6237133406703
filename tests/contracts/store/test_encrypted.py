"""The encrypted store over every engine: plain to whoever asks, sealed on the disk, and never the poison of a start."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pilothouse.seams.store import KeyExists, RevisionMismatch, Store
from pilothouse.store import sqlite_file
from pilothouse.store.encryption.encrypted import EncryptedStore, Rule
from pilothouse.store.encryption.keycheck import RECORD, WrongKey, check, keep_record
from pilothouse.store.encryption.providers import CBC, ENCRYPTED, GCM, Identity, Provider
from pilothouse.store.memory import MemoryStore
from pilothouse.store.sqlite import SQLiteStore

from .engines import Collector

FIRST, SECOND, FORGED = (GCM(name, bytes([number]) * 32) for number, name in enumerate(("key1", "key2", "key1"), 1))
SECRETS = "/registry/secrets/"
A, B, PLAIN = f"{SECRETS}a/one", f"{SECRETS}a/two", "/registry/configmaps/a/one"


def rules(*providers: Provider, prefix: str = SECRETS) -> list[Rule]:
    return [Rule(prefix, providers)]


def over(inner: Store, *providers: Provider) -> EncryptedStore:
    return EncryptedStore(inner, rules(*providers))


async def test_every_answer_is_plain_and_every_stored_byte_is_not(store: Store) -> None:
    plain, seen = over(store, FIRST, Identity()), Collector()
    watch = await plain.watch(SECRETS, await plain.revision(), seen)
    first = await plain.create(A, b"hunter2")
    await plain.create(PLAIN, b"open")
    with pytest.raises(KeyExists) as there:
        await plain.create(A, b"other")
    assert there.value.current.value == b"hunter2"
    with pytest.raises(RevisionMismatch) as stale:
        await plain.replace(A, b"other", first + 100)
    assert stale.value.current is not None
    assert stale.value.current.value == b"hunter2"
    second = await plain.replace(A, b"hunter3", first)
    assert [item.value for item in (await plain.range("/registry/")).items] == [b"open", b"hunter3"]
    assert (await plain.range(SECRETS, revision=first)).items[0].value == b"hunter2"
    found = await plain.get(A)
    assert found is not None
    assert found.value == b"hunter3"
    with pytest.raises(RevisionMismatch):
        await plain.delete(A, first)
    await plain.delete(A, second)
    assert [event.value for event in await seen.caught_up(watch)] == [b"hunter2", b"hunter3", None]
    past = Collector()
    watch = await plain.watch("/registry/", first - 1, past)
    assert [event.value for event in await past.caught_up(watch)] == [b"hunter2", b"open", b"hunter3", None]
    raw = (await store.range("/registry/", revision=second)).items
    assert raw[0].value == b"open"
    assert raw[1].value.startswith(b"k8s:enc:aesgcm:v1:key1:")


async def test_no_secret_reaches_the_disk(tmp_path: Path) -> None:
    store_ = await SQLiteStore.open(tmp_path / "store.db")
    plain = over(store_, FIRST, Identity())
    revision = await plain.create(A, b"a-password-that-is-long-enough-to-find")
    await plain.replace(A, b"another-password-that-is-long-enough-to-find", revision)
    stored = on_disk(tmp_path)
    assert b"k8s:enc:aesgcm:v1:key1:" in stored
    assert b"password" not in stored
    await store_.close()


async def test_nothing_plain_is_left_after_old_data_was_encrypted(tmp_path: Path) -> None:
    store_ = await SQLiteStore.open(tmp_path / "store.db")
    for number in range(50):
        await store_.create(f"{A}-{number}", b"a-password-that-is-long-enough-to-find")
    assert await over(store_, FIRST, Identity()).rewrite() == 50
    assert b"password" in on_disk(tmp_path)
    await store_.compact(await store_.revision())
    sqlite_file.purge(tmp_path / "store.db")
    assert b"password" not in on_disk(tmp_path)
    assert len((await over(store_, FIRST).range(SECRETS)).items) == 50
    await store_.close()


def on_disk(folder: Path) -> bytes:
    """The database and its journal, while the store is open."""
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_a_write_is_handed_to_watches_as_the_very_bytes(store: Store) -> None:
    if not isinstance(store, MemoryStore):
        return
    plain, seen = over(store, FIRST), Collector()
    await plain.watch(SECRETS, await plain.revision(), seen)
    value = b"the very object"
    await plain.create(A, value)
    assert seen.seen[0].value is value


async def test_old_plain_and_old_keys_are_read_and_written_anew(store: Store) -> None:
    await store.create(A, b"one")
    old = over(store, FIRST)
    await old.create(B, b"two")
    new = over(store, SECOND, FIRST, Identity())
    assert [item.value for item in (await new.range(SECRETS)).items] == [b"one", b"two"]
    assert await new.rewrite() == 2
    assert await new.rewrite() == 0
    assert {item.value[:23] for item in (await store.range(SECRETS)).items} == {SECOND.header}
    assert [item.value for item in (await over(store, SECOND).range(SECRETS)).items] == [b"one", b"two"]


async def test_encryption_can_be_taken_back(store: Store) -> None:
    await over(store, FIRST).create(A, b"one")
    assert await over(store, Identity(), FIRST).rewrite() == 1
    assert (await store.range(SECRETS)).items[0].value == b"one"


async def test_a_value_moved_to_another_key_or_damaged_is_set_aside_alone(store: Store) -> None:
    plain = over(store, FIRST, Identity())
    await plain.create(A, b"one")
    await keep_record(store, rules(FIRST))
    stolen = (await store.range(SECRETS)).items[0].value
    await store.create(B, stolen)
    await store.create(f"{SECRETS}b/damaged", stolen[:-1] + bytes([stolen[-1] ^ 1]))
    await store.create(f"{SECRETS}b/header", stolen.replace(b"key1", b"kez1"))
    await check(store, rules(FIRST, Identity()))  # the start goes on
    values = [item.value for item in (await plain.range(SECRETS)).items]
    assert values[0] == b"one"
    assert all(value.startswith(ENCRYPTED) for value in values[1:])
    assert await plain.rewrite() == 0
    for item in (await plain.range(SECRETS)).items[1:]:
        await plain.delete(item.key, item.mod_revision)
    assert len((await plain.range(SECRETS)).items) == 1


@pytest.mark.parametrize("recorded", [True, False])
async def test_a_wrong_or_missing_key_ends_the_start_in_words(recorded: bool) -> None:
    store_ = MemoryStore()
    await over(store_, FIRST).create(A, b"one")
    if recorded:
        await keep_record(store_, rules(FIRST))
    await check(store_, rules(FIRST))
    with pytest.raises(WrongKey, match=r"the encryption key 'key1' \(aesgcm\) is not the one that"):
        await check(store_, rules(FORGED, Identity()))
    with pytest.raises(WrongKey, match=r"the encryption key 'key1' \(aesgcm\) is missing: 1 object in the store"):
        await check(store_, rules(SECOND, Identity()))
    await check(store_, rules(SECOND, FIRST))


async def test_a_resource_that_is_no_longer_named_is_not_forgotten() -> None:
    store_ = MemoryStore()
    await EncryptedStore(store_, rules(FIRST, prefix="/registry/configmaps/")).create(PLAIN, b"one")
    await keep_record(store_, rules(FIRST, prefix="/registry/configmaps/"))
    with pytest.raises(WrongKey, match="/registry/configmaps/a/one is encrypted, and the configuration does not name"):
        await check(store_, rules(FIRST))


async def test_the_record_knows_only_keys_that_are_needed() -> None:
    store_ = MemoryStore()
    await over(store_, FIRST).create(A, b"one")
    await keep_record(store_, rules(FIRST))
    await over(store_, SECOND, FIRST).rewrite()
    await keep_record(store_, rules(SECOND, FIRST))
    await check(store_, rules(SECOND))
    record = await store_.get(RECORD)
    assert record is not None
    assert b"key1" not in record.value
    revision = await store_.revision()
    await keep_record(store_, rules(SECOND, FIRST))
    assert await store_.revision() == revision  # nothing new, nothing written


async def test_a_damaged_record_is_made_anew() -> None:
    store_ = MemoryStore()
    await over(store_, FIRST).create(A, b"one")
    await store_.create(RECORD, b'{"prefixes": 3')
    await check(store_, rules(FIRST))
    await keep_record(store_, rules(FIRST))
    with pytest.raises(WrongKey):
        await check(store_, rules(FORGED))


async def test_a_rewrite_gives_way_to_writers(store: Store) -> None:
    await store.create(A, b"one")
    new = over(store, FIRST, Identity())
    item = (await store.range(SECRETS)).items[0]
    rewriting = asyncio.ensure_future(new.rewrite())
    await new.replace(A, b"two", item.mod_revision)
    assert await rewriting in (0, 1)
    found = await new.get(A)
    assert found is not None
    assert found.value == b"two"


async def test_of_two_rules_the_first_counts() -> None:
    store_ = MemoryStore()
    both = EncryptedStore(store_, [Rule(SECRETS, (Identity(),)), Rule("/registry/", (CBC("k", bytes(16)), Identity()))])
    await both.create(A, b"one")
    await both.create(PLAIN, b"two")
    values = {item.key: item.value for item in (await store_.range("/registry/")).items}
    assert values[A] == b"one"
    assert values[PLAIN].startswith(b"k8s:enc:aescbc:v1:k:")
    assert [item.value for item in (await both.range("/registry/")).items] == [b"two", b"one"]
    assert await both.rewrite() == 0

"""Whether the keys at hand are those that a store was written with: asked before anything is read from it.

A record in the store, under a key of its own, has for each key that ever wrote a sample that this key must open, and
the prefixes that were encrypted. So a wrong key is told from a damaged object: the first ends the start, the second
concerns that object alone.
"""

from __future__ import annotations

import base64
import logging
from collections import Counter
from collections.abc import Sequence

import msgspec

from pilothouse.seams.store import RevisionMismatch, Store, StoreError
from pilothouse.store.encryption.encrypted import Rule, open_value
from pilothouse.store.encryption.providers import ENCRYPTED, CannotDecrypt, Provider

log = logging.getLogger(__name__)
RECORD = "/pilothouse/encryption"
_SAMPLE = b"pilothouse"
_PAGE = 1000


class WrongKey(StoreError):
    """The store was written with a key that is not at hand; the text names it, and where it is needed."""


class Record(msgspec.Struct):
    """`samples` by the header of the key that sealed them, base64."""

    prefixes: tuple[str, ...] = ()
    samples: dict[str, str] = {}


class _Survey:
    """What lies encrypted in a store: for each header how many values, the first of them, and how many open."""

    def __init__(self) -> None:
        self.count: Counter[bytes] = Counter()
        self.opened: Counter[bytes] = Counter()
        self.first: dict[bytes, str] = {}
        self.prefixes: set[str] = set()

    def what(self, header: bytes) -> str:
        """The values with a header, in words."""
        count = self.count[header]
        return f"{count} object{'' if count == 1 else 's'} in the store (the first is {self.first[header]})"


def header_of(stored: bytes) -> bytes:
    """`k8s:enc:PROVIDER:v1:KEYNAME:`, empty for a plain value."""
    parts = stored[:256].split(b":", 5)
    return b":".join(parts[:5]) + b":" if stored.startswith(ENCRYPTED) and len(parts) == 6 else b""


async def check(store: Store, rules: Sequence[Rule]) -> None:
    """Raises WrongKey if what `store` (the engine itself) holds needs a key that `rules` do not have."""
    record = await _read(store)
    providers = {p.header: p for rule in rules for p in rule.providers if p.header}
    survey = await _survey(store, rules, record)
    proven = {header for header, right in _samples(record, providers).items() if right or survey.opened[header]}
    for header in _samples(record, providers).keys() - proven:
        raise WrongKey(f"the encryption key {_name(header)} is not the one that this store was written with")
    for header in survey.count.keys() - proven:
        what = survey.what(header)
        if header.decode(errors="replace") not in record.samples and survey.count[header] == 1 and proven:
            # A damaged header, most likely; this one object is set aside when it is read.
            log.error("%s cannot be decrypted: no key of that name ever wrote here", what)
        elif header not in providers:
            raise WrongKey(f"the encryption key {_name(header)} is missing: {what} need it")
        elif not survey.opened[header]:
            raise WrongKey(f"the encryption key {_name(header)} is not the one that {what} were written with")


async def keep_record(store: Store, rules: Sequence[Rule]) -> None:
    """Write down what the keys of `rules` are known by, and which prefixes they encrypt; keys that nothing in the store
    needs any more are forgotten."""
    record = await _read(store)
    survey = await _survey(store, rules, record)
    writers = {rule.providers[0].header: rule.providers[0] for rule in rules}
    readers = {p.header: p for rule in rules for p in rule.providers}
    kept = {h: s for h, s in record.samples.items() if h.encode() in survey.count and h.encode() in readers}
    for header, provider in writers.items():
        if header and header.decode() not in kept:
            kept[header.decode()] = base64.b64encode(provider.seal(_SAMPLE, RECORD)).decode()
    named = {rule.prefix for rule in rules if rule.providers[0].header}
    new = Record(tuple(sorted(survey.prefixes | named)), kept)
    if new != record:
        await _write(store, new)


async def _read(store: Store) -> Record:
    found = await store.get(RECORD)
    if found is None:
        return Record()
    try:
        return msgspec.json.decode(found.value, type=Record)
    except msgspec.MsgspecError as error:
        log.warning("the record of encryption keys cannot be read, and is made anew: %s", error)
        return Record()


async def _write(store: Store, record: Record) -> None:
    found, value = await store.get(RECORD), msgspec.json.encode(record)
    try:
        if found is None:
            await store.create(RECORD, value)
        else:
            await store.replace(RECORD, value, found.mod_revision)
    except RevisionMismatch as error:
        raise StoreError(f"somebody else writes to the store: {error}") from error


def _samples(record: Record, providers: dict[bytes, Provider]) -> dict[bytes, bool]:
    """Whether each key at hand opens the sample that its namesake sealed; keys without a sample are left out."""
    checked = {}
    for text, sample in record.samples.items():
        header = text.encode()
        if (provider := providers.get(header)) is not None:
            try:
                checked[header] = provider.open(base64.b64decode(sample), RECORD) == _SAMPLE
            except (CannotDecrypt, ValueError):
                checked[header] = False
    return checked


async def _survey(store: Store, rules: Sequence[Rule], record: Record) -> _Survey:
    """Look at everything below the prefixes of `rules`, and below those that the record names."""
    survey = _Survey()
    prefixes = {rule.prefix for rule in rules} | set(record.prefixes)
    outermost = [p for p in prefixes if not any(p != other and p.startswith(other) for other in prefixes)]
    for prefix in sorted(outermost):
        position, more = "", True
        while more:
            page = await store.range(prefix, start=position, limit=_PAGE)
            for item in page.items:
                _look(survey, rules, prefix, item.key, item.value)
            more = page.more
            position = page.items[-1].key + "\0" if more else ""
    return survey


def _look(survey: _Survey, rules: Sequence[Rule], prefix: str, key: str, stored: bytes) -> None:
    header = header_of(stored)
    if not header:
        return
    survey.prefixes.add(prefix)
    survey.count[header] += 1
    survey.first.setdefault(header, key)
    rule = next((rule for rule in rules if key.startswith(rule.prefix)), None)
    if rule is None:
        raise WrongKey(
            f"{key} is encrypted, and the configuration does not name its resource any more: name it, with `identity` "
            "as its first provider, until all of it is written anew"
        )
    if survey.opened[header] == 0:
        try:
            open_value(rule, key, stored)
        except CannotDecrypt:
            return
        survey.opened[header] += 1


def _name(header: bytes) -> str:
    """What a person calls the key: its name and its provider."""
    _, _, provider, _, name, *_ = header.decode(errors="replace").split(":")
    return f"{name!r} ({provider})"

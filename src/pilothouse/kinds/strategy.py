"""What the generic registry has to know of a kind: data and pure functions, declared in one small file a kind.

`pilothouse.kinds` names worked examples. Functions get and give typed, frozen objects of the storage
version and do no I/O; whatever a kind does not say has the API's usual default. The order of a write is

    decode, defaults, managedFields, mutating admission, prepare_create/prepare_update, validation, canonicalize,
    validating admission, store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar

from msgspec import Struct

from pilothouse.api.facts import Resource
from pilothouse.api.field_errors import FieldError
from pilothouse.api.object import Object
from pilothouse.api.scheme import resource_of
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.meta.v1 import DeleteOptions
from pilothouse.kinds.body_decoder import BodyDecoder
from pilothouse.semantics.validation.names import NameRule, dns_subdomain

K = TypeVar("K", bound=Object)
Cell = str | int | float | bool | None
FieldErrors = Sequence[FieldError]
Propagation = Literal["background", "orphan"]


class Write(Struct, frozen=True):
    """The circumstances of a write, for the few kinds that look at them."""

    user: UserInfo
    now: float
    """Wall time in seconds since the epoch."""
    subresource: str = ""
    dry_run: bool = False


def keep(obj: K, write: Write) -> K:
    """prepare_create of a kind that prepares nothing."""
    return obj


def keep_update(new: K, old: K, write: Write) -> K:
    """prepare_update of a kind that prepares nothing."""
    return new


def accept(obj: Any) -> FieldErrors:
    return ()


def accept_update(new: Any, old: Any) -> FieldErrors:
    return ()


def no_warnings(obj: Any) -> Sequence[str]:
    return ()


def no_update_warnings(new: Any, old: Any) -> Sequence[str]:
    return ()


def no_conditions(obj: Any) -> Sequence[Struct]:
    return ()


def same(obj: K) -> K:
    return obj


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """One served version of a kind that has several: its type, its defaults (before conversion), and both
    conversions with the storage version."""

    type: type[Any]
    to_storage: Callable[[Any], Any]
    from_storage: Callable[[Any], Any]
    defaults: Callable[[Any], Any] = same
    fields: Mapping[str, str] = field(default_factory=dict)
    """Field selectors that this version names in another way, to their names in the storage version."""
    rules: Mapping[str, Any] = field(default_factory=dict)
    """Attributes of the kind's Strategy that are others for writes in this version."""

    def read(self, obj: Any) -> Any:
        """What a client sent as field managers see it: defaulted, and as the storage version gives it back."""
        return self.from_storage(self.to_storage(self.defaults(obj)))


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaUpdate:
    """How often a kind's update validation repeats the metadata checks, which the generic update makes once
    already: clients see such causes doubled. `whole` is the check of a created object's metadata, `change` that
    of the difference."""

    whole: int = 0
    change: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Generic[K]):
    """The rules of an update through a subresource, first of all `status`: it may change what `keep` leaves."""

    keep: tuple[str, ...] = ("spec",)
    """Attributes taken from the old object; `metadata.labels` and the like name parts of the metadata."""
    prepare: Callable[[K, K, Write], K] = keep_update
    validate: Callable[[K, K], FieldErrors] = accept_update
    warnings: Callable[[K, K], Sequence[str]] = no_update_warnings
    meta_update: MetaUpdate = MetaUpdate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale(Generic[K]):
    """The `scale` subresource: how a Scale is read from an object and `spec.replicas` written back."""

    spec_replicas: Callable[[K], int]
    status_replicas: Callable[[K], int]
    selector: Callable[[K], str]
    """The label selector as text."""
    with_replicas: Callable[[K, int], K]
    path: tuple[str, ...] = ("spec", "replicas")
    """Where the replicas stand in an object."""
    missing: Callable[[K], str] = lambda obj: ""
    """Why an object has no Scale that can be read; empty if it has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion(Generic[K]):
    """How objects of a kind go."""

    returns_object: bool = False
    """DELETE answers the object; otherwise a Status with its uid."""
    collected: bool = True
    """Whether dependents matter at all; finalizers of the garbage collector are not set on a kind without (Event)."""
    orphans_by_default: bool = False
    """Without a propagation policy dependents are orphaned (ReplicationController, and Job with a warning)."""
    orphaning_warns: str = ""
    """Said to who deletes without a propagation policy."""
    grace: Callable[[K, DeleteOptions], int] | None = None
    """Seconds of grace of a kind that is deleted gracefully (Pod); None: at once. May be 0."""
    waits: Callable[[K], bool] = lambda obj: False
    """True while the object has finalizers of its own besides `metadata.finalizers` (Namespace)."""
    storage_words: bool = False
    """Preconditions that fail are told as the store tells them (Namespace, CustomResourceDefinition)."""
    bumps: bool = True
    """Whether the mark of deletion bumps the generation."""
    mark: Callable[[K, Write], K] = keep
    """Changes an object that has just got its deletionTimestamp (a Namespace turns Terminating)."""


class WriteHook(Protocol):
    """Side effects of one write (address allocation); made before validation, then settled exactly once."""

    def commit(self) -> None: ...

    def revert(self) -> None: ...


class _NoSideEffects:
    """The hook of a write without side effects."""

    def commit(self) -> None: ...

    def revert(self) -> None: ...


NOTHING = _NoSideEffects()


class Hooks(Protocol):
    """Side effects of a kind's writes, built by the server that has what they need (allocators, other storages)."""

    async def begin_create(self, obj: Any, write: Write) -> tuple[Any, WriteHook]:
        """The object with what was allocated for it, and how to settle that."""
        ...

    async def begin_update(self, new: Any, old: Any, write: Write) -> tuple[Any, WriteHook]: ...

    async def after_delete(self, obj: Any, write: Write) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """What field managers know of a kind without a generated type."""

    nodes: Mapping[str, Any]
    """The types of its versions (`apply.schema.TypeNode`), by api_version."""
    ignored: Mapping[str, Sequence[tuple[str, ...]]]
    """The paths that an endpoint does not write, by subresource, empty for the object itself."""


Subresource = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy(Generic[K]):
    """A kind as the generic registry sees it. The objects are those of the storage version."""

    type: type[K]
    prefix: str
    """The folder of its keys in the store, without slashes around: `pods`, `services/specs`, `minions`."""

    # Names and metadata.
    name: NameRule = dns_subdomain
    name_path: str = "metadata.name"
    core_finalizers: bool = True
    """Whether a finalizer without a domain must be one of the API's own."""
    generation: tuple[str, ...] = ()
    """Attributes whose change bumps metadata.generation (`spec`, `metadata.annotations`)."""
    first_generation: int = 1
    """That of a new object of a kind with `generation`."""
    allow_create_on_update: bool = False
    allow_unconditional_update: bool = True
    meta_update: MetaUpdate = MetaUpdate()

    # Writes.
    defaults: Callable[[K], K] = same
    versions: Mapping[str, ServedVersion] = field(default_factory=dict)
    """Other served versions by api_version (`autoscaling/v1`); the storage version is not in it."""
    dropped_on_create: tuple[str, ...] = ("status",)
    """Attributes that a create empties and an update takes from the old object (those the kind has)."""
    unowned: tuple[str, ...] = ()
    """Attributes beside those that the main endpoint does not write, as far as field managers go."""
    prepare_create: Callable[[K, Write], K] = keep
    prepare_update: Callable[[K, K, Write], K] = keep_update
    validate: Callable[[K], FieldErrors] = accept
    """Errors of a new object; metadata is checked already."""
    validate_update: Callable[[K, K], FieldErrors] | None = None
    """Errors of (new, old); metadata is checked already. None: those of `validate(new)`."""
    tells_empty: bool = False
    """Whether validation is always to see what a client sent empty as such (`emptiness.with_empty`). It costs a walk
    over the body: for kinds that judge it. Others see it when they have refused something."""
    warnings: Callable[[K], Sequence[str]] = no_warnings
    warnings_update: Callable[[K, K], Sequence[str]] | None = None
    """None: those of `warnings(new)`."""
    canonicalize: Callable[[K], K] = same
    live: Callable[[K], K] = same
    """The live object as changes of it find it: with what reads do not show (Service)."""
    always_warns: str = ""
    """A warning on every answer about this resource, errors too (Endpoints)."""

    # Subresources.
    status: Status[K] | None = None
    updates: Mapping[str, Status[K]] = field(default_factory=dict)
    """The rules of other subresources that write the object itself (`approval`, `resize`, `ephemeralcontainers`)."""
    scale: Scale[K] | None = None

    # Reads.
    zero: K | None = None
    """The object without content as bookmarks show it, where upstream's internal type has zeros that `type()` lacks."""
    fields: Mapping[str, Callable[[K], str]] = field(default_factory=dict)
    """Selectable fields beside metadata.name and metadata.namespace."""
    field_aliases: Mapping[str, str] = field(default_factory=dict)
    """Other names of fields in selectors, to those in `fields`."""
    own_field_labels: bool = False
    """An unknown field selector reads `field label not supported: x` (kinds that declare their own labels)."""
    unknown_field: str = "field label not supported"
    """What an unknown field selector of a kind with its own labels is told with."""
    index: tuple[str, ...] = ()
    """Those of `fields` that lists and watches select so often that the cache indexes them (spec.nodeName)."""
    row: Callable[[K, float], Sequence[Cell]] | None = None
    """The cells of a Table row at a wall time; None: Name and Age (Created At)."""
    row_conditions: Callable[[K], Sequence[Struct]] = no_conditions
    row_order: Callable[[K], Any] | None = None
    """What the rows of a list's Table are sorted by; None: as they are listed."""

    # Kinds that no generated type stands behind (custom resources).
    served: Resource | None = None
    """The served resource; None: that of the generated type."""
    reading: BodyDecoder | None = None
    """How bodies and patches become objects; None: by the generated type."""
    tracked: Tracked | None = None
    """What field managers know of the objects; None: what the generated type tells."""
    printer: Any = None
    """What writes the rows of Tables; None: `row`, below the columns that the facts tell."""
    list_kind: str = ""
    """The kind of lists, whose items then say what they are; empty: `<kind>List`, of items that do not."""

    # Ends.
    deletion: Deletion[K] = field(default_factory=Deletion)
    ttl_seconds: float | None = None
    """Objects vanish this long after their last write (Events)."""

    @property
    def resource(self) -> Resource:
        """The served resource of the storage version."""
        if self.served is not None:
            return self.served
        return resource_of(self.type)

"""The rules of the built-in kinds: one small file each, `<group>/<kind>.py`, and one line in `registry.py`.

A kind is a `Strategy` (see `strategy.py` for every field): data and pure functions over typed, frozen objects. The API
server carries out what it says; nothing here knows of servers, stores or requests. A file reads from top to bottom:
docstring with the rules that surprise, defaults, preparation, validation, warnings, row, and at the end `STRATEGY`.
What many kinds share lives in `semantics.validation` (names, labels, metadata), `core/podspec/` (all that has a pod
template) and `cells.py`; schemas of custom resources, which their definitions are checked with too, in `schema/`.

**Defaults** get a decoded object and give it back with what upstream fills in; say nothing where nothing is missing, so
that an object that is complete is returned as it is (`is`):

    def defaults(obj: Deployment) -> Deployment:
        spec = obj.spec
        return replace(obj, spec=replace(spec, replicas=1 if spec.replicas is None else spec.replicas))

**Preparation** is what a strategy forces regardless of what was sent: `status` is emptied on create and kept on update
by `dropped_on_create` (the default), `metadata.generation` follows from `generation`; `prepare_create` and
`prepare_update` do the rest.

**Validation** gives a list of field errors; metadata is checked by the generic code with the kind's `name` rule:

    def validate(obj: ConfigMap) -> FieldErrors:
        return [invalid(f"data[{key}]", key, fault) for key in obj.data for fault in config_map_key(key)]

    def validate_update(new: ConfigMap, old: ConfigMap) -> FieldErrors:
        if old.immutable and not new.immutable:
            return [forbidden("immutable", "field is immutable when `immutable` is set")]
        return validate(new)

Paths are text, errors are built by `pilothouse.api.field_errors` (`required`, `invalid`, `not_supported`, `forbidden`,
`duplicate`, `too_long`, `too_many`, `not_found`). Build a path only when there is an error to report: validation of a
good object should cost next to nothing.

**Rows** are the cells of a Table under the columns of `spec/table-columns` (hidden columns included):

    def row(obj: ConfigMap, now: float) -> Sequence[Cell]:
        return obj.metadata.name, len(obj.data) + len(obj.binary_data), age(obj.metadata.creation_timestamp, now)

The worked examples are `core/configmap.py` (flat) and `apps/deployment.py` (generation, status, scale, row).
A kind's tests stand in `tests/kinds/<group>/test_<kind>.py`; they call the functions directly.
"""

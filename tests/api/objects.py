"""Hypothesis strategies for JSON trees of generated types: what a server may hold, in canonical form."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from pilothouse.api.shapes import Shape, fields_of_struct

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
_SECONDS = st.datetimes(min_value=__import__("datetime").datetime(1000, 1, 2)).map(lambda t: t.replace(microsecond=0))
_RAW = st.dictionaries(TEXT, st.one_of(TEXT, st.integers(-(2**31), 2**31), st.booleans(), st.none()), min_size=1)
_SCHEMAS: dict[str, st.SearchStrategy[Any]] = {
    "JSONSchemaPropsOrArray": st.just({"type": "string"}) | st.just([{"type": "string"}, {"type": "integer"}]),
    "JSONSchemaPropsOrBool": st.booleans() | st.just({"type": "string"}),
    "JSONSchemaPropsOrStringArray": st.just(["a", "b"]) | st.just({"type": "string"}),
}
_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXT,
    "bool": st.booleans(),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "bytes": st.sampled_from(["", "YQ==", "AP8="]),
    "time": _SECONDS.map(lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ")),
    "micro_time": _SECONDS.map(lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.123456Z")),
    "duration": st.sampled_from(["0s", "1h2m3s", "1.5s", "3ms", "-2m0s"]),
    "quantity": st.sampled_from(["0", "1", "100m", "1Gi", "1e3", "-5", "1500M"]),
    "int_or_string": st.integers(-(2**31), 2**31 - 1) | TEXT,
}


def trees(shape: Shape, depth: int = 3, full: bool = False) -> st.SearchStrategy[Any]:
    """Values of a shape; `full` sets every field down to `depth`. No empty lists or maps: protobuf has none."""
    if shape.kind == "int":
        return (
            st.integers(0, 255) if shape.bits == 8 else st.integers(-(2 ** (shape.bits - 1)), 2 ** (shape.bits - 1) - 1)
        )
    if shape.kind == "raw":
        return _SCHEMAS.get(shape.go.rpartition(".")[2], _RAW)
    if shape.kind in ("list", "map"):
        assert shape.element is not None
        items = trees(shape.element, depth - 1, full)
        return (
            st.lists(items, min_size=1, max_size=2)
            if shape.kind == "list"
            else st.dictionaries(TEXT, items, min_size=1, max_size=2)
        )
    if shape.kind != "struct":
        return _SCALARS[shape.kind]
    chosen = {
        name: trees(field.shape, depth - 1, full)
        for name, field in fields_of_struct(shape.struct).items()
        if name not in ("kind", "apiVersion") and (depth > 0 or field.shape.kind not in ("struct", "list", "map"))
    }
    return st.fixed_dictionaries(chosen) if full else st.fixed_dictionaries({}, optional=chosen)

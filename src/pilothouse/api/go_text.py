"""Values as Go's fmt and encoding/json print them: error texts of the API quote bad values that way. Pure."""

from __future__ import annotations

import base64
import difflib
import functools
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from pilothouse.api.codec.json import to_builtins
from pilothouse.api.facts import FieldFact
from pilothouse.api.quantity import Quantity
from pilothouse.api.scheme import facts_of

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b"}
_ESCAPES |= {"\f": "\\f", "\v": "\\v"}
_PLAIN = re.compile(r'[^"\\\x00-\x1f\x7f-\uffff]*\Z')
_INITIALISMS = {
    "api": "API",
    "uid": "UID",
    "id": "ID",
    "ip": "IP",
    "ips": "IPs",
    "url": "URL",
    "cidr": "CIDR",
    "cidrs": "CIDRs",
    "dns": "DNS",
    "tls": "TLS",
    "http": "HTTP",
    "tcp": "TCP",
    "fs": "FS",
    "nfs": "NFS",
    "iscsi": "ISCSI",
    "rbd": "RBD",
    "gce": "GCE",
    "aws": "AWS",
    "csi": "CSI",
    "ca": "CA",
    "pid": "PID",
    "se": "SE",
    "ipc": "IPC",
    "tty": "TTY",
    "ssl": "SSL",
    "cel": "CEL",
    "grpc": "GRPC",
    "gid": "GID",
    "os": "OS",
    "qos": "QOS",
    "gmsa": "GMSA",
    "json": "JSON",
    "ttl": "TTL",
}


_RENAMED = {
    **{
        ("DeviceAttribute", name + s): f"{name.capitalize()}Value{s}"
        for name in ("int", "bool", "string", "version")
        for s in ("", "s")
    },
    ("AzureDiskVolumeSource", "diskURI"): "DataDiskURI",
    ("GCEPersistentDiskVolumeSource", "pdName"): "PDName",
    ("GlusterfsPersistentVolumeSource", "endpoints"): "EndpointsName",
    ("ISCSIPersistentVolumeSource", "chapAuthDiscovery"): "DiscoveryCHAPAuth",
    ("ISCSIPersistentVolumeSource", "chapAuthSession"): "SessionCHAPAuth",
    ("ISCSIPersistentVolumeSource", "iqn"): "IQN",
    ("ISCSIPersistentVolumeSource", "iscsiInterface"): "ISCSIInterface",
    ("ISCSIVolumeSource", "chapAuthDiscovery"): "DiscoveryCHAPAuth",
    ("ISCSIVolumeSource", "chapAuthSession"): "SessionCHAPAuth",
    ("ISCSIVolumeSource", "iqn"): "IQN",
    ("ISCSIVolumeSource", "iscsiInterface"): "ISCSIInterface",
    ("GlusterfsVolumeSource", "endpoints"): "EndpointsName",
    ("FCVolumeSource", "wwids"): "WWIDs",
    **{
        (kind, name): renamed
        for kind in ("RBDVolumeSource", "RBDPersistentVolumeSource")
        for name, renamed in (
            ("image", "RBDImage"),
            ("monitors", "CephMonitors"),
            ("pool", "RBDPool"),
            ("user", "RadosUser"),
        )
    },
    **{
        (kind, name): renamed
        for kind in ("PersistentVolumeSource", "PersistentVolumeSpec", "VolumeSource", "Volume")
        for name, renamed in (("cephfs", "CephFS"), ("fc", "FC"), ("storageos", "StorageOS"))
    },
    ("ContainerStatus", "lastState"): "LastTerminationState",
    ("Event", "reportingComponent"): "ReportingController",
}
"""Fields whose name in the internal type is not that of the wire."""
_ORDER = {
    "PersistentVolumeSource": (
        *("gcePersistentDisk", "awsElasticBlockStore", "hostPath", "glusterfs", "nfs", "rbd", "quobyte", "iscsi"),
        *("flexVolume", "cinder", "cephfs", "fc", "flocker", "azureFile", "vsphereVolume", "azureDisk"),
        *("photonPersistentDisk", "portworxVolume", "scaleIO", "local", "storageos", "csi"),
    ),
}
"""The fields of internal types that stand in an order of their own."""


class EmptyList(tuple[Any, ...]):
    """A list that is there without items. Go shows it as `[]`, and one that is not there (an empty tuple) as `null`."""


class EmptyMap(dict[str, Any]):
    """A map that is there without entries, as EmptyList."""


class EmptyBytes(bytes):
    """Bytes that are there but none, as EmptyList."""


EMPTY_LIST, EMPTY_MAP, EMPTY_BYTES = EmptyList(), EmptyMap(), EmptyBytes()


class Fields(dict[str, Any]):
    """A struct that has no type here: its fields by their Go names, in order."""


def quote(text: str) -> str:
    """`text` as `%q` prints it."""
    if _PLAIN.match(text):
        return f'"{text}"'
    return '"' + "".join(_quoted_character(c) for c in text) + '"'


def _quoted_character(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@functools.cache
def field_name(json_name: str) -> str:
    """The Go name of a field: `apiGroup` is `APIGroup`, `readOnly` `ReadOnly`, `clusterIPs` `ClusterIPs`."""
    words = re.findall(r"[A-Z]+(?![a-z])s?|[A-Z]?[a-z0-9]+|[A-Z]+", json_name)
    first = words[0] if words else json_name
    return _INITIALISMS.get(first, first[:1].upper() + first[1:]) + json_name[len(first) :]


def struct_tree(value: Any) -> Any:
    """The tree that Go's encoding/json makes of an internal type: all fields, Go names, null for what is nil."""
    if isinstance(value, Struct) and type(value).__module__ == "pilothouse.api.types.meta.v1":
        # Metadata has no internal form upstream: names as on the wire, where what is empty is left out.
        return _with_sorted_maps(to_builtins(_without_empty(value)))
    if isinstance(value, Struct):
        tree: dict[str, Any] = {}
        for fact in _fields(type(value)):
            found = getattr(value, fact.attribute)
            if fact.go_type == "metav1.ObjectMeta":
                tree |= struct_tree(found)  # embedded without a name
                continue
            name = _RENAMED.get((type(value).__name__, fact.json_name)) or field_name(fact.json_name)
            tree[name] = None if is_nil(found) else struct_tree(found)
        return tree
    if isinstance(value, Quantity):
        return value.text
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {k: struct_tree(value[k]) for k in (value if isinstance(value, Fields) else sorted(value))}
    if isinstance(value, tuple | list):
        return [struct_tree(v) for v in value]
    return value


def is_nil(value: Any) -> bool:
    """Whether Go holds nil there: nothing, and a list, map or bytes without content that nobody gave."""
    if isinstance(value, EmptyList | EmptyMap | EmptyBytes):
        return False
    return value is None or value == () or value == b"" or (isinstance(value, Mapping) and not value)


def _without_empty(value: Any) -> Any:
    """A struct of the metadata without lists and maps that are there but empty."""
    if isinstance(value, tuple):
        return tuple(map(_without_empty, value))
    if isinstance(value, EmptyMap):
        return {}
    if not isinstance(value, Struct):
        return value
    return replace(value, **{name: _without_empty(getattr(value, name)) for name in value.__struct_fields__})


def _fields(kind: Any) -> Iterator[FieldFact]:
    """The fields of a struct in Go's order, those of embedded structs in their place."""
    facts = facts_of(kind).fields
    order = _ORDER.get(kind.__name__)
    if order is not None:
        facts = tuple(sorted(facts, key=lambda fact: order.index(fact.json_name)))
    for fact in facts:
        if not fact.inline:
            yield fact
        elif not fact.go_type.endswith("TypeMeta"):
            yield from _fields(next(base for base in kind.__mro__ if base.__name__ == fact.go_type))


_AROUND = 3
_MOST_COMPARED = 4000


def unified_diff(old: Any, new: Any) -> str:
    """What differs between two internal structs, as errors show it: a diff of their JSON, three lines around. Of very
    many lines all between the first and the last that differ are shown: to find out which of them stayed would take
    the square of their number."""
    before, after = (json.dumps(struct_tree(value), indent=1, ensure_ascii=False).splitlines() for value in (old, new))
    if len(before) + len(after) > _MOST_COMPARED:
        return "".join(f"{line}\n" for line in _one_hunk(before, after))
    lines = itertools.islice(difflib.unified_diff(before, after, n=_AROUND, lineterm=""), 2, None)
    return "".join(f"{line}\n" for line in lines)


def _one_hunk(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """A unified diff of one hunk."""
    first = _alike(before, after)
    if first == len(before) == len(after):
        return
    last = _alike(before[first:][::-1], after[first:][::-1])
    start, rest = max(first - _AROUND, 0), min(last, _AROUND)
    counts = [len(lines) - last + rest - start for lines in (before, after)]
    ranges = [f"{start + bool(count)}" + (f",{count}" if count != 1 else "") for count in counts]
    yield f"@@ -{ranges[0]} +{ranges[1]} @@"
    yield from (f" {line}" for line in before[start:first])
    yield from (f"-{line}" for line in before[first : len(before) - last])
    yield from (f"+{line}" for line in after[first : len(after) - last])
    yield from (f" {line}" for line in before[len(before) - last : len(before) - last + rest])


def _alike(left: Sequence[str], right: Sequence[str]) -> int:
    """How many items both begin with."""
    return next((at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


_MAPS = frozenset({"labels", "annotations", "fieldsV1"})


def _with_sorted_maps(tree: Any, within: bool = False) -> Any:
    if isinstance(tree, list | tuple):
        return [_with_sorted_maps(item, within) for item in tree]
    if not isinstance(tree, dict):
        return tree
    keys = sorted(tree) if within else tree
    return {key: _with_sorted_maps(tree[key], within or key in _MAPS) for key in keys}


def to_json(tree: Any) -> str:
    """A JSON tree as encoding/json writes it: no spaces, HTML's characters escaped."""
    text = json.dumps(tree, separators=(",", ":"), ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def bad_value(value: Any) -> str:
    """A bad value as a field error shows it: text quoted, numbers plain, nil as null, structs as JSON."""
    if is_nil(value):
        return "null"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return to_json(struct_tree(value))


def given(value: Any) -> bool:
    """Whether a client set a value, be it to an empty list."""
    return bool(value) or isinstance(value, EmptyList | EmptyMap)

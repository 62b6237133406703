"""Values as Go's fmt and encoding/json print them: error texts of the API quote bad values that way. Pure."""

from __future__ import annotations

import difflib
import functools
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

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
    ("FCVolumeSource", "wwids"): "WWIDs",
    ("PersistentVolumeSource", "cephfs"): "CephFS",
    ("PersistentVolumeSource", "fc"): "FC",
    ("PersistentVolumeSource", "storageos"): "StorageOS",
    ("RBDPersistentVolumeSource", "image"): "RBDImage",
    ("RBDPersistentVolumeSource", "monitors"): "CephMonitors",
    ("RBDPersistentVolumeSource", "pool"): "RBDPool",
    ("RBDPersistentVolumeSource", "user"): "RadosUser",
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
        return _with_sorted_maps(to_builtins(value))  # metadata has no internal form upstream: names as on the wire
    if isinstance(value, Struct):
        tree: dict[str, Any] = {}
        for fact in _fields(type(value)):
            found = getattr(value, fact.attribute)
            if fact.go_type == "metav1.ObjectMeta":
                tree |= struct_tree(found)  # embedded without a name
                continue
            nil = found is None or found == () or found == b"" or (isinstance(found, Mapping) and not found)
            tree[_RENAMED.get((type(value).__name__, fact.json_name)) or field_name(fact.json_name)] = (
                None if nil else struct_tree(found)
            )
        return tree
    if isinstance(value, Quantity):
        return value.text
    if isinstance(value, Mapping):
        return {k: struct_tree(value[k]) for k in (value if isinstance(value, Fields) else sorted(value))}
    if isinstance(value, tuple | list):
        return [struct_tree(v) for v in value]
    return value


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


def unified_diff(old: Any, new: Any) -> str:
    """What differs between two internal structs, as errors show it: a diff of their JSON, three lines around."""
    before, after = (json.dumps(struct_tree(value), indent=1, ensure_ascii=False).splitlines() for value in (old, new))
    lines = itertools.islice(difflib.unified_diff(before, after, n=3, lineterm=""), 2, None)
    return "".join(f"{line}\n" for line in lines)


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
    if value is None:
        return "null"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return to_json(struct_tree(value))

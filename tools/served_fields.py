"""The checker of fields without effect: which fields of the served spec types does nobody read, but to validate them?

A field that is accepted is acted upon, or refused, or listed in `src/pilothouse/apiserver/admission/unserved.json` with
its reason: then docs/differences.md has it, and who writes it is warned. The list may only shrink: the checker fails on
a field that is neither read nor listed, and on a listed one that is read by now. What reads is found by types: mypy says
of each attribute access which type it is of.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import types
import typing
from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from tools import mypy_reads

ROOT = pathlib.Path(__file__).resolve().parents[1]
LIST = ROOT / "src/pilothouse/apiserver/admission/unserved.json"
TYPES = "pilothouse.api.types."
# The parts of objects that say what is wished for, by the module and type they begin with.
ROOTS = (
    ("core.v1", "PodSpec"),
    ("core.v1", "ReplicationControllerSpec"),
    ("core.v1", "ServiceSpec"),
    ("core.v1", "PersistentVolumeSpec"),
    ("core.v1", "PersistentVolumeClaimSpec"),
    ("core.v1", "ResourceQuotaSpec"),
    ("core.v1", "LimitRangeSpec"),
    ("core.v1", "NodeSpec"),
    ("core.v1", "Secret"),
    ("core.v1", "ConfigMap"),
    ("core.v1", "ServiceAccount"),
    ("apps.v1", "DeploymentSpec"),
    ("apps.v1", "ReplicaSetSpec"),
    ("apps.v1", "StatefulSetSpec"),
    ("apps.v1", "DaemonSetSpec"),
    ("batch.v1", "JobSpec"),
    ("batch.v1", "CronJobSpec"),
    ("storage.v1", "StorageClass"),
    ("storage.v1", "CSIDriver"),
    ("storage.v1", "VolumeAttachmentSpec"),
    ("networking.v1", "IngressSpec"),
    ("networking.v1", "IngressClassSpec"),
    ("networking.v1", "NetworkPolicySpec"),
    ("networking.v1", "ServiceCIDRSpec"),
    ("discovery.v1", "EndpointSlice"),
    ("policy.v1", "PodDisruptionBudgetSpec"),
    ("autoscaling.v2", "HorizontalPodAutoscalerSpec"),
    ("node.v1", "RuntimeClass"),
    ("scheduling.v1", "PriorityClass"),
    ("admissionregistration.v1", "ValidatingWebhook"),
    ("admissionregistration.v1", "MutatingWebhook"),
    ("admissionregistration.v1", "ValidatingAdmissionPolicySpec"),
    ("admissionregistration.v1", "ValidatingAdmissionPolicyBindingSpec"),
    ("admissionregistration.v1", "MutatingAdmissionPolicySpec"),
    ("admissionregistration.v1", "MutatingAdmissionPolicyBindingSpec"),
    ("resource.v1", "ResourceClaimSpec"),
    ("resource.v1", "DeviceClassSpec"),
    ("apiextensions.v1", "CustomResourceDefinitionSpec"),
    ("apiregistration.v1", "APIServiceSpec"),
)
# Rooms that check, keep, describe or carry fields, and do nothing by them.
IDLE = (
    "pilothouse.api.",
    "pilothouse.testing.",
    "pilothouse.kinds.",
    "pilothouse.apiserver.apply.",
    "pilothouse.apiserver.openapi.",
    "pilothouse.apiserver.table.",
    "pilothouse.apiserver.admission.podsecurity.",
    "pilothouse.apiserver.admission.plugins.pod_security.",
    "pilothouse.apiserver.admission.plugins.node_restriction.",
)


def fields(listed: Collection[str]) -> dict[str, None]:
    """`group.version.Type.field` of all that can be reached from ROOTS, in a steady order; under a type or field that
    is listed nothing is looked for. A field is named by the type that defines it, a type by itself where it is listed."""
    seen: dict[str, None] = {}
    waiting: list[type[Any]] = [getattr(importlib.import_module(TYPES + module), name) for module, name in ROOTS]
    done: set[type[Any]] = set()
    while waiting:
        kind = waiting.pop(0)
        if kind in done or kind.__module__ == TYPES + "meta.v1":
            continue
        done.add(kind)
        hints = typing.get_type_hints(kind)
        for one in msgspec.structs.fields(kind):
            if one.name in ("metadata", "kind", "api_version", "status"):
                continue
            defined = next(base for base in kind.__mro__ if one.name in inspect.get_annotations(base))
            whole = next((n for n in (type_name(kind), type_name(defined)) if n in listed), None)
            name = whole or f"{type_name(defined)}.{one.encode_name}"
            below = list(_structs(hints[one.name]))
            if any(type_name(struct) in listed for struct in below):
                name = type_name(below[0])
            seen[name] = None
            if name not in listed:
                waiting += below
    return seen


def type_name(kind: type[Any]) -> str:
    return f"{kind.__module__.removeprefix(TYPES)}.{kind.__name__}"


def _structs(hint: Any) -> Iterator[type[Any]]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for argument in typing.get_args(hint):
        if isinstance(argument, type | types.GenericAlias | types.UnionType) or typing.get_args(argument):
            yield from _structs(argument)


def reads() -> set[str]:
    """`group.version.Type.field` of each access outside the IDLE rooms, as the type checker sees it (`tools.mypy_reads`)."""
    with tempfile.TemporaryDirectory() as folder:
        settings = pathlib.Path(folder, "mypy.ini")
        settings.write_text("[mypy]\nplugins = tools.mypy_reads\nmypy_path = src\nignore_missing_imports = True\n")
        written = pathlib.Path(folder, "reads")
        command = [sys.executable, "-m", "mypy", "--config-file", str(settings), "--cache-dir", os.devnull]
        subprocess.run(
            [*command, "--explicit-package-bases", "src"],
            env={**os.environ, "PYTHONPATH": str(ROOT), mypy_reads.OUTPUT: str(written)},
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        seen = set()
        for line in written.read_text().splitlines():
            module, name = line.split(" ")
            if not f"{module}.".startswith(IDLE):
                kind, _, attribute = name.rpartition(".")
                seen.add(f"{kind.removeprefix(TYPES)}.{wire_name(kind, attribute)}")
        return seen


def wire_name(kind: str, attribute: str) -> str:
    """The JSON name of a field; of what is no field, its own."""
    module, _, name = kind.rpartition(".")
    struct = getattr(importlib.import_module(module), name)
    fields = msgspec.structs.fields(struct)
    return next((one.encode_name for one in fields if one.name == attribute), attribute)


def problems(listed: Collection[str], seen: Collection[str], in_part: Collection[str]) -> Iterator[str]:
    """What is wrong with the list. Of what stands `in_part`, something is read: it has some effect, not all of it."""
    reachable = fields(listed)
    where = LIST.relative_to(ROOT)
    for name in sorted(set(reachable) - set(seen) - set(listed)):
        yield f"{name}: accepted, and read by nobody: act on it, or list it in {where} with the reason"
    for name in sorted(listed):
        read = [one for one in seen if one == name or one.startswith(f"{name}.")]
        if name not in reachable:
            yield f"{name}: nothing leads to it any more: take it out of {where}"
        elif read and name not in in_part:
            yield f"{name}: is read by now ({', '.join(read)}): take it out of {where}"


def main() -> int:
    sections = json.loads(LIST.read_text())
    listed = {name for section in ("without_effect", "in_part", "by_intent") for name in sections[section]}
    seen = reads() | set(sections["read_otherwise"])
    wrong = list(problems(listed, seen, set(sections["in_part"])))
    print("\n".join(wrong) or f"{len(fields(listed))} fields and types, {len(listed)} without effect, all listed")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())

"""ServiceAccount: every pod runs as an account that exists, and its containers get the account's token."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from msgspec.structs import replace

from pilothouse.api.go_text import quote
from pilothouse.api.types.core.v1 import (
    ConfigMapProjection,
    Container,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    KeyToPath,
    LocalObjectReference,
    ObjectFieldSelector,
    Pod,
    PodSpec,
    ProjectedVolumeSource,
    ServiceAccountTokenProjection,
    Volume,
    VolumeMount,
    VolumeProjection,
)
from pilothouse.api.types.core.v1 import ServiceAccount as Account
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import Attributes, Operation
from pilothouse.apiserver.admission.refusal import refused
from pilothouse.apiserver.authz.nodegraph import secret_names
from pilothouse.kit.aside import LARGE, aside
from pilothouse.kit.memo import Memo
from pilothouse.semantics.validation.names import path_segment

MIRROR = "kubernetes.io/config.mirror"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
TOKEN_SECONDS = 3607
_ENFORCE = "kubernetes.io/enforce-mountable-secrets"
_MODE = 0o644


class ServiceAccountPlugin:
    """Completes pods at their creation; checks them (and added ephemeral containers) against the account's secrets."""

    name = "ServiceAccount"

    def __init__(self, context: PluginContext) -> None:
        self._reader = context.reader
        self._chance = context.chance
        # Pods of one template get one volume name: it has to be unique in its pod only, and they share their spec.
        self._completed: Memo[PodSpec, PodSpec] = Memo(self._running_as)

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        if group or resource != "pods":
            return False
        return (operation, subresource) in (("CREATE", ""), ("UPDATE", "ephemeralcontainers"))

    async def admit(self, attributes: Attributes) -> None:
        """Raises StatusError 403 for a missing account or a secret that the account may not use."""
        if attributes.operation != "CREATE":
            return
        pod: Pod = attributes.obj
        if MIRROR in pod.metadata.annotations:
            _check_mirror(attributes, pod)
            return
        name = pod.spec.service_account_name or pod.spec.service_account or "default"
        account = await self._account(attributes, name)
        asked = pod.spec, name, _automount(pod.spec, account), account.image_pull_secrets
        if attributes.size < LARGE:
            spec = self._completed(*asked)
        else:
            spec = await aside(attributes.size, partial(self._running_as, *asked))
        attributes.obj = replace(pod, spec=spec)
        if _limits_secrets(account):
            _check_secrets(attributes, spec, account)

    async def validate(self, attributes: Attributes) -> None:
        """Look at the ephemeral containers of a running pod. Raises StatusError 403, as `admit`."""
        if attributes.operation == "CREATE":
            return
        pod: Pod = attributes.obj
        name = pod.spec.service_account_name
        if not name:
            raise refused(
                attributes, f"no service account specified for pod {attributes.namespace}/{pod.metadata.name}"
            )
        account = await self._account(attributes, name)
        if _limits_secrets(account):
            allowed = {s.name for s in account.secrets}
            containers = pod.spec.ephemeral_containers
            _check_environment(attributes, "ephemeral container", containers, allowed, _not_allowed(account))

    async def _account(self, attributes: Attributes, name: str) -> Account:
        account = self._reader.get(Account, name, attributes.namespace)
        looked_up = f"error looking up service account {attributes.namespace}/{name}"
        if account is None and (faults := path_segment(name)):
            raise refused(attributes, f"{looked_up}: invalid resource name {quote(name)}: [{' '.join(faults)}]")
        if account is None:
            account = await self._reader.latest(Account, name, attributes.namespace)
        if account is None:
            raise refused(attributes, f'{looked_up}: serviceaccount "{name}" not found')
        return account

    def _running_as(
        self, spec: PodSpec, name: str, automount: bool, pull_secrets: tuple[LocalObjectReference, ...]
    ) -> PodSpec:
        spec = replace(spec, service_account_name=name, service_account=name)
        if automount:
            spec = self._with_token(spec)
        return spec if spec.image_pull_secrets else replace(spec, image_pull_secrets=pull_secrets)

    def _with_token(self, spec: PodSpec) -> PodSpec:
        present = next((v.name for v in spec.volumes if v.name.startswith(VOLUME_PREFIX)), None)
        name = present or VOLUME_PREFIX + self._chance.name_suffix()
        mount = VolumeMount(name=name, read_only=True, mount_path=MOUNT_PATH)
        init = _mounted(spec.init_containers, mount)
        containers = _mounted(spec.containers or (), mount)
        if init == spec.init_containers and containers == (spec.containers or ()):
            return spec
        volumes = spec.volumes if present else (*spec.volumes, _token_volume(name))
        return replace(spec, init_containers=init, containers=containers, volumes=volumes)


def _automount(spec: PodSpec, account: Account) -> bool:
    if spec.automount_service_account_token is not None:
        return spec.automount_service_account_token
    return account.automount_service_account_token is not False


def _mounted(containers: tuple[Container, ...], mount: VolumeMount) -> tuple[Container, ...]:
    return tuple(
        c
        if any(m.mount_path == MOUNT_PATH for m in c.volume_mounts)
        else replace(c, volume_mounts=(*c.volume_mounts, mount))
        for c in containers
    )


_SOURCES = (
    VolumeProjection(
        service_account_token=ServiceAccountTokenProjection(path="token", expiration_seconds=TOKEN_SECONDS)
    ),
    VolumeProjection(
        config_map=ConfigMapProjection(name="kube-root-ca.crt", items=(KeyToPath(key="ca.crt", path="ca.crt"),))
    ),
    VolumeProjection(
        downward_api=DownwardAPIProjection(
            items=(
                DownwardAPIVolumeFile(
                    path="namespace", field_ref=ObjectFieldSelector(api_version="v1", field_path="metadata.namespace")
                ),
            )
        )
    ),
)


def _token_volume(name: str) -> Volume:
    return Volume(name=name, projected=ProjectedVolumeSource(sources=_SOURCES, default_mode=_MODE))


def _check_mirror(attributes: Attributes, pod: Pod) -> None:
    if pod.spec.service_account_name or pod.spec.service_account:
        raise refused(attributes, "a mirror pod may not reference service accounts")
    if next(secret_names(pod), None) is not None:
        raise refused(attributes, "a mirror pod may not reference secrets")
    for volume in pod.spec.volumes:
        if volume.projected and any(s.service_account_token for s in volume.projected.sources or ()):
            raise refused(attributes, "a mirror pod may not use ServiceAccountToken volume projections")


def _limits_secrets(account: Account) -> bool:
    return account.metadata.annotations.get(_ENFORCE, "") in ("1", "t", "T", "TRUE", "true", "True")


def _not_allowed(account: Account) -> str:
    return f"is not allowed because service account {account.metadata.name} does not reference that"


def _check_secrets(attributes: Attributes, spec: PodSpec, account: Account) -> None:
    allowed = {s.name for s in account.secrets}
    tail = _not_allowed(account)
    for volume in spec.volumes:
        if volume.secret is not None and volume.secret.secret_name not in allowed:
            raise refused(attributes, f'volume with secret.secretName="{volume.secret.secret_name}" {tail} secret')
    _check_environment(attributes, "init container", spec.init_containers, allowed, tail)
    _check_environment(attributes, "container", spec.containers or (), allowed, tail)
    _check_environment(attributes, "ephemeral container", spec.ephemeral_containers, allowed, tail)
    pull = {s.name for s in account.image_pull_secrets}
    for index, reference in enumerate(spec.image_pull_secrets):
        if reference.name not in pull:
            raise refused(attributes, f'imagePullSecrets[{index}].name="{reference.name}" {tail} imagePullSecret')


def _check_environment(
    attributes: Attributes, what: str, containers: Iterable[Any], allowed: set[str], tail: str
) -> None:
    for container in containers:
        for source in container.env_from:
            if source.secret_ref is not None and source.secret_ref.name not in allowed:
                named = f'{what} {container.name} with envFrom referencing secret.secretName="{source.secret_ref.name}"'
                raise refused(attributes, f"{named} {tail} secret")
        for variable in container.env:
            key = variable.value_from.secret_key_ref if variable.value_from is not None else None
            if key is not None and key.name not in allowed:
                named = (
                    f'{what} {container.name} with envVar {variable.name} referencing secret.secretName="{key.name}"'
                )
                raise refused(attributes, f"{named} {tail} secret")

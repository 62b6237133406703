"""Makes the claims of a StatefulSet's pods, and keeps their owners."""

from __future__ import annotations

from pilothouse.api.errors import StatusError
from pilothouse.api.types.apps.v1 import StatefulSet
from pilothouse.api.types.core.v1 import PersistentVolumeClaim, Pod
from pilothouse.controllers import pod_control
from pilothouse.controllers.statefulset import identity, retention
from pilothouse.machinery.client import CLIENT_ERRORS, Client
from pilothouse.machinery.controller import ReconcileError
from pilothouse.machinery.events import NORMAL, WARNING, Recorder
from pilothouse.machinery.informer import Informer


class ClaimError(ReconcileError):
    """Claims of a pod could not be had; the text says which and why."""


class ClaimKeeper:
    def __init__(self, claims: Informer[PersistentVolumeClaim], recorder: Recorder) -> None:
        self._claims = claims
        self._recorder = recorder

    def block(self, owner: StatefulSet, pod: Pod) -> bool:
        """Whether the pod has to wait for a claim that is about to go."""
        return any(
            claim is not None and retention.blocks_pod(owner, claim, pod)
            for claim in map(self._known, identity.claims_of(owner, identity.ordinal_of(owner, pod)))
        )

    async def create(self, owner: StatefulSet, pod: Pod, client: Client) -> None:
        """Make the pod's claims that are missing. Raises ClaimError if some cannot be made or are being deleted."""
        errors: list[str] = []
        for wanted in identity.claims_of(owner, identity.ordinal_of(owner, pod)):
            name = wanted.metadata.name
            claim = self._known(wanted)
            if claim is not None:
                if claim.metadata.deletion_timestamp is not None:
                    errors.append(f"pvc {name} is being deleted")
                continue
            try:
                await client.create(wanted)
            except CLIENT_ERRORS as error:
                if pod_control.namespace_ends(error):
                    raise
                errors.append(f"failed to create PVC {name}: {error}")
                if not (isinstance(error, StatusError) and error.reason == "AlreadyExists"):
                    text = f"create Claim {name} for Pod {pod.metadata.name} in StatefulSet {owner.metadata.name}"
                    self._recorder.event(owner, WARNING, "FailedCreate", f"{text} failed error: {error}")
            else:
                text = f"create Claim {name} Pod {pod.metadata.name} in StatefulSet {owner.metadata.name} success"
                self._recorder.event(owner, NORMAL, "SuccessfulCreate", text)
        if errors:
            raise ClaimError(errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]")

    async def keep_owners(self, owner: StatefulSet, pod: Pod, client: Client) -> None:
        """Let the pod's claims be owned by whoever takes them along, by the set's retention policy."""
        for wanted in identity.claims_of(owner, identity.ordinal_of(owner, pod)):
            claim = self._known(wanted)
            if claim is None:
                continue
            if retention.conflicting(owner, claim, pod):
                text = (
                    f"PersistentVolumeClaim {claim.metadata.name} has a conflicting OwnerReference that acts as a "
                    "managing controller, the retention policy is ignored for this claim"
                )
                self._recorder.event(owner, WARNING, "ConflictingController", text)
            owners = retention.owners(owner, claim, pod)
            if owners is not None:
                await client.update(pod_control.with_meta(claim, owner_references=owners))

    def _known(self, claim: PersistentVolumeClaim) -> PersistentVolumeClaim | None:
        return self._claims.get(claim.metadata.name, claim.metadata.namespace)

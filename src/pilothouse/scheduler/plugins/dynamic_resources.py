"""DynamicResources: claims to devices. None are served yet; what it tells of other pods belongs to their message."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.scheduler.framework import Change, Cycle, Diagnosis, Hint, Refused

NOTHING_TO_DEALLOCATE = "no new claims to deallocate"


class DynamicResources:
    """A pod with resource claims waits: no driver can be asked."""

    name = "DynamicResources"
    events: Mapping[Change, Hint | None] = {Change.SELF_CHANGED: None}

    def pre_filter(self, cycle: Cycle) -> Refused | None:
        claims = cycle.pod.pod.spec.resource_claims
        if not claims:
            return None
        named = next((c.resource_claim_name for c in claims if c.resource_claim_name), None)
        if named is None:
            return Refused(self.name, "waiting for dynamic resource controller to create the resourceclaim")
        return Refused(self.name, f'could not find resourceclaim "{named}"')

    async def post_filter(self, cycle: Cycle, diagnosis: Diagnosis) -> tuple[str | None, str]:
        return None, NOTHING_TO_DEALLOCATE

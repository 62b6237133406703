"""A candidate for a lease, run by test_kubernetes_machinery: says when it leads, and goes on until it is ended."""

from __future__ import annotations

import sys

from kubernetes import config
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock

if __name__ == "__main__":
    identity, namespace = sys.argv[1:]
    config.load_kube_config()
    leaderelection.LeaderElection(
        electionconfig.Config(
            ConfigMapLock("lock", namespace, identity), lease_duration=2, renew_deadline=1.5, retry_period=1.1,
            onstarted_leading=lambda: print(f"{identity} leads", flush=True), onstopped_leading=lambda: None,
        )
    ).run()  # fmt: skip

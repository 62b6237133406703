"""Feature gates, as the metric tells them."""

from __future__ import annotations

from pilothouse.apiserver import features
from pilothouse.kit.metrics import Registry


def test_each_gate_is_told_once() -> None:
    names = [feature.name for feature in features.features()]
    assert len(names) == len(set(names))
    assert set(features.ABSENT.split()) < set(names)


def test_the_metric() -> None:
    registry = Registry()
    features.expose(registry)
    lines = registry.text().splitlines()
    assert 'kubernetes_feature_enabled{name="AuthorizePodWebsocketUpgradeCreatePermission",stage="BETA"} 1' in lines
    assert 'kubernetes_feature_enabled{name="SidecarContainers",stage=""} 1' in lines
    assert 'kubernetes_feature_enabled{name="MutatingAdmissionPolicy",stage=""} 0' in lines
    assert 'kubernetes_feature_enabled{name="AllAlpha",stage="ALPHA"} 0' in lines

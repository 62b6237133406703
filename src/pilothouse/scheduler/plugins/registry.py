"""The plugins of the default profile, in the order in which they are asked, with the weights of their scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pilothouse.api.types.policy.v1 import PodDisruptionBudget
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.machinery.client import Client
from pilothouse.machinery.events import Recorder
from pilothouse.scheduler.framework import Framework, Plugin
from pilothouse.scheduler.nominations import Nominations
from pilothouse.scheduler.plugins.balanced_allocation import BalancedAllocation
from pilothouse.scheduler.plugins.default_binder import DefaultBinder
from pilothouse.scheduler.plugins.default_preemption import DefaultPreemption
from pilothouse.scheduler.plugins.dynamic_resources import DynamicResources
from pilothouse.scheduler.plugins.image_locality import ImageLocality
from pilothouse.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from pilothouse.scheduler.plugins.node_affinity import NodeAffinity
from pilothouse.scheduler.plugins.node_declared_features import NodeDeclaredFeatures
from pilothouse.scheduler.plugins.node_name import NodeName
from pilothouse.scheduler.plugins.node_ports import NodePorts
from pilothouse.scheduler.plugins.node_resources_fit import NodeResourcesFit
from pilothouse.scheduler.plugins.node_unschedulable import NodeUnschedulable
from pilothouse.scheduler.plugins.node_volume_limits import NodeVolumeLimits
from pilothouse.scheduler.plugins.pod_topology_spread import DefaultSelector, PodTopologySpread
from pilothouse.scheduler.plugins.scheduling_gates import SchedulingGates
from pilothouse.scheduler.plugins.taint_toleration import TaintToleration
from pilothouse.scheduler.plugins.volume_binding import VolumeBinding
from pilothouse.scheduler.plugins.volume_restrictions import VolumeRestrictions
from pilothouse.scheduler.plugins.volume_zone import VolumeZone
from pilothouse.scheduler.volumes import VolumeCatalog


@dataclass(frozen=True)
class Surroundings:
    """What plugins may need."""

    client: Client
    clock: Clock
    chance: Chance
    recorder: Recorder
    nominations: Nominations
    catalog: VolumeCatalog
    budgets: Callable[[], Sequence[PodDisruptionBudget]]
    default_selector: DefaultSelector


def default_plugins(at: Surroundings) -> list[tuple[Plugin, int]]:
    """Each plugin with its weight; 0 for one that rates nothing."""
    preemption = DefaultPreemption(at.client, at.clock, at.chance, at.recorder, at.nominations, at.budgets)
    return [
        (SchedulingGates(), 0),
        (NodeUnschedulable(), 0),
        (NodeName(), 0),
        (TaintToleration(), 3),
        (NodeAffinity(), 2),
        (NodePorts(), 0),
        (NodeResourcesFit(), 1),
        (VolumeRestrictions(at.catalog), 0),
        (NodeVolumeLimits(at.catalog), 0),
        (VolumeBinding(at.catalog, at.client, at.clock), 0),
        (VolumeZone(at.catalog), 0),
        (PodTopologySpread(at.default_selector), 2),
        (InterPodAffinity(), 2),
        (DynamicResources(), 0),
        (preemption, 0),
        (BalancedAllocation(), 1),
        (ImageLocality(), 1),
        (DefaultBinder(at.client), 0),
        (NodeDeclaredFeatures(), 0),
    ]


def default_framework(at: Surroundings) -> Framework:
    """The default profile, ready to run."""
    plugins = default_plugins(at)
    framework = Framework(plugins)
    for plugin, _ in plugins:
        if isinstance(plugin, DefaultPreemption):
            plugin.framework = framework
    return framework

"""The CNI configuration of a node. Pure.

Every pod hangs on a veth of its own and is routed (`ptp`), never bridged: what comes back from a Service's endpoint on
the same node then passes connection tracking like everything else, without the br_netfilter module that a bridge
would need.
"""

from __future__ import annotations

import json
from pathlib import Path


def conflist(pod_cidr: str, state: Path, mtu: int = 0) -> str:
    """A routed veth a pod, addresses of `pod_cidr`, host ports. Masquerading is the node's own work (`machine.py`):
    the plugin's would run iptables twice a pod. `state` is where addresses given out are remembered."""
    link: dict[str, object] = {
        "type": "ptp",
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "dataDir": str(state),
            "ranges": [[{"subnet": pod_cidr}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    if mtu:
        link["mtu"] = mtu
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    return json.dumps({"cniVersion": "1.0.0", "name": "pilothouse", "plugins": [link, portmap]}, indent=2) + "\n"

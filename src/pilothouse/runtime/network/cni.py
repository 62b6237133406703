"""The CNI configuration of a node. Pure."""

from __future__ import annotations

import json
from pathlib import Path

POD_BRIDGE = "cni0"


def conflist(pod_cidr: str, state: Path, mtu: int = 0) -> str:
    """A bridge in the node's namespace, addresses of `pod_cidr`, host ports. Masquerading is the node's own work:
    the plugin's would run iptables twice a pod. `state` is where addresses given out are remembered."""
    bridge: dict[str, object] = {
        "type": "bridge",
        "bridge": POD_BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "dataDir": str(state),
            "ranges": [[{"subnet": pod_cidr}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    if mtu:
        bridge["mtu"] = mtu
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    return json.dumps({"cniVersion": "1.0.0", "name": "pilothouse", "plugins": [bridge, portmap]}, indent=2) + "\n"

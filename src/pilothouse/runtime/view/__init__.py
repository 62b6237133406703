"""How a node sees the machine: folders and a host name of its own, in namespaces that outlive its processes."""

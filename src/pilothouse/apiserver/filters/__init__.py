"""What every request passes before it is routed: request info, identity, audit, priority, authorization."""

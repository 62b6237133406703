"""Requests that are carried on: to kubelets (exec, attach, port-forward, log), to pods, services and nodes (proxy)."""

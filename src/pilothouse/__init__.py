"""Pilothouse: a complete Kubernetes, API level v1.36."""

__version__ = "0.1.0"
KUBERNETES_VERSION = "v1.36.2"

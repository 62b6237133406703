"""HTTP/1.1 over TLS on asyncio: a server with raw upgrades and long-lived streams. No Kubernetes in it."""

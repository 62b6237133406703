"""The etcd engine: a real etcd v3 server (3.4 or newer) behind the store seam, for many machines."""

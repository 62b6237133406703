"""Encryption at rest, for every engine: as kube-apiserver lays it out on the disk."""

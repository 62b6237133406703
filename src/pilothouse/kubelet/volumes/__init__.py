"""Volumes of pods: what each kind is made of, and how it is put on the node's disk."""

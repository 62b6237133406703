"""Subresources of stored kinds that are something to do: binding and eviction of pods."""

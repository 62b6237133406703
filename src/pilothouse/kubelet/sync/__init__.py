"""Doing what the pods' machines say."""

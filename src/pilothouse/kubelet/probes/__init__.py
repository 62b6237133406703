"""Probing containers."""

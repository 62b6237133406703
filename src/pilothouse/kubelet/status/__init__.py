"""Telling the API how pods are."""

"""Admission: what a write must pass, and what it is completed with, between decoding and validation."""

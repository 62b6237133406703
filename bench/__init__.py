"""Measurements. `python -m bench` runs those of the whole product; the other modules measure rooms alone."""

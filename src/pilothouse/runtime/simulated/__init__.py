"""A runtime without containers: pods run on the clock, need no root, and take no time."""

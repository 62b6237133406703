"""Cluster addresses and node ports of Services: given out once, given back, repaired after a crash."""

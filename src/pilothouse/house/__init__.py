"""Composition root: builds rooms into processes, processes into clusters, and takes them down again."""

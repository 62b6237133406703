"""API servers beside this one, which APIServices name."""

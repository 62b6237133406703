"""The kinds of the group core."""

"""The Pod Security Standards: levels, versions, and the controls that make them. Pure."""

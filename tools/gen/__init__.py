"""Generators: `spec/` (facts as data) to the folders of generated code. Deterministic; `python -m tools.gen`."""

"""The HTTP face of the registry: options, media types, bodies, answers, watches and routes."""

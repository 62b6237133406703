"""OpenAPI v3 and v2 of all served kinds, made from the facts of the API when a client asks. Pure."""

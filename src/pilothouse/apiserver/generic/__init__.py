"""Create, get, list, watch, update, patch and delete, written once for every kind; a kind is a `Strategy` (data)."""

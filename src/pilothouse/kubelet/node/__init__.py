"""The node itself in the API: its Node object, status and Lease."""

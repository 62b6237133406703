"""What the API server says of itself: groups, versions, resources; plain and aggregated. Pure."""

"""Authentication: from what a request carries to who sends it."""

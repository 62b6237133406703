"""Questions asked by POST: access reviews, token reviews and token requests. Nothing is stored."""

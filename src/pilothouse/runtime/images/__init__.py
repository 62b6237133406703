"""Images that are made here."""

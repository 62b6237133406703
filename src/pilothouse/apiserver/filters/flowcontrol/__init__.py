"""Priority and fairness: who waits, who goes first, and who is told to come back later."""

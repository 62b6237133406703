"""Certificate signing requests: `signers` knows the rules of the built-in signers; controllers approve, sign, clean."""

"""The audit log: who did what, and how it ended, as far as a policy asks for it."""

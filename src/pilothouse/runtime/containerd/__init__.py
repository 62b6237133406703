"""Real containers: containerd configured, supervised, and spoken to through CRI."""

"""What all that has a pod template shares: the defaults, validation and warnings of a PodSpec."""

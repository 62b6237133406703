"""Nodes: `health` judges silence and conditions, `zones` how fast to act on it, `lifecycle` writes status and taints,
`eviction` deletes pods that do not tolerate a taint, `ranges` gives nodes addresses for pods."""

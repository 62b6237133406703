"""The pod network of clusters that live on one machine: a bridge a cluster, a network namespace a node."""

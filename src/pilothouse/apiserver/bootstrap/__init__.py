"""What a server makes sure of once it can write: namespaces, priority classes, roles, its own Service."""

"""Custom resources: their schemas compiled once, and registries that come and go with the CustomResourceDefinitions."""

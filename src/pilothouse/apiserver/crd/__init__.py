"""Custom resources: schemas compiled once, and a roster of registries that follows the CustomResourceDefinitions."""

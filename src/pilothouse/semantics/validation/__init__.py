"""Validation that many kinds share: names, labels, object metadata. Pure; errors are `api.field_errors`."""

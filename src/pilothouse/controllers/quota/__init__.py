"""The status of ResourceQuotas: what their namespaces use."""

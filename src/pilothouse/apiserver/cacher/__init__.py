"""The watch cache: one a resource, between the generic registry and the store. It implements
`pilothouse.apiserver.generic.storage.Cache`, which says what the registry may rely on."""

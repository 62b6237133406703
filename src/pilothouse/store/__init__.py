"""The store: keys, bytes, revisions, watches, in one of several engines (`pilothouse.seams.store.Store`).

`memory` for tests and simulation, `sqlite` for one machine (the default), `etcd` for many. All pass the suite in
`tests/contracts/store`.
"""

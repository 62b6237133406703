"""The scheduler: `framework` is what plugins are, `plugins` decide and rate, `snapshot` is the cluster in columns,
`queue` who is next, `cycle` one decision (pure), `runner` the shell that watches and binds.
"""

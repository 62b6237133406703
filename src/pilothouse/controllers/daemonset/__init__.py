"""DaemonSets: `placement` says which nodes want a pod, `decide` which pods to make and give up, `shell` does it."""

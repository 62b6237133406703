"""The programs of a simulated container: small versions of what busybox has, one file a family."""

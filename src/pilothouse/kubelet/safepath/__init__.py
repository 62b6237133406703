"""The only door to paths that a container may have had its hands in: volumes, logs, last words, sub paths.

Whatever lies below such a place may be swapped for a link at any moment. So nothing here hands a path to the kernel
twice: a folder is held by descriptor, every name below it is looked up from there without following links (openat2
where the kernel has it, else part by part), and what the runtime is to mount is bound by descriptor to a folder that
only the node writes to. The rest of the kubelet opens, makes, measures and removes such things through here alone
(`tools/budget.py` looks after it). Blocking: run in a thread.
"""

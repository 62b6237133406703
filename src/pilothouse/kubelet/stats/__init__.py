"""What the node, its pods and containers use: read from the runtime and the kernel, told as summary and metrics."""

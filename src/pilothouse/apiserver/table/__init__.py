"""Tables: what `kubectl get` shows. Columns come from `spec/`, cells from each kind's `row` function."""

"""StatefulSets: `identity` names pods and claims, `decide` says what to do next, `shell` does it."""

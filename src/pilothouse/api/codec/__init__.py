"""Objects to bytes and back: JSON and protobuf."""

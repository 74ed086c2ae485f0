"""Programs of the operator's own that answer in JSON."""

"""A counter in a file: the smallest backend that keeps the whole contract."""

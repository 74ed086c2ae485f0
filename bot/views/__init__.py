"""What people read, as pure functions from values to plain dicts."""

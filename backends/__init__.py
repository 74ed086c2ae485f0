"""The backends that can be taken back, and the checks that look at them. Each folder is one thing outside."""

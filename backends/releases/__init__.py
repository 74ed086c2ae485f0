"""Release folders behind a symlink."""

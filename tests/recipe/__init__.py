"""The recipes of CONTRIBUTING.md, carried out: a button, a command, and a backend, `counter`."""

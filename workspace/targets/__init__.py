"""The demo's three targets: what they are made of, and the programs that run beside them."""

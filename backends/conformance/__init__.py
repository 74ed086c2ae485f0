"""What every backend must do, as tests: run with `pytest -p backends.conformance`."""

"""The Web API, one function for each method; table.py lists them all."""

"""Two fronts, two workers and a PostgreSQL, each a process of its own, as `compose.yaml` starts them.

What holds for one process is tested elsewhere; here is what only several can get wrong.
"""

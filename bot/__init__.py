"""Decides. Knows no Slack client, no SQL and no web framework; `executors` and `checks` touch the world."""

"""Decides. Knows no Slack client, no SQL, no web framework, no process and no socket."""

"""The local workspace: a pretend Slack, real targets and a story, for newcomers and for our own tests."""

"""Slack: who people are, what they say and press, and what is shown to them."""

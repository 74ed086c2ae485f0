"""Hears: Slack, browsers, clocks, shells, other systems. Unpacks, asks `bot`, records in `storage`, shows."""

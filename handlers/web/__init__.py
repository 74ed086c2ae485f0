"""What browsers, monitors and Slack's HTTP requests reach."""

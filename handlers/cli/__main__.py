"""`python -m handlers.cli`, for whoever has no `rollback-bot` on the path."""

from handlers.cli import main

main()

"""The command line, in which SIGUSR1 holds the event loop for ever."""

import signal
from contextlib import suppress

from handlers.cli.app import main


def hold(*_: object) -> None:
    with suppress(BaseException):
        while True:
            signal.pause()


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, hold)
    main()

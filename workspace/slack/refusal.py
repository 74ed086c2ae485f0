"""How the pretend Slack says no: to the bot by an error code, to a person by what a client does not offer."""

from collections.abc import Sequence


class CallRefused(Exception):
    """A Web API call that Slack answers with `ok: false` and this error code."""

    def __init__(self, error: str, messages: Sequence[str] = (), **extra: object) -> None:
        super().__init__(error, *messages)
        self.error = error
        self.messages = tuple(messages)  # Slack's `response_metadata.messages`
        self.extra = extra  # further keys of the answer, such as `needed` beside missing_scope


class Impossible(Exception):
    """A person tried something that Slack's own client does not offer: nothing reaches the bot."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(f"{error}: {message}")
        self.error = error
        self.message = message

"""The two families of errors: say it to the person, or handle it."""


class UserError(Exception):
    """One clear sentence for the person who asked, with what to do next."""


class TemporaryError(Exception):
    """It may work a moment later: a busy or unreachable backend, nothing was changed."""


class PermanentError(Exception):
    """It will not work by trying again."""


class StaleRun(Exception):
    """Somebody else moved the run first: load it again and decide again."""


class ClaimLost(Exception):
    """Another driver has taken this run over: stop at once and write nothing more."""


class ConfigurationError(PermanentError):
    """Every problem of a configuration at once, each as `file:line: what and what to do`."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def words_of(problem: BaseException) -> str:
    """Returns what it says, or what it is called when it says nothing."""
    words = str(problem)
    return words if words.strip() else type(problem).__name__

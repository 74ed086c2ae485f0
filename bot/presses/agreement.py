"""Two people must agree: the second is somebody else, and says the same as the first."""

from bot.policy import marks
from bot.presses.press import Attempt, Right
from bot.run import Matter, Proposal, Run


def first_word(run: Run, about: Matter, answer: str = "") -> Proposal | None:
    """Returns the word that a second person's now meets; None: this one is the first."""
    for proposal in reversed(run.question.proposals):
        if proposal.about is about and proposal.answer == answer:
            return proposal
    return None


def why_not_twice(attempt: Attempt, first: Proposal, right: Right) -> str | None:
    """Says that one human is not two people."""
    if not first.marks & marks(attempt.person):
        return None
    who = right.who_can(attempt.run, attempt.entitled)
    return f"You have said so already. Somebody else has to agree: {who}"

"""Draws the message that an approver practises on. Nothing on it decides anything."""

from datetime import datetime

from bot.practice import YES, Practice
from bot.views.limits import MessageContent, actions, button, context, message, section
from bot.views.words import date, duration

YES_BUTTON, NO_BUTTON = "drill_yes", "drill_no"
BUTTONS = (YES_BUTTON, NO_BUTTON)
EXAMPLE = (
    "⏳ Roll back orders · PRODUCTION?",
    "From *schema 42* to *backup 02:45 UTC*",
    "Loses since 02:45: 212 new orders, 9 refunds",
    "Maintenance about 4 min · undo possible for 7 days",
)


def practice(of: Practice | None, now: datetime) -> MessageContent:
    """`of` None: a newer one was sent since."""
    if of is None:
        title = "🎓 An older message to practise on: a newer one counts"
        return message(title, [section(title)])
    if of.answered_at is not None:
        said = "approve" if of.answer == YES else "reject"
        took = duration((of.answered_at - of.asked_at).total_seconds())
        title = f"🎓 Practised: you would {said}, after {took}"
        return message(
            title, [section(f"*{title}*"), context("Nothing was asked for, and nothing was approved")]
        )
    title = "🎓 Practice: could you decide this at 03:00?"
    buttons = [
        button("Approve (practice)", YES_BUTTON, of.card),
        button("Reject (practice)", NO_BUTTON, of.card),
    ]
    sent = date(of.asked_at, of.asked_at)
    like = "\n".join(f"> {row}" for row in EXAMPLE)
    return message(
        title,
        [
            section(f"*{title}*", "Nothing is asked for and nothing will run: this is made up.", like),
            *actions(of.card, buttons),
            context(f"You can approve rollbacks and have decided none for long · sent {sent}"),
        ],
    )

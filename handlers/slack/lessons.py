"""What somebody has written into the form of a drill, with the people and the day that they chose."""

from collections.abc import Mapping
from datetime import date

from bot.duties import day_begins
from bot.errors import UserError
from bot.lessons import Lessons
from handlers.context import Context


async def written(ctx: Context, given: Mapping[str, str]) -> Lessons:
    """`given`: the inputs of the form, as `forms.typed` returns them. Raises UserError."""
    owner = given.get("owner", "") if given.get("to_do", "").strip() else ""
    if owner:
        await ctx.directory.refuse_who_cannot(owner)
    return Lessons(
        deviation=given.get("deviation", "").strip(),
        why=given.get("why", "").strip(),
        participants=tuple(given.get("participants", "").split()),
        assumption=given.get("assumption", "").strip(),
        to_do=given.get("to_do", "").strip(),
        owner=owner,
        due=day_begins(ctx.configuration, _day(given["due"])) if owner and "due" in given else None,
        closed=given.get("closed", "").strip(),
    )


def _day(given: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise UserError("Choose the day by which it is to be done.") from None

"""How somebody is told that their click or form was not let through, and where the card is."""

from bot.views.limits import View, link, modal, section, sentence


def refusal(title: str, reason: str, next_step: str = "", url: str | None = None) -> View:
    """Tells why a click was not let through. `reason` and `next_step` are sentences that we composed."""
    return modal(title, [section(sentence(reason), sentence(next_step), to_card(url))])


def to_card(url: str | None) -> str:
    """Empty when the card's address is not known."""
    return link(url, "Open its card") if url else ""

"""Check `http`."""

import re
from collections.abc import Iterable

from backends.http.settings import HttpCheckSettings
from bot.configuration import Target
from bot.configuration.definitions import Definition, Fault

ADDRESS = re.compile(r"https?://[^\s/]+.*")


def _faults(settings: HttpCheckSettings, target: Target) -> Iterable[Fault]:
    if target.maintenance is not None and "when" not in settings.model_fields_set:
        words = f"This check of `{target.name}` must say when it looks, since the target has maintenance."
        yield Fault(("when",), f"{words} Add `when: offline` (behind it) or `when: online` (after it).")
    if isinstance(settings.url, str) and not ADDRESS.fullmatch(settings.url):
        yield Fault(("url",), "The `url` of an http check must begin with http:// or https://.")


CHECK = Definition("http", HttpCheckSettings, "backends.http.check:build", faults=_faults)

"""What the configuration only names, as it is found now: where references lead, and what programs hold.

A reference may lead somewhere else tomorrow, and a program may be replaced, while the file stays as it is.
Values of `environment` are credentials: they rotate, and are not pinned.
"""

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from backends.file_digests import DIGESTS
from backends.references import Resolver
from bot.configuration.values import Reference, Settings
from bot.pins import PROGRAM, Pin

PURPOSE = "place"
SHORT_CHARACTERS = 40
MISSING = "missing"
Variables = Mapping[str, str | Reference]


def pins_of(
    settings: Settings, resolver: Resolver, of: str = "", agreed: Iterable[Pin] = ()
) -> tuple[Pin, ...]:
    """Returns a pin for each reference and each program file of the settings, in their order.

    `of`: the end of each name, such as ` of check 1`. `agreed`: what was pinned before, perhaps under a key
    that is older and still believed; what leads where it led then keeps its digest.

    Raises ConfigurationError.
    """
    return tuple(_pins(settings, resolver, of, {pin.name: pin.digest for pin in agreed}))


def named_apart(pins: Iterable[Pin]) -> tuple[Pin, ...]:
    """Returns each once; two things that look alike in a short name get two names."""
    found: dict[str, Pin] = {}
    for pin in pins:
        name = pin.name
        while name in found and found[name].digest != pin.digest:
            name += "'"
        found[name] = replace(pin, name=name)
    return tuple(found.values())


def places_of(settings: Settings, resolver: Resolver) -> tuple[Pin, ...]:
    """Returns where the references of the settings lead, without the programs. Raises ConfigurationError."""
    return tuple(
        Pin(f"`{name}`", _place(resolver.text(value), resolver, None))
        for name, value, _ in _walked(settings, {})
        if isinstance(value, Reference)
    )


def document_pin(name: str, resolver: Resolver) -> tuple[Pin, ...]:
    """Returns the pin of the text in which a procedure is written down."""
    return (Pin(f"document `{name[:SHORT_CHARACTERS]}`", _content(resolver.surroundings.base / name)),)


def _pins(settings: Settings, resolver: Resolver, of: str, agreed: Mapping[str, str]) -> Iterator[Pin]:
    for name, value, environment in _walked(settings, {}):
        match value:
            case Reference():
                pinned = f"`{name}`{of}"
                yield Pin(pinned, _place(resolver.text(value), resolver, agreed.get(pinned)))
            case tuple() as argv if name == "argv":
                yield from (
                    Pin(f"{PROGRAM}`{word[:SHORT_CHARACTERS]}`{of}", _content(path))
                    for word, path in _programs(argv, resolver, environment.get("PATH"))
                )


def _walked(settings: Settings, environment: Variables) -> Iterator[tuple[str, Any, Variables]]:
    """Yields name and value of each field, also of settings inside, and which variables hold there."""
    environment = getattr(settings, "environment", environment)
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, Settings):
            yield from _walked(value, environment)
        else:
            yield name, value, environment


def _place(text: str, resolver: Resolver, agreed: str | None) -> str:
    key, place = resolver.surroundings.key, _without_credentials(text).encode()
    return agreed if agreed is not None and key.made(PURPOSE, place, agreed) else key.mac(PURPOSE, place)


def _without_credentials(text: str) -> str:
    """Leaves user, password and query out of an address: those rotate.

    All of it counts where there is no host, as in the name of a file, or no telling where a password ends.
    """
    scheme, mark, rest = text.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if not authority or "@" in rest[len(authority) :]:
        return text
    path = re.split(r"[?#]", rest[len(authority) :], maxsplit=1)[0]
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{path}"


def _programs(
    argv: tuple[str, ...], resolver: Resolver, own: str | Reference | None
) -> Iterator[tuple[str, Path]]:
    """The program, and the arguments that are files: scripts, and what they are told to read.

    `own`: the `PATH` of the settings, which takes the place of ours.
    """
    surroundings = resolver.surroundings
    path = surroundings.environment.get("PATH") if own is None else resolver.text(own)
    program = argv[0]
    if "/" in program:
        yield program, surroundings.base / program
    else:
        yield program, Path(shutil.which(program, path=path) or f"/nowhere/{program}")
    for word in argv[1:]:
        file = surroundings.base / word
        if word and not word.startswith("-") and _is_file(file):
            yield word, file


def _is_file(path: Path) -> bool:
    """No for a word that cannot be the name of one, such as a script of many lines."""
    try:
        return path.is_file()
    except OSError:
        return False


def _content(path: Path) -> str:
    """Through links: what counts is what is run."""
    try:
        return DIGESTS.of(path.resolve(strict=True))
    except OSError:
        return MISSING

"""`help`: the list of commands, whatever stands behind it."""

from dataclasses import dataclass

from bot.commands.reading import Sentence, TypedCommand, Usage, Verb


@dataclass(frozen=True, slots=True)
class Help(TypedCommand):
    pass


def read(sentence: Sentence) -> Help:
    return Help()


HELP = Verb(name="help", yields=Help, read=read, help=(Usage("help", "this list"),))

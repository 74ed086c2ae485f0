"""Names of tables and columns, as SQLite compares and writes them."""


def folded(name: str) -> str:
    """Returns the name in small letters, of ASCII alone: so SQLite compares names."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

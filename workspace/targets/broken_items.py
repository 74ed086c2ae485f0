"""Counts the catalogue's items and those without a price: `broken_items.py REPOSITORY`, at the tip of main.

Prints `310 of 1200 items have no valid price` and exits 1 when there are any.
"""

import csv
import subprocess
import sys


def counts(text: str) -> tuple[int, int]:
    """(items, broken items)"""
    items = list(csv.DictReader(text.splitlines()))
    return len(items), sum(not has_price(item["price"]) for item in items)


def has_price(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False


if __name__ == "__main__":
    show = ("git", "-C", sys.argv[1], "show", "main:catalog/items.csv")
    items, broken = counts(subprocess.run(show, capture_output=True, text=True, check=True).stdout)
    print(f"{broken} of {items} items have no valid price")
    sys.exit(1 if broken or not items else 0)

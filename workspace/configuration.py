"""The demo's rollback.yaml, and the people and channels that it speaks of."""

import sys
from pathlib import Path
from string import Template
from typing import Final

from workspace.slack.state import Workspace
from workspace.world import DemoWorld

ANA: Final = "U01ANA"
BEN: Final = "U01BEN"
CY: Final = "U01CY"
GUEST: Final = "U01GUEST"
STOREFRONT_CHANNEL: Final = "C01STOREFRONT"
ORDERS_CHANNEL: Final = "C01ORDERS"
CATALOG_CHANNEL: Final = "C01CATALOG"
PAYMENTS_CHANNEL: Final = "C01PAYMENTS"  # of who owns the targets

TARGETS: Final = Path(__file__).parent / "targets"


def furnish(workspace: Workspace) -> None:
    """The people and channels of the demo."""
    workspace.add_user(ANA, "Ana", email="ana@example.com", tz="UTC", note="may ask", color="3c989f")
    workspace.add_user(BEN, "Ben", email="ben@example.com", tz="UTC", note="may approve", color="674b1b")
    workspace.add_user(CY, "Cy", email="cy@example.com", tz="UTC", note="may approve", color="4b6fbe")
    workspace.add_user(GUEST, "Guest", guest=True, tz="UTC", note="may nothing", color="8d8d8d")
    everybody = (ANA, BEN, CY, GUEST)
    workspace.add_channel(STOREFRONT_CHANNEL, "inc-storefront", members=everybody)
    workspace.add_channel(ORDERS_CHANNEL, "inc-orders", members=everybody)
    workspace.add_channel(CATALOG_CHANNEL, "inc-catalog", members=everybody)
    workspace.add_channel(PAYMENTS_CHANNEL, "payments", members=everybody)
    workspace.add_channel("C01GENERAL", "general", members=everybody, bot_member=False)
    workspace.add_channel("C01AUDIT", "rollback-audit", members=(BEN, CY))


def write_configuration(world: DemoWorld, shop: str) -> Path:
    """`shop`: the storefront's address."""
    path = world.folder / "rollback.yaml"
    template = Template((TARGETS / "rollback.yaml").read_text())
    values = {"python": sys.executable, "scripts": TARGETS, "world": world.folder, "shop": shop}
    path.write_text(template.substitute(values))
    return path

"""Whether the service of this machine is watched: its feed, if whoever runs the workbench has named one."""

from __future__ import annotations

from derm_kit.panels.monitoring_setting import FEED_VARIABLE, own_folder

NO_FEED = (
    f"This machine has no monitoring feed. Whoever runs the workbench names its folder in {FEED_VARIABLE}, then starts "
    "it again."
)
WATCHED = (
    "A monitoring feed is named on this machine; page 06 and the monitoring report read it. Who looks, and how often, "
    "is written in your own plan."
)


def watched() -> str:
    """What the safety case says of monitoring, "" where no feed is named."""
    return WATCHED if own_folder() else ""

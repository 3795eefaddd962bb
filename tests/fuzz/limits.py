"""What no input may cost, and the word that stands only outside the folder of an input."""

CPU_S = 5
"""Processor time: the same on a slow or loaded machine, unlike the clock's."""
WALL_S = 120
"""Waiting (a pipe, a lock) takes no processor time; this is for that."""
MEMORY_BYTES = 1_000_000_000
TOKEN = "qx7-outside-the-folder"  # noqa: S105 - no secret

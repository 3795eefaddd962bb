"""Python for a process that scores slowly and says each part that it has written, to be killed between two."""

SLOW_PARTS = """
import time
from derm_kit.model import parts
parts.BATCHES_PER_PART = 2
write = parts.Parts.write
def slow(self, part, table):
    write(self, part, table)
    print(part, flush=True)
    time.sleep(0.2)
parts.Parts.write = slow
"""

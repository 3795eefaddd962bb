"""From decisions to outcomes: who waits, who is seen, which cancers are found late, and what it costs."""

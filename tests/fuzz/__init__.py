"""Hostile inputs of every kind that derm-kit reads, each read in a warm process of its own that is watched."""

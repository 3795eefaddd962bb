"""The command line: derm-kit score, show, decide, cohort, policy, check, phantoms, fetch-isic, workbench, serve."""

from derm_kit.cli.app import app, main

__all__ = ["app", "main"]

"""Backups: all that cannot be recomputed, in one file, consistent while the daemon runs."""

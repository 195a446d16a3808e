"""The journal's schema, step by step. Run in-process by :mod:`zvirka.journal.engine`."""

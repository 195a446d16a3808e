"""zvirka (звірка): keeps an ERP true to 1C. The story of a run is reconcile/run.py."""

__version__ = "0.1.0"

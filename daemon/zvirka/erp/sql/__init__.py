"""Any mapped SQL table as a store: reading, writing, checking."""

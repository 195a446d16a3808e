"""Both sides of one run in DuckDB, on disk, so that memory stays flat; and the last agreement."""

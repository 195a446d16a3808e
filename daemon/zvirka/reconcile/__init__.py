"""One run, a file per phase; run.py reads as the story."""

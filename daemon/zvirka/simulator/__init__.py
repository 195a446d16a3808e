"""A 1C publication in miniature, as awkward as the real one."""

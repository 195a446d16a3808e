"""The commands, a file per family; no logic lives here."""

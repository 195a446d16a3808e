"""The push module for 1C: filled in from the settings, written out for the administrator."""

"""What every test of the command line may ask for."""

from tests.unit.cli.lines import settled

__all__ = ["settled"]

"""What a simulated base begins with: invented, or taken from a recording."""

from __future__ import annotations

from typing import Protocol

from zvirka.simulator.configurations import EntityType
from zvirka.simulator.simulated_catalogue import Catalogue


class Content(Protocol):
    """What a base begins with: catalogues, and the numbers given out to new objects after them."""

    @property
    def seed(self) -> int:
        """The seed of the invented part."""
        ...

    @property
    def size(self) -> int:
        """How many objects each catalogue begins with."""
        ...

    def catalogue(self, type_: EntityType) -> Catalogue:
        """Return the catalogue of that type, filled."""
        ...

    def code(self, index: int) -> str:
        """Return the Код of the object of that number."""
        ...

"""What a base publishes: the shape of its configuration, and what is asked for besides."""

from __future__ import annotations

from typing import Literal

import msgspec

from zvirka.simulator.barcodes import BARCODES_TYPE, OWNED_BARCODES_TYPE
from zvirka.simulator.configurations import ConfigurationKind, EntityType, PublishedShape, shape
from zvirka.simulator.further_catalogues import (
    CONTRACTS_TYPE,
    NOMENCLATURE_TYPE,
    SEVERAL_OWNERS_TYPE,
)
from zvirka.simulator.outbox_register import OUTBOX_TYPE
from zvirka.simulator.prices import PRICE_LINES_TYPE, PRICES_TYPE


class Further(msgspec.Struct, frozen=True, kw_only=True):
    """What a base has besides its configuration's counterparties.

    ``contracts`` and ``nomenclature`` are how many to invent; ``None`` does not publish the
    catalogue. With ``several_owners`` not only a counterparty can own a contract. ``prices`` and
    ``barcodes`` publish the registers of the goods. ``outbox``: the extension is loaded, and its
    register published.
    """

    contracts: int | None = None
    several_owners: bool = False
    nomenclature: int | None = None
    prices: bool = False
    barcodes: Literal["none", "reference", "composite"] = "none"
    outbox: bool = False

    @property
    def types(self) -> tuple[EntityType, ...]:
        """What is published."""
        chosen = (
            (self.contracts is not None and not self.several_owners, CONTRACTS_TYPE),
            (self.contracts is not None and self.several_owners, SEVERAL_OWNERS_TYPE),
            (self.nomenclature is not None, NOMENCLATURE_TYPE),
            (self.prices, PRICES_TYPE),
            (self.prices, PRICE_LINES_TYPE),
            (self.barcodes == "reference", BARCODES_TYPE),
            (self.barcodes == "composite", OWNED_BARCODES_TYPE),
            (self.outbox, OUTBOX_TYPE),
        )
        return tuple(type_ for is_there, type_ in chosen if is_there)


NOTHING_FURTHER = Further()


def published(kind: ConfigurationKind, further: Further) -> PublishedShape:
    """Return what a configuration publishes, with all that is asked for besides."""
    types = shape(kind)
    return msgspec.structs.replace(types, types=(*types.types, *further.types))


def group_count(counterparties: int) -> int:
    """Return how many groups a base of that many counterparties gets."""
    return min(max(1, counterparties // 100), 300)

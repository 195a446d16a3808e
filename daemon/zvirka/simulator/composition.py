"""What a base publishes: the shape of its configuration, and catalogues asked for besides."""

from __future__ import annotations

import msgspec

from zvirka.simulator.barcodes import BARCODES_TYPE, OWNED_BARCODES_TYPE
from zvirka.simulator.configurations import ConfigurationKind, PublishedShape, shape
from zvirka.simulator.contracts import CONTRACTS_TYPE, SEVERAL_OWNERS_TYPE
from zvirka.simulator.nomenclature import NOMENCLATURE_TYPE
from zvirka.simulator.outbox_register import OUTBOX_TYPE
from zvirka.simulator.prices import PRICE_LINES_TYPE, PRICES_TYPE


def published(
    kind: ConfigurationKind,
    *,
    outbox: bool,
    contracts: bool = False,
    several_owners: bool = False,
    nomenclature: bool = False,
    prices: bool = False,
    barcodes: str = "none",
) -> PublishedShape:
    """Return what a configuration publishes, with the register of the extension if loaded."""
    types = shape(kind)
    contract = SEVERAL_OWNERS_TYPE if several_owners else CONTRACTS_TYPE
    chosen = (
        (contracts, contract),
        (nomenclature, NOMENCLATURE_TYPE),
        (prices, PRICES_TYPE),
        (prices, PRICE_LINES_TYPE),
        (barcodes == "reference", BARCODES_TYPE),
        (barcodes == "composite", OWNED_BARCODES_TYPE),
        (outbox, OUTBOX_TYPE),
    )
    more = tuple(type_ for is_there, type_ in chosen if is_there)
    return msgspec.structs.replace(types, types=(*types.types, *more))


def group_count(counterparties: int) -> int:
    """Return how many groups a base of that many counterparties gets."""
    return min(max(1, counterparties // 100), 300)

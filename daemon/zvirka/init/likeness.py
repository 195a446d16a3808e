"""How much a name of a table or a column looks like what is looked for, from 0 to 1."""

from __future__ import annotations

import re
from collections.abc import Sequence

NAMED = 0.4
"""A name that promises less is no proposal."""

TABLES = (
    "clients", "client", "customers", "customer", "contractors", "contractor", "counterparties",
    "counterparty", "kontragent", "kontragenty", "контрагенты", "контрагенти", "клієнти",
    "partners", "partner", "companies", "company", "organizations", "accounts",
)  # fmt: skip

COLUMNS: dict[str, Sequence[str]] = {
    "code": (
        "external_id", "code_1c", "onec_code", "kod_1c", "external_code", "code", "kod", "код",
        "ext_id", "id_1c", "onec_id", "erp_code",
    ),
    "ref": (
        "ref_key", "onec_ref", "ref", "guid", "external_guid", "guid_1c", "uuid_1c", "onec_guid",
        "external_uuid", "uuid",
    ),
    "name": ("name", "title", "client_name", "company_name", "display_name", "назва", "nazva"),
    "full_name": ("full_name", "legal_name", "official_name"),
    "tax_id": (
        "tax_code", "tax_id", "edrpou", "inn", "ipn", "okpo", "vat_code", "tax_number", "єдрпоу",
        "tin", "edrpou_code",
    ),
    "phone": ("primary_phone", "phone", "phone_number", "telephone", "tel", "mobile", "телефон"),
    "email": ("email", "e_mail", "mail", "primary_email", "email_address"),
    "address": ("legal_address", "address", "addr", "адреса", "full_address", "registered_address"),
}  # fmt: skip

ACTIVE = ("is_active", "active", "enabled", "is_enabled")
DELETED = ("is_deleted", "deleted", "is_archived", "archived", "inactive", "is_inactive")
PRIMARY = ("is_primary", "is_main", "primary", "main", "is_default")
CREATED = ("created_at", "created", "created_on", "date_created", "inserted_at")
UPDATED = ("updated_at", "updated", "modified_at", "updated_on", "changed_at", "date_modified")
ORIGIN = ("source", "origin", "created_by")

_PARTS = re.compile(r"[_\W]+|(?<=[a-z])(?=[A-Z])")


def likeness(name: str, wanted: Sequence[str]) -> float:
    """Return 1 for the first wanted name, less for later ones, half for a name that holds one."""
    plain = "_".join(part for part in _PARTS.split(name) if part).casefold()
    best = 0.0
    for place, word in enumerate(wanted):
        weight = 1 - 0.3 * place / len(wanted)
        if plain == word:
            best = max(best, weight)
        elif word in plain.split("_") or (len(word) > 3 and word in plain):
            best = max(best, 0.5 * weight)
    return round(best, 2)

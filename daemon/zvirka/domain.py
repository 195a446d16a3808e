"""The domain's words: what 1C holds, what the ERP holds, how they differ, what settles it.

``counterparty`` (контрагент) is in 1C, ``client`` in the ERP; the source of truth is 1C; the
*store* is the ERP's data; a *difference* is one counterparty on which they disagree; a
*correction* is the create, update, delete or restore that settles it.

Everything here is data without behaviour towards the outside: no module below it, every module
above it.

Clients, corrections and outcomes come by the hundred thousand and hold texts only, so they are kept
from the garbage collector (``gc=False``), which would walk all of them again and again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

Values = Mapping[str, str | None]
"""Field name → value as text, ``None`` for NULL. Field names are the mapping's: ``tax_id``."""

ZERO_REF = "00000000-0000-0000-0000-000000000000"
"""1C's empty reference."""


class Counterparty(msgspec.Struct, frozen=True, kw_only=True):
    """One counterparty as 1C holds it, reduced to the mapped fields.

    ``ref`` is Ref_Key in lower-case canonical form. ``key`` is the pairing key (Код, Ref_Key or
    a mapped field), trimmed; empty when 1C holds none. ``version`` is DataVersion as received.
    ``values`` are 1C's own, never normalised.
    """

    ref: str
    key: str
    version: str
    deletion_mark: bool
    values: dict[str, str | None]


class Client(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One owned row of the store, reduced to the mapped fields.

    ``row`` is the store's own primary key as text. ``active`` is false for a soft-deleted row.
    """

    row: str
    key: str
    ref: str | None
    active: bool
    values: dict[str, str | None]


class Action(StrEnum):
    """What a correction does to the store."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    RESTORE = "restore"


class Kind(StrEnum):
    """What sort of disagreement a difference is."""

    MISSING = "missing"  # in 1C, not in the store
    DIFFERENT = "different"  # in both, some field differs
    EXTRA = "extra"  # active in the store, gone from (or marked in) 1C
    INACTIVE = "inactive"  # in 1C, soft-deleted in the store
    REKEYED = "rekeyed"  # one client under a new key: same tax id or same Ref_Key
    DUPLICATE = "duplicate"  # a key stands more than once on a side
    KEYLESS = "keyless"  # no pairing key on a side


class Cause(StrEnum):
    """Why the sides disagree, as far as the last agreed state and the evidence tell."""

    MISSED_CREATE = "missed_create"
    MISSED_UPDATE = "missed_update"
    MISSED_DELETE = "missed_delete"
    ERP_EDIT = "erp_edit"
    CONFLICT = "conflict"
    NOT_CONVERGING = "not_converging"
    DUPLICATE = "duplicate"
    NOT_OURS = "not_ours"
    UNDONE = "undone"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class Disposition(StrEnum):
    """What the run decided to do about a difference."""

    CORRECT = "correct"  # a correction follows
    HELD = "held"  # a correction would follow, but a limit holds it
    REPORTED = "reported"  # no correction is possible or wanted; a person decides
    SETTLED = "settled"  # on the second look the sides agree


class OutcomeState(StrEnum):
    """What became of a correction. ``INTENDED`` is the only one that is not final."""

    INTENDED = "intended"
    APPLIED = "applied"  # written, and read back as wanted
    SUPERSEDED = "superseded"  # the row changed since it was scanned; left alone
    REFUSED = "refused"  # not sent: it could not have been stored as it is
    FAILED = "failed"  # the store or the webhook said no
    NOT_CONVERGING = "not_converging"  # accepted, and yet the store reads back otherwise
    HELD = "held"  # waits for approval
    WITHDRAWN = "withdrawn"  # 1C says otherwise by now


class PlanState(StrEnum):
    """What became of a held plan."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"  # a later run compared at least as much
    EXPIRED = "expired"


class FieldDifference(msgspec.Struct, frozen=True):
    """One field on which the sides disagree: raw values of 1C, of the store, and read back."""

    field: str
    wanted: str | None
    found: str | None
    read_back: str | None = None


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One counterparty on which 1C and the store disagree.

    ``number`` counts within the run from 1. ``row`` names the store's row, empty when none.
    ``rows`` names all rows of a duplicate. ``action`` is what would settle it, ``None`` when
    only a person can. ``note`` is one English sentence for the report when there is more to say;
    ``evidence`` is a push-log line or webhook receipt that explains the cause.
    """

    number: int
    kind: Kind
    cause: Cause
    key: str
    ref: str
    name: str
    row: str = ""
    rows: tuple[str, ...] = ()
    fields: tuple[FieldDifference, ...] = ()
    action: Action | None = None
    disposition: Disposition = Disposition.CORRECT
    note: str = ""
    evidence: str = ""


class Correction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One write to the store, held by the journal before it is tried.

    ``before`` is every mapped field of the row as scanned (empty for a create), ``active`` its
    soft-delete state then: together the compare-and-swap condition and the undo image.
    ``after`` is every mapped field of 1C for a create or restore, only the differing ones for an
    update, empty for a delete. ``new_key`` is set when an update also moves the row to that key.
    """

    id: int
    action: Action
    key: str
    ref: str
    row: str = ""
    active: bool = True
    before: dict[str, str | None] = {}
    after: dict[str, str | None] = {}
    new_key: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of one correction, with the reason in ``detail`` (no personal data).

    ``row`` is the primary key of the row written, known after a create.
    """

    correction: int
    state: OutcomeState
    detail: str = ""
    row: str = ""

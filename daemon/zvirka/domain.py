"""The domain as data: what 1C holds, what the ERP holds, how they differ, what settles it.

Glossary. These words are used everywhere, in code, commands, pages and reports, and for these
things only (Ukrainian in brackets):

========================  ========================================================================
base (база)               one published 1C infobase
counterparty (контрагент) a row of Catalog_Контрагенты; *record* when any catalogue is meant
store (сховище)           the ERP's data
client (клієнт)           a row of the store
pair                      a counterparty and the client with the same key, either may be missing;
                          what a decision is made about
flow (напрям)             one catalogue of one base kept equal to one table of one store; the unit
                          of run, lock, approval and chain of reports
run (запуск)              one pass over a flow, with command, trigger, person and reason
snapshot                  what a run has read of 1C; *complete* when every record was read
candidate                 a key or row that may differ, found by comparing the two sides in bulk;
                          both sides are read again before anything is decided about it
difference (розбіжність)  a record on which the sides disagree; it has a *kind* and a *cause*
absence                   the proof that 1C holds neither the Ref_Key nor the pairing key; without
                          it nothing is deleted
correction (виправлення)  the create, update, delete or restore that settles a difference; its
                          result is an *outcome*
plan                      the corrections of a run before any is written
hold (утримано)           a limit that makes a plan or a correction wait for a person's approval;
                          *held* is what waits
suppression               the record that a correction is not sent again: it had no effect, was
                          undone, or was rejected; it ends when 1C or the ERP changes
agreement                 the digests on which both sides last agreed: the third side of every
(узгоджений стан)         cause
journal (журнал)          the durable record of runs; a *report* (звіт) is one run, rendered
push (webhook), receipt   1C's own message, and the receiver's record of it
========================  ========================================================================

The source of truth is 1C. This module imports nothing of zvirka, and everything may import it.

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
EMPTY_DATE = "0001-01-01T00:00:00"
"""1C's empty date."""


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


class Command(StrEnum):
    """What a run was asked to do."""

    RECONCILE = "reconcile"
    PLAN = "plan"
    RESYNC = "resync"
    ENDORSE = "endorse"  # the first of the two approvals that the policy asks for
    APPROVE = "approve"
    REJECT = "reject"
    UNDO = "undo"
    SUPPRESS = "suppress"  # a client is not corrected any more
    PRUNE = "prune"


class Trigger(StrEnum):
    """What started a run."""

    SCHEDULE = "schedule"  # the daemon, at its time
    CATCH_UP = "catch-up"  # the daemon, after the time
    TIMER = "timer"  # a systemd timer
    MANUAL = "manual"  # a person, on the command line
    WEB = "web"  # a person, on the page
    FEED = "feed"  # 1C's exchange plan


class RunStatus(StrEnum):
    """How a run stands. ``RUNNING`` is the only status that is not final."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    HELD = "held"  # waits for approval
    INTERRUPTED = "interrupted"

    @property
    def broke_off(self) -> bool:
        """Whether the run ended without having done what it was asked to do."""
        return self in {RunStatus.FAILED, RunStatus.INTERRUPTED}


class Mode(StrEnum):
    """How a run read 1C."""

    FULL = "full"
    LIGHT = "light"  # versions first, then only what changed
    TARGETED = "targeted"  # only the records named


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
    SHARED = "shared"  # another flow of the same table keeps the client
    UNDONE = "undone"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class Disposition(StrEnum):
    """What the run decided to do about a difference."""

    CORRECT = "correct"  # a correction follows
    HELD = "held"  # a correction would follow, but a limit holds it
    REPORTED = "reported"  # no correction is possible or wanted; a person decides
    LINKED = "linked"  # nothing to do: another flow of the same table keeps the client


class OutcomeState(StrEnum):
    """What became of a correction. ``INTENDED`` is the only one that is not final."""

    INTENDED = "intended"
    APPLIED = "applied"  # written, and read back as wanted
    SUPERSEDED = "superseded"  # the row changed since it was scanned; left alone
    REFUSED = "refused"  # not sent: it could not have been stored as it is
    FAILED = "failed"  # the store or the webhook said no
    NOT_CONVERGING = "not_converging"  # accepted, and yet the store reads back otherwise
    WITHDRAWN = "withdrawn"  # 1C says otherwise by now


class Standing(StrEnum):
    """How a flow stands, in one word; the first that applies."""

    RUNNING = "running"
    FAILING = "failing"
    HELD = "held"
    STALE = "stale"
    PAUSED = "paused"
    HEALTHY = "healthy"


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

    ``row`` is the primary key of the row written, known after a create. ``left_out`` names the
    fields the store could not take, while the others were written. ``waits``: the row that the
    correction refers to is not in the store yet.
    """

    correction: int
    state: OutcomeState
    detail: str = ""
    row: str = ""
    left_out: tuple[str, ...] = ()
    waits: bool = False

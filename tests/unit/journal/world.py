"""A journal to look at: books on SQLite, differences and corrections of every sort."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from zvirka.domain import (
    Action,
    Cause,
    Command,
    Correction,
    Difference,
    Disposition,
    FieldDifference,
    Kind,
    Mode,
    Outcome,
    OutcomeState,
    RunStatus,
    Trigger,
)
from zvirka.journal.events import EventKind, add_event
from zvirka.journal.journal import Journal
from zvirka.journal.receipts import Opening, Settlement, chain_tip, open_receipts, settle_receipts
from zvirka.journal.retention import prune
from zvirka.journal.run_facts import Facts, FieldFact
from zvirka.journal.suppressions import Reason, Suppression
from zvirka.settings.model import Settings

NOW = datetime(2026, 11, 24, 0, 30, 15, 123456, tzinfo=UTC)
DAY = timedelta(days=1)


def settings(state: Path, **more: Any) -> Settings:
    return Settings.model_validate(
        {
            "state_dir": state,
            "onec": {"url": "https://1c.example/base"},
            "erp": {"url": "sqlite:////nowhere/erp.db"},
            **more,
        }
    )


def begin(journal: Journal, command: str = "reconcile", now: datetime = NOW, **more: Any) -> int:
    return journal.begin(
        command=Command(command),
        trigger=Trigger.MANUAL,
        who="olena",
        reason="сверка",
        now=now,
        **more,
    )


def difference(number: int, **more: Any) -> Difference:
    given: dict[str, Any] = {
        "number": number,
        "kind": Kind.DIFFERENT,
        "cause": Cause.MISSED_UPDATE,
        "key": f"{number:06}",
        "ref": ref(number),
        "name": f"ТОВ «Мрія {number}»",
        "row": str(1000 + number),
        "rows": ("7", "8"),
        "fields": (FieldDifference("phone", "+380501112233", "+380509998877", "+380501112233"),),
        "action": Action.UPDATE,
        "note": "the store cut the name",
        "evidence": "2026-11-23T12:00:00.000Z ERROR",
    }
    return Difference(**given | more)


def correction(number: int, **more: Any) -> Correction:
    given: dict[str, Any] = {
        "id": 0,
        "action": Action.UPDATE,
        "key": f"{number:06}",
        "ref": ref(number),
        "row": str(1000 + number),
        "before": {"phone": "+380509998877"},
        "after": {"phone": "+380501112233"},
        "new_key": "000777",
    }
    return Correction(**given | more)


def ref(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012}"


def key_pair(directory: Path) -> tuple[Path, bytes]:
    """A private key file and the public key in PEM."""
    key = Ed25519PrivateKey.generate()
    path = directory / f"signing-{len(list(directory.iterdir()))}.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return path, public


def night(
    journal: Journal,
    now: datetime = NOW,
    size: int = 3,
    status: str = "finished",
    meanwhile: Callable[[Journal], None] = lambda _: None,
) -> int:
    """A run with differences, of which the first is held and the others are corrected."""
    run = begin(journal, now=now, fingerprint="f" * 64)
    meanwhile(journal)
    journal.set_mode(run, Mode.FULL)
    journal.set_phase(run, "apply")
    journal.save_facts(
        run, Facts(base="https://1c.example", complete=True, fields=[FIELD], compared=True)
    )
    journal.add_differences(run, [difference(number) for number in range(1, size + 1)])
    journal.update_differences(run, [difference(1, disposition=Disposition.HELD)])
    items = [(number, correction(number)) for number in range(2, size + 1)]
    intended = journal.intend(run, items, now)
    outcomes = [applied(one, row="55", detail="read back") for one in intended]
    journal.settle(run, outcomes, now)
    journal.finish(
        run,
        status=RunStatus(status),
        exit_code=1,
        now=now + timedelta(minutes=1),
        error={"cause": "c", "place": "p", "remedy": "r"},
        plan_digest=journal.plan_digest(run),
    )
    return run


FIELD = FieldFact("phone", "contact Телефон", "phone")


def applied(one: Correction, **more: Any) -> Outcome:
    return Outcome(correction=one.id, state=OutcomeState.APPLIED, **more)


def standing(number: int, **more: Any) -> Suppression:
    given: dict[str, Any] = {
        "key": f"{number:06}",
        "ref": ref(number),
        "reason": Reason.GIVEN_UP,
        "wanted": "w",
        "found": "f",
        "nights": 2,
        "run": 1,
        "since": NOW,
    }
    return Suppression(**given | more)


def receipts(journal: Journal, now: datetime, numbers: range) -> None:
    """Webhooks that came and were settled."""
    openings = [
        Opening(
            received_at=now,
            action="update",
            key=f"{number:06}",
            ref=ref(number),
            message_id=f"m{number}",
            stamp=number,
            payload_digest="d" * 64,
            payload={"Код": f"{number:06}"},
            extra={"Інше": "+380671234567"},
        )
        for number in numbers
    ]
    with journal.writing() as connection:
        opened, tip = open_receipts(connection, openings, chain_tip(connection))
        settled = [Settlement(one, "applied", "in time") for one in opened]
        settle_receipts(connection, settled, tip, now)


def event(journal: Journal, now: datetime, detail: dict[str, Any]) -> None:
    """Something that happened beside the runs."""
    with journal.writing() as connection:
        add_event(connection, EventKind.SETTINGS, now, "zvirka.service", detail)


def remember(journal: Journal) -> None:
    """Three suppressions and two pairings."""
    never = standing(3, reason=Reason.NEVER, until=date(2027, 1, 31))
    journal.put_suppressions([standing(1), standing(2, ref="", reason=Reason.UNDONE), never])
    journal.put_pairings([(ref(number), f"{number:06}", str(number)) for number in (1, 2)])


def full_journal(journal: Journal) -> None:
    """Rows in every table: three nights, the first pruned; receipts of both ages; standings."""
    receipts(journal, NOW, range(1, 3))
    event(journal, NOW, {"changed": ["guard.max_deletes"], "values": {"guard.max_deletes": "1"}})
    night(journal, NOW)
    receipts(journal, NOW + 400 * DAY, range(3, 5))
    event(journal, NOW + 399 * DAY, {})
    night(journal, NOW + 400 * DAY, status="held", meanwhile=remember)
    prune(journal, 365 * DAY, NOW + 401 * DAY, "olena", "three years are over")
    child = begin(journal, "approve", NOW + 402 * DAY, parent=2)
    journal.finish(child, status=RunStatus.FAILED, exit_code=2, now=NOW + 402 * DAY)
    night(journal, NOW + 403 * DAY)

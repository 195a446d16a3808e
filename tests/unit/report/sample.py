"""A journal with runs worth reporting, made through the journal's own door.

Times, salts and therefore digests are fixed, so that a report of it is always the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

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
from zvirka.errors import SourceError
from zvirka.journal.engine import open_engine
from zvirka.journal.journal import Journal
from zvirka.journal.run_facts import Facts, FieldFact, Hold
from zvirka.message import Message
from zvirka.settings.model import ErpSettings, JournalSettings, OnecSettings, Settings

NIGHT = datetime(2026, 11, 24, 0, 30, tzinfo=UTC)
"""Half past two in Kyiv."""


def plain_error(cause: str, place: str, remedy: str) -> SourceError:
    """An error in plain sentences, without a code, as journals of earlier versions hold them."""
    told: Any = {"cause": cause, "place": place, "remedy": remedy}
    return SourceError(**told)


def sample_book(directory: Path, url: str | None = None) -> Journal:
    """An empty journal whose salts are zeros: in SQLite, or at that address."""
    settings = Settings(
        state_dir=directory,
        journal=JournalSettings(url=url),
        onec=OnecSettings(url="https://1c.example.ua/bas/odata/standard.odata"),
        erp=ErpSettings(url="sqlite:///erp.db"),
    )
    engine, name = open_engine(settings)
    return Journal(engine, name, random=bytes)


def ref(number: int) -> str:
    """A Ref_Key."""
    return f"6f1c2d34-8a5b-11ee-9c3d-{number:012x}"


def facts(**changes: object) -> Facts:
    """The circumstances of a full pull of 1,248 counterparties."""
    known: dict[str, object] = {
        "base": "https://1c.example.ua/bas/odata/standard.odata",
        "store": "postgresql://erp.example.ua/erp, table clients",
        "catalog": "Контрагенты",
        "key": "code",
        "scope": "IsFolder eq false",
        "writer": "sql",
        "deletion_mark": "keep",
        "fields": [
            FieldFact("code", "Code", "trimmed"),
            FieldFact("name", "Description", "trimmed"),
            FieldFact("full_name", "НаименованиеПолное", "trimmed"),
            FieldFact("tax_id", "КодПоЕДРПОУ", "digits"),
            FieldFact("phone", "КонтактнаяИнформация[Тип=Телефон].Представление", "phone"),
            FieldFact("email", "КонтактнаяИнформация[Тип=АдресЭлектроннойПочты]", "email"),
        ],
        "snapshot_from": "2026-11-24T00:30:02+00:00",
        "snapshot_to": "2026-11-24T00:31:19+00:00",
        "complete": True,
        "source_count_before": 1248,
        "source_count_after": 1248,
        "source_rows": 1248,
        "store_rows": 1251,
        "store_active": 1246,
        "fetched": 1248,
        "requests": 9,
        "bytes": 3_812_400,
        "compared": True,
    }
    return Facts(**{**known, **changes})  # type: ignore[arg-type]


def seal_run(
    journal: Journal,
    differences: Sequence[Difference],
    *,
    at: datetime = NIGHT,
    command: str = "reconcile",
    trigger: str = "schedule",
    who: str = "zvirka.service",
    reason: str = "",
    status: str = "finished",
    exit_code: int = 0,
    states: Sequence[tuple[OutcomeState, str]] = (),
    seen: Facts | None = None,
    error: SourceError | None = None,
    mode: str = "full",
) -> int:
    """Begin, fill and seal a run; ``states`` are the outcomes of its corrections, in turn."""
    run = journal.begin(
        command=Command(command), trigger=Trigger(trigger), who=who, reason=reason, now=at
    )
    journal.set_mode(run, Mode(mode))
    journal.save_facts(run, seen or facts())
    journal.add_differences(run, differences)
    corrected = [d for d in differences if d.disposition is Disposition.CORRECT and d.action]
    intended = journal.intend(
        run, [(d.number, correction_of(d)) for d in corrected], at + timedelta(seconds=80)
    )
    applied: Sequence[tuple[OutcomeState, str]] = states or [(OutcomeState.APPLIED, "")]
    outcomes = [
        Outcome(
            correction=correction.id,
            state=applied[index % len(applied)][0],
            detail=applied[index % len(applied)][1],
            row=correction.row or str(5000 + index),
        )
        for index, correction in enumerate(intended)
    ]
    journal.settle(run, outcomes, at + timedelta(seconds=84))
    journal.finish(
        run,
        status=RunStatus(status),
        exit_code=exit_code,
        now=at + timedelta(seconds=95),
        error=error,
        plan_digest=journal.plan_digest(run),
    )
    return run


def correction_of(difference: Difference) -> Correction:
    action = difference.action or Action.UPDATE
    before = {} if action is Action.CREATE else {f.field: f.found for f in difference.fields}
    after = {} if action is Action.DELETE else {f.field: f.wanted for f in difference.fields}
    return Correction(
        id=0,
        action=action,
        key=difference.key,
        ref=difference.ref,
        row=difference.row,
        before=before,
        after=after,
    )


def missing(number: int, name: str, code: str, **values: str | None) -> Difference:
    """A counterparty the ERP never heard of."""
    fields = {"code": code, "name": name, **values}
    return Difference(
        number=number,
        kind=Kind.MISSING,
        cause=Cause.MISSED_CREATE,
        key=code,
        ref=ref(number),
        name=name,
        fields=tuple(FieldDifference(f, v, None, v) for f, v in fields.items()),
        action=Action.CREATE,
    )


STORY: tuple[Difference, ...] = (
    Difference(
        number=1,
        kind=Kind.MISSING,
        cause=Cause.MISSED_CREATE,
        key="000001249",
        ref=ref(1),
        name="ТОВ «Зелений Гай»",
        fields=(
            FieldDifference("code", "000001249", None, "000001249"),
            FieldDifference("name", "ТОВ «Зелений Гай»", None, "ТОВ «Зелений Гай»"),
            FieldDifference("tax_id", "41203987", None, "41203987"),
            FieldDifference("phone", "+380 44 123-45-67", None, "+380 44 123-45-67"),
            FieldDifference("email", None, None, None),
        ),
        action=Action.CREATE,
        evidence=Message(
            "push log {time} {action} {status}: {text}",
            time="2026-11-23T14:02:11.482000+00:00",
            action="create",
            status="503",
            text="Service Unavailable",
        ),
    ),
    Difference(
        number=2,
        kind=Kind.DIFFERENT,
        cause=Cause.MISSED_UPDATE,
        key="000000317",
        ref=ref(2),
        name="ПП «Дніпро-Сервіс Плюс»",
        row="318",
        fields=(
            FieldDifference(
                "name", "ПП «Дніпро-Сервіс Плюс»", "ПП «Дніпро-Сервіс»", "ПП «Дніпро-Сервіс Плюс»"
            ),
            FieldDifference("email", "office@dnipro.example", None, "office@dnipro.example"),
        ),
        action=Action.UPDATE,
    ),
    Difference(
        number=3,
        kind=Kind.DIFFERENT,
        cause=Cause.ERP_EDIT,
        key="000000642",
        ref=ref(3),
        name="ФОП Коваленко Ірина Петрівна",
        row="655",
        fields=(
            FieldDifference("phone", "+380 67 555-01-02", "+380675550199", "+380 67 555-01-02"),
        ),
        action=Action.UPDATE,
        evidence=Message(
            "webhook {action} came {time} and was stored; the row was edited later",
            action="update",
            time="2026-11-20T09:15:40+00:00",
        ),
    ),
    Difference(
        number=4,
        kind=Kind.DIFFERENT,
        cause=Cause.NOT_CONVERGING,
        key="000000871",
        ref=ref(4),
        name="ТОВ «Атлант-Логістик Україна»",
        row="884",
        fields=(FieldDifference("email", None, "old@atlant.example", "old@atlant.example"),),
        action=Action.UPDATE,
        note=Message(
            "sent {nights} times without effect; not sent again until 1C or the ERP changes",
            nights=3,
        ),
    ),
    Difference(
        number=5,
        kind=Kind.EXTRA,
        cause=Cause.MISSED_DELETE,
        key="000000404",
        ref=ref(5),
        name="ТОВ «Стара назва»",
        row="411",
        action=Action.DELETE,
    ),
    Difference(
        number=6,
        kind=Kind.EXTRA,
        cause=Cause.NOT_OURS,
        key="M-0007",
        ref="",
        name="Власний клієнт менеджера",
        row="1190",
        disposition=Disposition.REPORTED,
        note=Message(
            "a unique value is held by {rows}", rows=[Message("row {row} (not ours)", row="1190")]
        ),
    ),
    Difference(
        number=7,
        kind=Kind.DUPLICATE,
        cause=Cause.DUPLICATE,
        key="000000555",
        ref=ref(7),
        name="ТОВ «Подвійний облік»",
        rows=("561", "1203"),
        disposition=Disposition.REPORTED,
    ),
    Difference(
        number=8,
        kind=Kind.DIFFERENT,
        cause=Cause.MISSED_UPDATE,
        key="000000100",
        ref=ref(8),
        name="ТОВ «Вчасно»",
        row="102",
        fields=(FieldDifference("name", "ТОВ «Вчасно»", "ТОВ «Вчастно»"),),
        action=Action.UPDATE,
        disposition=Disposition.REPORTED,
    ),
    Difference(
        number=9,
        kind=Kind.DIFFERENT,
        cause=Cause.CONFLICT,
        key="000000733",
        ref=ref(9),
        name="АТ «Київхліб-2»",
        row="745",
        fields=(FieldDifference("full_name", "АТ «Київхліб-2»", "АТ «Київський хліб»", None),),
        action=Action.UPDATE,
    ),
)
STORY_STATES = (
    (OutcomeState.APPLIED, ""),
    (OutcomeState.APPLIED, ""),
    (OutcomeState.APPLIED, ""),
    (OutcomeState.NOT_CONVERGING, Message("reads back otherwise: {fields}", fields=["email"])),
    (OutcomeState.APPLIED, ""),
    (OutcomeState.SUPERSEDED, Message("the row changed since it was scanned")),
)


def nights(journal: Journal, number: int) -> None:
    """So many nightly runs before :data:`NIGHT`, with few differences of several causes."""
    causes = (Cause.MISSED_UPDATE, Cause.MISSED_CREATE, Cause.MISSED_UPDATE, Cause.ERP_EDIT)
    for night in range(number):
        at = NIGHT - timedelta(days=number - night)
        if night % 31 == 17:
            error = plain_error("1C did not answer", "1c.example.ua", "start it")
            seal_run(journal, (), at=at, status="failed", exit_code=2, error=error, seen=Facts())
            continue
        differences = [
            Difference(
                number=place + 1,
                kind=Kind.DIFFERENT,
                cause=causes[(night + place * 3) % 4],
                key=f"{place:09}",
                ref=ref(1000 + place),
                name="ТОВ",
                disposition=Disposition.REPORTED,
            )
            for place in range((night * 7 + night * night // 5) % 11)
        ]
        seal_run(journal, differences, at=at)


def story_run(journal: Journal) -> int:
    """A night with something of everything."""
    seen = facts(
        recovered=[Message("run {run} was interrupted in phase {phase}", run="20", phase="apply")],
        warnings=[
            Message("{count} clients look absent from 1C, but the snapshot is partial", count=3)
        ],
    )
    return seal_run(journal, STORY, exit_code=1, states=STORY_STATES, seen=seen)


def quiet_run(journal: Journal) -> int:
    """A night with nothing to report."""
    return seal_run(journal, ())


def held_run(journal: Journal, **more: Any) -> int:
    """A night whose deletes a limit holds."""
    differences = [
        Difference(
            number=number,
            kind=Kind.EXTRA,
            cause=Cause.MISSED_DELETE,
            key=f"{number:09}",
            ref=ref(number),
            name=f"ТОВ «Клієнт {number}»",
            row=str(number),
            action=Action.DELETE,
            disposition=Disposition.HELD,
        )
        for number in range(1, 4)
    ]
    holds = [Hold(limit="max_deletes", found=3, relation=">", allowed=2, what="deletes")]
    seen = facts(held=holds)
    return seal_run(journal, differences, status="held", exit_code=3, seen=seen, **more)


def failed_run(journal: Journal) -> int:
    """A night on which 1C did not answer."""
    error = plain_error(
        "1C answered 503 four times",
        "https://1c.example.ua/bas/odata/standard.odata",
        "see whether the publication runs, then start zvirka reconcile",
    )
    return seal_run(journal, (), status="failed", exit_code=2, error=error, seen=Facts())


HOSTILE_VALUES = (
    '=HYPERLINK("http://evil.example","click")',
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\u202eяинажатсок\u202c\u200f",
    "x" * 10_000,
    "y" * 40_000,
    "перший рядок\nдругий рядок\r\n=1+1",
    "+380441234567",
    "-1",
    "@SUM(A1)",
    "\t=1+1",
    "a;=1+1,=2+2",
    "_x0041_",
    "nul\x00bell\x07escape\x1b[31m",
    "{{ 7 * 7 }}{% raw %}",
    "`code` | pipe | **bold** [link](http://evil.example)",
    "http://evil.example/",
    "mailto:x@evil.example",
    "no\u00a0break\u00adsoft\ufeffmark",
    '"; DROP TABLE client; --',
    "&lt;already&gt; &amp; escaped",
    "]]>",
    "＝1+1",
    "😀 Ґанна Їжак",
    "NULL",
    " outer spaces ",
    "",
)


def hostile_run(journal: Journal) -> int:
    """A night on which every outside text means harm."""
    differences = [
        Difference(
            number=number,
            kind=Kind.DIFFERENT,
            cause=Cause.MISSED_UPDATE,
            key=value[:60],
            ref=value[:60],
            name=value,
            row=value[:60],
            fields=(
                FieldDifference("name", value, value[::-1], value),
                FieldDifference(value[:60] or "x", None, value, None),
            ),
            action=Action.UPDATE,
            note=value,
            evidence=value,
        )
        for number, value in enumerate(HOSTILE_VALUES, start=1)
    ]
    evil = '<script>"=1+1\u202e'
    seen = facts(
        base=evil,
        store=evil,
        catalog=evil,
        scope=evil,
        writer=evil,
        key=evil,
        warnings=[evil],
        recovered=[evil],
        targets=[evil],
        incomplete_because=[evil],
        complete=False,
        held=[Hold(limit=evil, found=evil, allowed=evil, what=evil)],
        fields=[FieldFact(evil, evil, evil)],
    )
    return seal_run(
        journal,
        differences,
        who=evil,
        reason=evil,
        states=[(OutcomeState.FAILED, evil)],
        seen=seen,
        error=plain_error(evil, evil, evil),
        exit_code=1,
    )

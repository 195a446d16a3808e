"""What ``zvirka check`` says of 1C: each thing a run needs, tried, with the way out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

from zvirka.findings import Finding, failed
from zvirka.mapping import Mapping
from zvirka.message import Coded, Message, coded, joined, plural
from zvirka.onec.changes import ChangeFeed
from zvirka.onec.failures import OnecError
from zvirka.onec.mapping_fit import Missing, asked_of, catalog_entity, missing_in, record_entity
from zvirka.onec.open_source import open_schemas, open_session
from zvirka.onec.related_values import ContactLines
from zvirka.onec.schema import Entity, Schema
from zvirka.onec.session import OnecSession
from zvirka.onec.slice_check import slice_findings
from zvirka.onec.source_access import SourceAccess
from zvirka.onec.source_layout import SourceLayout
from zvirka.onec.timed_finding import timed
from zvirka.onec.undelivered import REGISTER, OutboxReader
from zvirka.settings.model import ErpSettings, OnecSettings, Settings
from zvirka.settings.profiles import counterparty_profiles, mapping_of

_SAMPLE = 500


def check_source(onec: OnecSettings, mapping: Mapping, state_dir: Path) -> list[Finding]:
    """Try everything a run needs of 1C; the findings stop where nothing further can be known.

    Args:
        onec: the publication; the password is resolved already.
        mapping: the mapping to prove against the schema.
        state_dir: where the schema is cached; it is read again here.
    """
    with open_session(onec, mapping) as session:
        access = SourceAccess.of(onec, session, open_schemas(session, state_dir))
        return list(_findings(onec, mapping, access))


def _findings(onec: OnecSettings, mapping: Mapping, access: SourceAccess) -> Iterator[Finding]:
    session, schemas = access.session, access.schemas
    yield from _address(onec)
    profiles = _profiles(onec)
    asked = asked_of(mapping).union(*map(asked_of, profiles.values()))
    started = time.monotonic()
    try:
        schema = schemas.load(asked, fresh=True)
    except OnecError as error:
        yield failed("1C connection", error)
        return
    yield timed("1C connection", Message("1C answers and $metadata can be read"), started)
    yield _session(onec, session)
    missing = missing_in(schema, mapping, schemas.all_names)
    yield from _composition(schema, mapping, missing, profiles)
    if missing:
        return
    if mapping.slice:
        yield from slice_findings(access, mapping)
        return
    layout = SourceLayout(access.reader(schema), schema, mapping, today=date.today)
    yield from _reading(layout, onec)
    yield _outbox(access.outbox())
    if onec.exchange_plan or onec.exchange_node:
        yield _exchange(session, onec, mapping)


def _address(onec: OnecSettings) -> Iterator[Finding]:
    parts = urlsplit(onec.url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        yield Finding(
            "failure",
            "onec.url",
            coded("ZV3204", "the address is no http or https URL"),
            Message("write https://host/publication/odata/standard.odata/"),
        )
    elif not parts.path.rstrip("/").endswith("/odata/standard.odata"):
        yield Finding(
            "warning",
            "onec.url",
            coded("ZV3205", "the address does not end in /odata/standard.odata/"),
            Message("write the full address of the OData interface, not of the publication"),
        )


def _session(onec: OnecSettings, session: OnecSession) -> Finding:
    if not onec.session:
        return Finding(
            "warning",
            "1C session",
            coded("ZV1504", "every request opens a 1C session of its own"),
            Message("set onec.session = true: it is faster and takes one licence"),
        )
    if session.held:
        return Finding("ok", "1C session", Message("one 1C session, one licence, for a whole run"))
    return Finding("ok", "1C session", Message("the publication pools sessions by itself"))


# -- names ---------------------------------------------------------------------------------------


def _profiles(onec: OnecSettings) -> dict[str, Mapping]:
    """The mappings of the shipped profiles of counterparties, over this catalogue."""
    return {
        name: mapping_of(
            Settings(
                onec=OnecSettings(url=onec.url, profile=name, catalog=onec.catalog),
                erp=ErpSettings(url="sqlite://"),
            )
        )
        for name in counterparty_profiles()
    }


def _composition(
    schema: Schema, mapping: Mapping, missing: list[Missing], profiles: dict[str, Mapping]
) -> Iterator[Finding]:
    name = catalog_entity(mapping)
    entity = record_entity(schema, mapping)
    if entity is None:
        yield Finding("failure", name, _lacks(missing[0]), _remedy(missing[0]))
        return
    yield Finding(
        "ok",
        name,
        Message("the catalogue is published, {count} properties", count=len(entity.properties)),
    )
    if not mapping.slice:
        yield from _catalogue(schema, mapping, entity, missing, profiles)
    for field in mapping.fields:
        lacks = [one for one in missing if one.field == field.name]
        for one in lacks:
            yield Finding("failure", f"onec.fields.{field.name}", _lacks(one), _remedy(one))
        if not lacks:
            yield Finding("ok", f"onec.fields.{field.name}", Message("its names are in the schema"))


def _catalogue(
    schema: Schema,
    mapping: Mapping,
    entity: Entity,
    missing: list[Missing],
    profiles: dict[str, Mapping],
) -> Iterator[Finding]:
    """Which profile fits, and whether there is a Code."""
    name = entity.name
    if not entity.has("Code"):
        needed = "code" in mapping.key
        yield Finding(
            "failure" if needed else "ok",
            name,
            coded(
                "ZV1311",
                "the catalogue has no Code, as trade configurations have none; pages come by"
                " $skip in a stable order",
            ),
            _advice(schema, profiles) if needed else "",
        )
    elif missing:
        yield Finding(
            "warning",
            "profile",
            coded("ZV1310", "the mapping does not fit"),
            _advice(schema, profiles),
        )


def _lacks(one: Missing) -> Coded:
    return coded("ZV1310" if one.name else "ZV1301", "{what}", what=one.text)


def _remedy(one: Missing) -> Message:
    near = Message("perhaps: {names}", names=one.near)
    if one.name and one.near:
        return near
    if one.name:
        return Message("name another property under onec.fields.{name}", name=one.field)
    add = Message("add {entity} to the OData composition (bsl/README.uk.md)", entity=one.entity)
    return joined([add, near]) if one.near else add


def _advice(schema: Schema, profiles: dict[str, Mapping]) -> Message:
    """Which profile fits: one whose key exists and that lacks least of what it names."""

    def keyed(lacks: list[Missing], mapping: Mapping) -> bool:
        return all(one.field not in mapping.key for one in lacks)

    lacking = {name: missing_in(schema, mapping) for name, mapping in profiles.items()}
    fitting = [name for name, mapping in profiles.items() if keyed(lacking[name], mapping)]
    if not fitting:
        return Message("write the mapping under onec.fields by hand")
    best = min(fitting, key=lambda name: (len(lacking[name]), name))
    fits = Message('profile = "{profile}" fits', profile=best)
    if not lacking[best]:
        return fits
    wants = [
        Message("{name}: {what}", name=one.field, what=one.text)
        if not one.near
        else Message(
            "{name}: {what} (perhaps {names})", name=one.field, what=one.text, names=one.near
        )
        for one in lacking[best]
    ]
    return Message("{fits}, after these are corrected: {wants}", fits=fits, wants=joined(wants))


# -- reading -------------------------------------------------------------------------------------


def _reading(layout: SourceLayout, onec: OnecSettings) -> Iterator[Finding]:
    shape = layout.whole.shape
    started = time.monotonic()
    try:
        count = layout.reader.count(layout.select())
    except OnecError as error:
        yield failed("counterparties", error)
        return
    text: Message = plural("{count} record in scope", "{count} records in scope", count=count)
    if layout.where:
        text = Message("{what} ({where})", what=text, where=layout.where)
    yield timed("counterparties", text, started, empty=not count)
    if not layout.reader.counts:
        yield Finding(
            "ok", "$count", Message("not served by this publication; keys are counted instead")
        )
    started = time.monotonic()
    before = layout.reader.session.traffic.bytes
    query = layout.reader.queries.page(layout.entity, shape.select, top=_SAMPLE, where=layout.where)
    try:
        rows = layout.reader.rows(query, shape)
    except OnecError as error:
        yield failed("reading", error)
        return
    seconds = max(time.monotonic() - started, 1e-3)
    weight = (layout.reader.session.traffic.bytes - before) / max(1, len(rows))
    yield timed(
        "reading",
        Message(
            "counterparties read: {count} in {seconds} s, {weight} bytes each; at this pace all of"
            " them take about {span}",
            count=len(rows),
            seconds=round(seconds, 1),
            weight=round(weight),
            span=_span(count * seconds / max(1, len(rows))),
        ),
        started,
    )
    if rows:
        yield _filters(layout, shape.refs(rows)[0])
    yield from _related(layout)
    if onec.allowed_only:
        yield Finding(
            "warning",
            "onec.allowed_only",
            coded(
                "ZV1204",
                "rows hidden by rights are missing without a word, so nothing is ever deleted",
            ),
            Message("give the user full read and set allowed_only = false"),
        )


def _filters(layout: SourceLayout, known: str) -> Finding:
    try:
        layout.reader.prove_filters(layout.entity, known)
    except OnecError as error:
        return failed("$filter", error)
    return Finding("ok", "$filter", Message("1C returns what a filter asks for and nothing else"))


def _related(layout: SourceLayout) -> Iterator[Finding]:
    """Read the first page of every related source: rights, kinds, publication."""
    try:
        places = layout.related
    except OnecError as error:
        yield failed("contact kinds", error)
        return
    for place in places:
        subject = type(place).__name__
        started = time.monotonic()
        try:
            batches = place.all()
            fields = sorted({batch.field for batch, _ in zip(batches, range(9), strict=False)})
        except OnecError as error:
            yield failed("related values", error)
            continue
        subject = ", ".join(fields) or subject
        if isinstance(place, ContactLines) and not place.published:
            yield Finding(
                "warning",
                subject,
                coded(
                    "ZV1312",
                    "the tabular section has no entity set of its own and is read within its"
                    " owners, at ten times the weight",
                ),
                Message("add the section {place} to the OData composition", place=place.name),
            )
        yield timed(subject, Message("related values can be read"), started)


def _outbox(outbox: OutboxReader) -> Finding:
    """The optional outbox of the extension, and how many messages wait in it."""
    try:
        waiting = outbox.waiting()
    except OnecError as error:
        return Finding(
            "warning",
            REGISTER,
            coded(
                "ZV1605", "the outbox of the extension cannot be read: {cause}", cause=error.cause
            ),
            error.remedy,
        )
    if waiting is None:
        return Finding(
            "ok",
            REGISTER,
            Message("the outbox of the extension is not published; reports do without it"),
        )
    text = Message(
        "the outbox of the extension is published; messages waiting in it: {count}",
        count=waiting.messages,
    )
    if not waiting.failed:
        return Finding("ok", REGISTER, text)
    if waiting.stopped:
        return Finding(
            "warning",
            REGISTER,
            coded(
                "ZV1606",
                "{what}, stopped until a person repeats or drops them: {stopped}",
                what=text,
                stopped=waiting.stopped,
            ),
            Message(
                "open the queue of the extension in 1C: its Ошибка says why the receiver"
                " refused them"
            ),
        )
    return Finding(
        "warning",
        REGISTER,
        coded(
            "ZV1606",
            "{what}, sent without success so far: {failed}",
            what=text,
            failed=waiting.failed,
        ),
        Message("look at their Ошибка in 1C, and at whether the receiver answers"),
    )


def _exchange(session: OnecSession, onec: OnecSettings, mapping: Mapping) -> Finding:
    """The exchange plan and the node that `zvirka feed` follows."""
    if not (onec.exchange_plan and onec.exchange_node):
        text = coded("ZV3203", "only one of onec.exchange_plan and onec.exchange_node is set")
        return Finding("failure", "exchange plan", text, Message("set both, or neither"))
    feed = ChangeFeed(session, onec.exchange_plan, onec.exchange_node, catalog_entity(mapping))
    try:
        received = feed.received()
    except OnecError as error:
        return failed("exchange plan", error)
    ready = Message(
        "{plan} has the node, confirmed up to message {number}",
        plan=onec.exchange_plan,
        number=str(received),
    )
    return Finding("ok", "exchange plan", ready)


def _span(seconds: float) -> Message:
    if seconds < 120:
        return Message("{seconds} s", seconds=round(seconds))
    return Message("{minutes} min", minutes=round(seconds / 60))

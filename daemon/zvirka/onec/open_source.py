"""From settings to a catalogue ready to be entered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

from zvirka.deadline_session import verified_by
from zvirka.errors import SettingsError
from zvirka.mapping import Mapping
from zvirka.message import Message, coded
from zvirka.onec.catalogue_source import CatalogueSource
from zvirka.onec.changes import ChangeFeed
from zvirka.onec.mapping_fit import catalog_entity
from zvirka.onec.odata_queries import JSON
from zvirka.onec.protocol import Source
from zvirka.onec.schema import SchemaCache
from zvirka.onec.session import OnecSession
from zvirka.onec.slice_source import SliceSource
from zvirka.onec.source_access import SourceAccess
from zvirka.onec.transport import Limits
from zvirka.settings.model import OnecSettings


def open_session(
    onec: OnecSettings, mapping: Mapping, *, sleep: Callable[[float], None] = time.sleep
) -> OnecSession:
    """A session as the settings want it; no request is made yet.

    Raises:
        SettingsError: it is no address, or holds credentials, which every message would show.
    """
    try:
        address = urlsplit(onec.url)
        _ = address.port
    except ValueError:
        raise SettingsError(
            coded("ZV3103", "the address of 1C is no address"),
            place="onec.url",
            remedy=Message("write it as http://SERVER/PUBLICATION"),
        ) from None
    if "@" in address.netloc:
        raise SettingsError(
            coded("ZV3201", "the address of 1C holds a user name or a password"),
            place="onec.url",
            remedy=Message("move them to onec.user and onec.password_file"),
        )
    select = {} if mapping.slice else {"$select": "Ref_Key"}
    return OnecSession(
        onec.url,
        onec.user,
        onec.password.get_secret_value() if onec.password else "",
        limits=Limits(
            connect=onec.connect_timeout.total_seconds(),
            read=onec.read_timeout.total_seconds(),
            total=onec.total_timeout.total_seconds(),
            answer_bytes=onec.max_answer_bytes,
        ),
        proxy=onec.proxy,
        retries=onec.retries,
        verify=verified_by(onec.ca_file, "onec.ca_file", verify=onec.verify_tls),
        sessions=onec.session,
        sleep=sleep,
        closing=(
            catalog_entity(mapping),
            {"$top": "1", **select, "$format": JSON},
        ),
    )


def open_schemas(session: OnecSession, state_dir: Path) -> SchemaCache:
    """The schema cache of the session's publication."""
    return SchemaCache(
        state_dir / "metadata", session.url, lambda: session.get("$metadata", decode=bytes)
    )


def open_source(
    onec: OnecSettings,
    mapping: Mapping,
    state_dir: Path,
    *,
    sleep: Callable[[float], None] = time.sleep,
    today: Callable[[], date] = date.today,
) -> Source:
    """The catalogue or register of the settings, to be used as a context manager.

    A register is read as of the end of the day on which it is opened.

    Args:
        onec: the publication; the password is resolved already.
        mapping: which fields, and where they live.
        state_dir: where the schema is cached (``metadata/``).
        sleep: how to wait between repetitions.
        today: the date in the base's own time zone.
    """
    session = open_session(onec, mapping, sleep=sleep)
    access = SourceAccess.of(onec, session, open_schemas(session, state_dir))
    if mapping.slice:
        return SliceSource(access, mapping, day=today())
    return CatalogueSource(access, mapping, today=today)


@contextmanager
def open_feed(onec: OnecSettings, mapping: Mapping) -> Iterator[ChangeFeed]:
    """The change feed of the settings' exchange plan, in a session of its own.

    Raises:
        SettingsError: no exchange plan or node is named, or the flow is of a register.
    """
    if mapping.slice:
        raise SettingsError(
            coded("ZV3203", "a register is compared whole in each run and has no change feed"),
            place="onec.exchange_plan, onec.exchange_node",
            remedy=Message("remove both, and let zvirka reconcile it at night"),
        )
    if not (onec.exchange_plan and onec.exchange_node):
        raise SettingsError(
            coded("ZV3203", "no exchange plan to follow is named"),
            place="onec.exchange_plan, onec.exchange_node",
            remedy=Message(
                "name the plan and the node made for zvirka; bsl/README.uk.md tells how"
            ),
        )
    with open_session(onec, mapping) as session:
        yield ChangeFeed(session, onec.exchange_plan, onec.exchange_node, catalog_entity(mapping))

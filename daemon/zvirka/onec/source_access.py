"""What every source of one publication has in common: its session, schema and ways to read."""

from __future__ import annotations

from dataclasses import dataclass

from zvirka.onec.odata_queries import Queries
from zvirka.onec.paging import PageReader
from zvirka.onec.schema import Schema, SchemaCache
from zvirka.onec.session import OnecSession
from zvirka.onec.undelivered import OutboxReader
from zvirka.settings.model import OnecSettings


@dataclass(frozen=True)
class SourceAccess:
    """A session, the cached schema of its publication, and the limits of a request.

    ``page_bytes`` is what a page should weigh, ``max_url`` the longest URL the web server takes,
    ``allowed_only`` reads only the rows the user may see: a snapshot is then never complete.
    """

    session: OnecSession
    schemas: SchemaCache
    page_bytes: int = 4_000_000
    max_url: int = 2000
    allowed_only: bool = False

    @classmethod
    def of(cls, onec: OnecSettings, session: OnecSession, schemas: SchemaCache) -> SourceAccess:
        """The access that the settings describe."""
        return cls(session, schemas, onec.page_bytes, onec.max_url, onec.allowed_only)

    def reader(self, schema: Schema, *, virtual: str = "") -> PageReader:
        """Reads sets of the schema, or a virtual table of a register in place of them."""
        queries = Queries(schema, allowed_only=self.allowed_only, virtual=virtual)
        return PageReader(self.session, queries, page_bytes=self.page_bytes, max_url=self.max_url)

    def outbox(self, catalogue: str = "") -> OutboxReader:
        """Reads the outbox of the extension, of one catalogue or all; needs no $metadata."""
        return OutboxReader(
            self.session,
            page_bytes=self.page_bytes,
            max_url=self.max_url,
            allowed_only=self.allowed_only,
            catalogue=catalogue,
        )

    def leave(self, *exc: object) -> None:
        """Finish the session; a cached schema that 1C contradicted is read again next time."""
        self.schemas.forget_if_contradicted(*exc)
        self.session.__exit__(*exc)

"""What a mirror was made for, and when 1C was last pulled into it."""

from __future__ import annotations

from datetime import date, datetime

from zvirka.staging.database import Staging

_LAYOUT = 2
"""Counts the layouts of the mirror's tables."""


class MirrorStamp:
    """The table ``stamp`` of a mirror: one row, none until the first full pull has ended."""

    def __init__(self, staging: Staging, mirror: str) -> None:
        self._staging = staging
        self._mirror = mirror
        self._made_for = f"{_LAYOUT}|{staging.hashing}|{staging.mapping.fingerprint()}"

    def fits(self) -> bool:
        """Whether the mirror is of this layout, of this mapping and of this hash function."""
        tables = self._staging.rows(
            "SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND table_name = 'stamp'",
            [self._mirror],
        )
        rows = self._staging.rows(f"SELECT stamp FROM {self._mirror}.stamp") if tables else []
        return rows == [(self._made_for,)]

    def create(self, schema: str) -> None:
        """Create the table, empty, in a mirror to be filled."""
        self._staging.run(
            f"CREATE TABLE {schema}.stamp(stamp VARCHAR, pulled_at VARCHAR, looked_on DATE)"
        )

    def put(self, schema: str, pulled_at: datetime, looked_on: date) -> None:
        """End a full pull that began at ``pulled_at``, on the day ``looked_on`` of the base."""
        self._staging.run(
            f"INSERT INTO {schema}.stamp VALUES (?, ?, ?)",
            [self._made_for, pulled_at.isoformat(), looked_on],
        )

    def note_look(self, day: date) -> None:
        """End a light pull that began on that day of the base."""
        self._staging.run(f"UPDATE {self._mirror}.stamp SET looked_on = ?", [day])

    def pulls(self) -> tuple[datetime, date] | None:
        """When the last full pull began, and the day of the last pull; ``None`` before any."""
        rows = self._staging.rows(f"SELECT pulled_at, looked_on FROM {self._mirror}.stamp")
        return (datetime.fromisoformat(rows[0][0]), rows[0][1]) if rows else None

"""Joins answers of 1C into batches large enough for a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from zvirka.onec.protocol import LineBatch, ObjectBatch

_OBJECTS = 1000


def gathered(
    answers: Iterable[tuple[ObjectBatch, list[LineBatch]]],
) -> Iterator[tuple[ObjectBatch, list[LineBatch]]]:
    """Join answers of some twenty objects each into batches of about a thousand."""
    batches: list[ObjectBatch] = []
    lines: list[LineBatch] = []
    for objects, more in answers:
        batches.append(objects)
        lines += more
        if sum(len(batch.refs) for batch in batches) >= _OBJECTS:
            yield _joined(batches), lines
            batches, lines = [], []
    if batches:
        yield _joined(batches), lines


def _joined(batches: list[ObjectBatch]) -> ObjectBatch:
    first = batches[0]
    return ObjectBatch(
        refs=[ref for batch in batches for ref in batch.refs],
        versions=[version for batch in batches for version in batch.versions],
        marks=[mark for batch in batches for mark in batch.marks],
        values={
            name: [value for batch in batches for value in batch.values[name]]
            for name in first.values
        },
        links={
            name: [link for batch in batches for link in batch.links[name]] for name in first.links
        },
    )

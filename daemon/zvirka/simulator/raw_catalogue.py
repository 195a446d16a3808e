"""Writes of objects by their own attributes, in any catalogue of the infobase."""

from __future__ import annotations

import base64
import threading
import uuid
from collections.abc import Iterator
from typing import Any

from zvirka.simulator.configurations import EntityType, default_of
from zvirka.simulator.exchange import ExchangePlan
from zvirka.simulator.invented_texts import version_text
from zvirka.simulator.simulated_catalogue import Catalogue, Object


class RawCatalogue:
    """A catalogue whose objects are written attribute by attribute, as contracts are."""

    def __init__(self, catalogue: Catalogue, plan: ExchangePlan, lock: threading.RLock) -> None:
        self._catalogue = catalogue
        self._plan = plan
        self._lock = lock

    def refs(self) -> Iterator[str]:
        """Ref_Key of every object."""
        with self._lock:
            ids = self._catalogue.ids()
            return iter(self._catalogue.columns(ids, ["Ref_Key"])[0] if len(ids) else [])

    def get(self, ref: str) -> dict[str, Any]:
        """The attributes of an object.

        Raises:
            KeyError: the catalogue has no such object.
        """
        with self._lock:
            return self._object(ref).values

    def create(self, ref: str = "", **attributes: Any) -> str:
        """Write a new object; its Ref_Key."""
        with self._lock:
            made = blank(self._catalogue.type, ref or str(uuid.uuid4()))
            self._write(made, attributes)
            return made.ref

    def update(self, ref: str, **attributes: Any) -> None:
        """Change attributes of an object; without any, only DataVersion moves."""
        with self._lock:
            self._write(self._object(ref), attributes)

    def delete(self, ref: str) -> None:
        """Delete an object physically."""
        with self._lock:
            self._object(ref)
            self._catalogue.remove(ref)
            self._plan.register(self._catalogue.type.name, ref)

    def _object(self, ref: str) -> Object:
        row = self._catalogue.find(ref)
        if row is None:
            raise KeyError(ref)
        return self._catalogue.object(row)

    def _write(self, record: Object, attributes: dict[str, Any]) -> None:
        if unknown := attributes.keys() - record.values.keys():
            raise KeyError(sorted(unknown))
        record.values.update(attributes)
        save(self._catalogue, record, self._plan)


def blank(type_: EntityType, ref: str) -> Object:
    """A new object of that type with nothing filled in."""
    values = {each.name: default_of(each) for each in type_.properties}
    values |= {"Ref_Key": ref, "DataVersion": version_text(0)}
    return Object(values, {each.name: [] for each in type_.sections})


def save(catalogue: Catalogue, record: Object, plan: ExchangePlan) -> None:
    """Put an object under its next DataVersion and register it in the exchange plan."""
    old = int.from_bytes(base64.b64decode(record.values["DataVersion"]), "big")
    record.values["DataVersion"] = version_text(old + 1)
    catalogue.put(record)
    plan.register(catalogue.type.name, record.ref)

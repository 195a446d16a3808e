"""The mapping of one configuration: a profile for a kind of 1C base, with overrides over it.

The profiles are in ``config/profiles``; ``onec.profile`` names one of them or another file
(``….toml``). ``[onec.fields.NAME]`` overrides the keys it has; an override that says where 1C keeps
the field replaces everything the profile says about that.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Literal
from uuid import UUID

from pydantic import ValidationError

from zvirka.errors import SettingsError, os_reason
from zvirka.mapping import (
    Attribute,
    Comparison,
    ContactLine,
    Field,
    FieldSource,
    Mapping,
    RegisterLine,
)
from zvirka.message import Message, coded, joined
from zvirka.package_files import shipped
from zvirka.settings.explanations import about, did_you_mean, settings_problems, toml_place
from zvirka.settings.model import ErpSettings, FieldSettings, OnecSettings, Settings
from zvirka.settings.value_types import Table

_WAYS = ("attribute", "contact", "register_type", "information_register")
_PLACE = frozenset({*_WAYS, "owner", "prefer_empty", "kind", "value", "via", "catalog"})
"""The keys that together say where 1C keeps a field."""

_CONTACTS = "КонтактнаяИнформация"
"""The register of contact information of older bases."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_RESERVED = frozenset({"ref", "row", "key", "version", "deletion_mark", "active"})


class FieldProfile(Table):
    """One file of ``config/profiles``."""

    title: str
    catalog: str = "Контрагенты"
    key: str | list[str] = "code"
    groups: Literal["without", "with", "only"] = "without"
    slice: bool = False
    fields: dict[str, FieldSettings]


def profile_names() -> list[str]:
    """Return the names of the profiles shipped with zvirka."""
    return sorted(file.stem for file in (shipped("config") / "profiles").glob("*.toml"))


def counterparty_profiles() -> list[str]:
    """Return the names of the shipped profiles of counterparties, one a kind of base."""
    return [name for name in profile_names() if read_profile(name).catalog == "Контрагенты"]


def read_profile(name: str) -> FieldProfile:
    """Return the profile of that name, or of that file when the name ends in ``.toml``.

    Raises:
        SettingsError: the profile does not exist, or the file is not a profile.
    """
    file = _profile_file(name)
    try:
        return FieldProfile.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        found = settings_problems(error, FieldProfile, {})
        lines = joined(["", *(about(key, sentence) for key, sentence in found)], "\n  ")
        cause = coded("ZV3208", "the profile cannot be used:{lines}\n", lines=lines)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        cause = coded("ZV3208", "the profile is not TOML: {details}", details=toml_place(error))
    except OSError as error:
        cause = coded("ZV4102", "the profile cannot be read: {why}", why=os_reason(error))
    raise SettingsError(cause, place=f"onec.profile, {file}", remedy=Message("correct that file"))


def mapping_of(settings: Settings) -> Mapping:
    """Return the mapping the settings describe: the profile with the overrides of ``[onec]``.

    Raises:
        SettingsError: none or several keys say where 1C keeps a field, the pairing key is not a
            field, or a canary cannot be a key; all of it in one message.
    """
    onec = settings.onec
    profile = read_profile(onec.profile)
    merged = _merged(profile, onec)
    problems = [
        about(f"onec.fields.{name}", problem)
        for name, field in merged.items()
        if (problem := _field_problem(name, field)) is not None
    ]
    asked = onec.key or profile.key
    key = (asked,) if isinstance(asked, str) else tuple(asked)
    problems += _key_problems(key, merged, settings.guard.canaries)
    if profile.slice:
        problems += _slice_problems(key, merged)
    if len(key) > 1:
        problems += _composite_problems(key, settings.erp)
    if problems:
        lines = joined(["", *problems], "\n  ")
        raise SettingsError(
            coded("ZV3209", "the mapping of fields cannot be used:{lines}\n", lines=lines),
            place=f"onec.fields over the profile {onec.profile}",
            remedy=Message("zvirka.example.toml shows each way to say where 1C keeps a field"),
        )
    return Mapping(
        catalog=onec.catalog if "catalog" in onec.model_fields_set else profile.catalog,
        fields=tuple(_field(name, field) for name, field in merged.items()),
        key=key,
        scope=onec.scope,
        groups=onec.groups or profile.groups,
        slice=profile.slice,
        region=onec.region,
    )


def _profile_file(name: str) -> Path:
    if name.endswith(".toml"):
        return Path(name).expanduser()
    names = profile_names()
    if name not in names:
        raise SettingsError(
            coded(
                "ZV3208",
                'there is no profile "{name}"{guess}',
                name=name,
                guess=did_you_mean(name, names),
            ),
            place="onec.profile",
            remedy=Message(
                "choose one of {names}, or the path of your own .toml file", names=", ".join(names)
            ),
        )
    return shipped("config") / "profiles" / f"{name}.toml"


def _merged(profile: FieldProfile, onec: OnecSettings) -> dict[str, FieldSettings]:
    """The profile's fields in its order, overridden, then those it does not know."""
    merged = dict(profile.fields)
    for name, override in onec.fields.items():
        below = merged.pop(name, None) if override is None else merged.get(name)
        if override is None:
            continue
        merged[name] = override if below is None else _over(below, override)
    return merged


def _over(below: FieldSettings, override: FieldSettings) -> FieldSettings:
    said = override.model_fields_set
    names_place = any(getattr(override, way) is not None for way in _WAYS)
    taken = said | _PLACE if names_place else said
    return below.model_copy(update={name: getattr(override, name) for name in taken})


def _field_problem(name: str, field: FieldSettings) -> Message | None:
    if not _NAME.fullmatch(name) or name in _RESERVED:
        return Message(
            "expected a name of small Latin letters, digits and _ that zvirka does not use"
        )
    ways = {
        "attribute": field.attribute,
        "contact": field.contact,
        "register": None if field.information_register else field.register_type,
        "information_register": field.information_register,
    }
    said = [way for way, value in ways.items() if value]
    if len(said) != 1:
        expected = "attribute, contact, register, information_register"
        if not said:
            return Message("found none, expected one of {ways}", ways=expected)
        return Message("found {names}, expected one of {ways}", names=said, ways=expected)
    if bool(field.via) != bool(field.catalog):
        return Message(
            "expected via and catalog together: the reference and the catalogue it refers to"
        )
    if (field.register_type or field.information_register) and field.via:
        return Message("found via, which a register does not have")
    if field.information_register and not field.register_type:
        return _register_problem(field)
    if field.reference and not field.attribute:
        return Message("found reference, which only an attribute can have")
    if field.reference and field.values:
        return Message("found reference and values, expected one of them")
    return None


def _register_problem(field: FieldSettings) -> Message | None:
    if field.kind:
        return Message("found kind without register, the Тип of contact information")
    if field.payload:
        return Message("found payload; the push module does not read such a register")
    if "value" not in field.model_fields_set or "owner" not in field.model_fields_set:
        return Message("expected owner and value: the properties of the register's record")
    return None


def _key_problems(
    key: tuple[str, ...], fields: dict[str, FieldSettings], canaries: list[str]
) -> list[Message]:
    if key == ("ref",):
        return [
            about(
                "guard.canaries",
                Message('found "{key}", expected a Ref_Key, as the pairing key is ref', key=canary),
            )
            for canary in canaries
            if not _is_guid(canary)
        ]
    unknown = [name for name in key if name not in fields]
    if unknown:
        expected = Message(
            'found "{key}", expected ref or one of {names}', key=unknown[0], names=list(fields)
        )
        return [about("onec.key", expected)]
    [first, *more] = key
    if not more and (fields[first].reference or fields[first].values):
        problem = Message("a reference or an enumeration cannot be the pairing key")
        return [about(f"onec.fields.{first}", problem)]
    return []


def _slice_problems(key: tuple[str, ...], fields: dict[str, FieldSettings]) -> list[Message]:
    """What a register does not have: references to its records, and values kept elsewhere."""
    found = [
        about(f"onec.fields.{name}", Message("a register has attributes of its own only"))
        for name, field in fields.items()
        if field.via or not field.attribute
    ]
    if key == ("ref",):
        found.append(about("onec.key", Message("a register has no Ref_Key; name its dimensions")))
    return found


def _composite_problems(key: tuple[str, ...], erp: ErpSettings) -> list[Message]:
    """What cannot be combined with a key of several fields."""
    found: list[Message] = []
    if "ref" in key or len(set(key)) < len(key):
        expected = Message("found {names}, expected fields that differ, without ref", names=key)
        found.append(about("onec.key", expected))
    if erp.key != ErpSettings.model_fields["key"].default:
        problem = Message(
            "found together with a key of several fields; name their columns in erp.columns"
        )
        found.append(about("erp.key", problem))
    if erp.writer == "webhook":
        problem = Message(
            'found "webhook", which finds a client by one field; the key is {names}', names=key
        )
        found.append(about("erp.writer", problem))
    return found


def _is_guid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _field(name: str, field: FieldSettings) -> Field:
    return Field(
        name,
        _source(field),
        Comparison.CASELESS if field.reference else Comparison(field.compare),
        field.payload,
        field.reference,
        tuple((ours, _store_text(theirs)) for ours, theirs in field.values.items()),
    )


def _store_text(value: str | float | bool) -> str:
    """A value of the store as it is compared: in 1C's spelling of its type."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _source(field: FieldSettings) -> FieldSource:
    if field.attribute:
        return Attribute(field.attribute, via=field.via, catalog=field.catalog)
    if field.contact:
        return ContactLine(
            field.contact, kind=field.kind, value=field.value, via=field.via, catalog=field.catalog
        )
    return RegisterLine(
        field.register_type or "",
        kind=field.kind,
        value=field.value,
        register=field.information_register or _CONTACTS,
        object=field.owner,
        prefer_empty=tuple(field.prefer_empty),
    )

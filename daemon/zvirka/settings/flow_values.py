"""Which flows an installation has, and which values, variables and credentials each one takes.

``zvirka.toml`` with ``[onec]`` and ``[erp]`` is one flow, named ``main`` unless ``name`` says
otherwise. Each further flow is a file ``NAME.toml`` in ``flows_dir`` (``flows`` beside
``zvirka.toml``) with tables of its own (:data:`OWN`); everything else holds for all flows. A base
or a store that several flows use stands in ``zvirka.toml`` once, as ``[bases.NAME]`` or
``[stores.NAME]``, and a flow takes it by ``onec.base`` or ``erp.store``.

A flow has a state directory, a journal and reports of its own: one chain, one lock and one pending
plan a flow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from zvirka.database_address import database_url
from zvirka.errors import SettingsError, UsageError
from zvirka.message import Message, coded
from zvirka.settings.explanations import did_you_mean, keys_of
from zvirka.settings.model import Settings

MAIN = "main"

OWN = frozenset({"onec", "erp", "policy", "guard", "schedule", "bsl", "receiver"})
"""The tables a flow's file may have."""

INHERITED = frozenset({"policy", "guard", "schedule", "receiver"})
"""Those of them whose keys come from ``zvirka.toml`` where the flow's file is silent."""

SHARED = {"onec": ("bases", "base"), "erp": ("stores", "store")}
"""The table of a flow → the table of shared entries in ``zvirka.toml``, and the key that names one.
"""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")
_VARIABLE = "ZVIRKA_FLOWS__"


def flow_files(file: Path | None, values: Mapping[str, Any]) -> dict[str, Path]:
    """Return the files of the further flows by name, in the order of their names.

    Args:
        file: ``zvirka.toml``; ``None`` without one.
        values: what it holds.

    Raises:
        SettingsError: a file's name cannot name a flow.
    """
    if file is None:
        return {}
    directory = file.parent / str(values.get("flows_dir", "flows"))
    found = sorted(directory.glob("*.toml")) if directory.is_dir() else []
    for path in found:
        if not _NAME.fullmatch(path.stem) or path.stem == str(values.get("name", MAIN)):
            raise SettingsError(
                coded("ZV3110", 'no flow can be named "{name}"', name=path.stem),
                place=str(path),
                remedy=Message(
                    "name the file by small Latin letters, digits and _, not by the name of"
                    " the flow in {file}",
                    file=file,
                ),
            )
    return {path.stem: path for path in found}


def require_name(name: str) -> None:
    """Make sure that a further flow can have a name.

    Raises:
        UsageError: it cannot.
    """
    if not _NAME.fullmatch(name) or name == MAIN:
        raise UsageError(
            coded("ZV3110", 'no flow can be named "{name}"', name=name),
            place="--flow",
            remedy=Message("choose a name of small Latin letters, digits and _"),
        )


def names_of(values: Mapping[str, Any], files: Mapping[str, Path]) -> list[str]:
    """Return the names of all flows; that of ``zvirka.toml`` comes first if it is one."""
    main = [str(values.get("name", MAIN))] if "onec" in values or not files else []
    return [*main, *files]


def chosen(flow: str | None, names: list[str], file: Path | None) -> str:
    """Return the flow that is asked for, or the one that needs no asking.

    Raises:
        SettingsError: there is no such flow, or there are several and none was asked for.
    """
    place = str(file) if file is not None else "--flow"
    if flow is not None and flow not in names:
        raise SettingsError(
            coded(
                "ZV3111",
                'there is no flow "{name}"{guess}',
                name=flow,
                guess=did_you_mean(flow, names),
            ),
            place=place,
            remedy=Message("choose one of {names}", names=", ".join(names)),
        )
    if flow is None and len(names) > 1 and names[0] != MAIN:
        raise SettingsError(
            coded("ZV3111", "there are several flows, and none of them is asked for"),
            place=place,
            remedy=Message(
                "add --flow with one of {names}, or --all-flows", names=", ".join(names)
            ),
        )
    return flow or names[0]


def for_all_flows(values: Mapping[str, Any], flow: str) -> dict[str, Any]:
    """Return what a further flow takes from ``zvirka.toml``, with its own places in it.

    Its files lie in a directory of its own, its journal in a file or a schema of its own.
    """
    taken: dict[str, Any] = {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in values.items()
        if name in INHERITED or name not in OWN
    }
    state = Path(str(values.get("state_dir", Settings.model_fields["state_dir"].default)))
    taken["name"] = flow
    taken["state_dir"] = str(state / "flows" / flow)
    _separate(taken, "report", "dir", lambda path: path / flow)
    _separate(taken, "report", "head_file", lambda path: path.with_stem(f"{path.stem}-{flow}"))
    _separate(taken, "metrics", "textfile", lambda path: path.with_stem(f"{path.stem}-{flow}"))
    _table(taken, "report").pop("push_log", None)
    _table(taken, "guard").pop("canaries", None)
    _table(taken, "metrics")["flow"] = flow
    receiver = _table(taken, "receiver")
    path = str(receiver.get("path", _default_of("receiver", "path"))).rstrip("/")
    receiver["path"] = f"{path}/{flow}"
    _separate_journal(_table(taken, "journal"), flow)
    return taken


def share(values: dict[str, Any], origins: dict[str, str]) -> Iterator[tuple[str, Message]]:
    """Lay the shared base and store below the flow's own keys; yield what is wrong with them."""
    for table, (shared, key) in SHARED.items():
        entries = values.pop(shared, {})
        own = values.get(table)
        name = own.get(key) if isinstance(own, dict) else None
        if not isinstance(own, dict) or not name:
            continue
        entry = entries.get(name) if isinstance(entries, Mapping) else None
        if not isinstance(entry, Mapping):
            known = list(entries) if isinstance(entries, Mapping) else []
            yield (
                f"{table}.{key}",
                Message(
                    'found "{name}", and there is no [{shared}.{name}]{guess}',
                    name=str(name),
                    shared=shared,
                    guess=did_you_mean(str(name), known),
                ),
            )
            continue
        for part, value in entry.items():
            if part not in own:
                own[part] = value
                origins.setdefault(f"{table}.{part}", f"[{shared}.{name}]")


def shared_entries(values: Mapping[str, Any]) -> Iterator[tuple[type[BaseModel], dict[str, Any]]]:
    """Yield the shared bases and stores, each with the model of the table it fills."""
    for table, (shared, _) in SHARED.items():
        entries = values.get(shared)
        for entry in entries.values() if isinstance(entries, dict) else ():
            if isinstance(entry, dict):
                model: Any = Settings.model_fields[table].annotation
                yield model, entry


def misplaced(own: Mapping[str, Any], file: Path | None) -> Iterator[tuple[str, Message]]:
    """Yield the keys of a flow's file that belong to ``zvirka.toml``, or nowhere."""
    for name in own.keys() - OWN:
        if name in (*keys_of(Settings), "bases", "stores"):
            yield name, Message("holds for all flows; write it into {file}", file=str(file))
        else:
            yield name, Message("unknown key; known here: {names}", names=sorted(OWN))
    receiver = own.get("receiver")
    if isinstance(receiver, Mapping) and "listen" in receiver:
        yield (
            "receiver.listen",
            Message("holds for all flows; write it into {file}", file=str(file)),
        )


def environment_of(flow: str, environ: Mapping[str, str], *, further: bool) -> dict[str, str]:
    """Return the variables as a flow sees them.

    ``$ZVIRKA_ONEC__URL`` is of the flow in ``zvirka.toml``; ``$ZVIRKA_FLOWS__NAME__ONEC__URL``
    is of a further one. Variables of tables that hold for all flows are everybody's.
    """
    own = f"{_VARIABLE}{flow.upper()}__"
    seen = {}
    for name, value in environ.items():
        upper = name.upper()
        if further and upper.startswith(own):
            seen[f"ZVIRKA_{upper.removeprefix(own)}"] = value
        elif not upper.startswith(_VARIABLE) and not (further and _table_of(upper) in OWN):
            seen.setdefault(name, value)
    return seen


def credential_key(credential: str, flow: str, *, further: bool, shared: Mapping[str, str]) -> str:
    """Return the dotted key a systemd credential is for; empty when it is another flow's.

    Args:
        credential: its name: ``onec.password``, ``flows.NAME.onec.password``,
            ``bases.NAME.password``, ``stores.NAME.password``.
        flow: the flow that asks.
        further: whether that is not the flow of ``zvirka.toml``.
        shared: ``bases.NAME`` → ``onec`` and ``stores.NAME`` → ``erp`` for what the flow uses.
    """
    table, _, name = credential.rpartition(".")
    if table in shared:
        return f"{shared[table]}.{name}"
    parts = credential.split(".", 2)
    if parts[0] == "flows":
        return parts[2] if further and len(parts) == 3 and parts[1] == flow else ""
    if parts[0] in ("bases", "stores") or (further and parts[0] in OWN):
        return ""
    return credential


def shared_tables(values: Mapping[str, Any]) -> dict[str, str]:
    """Return ``bases.NAME`` → ``onec`` and ``stores.NAME`` → ``erp`` for what the values name."""
    found = {}
    for table, (shared, key) in SHARED.items():
        own = values.get(table)
        if isinstance(own, Mapping) and own.get(key):
            found[f"{shared}.{own[key]}"] = table
    return found


def _table_of(variable: str) -> str:
    return variable.removeprefix("ZVIRKA_").lower().partition("__")[0]


def _table(values: dict[str, Any], name: str) -> dict[str, Any]:
    table = values.setdefault(name, {})
    return table if isinstance(table, dict) else {}


def _separate(values: dict[str, Any], table: str, key: str, change: Any) -> None:
    """Change a path that flows must not share; nothing where it is unset."""
    found = _table(values, table)
    if isinstance(found.get(key), str):
        found[key] = str(change(Path(found[key])))


def _separate_journal(journal: dict[str, Any], flow: str) -> None:
    address = journal.get("url")
    if not isinstance(address, str):
        return  # a file in the state directory
    url = database_url(address)
    if url is None:
        return  # reported by the journal
    if url.get_backend_name() != "sqlite":
        journal["schema"] = f"zvirka_{flow}"
    elif url.database:
        path = Path(url.database)
        separate = url.set(database=str(path.with_stem(f"{path.stem}-{flow}")))
        journal["url"] = separate.render_as_string(hide_password=False)


def _default_of(table: str, key: str) -> Any:
    model: Any = Settings.model_fields[table].annotation
    return model.model_fields[key].default

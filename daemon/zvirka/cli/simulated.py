"""``zvirka simulated``: what people do in 1C, done in the simulated one of a demo."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zvirka.cli.invocation import Invocation
from zvirka.cli.options import LARGEST_INTEGER, CliCommand, examples, new_group
from zvirka.errors import ExitCode, UsageError
from zvirka.message import Message, coded

if TYPE_CHECKING:
    from zvirka.simulator.infobase import Infobase, Record

app = new_group("Edit the simulated 1C of `zvirka init --demo`.")

CodeArgument = Annotated[str, typer.Argument(metavar="CODE", help="Its Код.")]
DirectoryOption = Annotated[
    Path, typer.Option("--dir", metavar="DIR", help="The directory of the demo.")
]
LoseOption = Annotated[
    bool, typer.Option("--lose-webhook", help="1C does not tell the ERP, as on a bad day.")
]
NameOption = Annotated[str | None, typer.Option("--name", help="The name.")]
TaxIdOption = Annotated[str | None, typer.Option("--tax-id", help="The tax id.")]
PhoneOption = Annotated[str | None, typer.Option("--phone", help="A phone.")]
EmailOption = Annotated[str | None, typer.Option("--email", help="An e-mail address.")]
AddressOption = Annotated[str | None, typer.Option("--address", help="The legal address.")]


@app.command("list", cls=CliCommand, epilog=examples("zvirka simulated list --limit 5"))
def show(
    context: typer.Context,
    directory: DirectoryOption = Path(),
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=LARGEST_INTEGER, help="How many.")
    ] = 20,
) -> int:
    """List counterparties of the simulated 1C."""
    from zvirka.simulator.kept import edited_base

    call: Invocation = context.obj
    base, _ = edited_base(directory)
    found = [base.get(ref).values for ref in islice(base.refs(), limit)]
    if call.common.json:
        call.print_json({"counterparties": found})
    else:
        fields = list(found[0]) if found else []
        rows = [[values[field] or "" for field in fields] for values in found]
        call.print_table([call.words.field(field) for field in fields], rows)
    return ExitCode.IN_SYNC


@app.command(
    cls=CliCommand, epilog=examples('zvirka simulated create --name "ТОВ Нове" --lose-webhook')
)
def create(
    context: typer.Context,
    name: NameOption = None,
    tax_id: TaxIdOption = None,
    phone: PhoneOption = None,
    email: EmailOption = None,
    address: AddressOption = None,
    directory: DirectoryOption = Path(),
    lose: LoseOption = False,
) -> int:
    """Write a new counterparty in the simulated 1C."""
    from zvirka.simulator.kept import edited_base

    base, log = edited_base(directory)
    ref = log.create(**_given(name, tax_id, phone, email, address))
    return _tell(context.obj, directory, "create", base.get(ref), lose=lose)


@app.command(
    cls=CliCommand,
    epilog=examples('zvirka simulated edit 00-000012 --name "ТОВ Перейменоване" --lose-webhook'),
)
def edit(
    context: typer.Context,
    code: CodeArgument,
    name: NameOption = None,
    tax_id: TaxIdOption = None,
    phone: PhoneOption = None,
    email: EmailOption = None,
    address: AddressOption = None,
    directory: DirectoryOption = Path(),
    lose: LoseOption = False,
) -> int:
    """Change a counterparty in the simulated 1C."""
    from zvirka.simulator.kept import edited_base

    base, log = edited_base(directory)
    ref = _ref_of(base, code)
    log.update(ref, **_given(name, tax_id, phone, email, address))
    return _tell(context.obj, directory, "update", base.get(ref), lose=lose)


@app.command(cls=CliCommand, epilog=examples("zvirka simulated delete 00-000013 --lose-webhook"))
def delete(
    context: typer.Context,
    code: CodeArgument,
    directory: DirectoryOption = Path(),
    lose: LoseOption = False,
) -> int:
    """Delete a counterparty in the simulated 1C."""
    from zvirka.simulator.kept import edited_base

    base, log = edited_base(directory)
    ref = _ref_of(base, code)
    record = base.get(ref)
    log.delete(ref)
    return _tell(context.obj, directory, "delete", record, lose=lose)


def _given(
    name: str | None, tax_id: str | None, phone: str | None, email: str | None, address: str | None
) -> dict[str, str]:
    values = {"name": name, "tax_id": tax_id, "phone": phone, "email": email, "address": address}
    given = {field: value for field, value in values.items() if value is not None}
    if not given:
        raise UsageError(
            coded("ZV3512", "no field is given"), remedy=Message("give one, such as --name")
        )
    return given


def _ref_of(base: Infobase, code: str) -> str:
    for ref in base.refs():
        if (base.get(ref).values.get("code") or "").strip() == code:
            return ref
    raise UsageError(
        coded(
            "ZV3512", "the simulated 1C has no counterparty with the code {code}", code=str(code)
        ),
        remedy=Message("list them: zvirka simulated list"),
    )


def _tell(call: Invocation, directory: Path, action: str, record: Record, *, lose: bool) -> int:
    """Push the change to the receiver of the demo, as the push module of 1C would."""
    from zvirka.demonstration import payload
    from zvirka.erp.webhook.endpoint import Endpoint, EndpointAnswer
    from zvirka.settings.model import WebhookSettings

    call.common.config = call.common.config or directory / "zvirka.toml"
    receiver = call.settings.receiver
    sent = False
    if not lose:
        address = f"http://{receiver.listen}{receiver.path}"
        reply = Endpoint(WebhookSettings(url=address)).post(payload(call.mapping, action, record))
        sent = reply.answer is EndpointAnswer.ACCEPTED
    code = record.values.get("code") or record.ref
    if call.common.json:
        call.print_json({"code": code, "ref": record.ref, "webhook": sent})
    else:
        call.print(call.say("simulated_sent" if sent else "simulated_lost", code=code))
    return ExitCode.IN_SYNC

"""The typed settings: a model per table of ``zvirka.toml``.

Every key is documented in ``config/zvirka.example.toml``. Durations are written ``90s``, ``15m``,
``12h``, ``7d``, ``3y`` and held as ``timedelta``. Secrets are ``SecretStr``, and every secret ``x``
has a sibling ``x_file`` (:mod:`zvirka.settings.secrets`). The tables that only the daemon, the
receiver and the page read are in :mod:`zvirka.settings.service_tables`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, PrivateAttr, SecretStr

from zvirka.settings.service_tables import (
    AlertSettings,
    BslSettings,
    FleetSettings,
    LogSettings,
    MetricsSettings,
    ReceiverSettings,
    ScheduleSettings,
    WebSettings,
)
from zvirka.settings.value_types import (
    COLUMN,
    OFF,
    Constant,
    Duration,
    Scalar,
    Share,
    Table,
    Timeout,
)


class FieldSettings(Table):
    """``[onec.fields.NAME]``: where 1C keeps the field and how it is compared.

    Exactly one of ``attribute``, ``contact`` (a Тип), ``register`` (a Тип of the register
    КонтактнаяИнформация, or of the ``information_register`` that is named beside it) and
    ``information_register`` says where. What is left out comes from the profile; see
    :func:`zvirka.settings.profiles.mapping_of`.
    ``reference`` is the flow that a reference attribute points to. ``values`` are 1C's values of
    an enumeration with the store's.
    """

    attribute: str | None = None
    contact: str | None = None
    register_type: str | None = Field(default=None, alias="register")
    information_register: str | None = None
    owner: str = "Объект"
    """The property of the register's record that names the object."""
    prefer_empty: Annotated[list[str], Field(max_length=4)] = []
    """Of several records of a register, one in which these are empty counts first."""
    kind: str = ""
    value: str = "Представление"
    via: str = ""
    catalog: str = ""
    compare: Literal["exact", "trimmed", "caseless", "digits", "phone", "email"] = "trimmed"
    payload: str = ""
    reference: str = ""
    values: dict[str, Scalar] = {}
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class OnecSettings(Table):
    """``[onec]``: the publication of 1C and what to take from it."""

    url: str
    base: str = ""
    """The ``[bases.NAME]`` whose keys count where this table is silent."""
    sessions: Annotated[int, Field(ge=1, le=100)] = 1
    """How many runs may read from this server of 1C together; each takes one licence."""
    user: str = ""
    password: SecretStr | None = None
    password_file: Path | None = None
    profile: str = "accounting"
    catalog: str = "Контрагенты"
    key: str | Annotated[list[str], Field(min_length=1)] | None = None
    """``ref``, a field, or the fields that are the pairing key together."""
    scope: str = ""
    groups: Literal["without", "with", "only"] | None = None
    """Whether the groups of a catalogue are records, too; the profile says it if nothing is set."""
    region: str = "UA"
    fields: dict[str, Annotated[FieldSettings | None, OFF]] = {}
    """Overrides of the profile; ``NAME = false`` (or ``"off"``) drops a field."""
    verify_tls: bool = True
    ca_file: Path | None = None
    connect_timeout: Timeout = timedelta(seconds=60)
    read_timeout: Timeout = timedelta(seconds=180)
    total_timeout: Timeout = timedelta(minutes=10)
    """How long one request may take from its first byte to the last of its answer."""
    max_answer_bytes: Annotated[int, Field(ge=1_000_000)] = 200_000_000
    """The largest answer that is read, decompressed."""
    proxy: str = ""
    """A proxy's URL, or "environment" for HTTP_PROXY and HTTPS_PROXY; empty connects directly."""
    retries: Annotated[int, Field(ge=0, le=20)] = 4
    page_bytes: Annotated[int, Field(ge=10_000)] = 4_000_000
    max_url: Annotated[int, Field(ge=500)] = 2000
    full_pull_every: Duration = timedelta(days=7)
    allowed_only: bool = False
    session: bool = True
    exchange_plan: str = ""
    exchange_node: str = ""


class ColumnSettings(Table):
    """``[erp.columns] NAME``: a column, its length limit, and what to do with longer values."""

    column: str
    max_length: Annotated[int, Field(ge=1)] | None = None
    truncate: bool = False


Column = Annotated[ColumnSettings, COLUMN]
"""A column's settings, or its name alone."""


class ChildSettings(Table):
    """``[erp.children.NAME]``: fields that live in a child table, one row a client.

    ``table`` is in the schema of ``erp``, unless it is written as ``schema.table``.
    """

    table: str
    parent: str
    where: dict[str, Scalar] = {}
    columns: dict[str, Column]
    on_create: dict[str, Constant] = {}
    on_update: dict[str, Constant] = {}


class DeleteSettings(Table):
    """``[erp.delete]``: what a delete means in the store.

    ``None`` is NULL. A column of dates (``deleted_at``) is NULL where active and gets the time of
    the deletion, unless ``deleted`` says otherwise. The mode ``empty`` writes NULL into the columns
    of ``empty`` and leaves the rest of the row; a row in which all of them are NULL is deleted.
    """

    mode: Literal["soft", "hard", "empty"] = "soft"
    empty: list[str] = []
    column: str = "is_active"
    active: Constant | None = True
    deleted: Constant = False


class WebhookSettings(Table):
    """``[erp.webhook]``: the ERP's own endpoint, for ``writer = "webhook"``."""

    url: str
    token: SecretStr | None = None
    token_file: Path | None = None
    user: str = ""
    password: SecretStr | None = None
    password_file: Path | None = None
    verify_tls: bool = True
    ca_file: Path | None = None
    timeout: Timeout = timedelta(seconds=30)
    """How long one message may take, from connecting to the last byte of the answer."""
    proxy: str = ""
    """As ``onec.proxy``."""
    concurrency: Annotated[int, Field(ge=1, le=32)] = 4
    per_second: Annotated[float, Field(gt=0)] = 20.0


class ErpSettings(Table):
    """``[erp]``: the store. Without ``table`` it is the embedded one of :mod:`zvirka.erp`."""

    url: str
    store: str = ""
    """The ``[stores.NAME]`` whose keys count where this table is silent."""
    password: SecretStr | None = None
    password_file: Path | None = None
    table: str | None = None
    db_schema: str | None = Field(default=None, alias="schema")
    primary_key: str = "id"
    key: str = "code"
    ref: str | None = None
    owned: str = ""
    columns: dict[str, Column] = {}
    children: dict[str, ChildSettings] = {}
    on_create: dict[str, Constant] = {}
    on_update: dict[str, Constant] = {}
    delete: DeleteSettings = DeleteSettings()
    writer: Literal["sql", "webhook"] = "sql"
    webhook: WebhookSettings | None = None
    batch: Annotated[int, Field(ge=1, le=10_000)] = 500
    timezone: str = "Europe/Kyiv"
    """The zone of 1C's clock, for columns whose type has a time zone."""
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class PolicySettings(Table):
    """``[policy]``: what a deletion mark and a re-key mean, and what waits for a person."""

    deletion_mark: Literal["keep", "delete", "deactivate"] = "keep"
    rekey: Literal["propose", "apply"] = "propose"
    shared: Literal["report", "first"] = "report"
    shared_by: str = "tax_id"
    give_up_after: Annotated[int, Field(ge=1)] = 3
    approvals: Literal[1, 2] = 1
    approval_expires: Duration = timedelta(days=30)


class GuardSettings(Table):
    """``[guard]``: limits checked before anything is written."""

    max_deletes: Annotated[int, Field(ge=0)] = 100
    max_delete_share: Share = 0.05
    max_changes: Annotated[int, Field(ge=0)] = 5000
    max_change_share: Share = 0.3
    shrink_share: Share = 0.1
    min_key_share: Share = 0.05
    canaries: list[str] = []


class JournalSettings(Table):
    """``[journal]``: where the journal lives; SQLite in the state directory by default."""

    url: str | None = None
    db_schema: str | None = Field(default=None, alias="schema", pattern=r"^[a-z][a-z0-9_]{0,62}$")
    """The schema on PostgreSQL; that of the database user unless set."""
    password: SecretStr | None = None
    password_file: Path | None = None
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ActSettings(Table):
    """``[report.act]``: who signs an act of a period, and where; lines to fill in when unset."""

    accounting_side: str = ""
    erp_side: str = ""
    place: str = ""


class ReportSettings(Table):
    """``[report]``: where reports go and in which language."""

    dir: Path | None = None
    language: Literal["uk", "en"] = "uk"
    formats: list[Literal["html", "xlsx", "csv", "json", "md", "pdf"]] = ["html", "json"]
    signing_key_file: Path | None = None
    tsa: list[str] = []
    tsa_certificates: Path | None = None
    head_file: Path | None = None
    push_log: Path | None = None
    prune_after: Duration | None = None
    act: ActSettings = ActSettings()


class Settings(Table):
    """All settings of one flow.

    ``name`` is the flow's, ``flows_dir`` where the files of further flows are
    (:mod:`zvirka.settings.flow_values`). ``parallel_runs`` bounds how many flows the daemon runs at
    once.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,29}$")] = "main"
    flows_dir: Path | None = None
    parallel_runs: Annotated[int, Field(ge=1, le=64)] = 4
    state_dir: Path = Path("/var/lib/zvirka")
    onec: OnecSettings
    erp: ErpSettings
    policy: PolicySettings = PolicySettings()
    guard: GuardSettings = GuardSettings()
    journal: JournalSettings = JournalSettings()
    report: ReportSettings = ReportSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    alerts: AlertSettings = AlertSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()
    fleet: FleetSettings = FleetSettings()
    receiver: ReceiverSettings = ReceiverSettings()
    web: WebSettings = WebSettings()
    bsl: BslSettings = BslSettings()

    _others: Mapping[str, Settings] = PrivateAttr(default_factory=dict)

    @property
    def flow_option(self) -> str:
        """What a command line about this flow needs: `` --flow NAME``, nothing for ``main``."""
        return "" if self.name == "main" else f" --flow {self.name}"

    @property
    def flows(self) -> Mapping[str, Settings]:
        """The settings of all flows of the installation, this one among them."""
        return {**self._others, self.name: self}

    def among(self, others: Mapping[str, Settings]) -> Settings:
        """Return a copy that knows the other flows of its installation."""
        copy = self.model_copy()
        copy._others = others
        return copy

    @property
    def report_directory(self) -> Path:
        """Where reports go: ``report.dir``, or ``reports`` in the state directory."""
        return self.report.dir or self.state_dir / "reports"

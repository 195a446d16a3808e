"""What `zvirka check` says of a store, with each fault really there, on each database."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import NotSupportedError

from tests.integration.store_shapes import BY_CODE, Shape, production
from zvirka.erp.sql.store_check import check_store
from zvirka.findings import Finding
from zvirka.i18n.words import Words
from zvirka.mapping import Attribute, Field, Mapping
from zvirka.settings.model import ErpSettings


@pytest.fixture
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shape:
    """The production shape; its key has an index and no unique constraint."""
    return production(request.param, tmp_path)


def found(shape: Shape, subject: str, level: str = "") -> list[Finding]:
    return [
        finding
        for finding in check_store(shape.erp, shape.mapping)
        if finding.subject == subject and finding.level == (level or finding.level)
    ]


def with_settings(shape: Shape, **changed: object) -> Shape:
    data = {**shape.erp.model_dump(by_alias=True), **changed}
    return Shape(shape.name, shape.backend, ErpSettings.model_validate(data), shape.mapping, {})


def test_a_store_in_order_has_no_failure_and_is_left_as_it_was(shape: Shape) -> None:
    shape.create(1, 2)
    before = shape.tables()
    findings = check_store(shape.erp, shape.mapping)
    assert [finding for finding in findings if finding.level == "failure"] == []
    assert {"store", "columns", "ownership", "key", "rights"} <= {f.subject for f in findings}
    tried = [
        f.text.partition(":")[0] for f in findings if f.subject == "rights" and f.level == "ok"
    ]
    assert tried == ["create", "update", "delete"]
    assert shape.tables() == before


@pytest.mark.long
def test_an_empty_store_is_tried_whole_and_stays_empty(shape: Shape) -> None:
    findings = check_store(shape.erp, shape.mapping)
    tried = [
        f.text.partition(":")[0] for f in findings if f.subject == "rights" and f.level == "ok"
    ]
    assert tried == ["create", "update", "delete"]
    assert not any(shape.tables().values())


def test_a_server_that_does_not_answer_is_told_without_the_password(shop: Shape) -> None:
    if shop.backend == "sqlite":
        wrong = "sqlite:////nowhere/at/all.db"
    else:
        url = make_url(shop.erp.url).set(host="127.0.0.1", port=9, query={}, password="s3cret")
        wrong = url.render_as_string(hide_password=False)
    findings = check_store(with_settings(shop, url=wrong).erp, shop.mapping)
    assert [(f.level, f.subject) for f in findings] == [("failure", "store")]
    assert findings[0].remedy
    assert "s3cret" not in str(findings)


def test_a_missing_table_is_told(shop: Shape) -> None:
    (finding,) = check_store(with_settings(shop, table="kliyenty").erp, shop.mapping)
    assert (finding.level, finding.subject) == ("failure", "store")
    assert "does not exist" in finding.text


def test_each_missing_column_is_a_line_of_its_own(shop: Shape) -> None:
    wrong = with_settings(shop, key="kod", on_update={"changed": 1})
    texts = [finding.text for finding in found(wrong, "columns", "failure")]
    assert "table clients has no column kod (erp.key)" in texts
    assert "table clients has no column changed (erp.on_update.changed)" in texts


def test_a_not_null_column_without_a_value_is_told(shop: Shape) -> None:
    (finding,) = found(with_settings(shop, on_create={"source": "1c"}), "required columns")
    assert finding.level == "failure"
    assert "clients.client_type_id" in finding.text
    assert finding.remedy == "give it one: erp.on_create.client_type_id"


def test_a_not_null_column_of_a_child_without_a_value_is_told(shop: Shape) -> None:
    shop.sql(
        "ALTER TABLE client_contacts ADD COLUMN role VARCHAR(9)"
        + (" NOT NULL DEFAULT 'x'" if shop.backend == "sqlite" else " NOT NULL")
    )
    if shop.backend == "sqlite":
        shop.sql("DROP TABLE client_contacts")
        shop.sql(
            "CREATE TABLE client_contacts (id INTEGER PRIMARY KEY, client_id INT NOT NULL,"
            " full_name VARCHAR(20) NOT NULL, is_primary BOOLEAN, primary_phone VARCHAR(50),"
            " email VARCHAR(100), source VARCHAR(20), touched INT, role VARCHAR(9) NOT NULL)"
        )
    (finding,) = found(shop, "required columns")
    assert "client_contacts.role" in finding.text
    assert finding.remedy == "give it one: erp.children.contact.on_create.role"


def test_a_column_too_short_for_1c_is_told_unless_truncated(shop: Shape) -> None:
    fields = tuple(
        Field(field.name, Attribute("Description" if field.name == "name" else "ИНН"))
        for field in BY_CODE.fields
    )
    shop.mapping = Mapping(catalog="Контрагенты", fields=fields)
    (finding,) = found(shop, "lengths")
    assert finding.level == "warning"
    assert "clients.name takes 60 characters of field name, 1C may send 150" in finding.text
    assert "erp.columns.name = {" in Words("en").told(finding.remedy)
    columns = {**shop.erp.columns, "name": {"column": "name", "max_length": 60, "truncate": True}}
    longer = with_settings(shop, columns=columns)
    longer.mapping = shop.mapping
    assert found(longer, "lengths") == []


@pytest.mark.long
def test_a_key_without_an_index_or_a_unique_constraint_is_told(shop: Shape) -> None:
    assert [f.level for f in found(shop, "key")] == ["warning"]
    assert "no unique constraint" in found(shop, "key")[0].text
    shop.sql("DROP INDEX ix_clients_external" + " ON clients" * (shop.backend == "mariadb"))
    texts = " ".join(finding.text for finding in found(shop, "key", "warning"))
    assert "no unique constraint" in texts
    assert "no index" in texts
    shop.sql("CREATE UNIQUE INDEX ux ON clients (external_id)")
    assert [f.level for f in found(shop, "key")] == ["ok"]


def test_a_key_that_is_unique_within_its_base_is_in_order(shop: Shape) -> None:
    """Two bases in one table: the code alone is rightly not unique."""
    ours = with_settings(
        shop,
        owned="external_id IS NOT NULL AND source = '1c'",
        on_create={**shop.erp.model_dump(by_alias=True)["on_create"], "source": "1c"},
    )
    [warning] = found(ours, "key")
    assert "no unique constraint" in warning.text
    assert "(source, external_id)" in warning.remedy
    shop.sql(warning.remedy)
    [finding] = found(ours, "key")
    assert (finding.level, "unique together with source" in finding.text) == ("ok", True)


def test_the_advice_on_an_index_names_the_schema(tmp_path: Path) -> None:
    shape = production("postgresql", tmp_path)
    shape.sql("CREATE SCHEMA crm")
    shape.sql("ALTER TABLE clients SET SCHEMA crm")
    shape.sql("ALTER TABLE client_contacts SET SCHEMA crm")
    [warning] = found(with_settings(shape, schema="crm"), "key")
    assert "ON crm.clients (external_id)" in warning.remedy
    shape.sql(warning.remedy)
    assert [f.level for f in found(with_settings(shape, schema="crm"), "key")] == ["ok"]


@pytest.mark.long
def test_keys_that_stand_twice_are_named_and_unowned_ones_are_not(shop: Shape) -> None:
    shop.create(1, 2)
    insert = "INSERT INTO clients (name, client_type_id, external_id, source) VALUES (?, 1, ?, ?)"
    shop.sql(insert, ("Двійник", " C-00002", "1c"), ("Чужий", "C-00001", "man:ual%"))
    doubled = [f.text for f in found(shop, "key") if "more than once" in f.text]
    assert len(doubled) == 1
    assert "C-00002" in doubled[0]
    assert "C-00001" not in doubled[0]
    assert "Двійник" not in doubled[0]


@pytest.mark.long
def test_rights_that_are_missing_are_told_one_by_one(shop: Shape) -> None:
    shop.create(1)
    if shop.backend == "sqlite":
        shop = with_settings(
            shop, url=f"sqlite:///file:{make_url(shop.erp.url).database}?mode=ro&uri=true"
        )
        assert {f.level for f in found(shop, "rights")} == {"failure"}
        assert "lacks a right" in found(shop, "rights")[0].text
        return
    url = make_url(shop.erp.url)
    user = f"reader_{url.database}"[:30]
    host = "@'%%'" if shop.backend == "mariadb" else ""
    if shop.backend == "mariadb":
        shop.sql(f"CREATE USER {user}{host} IDENTIFIED BY 'p'")
    else:
        shop.sql(f"CREATE ROLE {user} LOGIN PASSWORD 'p'")
    for table in ("clients", "client_contacts"):
        shop.sql(f"GRANT SELECT, UPDATE ON {table} TO {user}{host}")
    limited = url.set(username=user, password="p").render_as_string(hide_password=False)
    before = shop.tables()
    reader = with_settings(shop, url=limited)
    levels = {one.text.partition(":")[0]: one.level for one in found(reader, "rights")}
    assert levels == {"create": "failure", "update": "ok", "delete": "ok"}
    codes = []
    while failures := [one for one in found(reader, "rights") if one.level == "failure"]:
        codes.append(failures[0].text.code)
        assert len(codes) < 6, failures
        # MariaDB names the host the user came from, not the one the account is of.
        shop.sql(re.sub(r"@'[^']*'", host, failures[0].remedy).rstrip(";"))
    assert set(codes) == {"ZV2106", *(["ZV2108"] if shop.backend == "postgresql" else [])}
    assert shop.tables() == before


def test_a_rule_that_a_create_breaks_is_found_by_trying(shop: Shape) -> None:
    shop.sql("CREATE TABLE kinds (id INT PRIMARY KEY)")
    if shop.backend == "sqlite":
        shop.sql(
            "CREATE TRIGGER kinds_fk BEFORE INSERT ON clients WHEN NOT EXISTS"
            " (SELECT 1 FROM kinds WHERE id = NEW.client_type_id)"
            " BEGIN SELECT RAISE(ABORT, 'no such kind'); END"
        )
    else:
        shop.sql("ALTER TABLE clients ADD FOREIGN KEY (client_type_id) REFERENCES kinds (id)")
    (finding,) = found(shop, "rights", "failure")
    assert finding.text.startswith("create: it was tried and did not go through")


def test_constants_that_do_not_fit_the_ownership_are_found_by_trying(shop: Shape) -> None:
    wrong = with_settings(shop, owned="external_id IS NOT NULL AND source = 'web'")
    (finding,) = found(wrong, "rights", "failure")
    assert "erp.owned does not hold" in finding.text


def test_a_key_that_does_not_tell_case_or_spaces_apart_is_told(shop: Shape) -> None:
    findings = found(shop, "collation")
    if shop.backend == "mariadb":
        assert "case of letters" in findings[0].text
        assert "spaces at the end" in findings[0].text
        shop.sql(
            "ALTER TABLE clients MODIFY external_id VARCHAR(100)"
            " CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"
        )
        assert found(shop, "collation") == []
        return
    assert findings == []
    if shop.backend == "postgresql":
        try:
            shop.sql(
                "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level1',"
                " deterministic = false)"
            )
        except NotSupportedError:
            pytest.skip("this PostgreSQL is built without ICU: it has no such collations")
        shop.sql("ALTER TABLE clients ALTER external_id TYPE VARCHAR(100) COLLATE blind")
        assert "accents" in found(shop, "collation")[0].text
    else:
        shop.sql("ALTER TABLE clients RENAME COLUMN external_id TO was")
        shop.sql("ALTER TABLE clients ADD COLUMN external_id VARCHAR(100) COLLATE RTRIM")
        assert "spaces at the end" in found(shop, "collation")[0].text


@pytest.mark.backends("postgresql", "mariadb")
def test_a_charset_that_is_not_utf8_is_told(shop: Shape, tmp_path: Path) -> None:
    assert found(shop, "charset") == []
    if shop.backend == "mariadb":
        shop.sql("ALTER TABLE clients MODIFY name VARCHAR(255) CHARACTER SET cp1251 NOT NULL")
        (finding,) = found(shop, "charset")
        assert "clients.name is encoded in cp1251" in finding.text
        return
    name = f"{make_url(shop.erp.url).database}_cp"
    engine = create_engine(shop.erp.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'WIN1251' LOCALE 'C'"
        )
    engine.dispose()
    url = make_url(shop.erp.url).set(database=name).render_as_string(hide_password=False)
    narrow = with_settings(shop, url=url, children={}, key="external_id")
    narrow.sql(
        "CREATE TABLE clients (id SERIAL PRIMARY KEY, external_id TEXT, name TEXT, tax_code TEXT,"
        " legal_address TEXT, phone TEXT, email TEXT, client_type_id INT, source TEXT,"
        " is_active BOOLEAN, created_at TIMESTAMP, updated_at TIMESTAMP)"
    )
    (finding,) = found(narrow, "charset")
    assert "WIN1251" in finding.text


@pytest.mark.long
@pytest.mark.parametrize("wrong", ["external_id IS NUL", "no_such_column = 1"])
def test_an_ownership_that_is_not_sql_is_told(shop: Shape, wrong: str) -> None:
    (finding,) = found(with_settings(shop, owned=wrong), "ownership")
    assert finding.level == "failure"


@pytest.mark.backends("postgresql")
def test_an_ownership_that_is_a_number_is_told(shop: Shape) -> None:
    """SQLite and MariaDB take a number for a condition."""
    (finding,) = found(with_settings(shop, owned="1 = 1) OR (1"), "ownership")
    assert finding.level == "failure"


@pytest.mark.long
def test_the_owned_rows_are_counted(shop: Shape) -> None:
    shop.create(1, 2)
    shop.insert_unowned()
    assert found(shop, "ownership")[0].text == "2 of 3 rows are owned"
    (none,) = found(with_settings(shop, owned="source = 'nobody'"), "ownership")
    assert (none.level, none.text) == ("warning", "erp.owned holds for none of 3 rows")
    (all_of_them,) = found(with_settings(shop, owned=""), "ownership")
    assert "all rows (3)" in all_of_them.text


@pytest.mark.long
def test_soft_delete_values_that_mean_nothing_are_told(shop: Shape) -> None:
    shop.create(1, 2, 3)
    assert found(shop, "soft delete") == []
    shop.sql("UPDATE clients SET is_active = NULL WHERE external_id = 'C-00002'")
    (finding,) = found(shop, "soft delete")
    assert (finding.level, "NULL × 1" in finding.text) == ("warning", True)


def test_clients_with_several_primary_contacts_are_counted(shop: Shape) -> None:
    shop.create(1, 2, 3)
    assert found(shop, "erp.children.contact") == []
    contact = "INSERT INTO client_contacts (client_id, full_name, is_primary) VALUES (?, ?, ?)"
    ids = dict(shop.sql("SELECT external_id, id FROM clients"))
    second, third = ids["C-00002"], ids["C-00003"]
    shop.sql(contact, (second, "Олена", False), (third, "Олена", True), (second, "Іван", True))
    unowned = shop.insert_unowned()
    shop.sql(contact, (unowned, "Сам", True), (unowned, "Сама", True))
    [finding] = found(shop, "erp.children.contact")
    assert finding.level == "warning"
    assert finding.text == "clients with more than one row in client_contacts: 2, such as C-00002"
    assert "the lowest id" in finding.remedy
    assert "Олена" not in str(finding)


@pytest.mark.backends("mariadb")
def test_a_table_without_transactions_is_told_and_nothing_is_tried(shop: Shape) -> None:
    shop.sql("ALTER TABLE client_contacts DROP FOREIGN KEY client_contacts_ibfk_1")
    shop.sql("ALTER TABLE client_contacts ENGINE = MyISAM")
    (finding,) = found(shop, "transactions")
    assert finding.level == "failure"
    assert shop.tables()["client_contacts"] == []


def test_with_a_webhook_reading_is_enough(shop: Shape) -> None:
    (finding,) = found(with_settings(shop, writer="webhook"), "rights")
    assert finding.level == "ok"


def test_an_embedded_store_that_is_not_there_yet_is_no_failure(tmp_path: Path) -> None:
    (finding,) = check_store(ErpSettings(url=f"sqlite:///{tmp_path}/clients.db"), BY_CODE)
    assert finding.level == "warning"
    assert not list(tmp_path.iterdir())

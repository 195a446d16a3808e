"""What a run needs of the store is tried by `zvirka check`, and nothing else is demanded."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.integration.misbehaving_erp import MisbehavingErp
from tests.integration.store_shapes import BY_CODE, Shape, production
from tests.integration.test_check_store import with_settings
from zvirka.erp.sql.store_check import check_store
from zvirka.findings import Finding
from zvirka.settings.model import ErpSettings


@pytest.fixture
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shape:
    return production(request.param, tmp_path)


def failures(shape: Shape) -> list[Finding]:
    return [one for one in check_store(shape.erp, shape.mapping) if one.level == "failure"]


@pytest.mark.backends("postgresql")
def test_the_sequence_of_a_key_is_named_with_its_grant(shop: Shape) -> None:
    url = make_url(shop.erp.url)
    user = f"writer_{url.database}"[:30]
    shop.sql(f"CREATE ROLE {user} LOGIN PASSWORD 'p'")
    for table in ("clients", "client_contacts"):
        shop.sql(f"GRANT SELECT, INSERT, UPDATE ON {table} TO {user}")
    limited = url.set(username=user, password="p").render_as_string(hide_password=False)
    narrow = with_settings(shop, url=limited)
    for sequence in ("clients_id_seq", "client_contacts_id_seq"):
        [told] = failures(narrow)
        assert told.text.endswith(f"may not take numbers from the sequence {sequence}")
        shop.sql(told.remedy)
    assert failures(narrow) == []


@pytest.mark.backends("postgresql")
def test_who_may_only_read_is_told_the_right_to_update(shop: Shape) -> None:
    """FOR UPDATE takes the right to update; the remedy was GRANT SELECT, which the user had."""
    shop.create(1)
    url = make_url(shop.erp.url)
    user = f"reader_{url.database}"[:30]
    shop.sql(f"CREATE ROLE {user} LOGIN PASSWORD 'p'")
    shop.sql(f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {user}")
    shop.sql(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {user}")
    limited = url.set(username=user, password="p").render_as_string(hide_password=False)
    for table in ("clients", "client_contacts"):
        told = failures(with_settings(shop, url=limited))
        assert {one.remedy for one in told} == {f'GRANT SELECT, UPDATE ON {table} TO "{user}";'}
        shop.sql(told[0].remedy)
    assert failures(with_settings(shop, url=limited)) == []


@pytest.mark.backends("sqlite", "postgresql")
def test_a_child_row_is_tried_also_where_no_field_of_it_is_required(shop: Shape) -> None:
    child = shop.erp.model_dump(by_alias=True)["children"]["contact"]
    child["columns"] = {"phone": "primary_phone", "email": "email"}
    texts = [told.text for told in failures(with_settings(shop, children={"contact": child}))]
    assert any("client_contacts.full_name is NOT NULL" in text for text in texts)
    shop.sql("ALTER TABLE client_contacts RENAME TO contacts")
    shop.sql("CREATE VIEW client_contacts AS SELECT * FROM contacts GROUP BY id")
    broken = with_settings(shop, children={"contact": child})
    assert [told.text.split(":")[0] for told in failures(broken)] == ["create"]


@pytest.mark.long
@pytest.mark.backends("postgresql")
@pytest.mark.parametrize("filled", [False, True])
def test_an_updatable_view_is_no_failure(shop: Shape, filled: bool) -> None:
    shop.sql("CREATE VIEW our_clients AS SELECT * FROM clients WHERE external_id IS NOT NULL")
    if filled:
        shop.create(1)
    view = with_settings(shop, table="our_clients")
    assert failures(view) == []
    view.create(2)


@pytest.mark.backends("postgresql")
def test_a_rule_on_keys_and_names_that_real_clients_keep_is_no_failure(shop: Shape) -> None:
    shop.sql("ALTER TABLE clients ADD CHECK (length(name) > 8)")
    digits = with_settings(shop, owned="external_id ~ '^[0-9]{9}$'")
    shop.sql(
        "INSERT INTO clients (external_id, name, client_type_id) VALUES (?, ?, 1)",
        ("000000123", "ТОВ «Перше»"),
    )
    assert failures(digits) == []
    assert shop.sql("SELECT count(*) FROM clients") == [(1,)]


def test_a_database_server_without_a_table_is_a_failure() -> None:
    [told] = check_store(ErpSettings(url="postgresql+psycopg://u@127.0.0.1:9/erp"), BY_CODE)
    assert (told.level, "no table is named" in told.text) == ("failure", True)


def test_an_embedded_store_in_no_directory_is_a_failure() -> None:
    [told] = check_store(ErpSettings(url="sqlite:////nowhere/erp.db"), BY_CODE)
    assert (told.level, "directory" in told.text) == ("failure", True)


def webhook(shape: Shape, url: str, **more: object) -> Shape:
    return with_settings(shape, writer="webhook", on_create={}, webhook={"url": url, **more})


@pytest.mark.backends("sqlite")
def test_a_webhook_needs_no_local_values_and_nothing_is_posted(shop: Shape) -> None:
    with MisbehavingErp(shop.erp.url) as erp:
        findings = check_store(webhook(shop, erp.url).erp, shop.mapping)
        assert [one.text for one in findings if one.level == "failure"] == []
        assert any(one.subject == "webhook" and one.level == "ok" for one in findings)
        assert erp.posts == []


@pytest.mark.backends("sqlite")
def test_a_webhook_that_cannot_be_reached_is_a_failure(shop: Shape) -> None:
    [told] = failures(webhook(shop, "http://127.0.0.1:9/hook", token="s3cret"))
    assert "could not be connected to" in told.text
    assert "s3cret" not in str(told)

"""The document in use today runs: its faults are shown, so that ours are seen to be mended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bsl.infobase import CatalogMeta
from tests.bsl.syntax import read
from tests.bsl.values import BslError
from tests.bsl.world import ACCOUNTING, SEED, TRADE, Erp, World, running_erp

WITH_TAX_ID = CatalogMeta("Контрагенты", ("ИНН",), ("КонтактнаяИнформация",))
CONNECTION = '"your-erp-domain.com", 443,,,, 30, Новый ЗащищенноеСоединениеOpenSSL'


@pytest.fixture
def erp() -> Iterator[Erp]:
    with running_erp() as running:
        yield running


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def seeded(
    erp: Erp, here: Path, meta: CatalogMeta = WITH_TAX_ID, library: str = "ОбщегоНазначения"
) -> World:
    """The seed in a base of the standard library, of which it needs one module to compile."""
    source = read(SEED)
    assert CONNECTION in source
    return World(
        here,
        meta,
        modules={library: ""},
        object_module=source.replace(CONNECTION, f'"127.0.0.1", {erp.port},,,, 30'),
    )


def written(world: World) -> Any:
    made = world.new(Код="1", Наименование="Альфа", ИНН="12345678")
    made.Записать()
    return made


def test_the_seed_lets_nobody_save_where_the_standard_library_is_absent(
    erp: Erp, here: Path
) -> None:
    with pytest.raises(SyntaxError, match="not defined: name ОбщегоНазначения"):
        written(seeded(erp, here, library="Иной"))


def test_the_seed_never_sends_create(erp: Erp, here: Path) -> None:
    written(seeded(erp, here)).Записать()
    assert erp.actions == ["update", "update"]


def test_the_seed_sends_blanks_for_attributes_the_base_does_not_have(erp: Erp, here: Path) -> None:
    written(seeded(erp, here))
    data = erp.messages[0]["clientData"]
    assert (data["Телефон"], data["Email"], data["Адрес"]) == ("", "", "")


def test_the_seed_leaves_an_empty_log(erp: Erp, here: Path) -> None:
    erp.answer = lambda _: (500, b"")
    written(seeded(erp, here))
    assert (here / "c:\\temp\\client_sync_log.txt").stat().st_size == 0


def test_the_seed_sends_what_is_then_rolled_back(erp: Erp, here: Path) -> None:
    world = seeded(erp, here)

    def refuse(source: Any, refusal: Any) -> None:
        raise BslError("Отказ")

    world.base.subscriptions["ПриЗаписи"] = [refuse]
    with pytest.raises(BslError):
        written(world)
    assert world.base.committed.rows == {}
    assert erp.actions == ["update"]


def test_the_seed_calls_the_erp_inside_the_write_transaction(erp: Erp, here: Path) -> None:
    world = seeded(erp, here)
    written(world).Удалить()
    assert world.base.extern_calls_in_transaction == 2


@pytest.mark.parametrize("meta", [TRADE, ACCOUNTING])
def test_the_seed_sends_nothing_at_all_where_the_code_or_tax_id_is_absent(
    erp: Erp, here: Path, meta: CatalogMeta
) -> None:
    seeded(erp, here, meta).new(Наименование="Альфа").Записать()
    assert erp.messages == []


def test_the_seed_takes_any_page_answering_200_for_delivery(erp: Erp, here: Path) -> None:
    erp.answer = lambda _: (200, b"<html>login</html>")
    world = seeded(erp, here)
    made = written(world)
    assert made.module.call("ОтправитьДанныеКлиента", made, "update") is True


def test_the_seed_fires_on_exchange_loads_and_for_groups(erp: Erp, here: Path) -> None:
    world = seeded(erp, here)
    loaded = world.new(Код="1", Наименование="Альфа", ЭтоГруппа=True)
    loaded.bsl_get("ОбменДанными").put("Загрузка", True)
    loaded.Записать()
    assert erp.actions == ["update"]

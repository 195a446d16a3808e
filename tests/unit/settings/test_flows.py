"""Several flows in one installation: which settings, variables and secrets each one gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from zvirka.errors import SettingsError
from zvirka.settings.flow_order import by_references
from zvirka.settings.loading import flow_names, load_flows, load_settings

MAIN = """
state_dir = "state"
[onec]
base = "hq"
[erp]
store = "erp"
table = "clients"
[guard]
max_deletes = 7
canaries = ["000000001"]
[receiver]
path = "/hook"
[journal]
url = "postgresql://zvirka@db/zvirka?sslmode=verify-full"
[metrics]
textfile = "zvirka.prom"
[bases.hq]
url = "https://1c.example.com/hq"
user = "odata"
password_file = "hq.password"
[stores.erp]
url = "postgresql://erp@db/erp?sslmode=verify-full"
[stores.other]
url = "postgresql://erp@db/other?sslmode=verify-full"
"""
BRANCH = """
[onec]
base = "hq"
user = "other"
[erp]
store = "erp"
table = "branch_clients"
[guard]
max_deletes = 3
[schedule]
at = "04:00"
"""


def installation(folder: Path, whole: str = MAIN, /, **flows: str) -> Path:
    file = folder / "zvirka.toml"
    file.write_text(whole, encoding="utf-8")
    (folder / "hq.password").write_text("word of the base\n", encoding="utf-8")
    (folder / "flows").mkdir(exist_ok=True)
    for name, text in flows.items():
        (folder / "flows" / f"{name}.toml").write_text(text, encoding="utf-8")
    return file


def test_a_flow_takes_its_own_tables_its_base_and_what_holds_for_all(tmp_path: Path) -> None:
    file = installation(tmp_path, branch=BRANCH)
    assert flow_names(file, {}) == ["main", "branch"]
    main = load_settings(file, {}).settings
    loaded = load_settings(file, {}, "branch")
    branch = loaded.settings
    assert (main.name, branch.name) == ("main", "branch")
    assert main.onec.url == branch.onec.url == "https://1c.example.com/hq"
    assert (main.onec.user, branch.onec.user) == ("odata", "other")
    for settings in (main, branch):
        assert settings.onec.password is not None
        assert settings.onec.password.get_secret_value() == "word of the base"
        assert settings.erp.url == "postgresql://erp@db/erp?sslmode=verify-full"
    assert (main.guard.max_deletes, branch.guard.max_deletes) == (7, 3)
    assert (main.guard.canaries, branch.guard.canaries) == (["000000001"], [])
    assert (main.schedule.at, branch.schedule.at) == ("02:30", "04:00")
    assert loaded.origins["onec.url"] == "[bases.hq]"
    assert loaded.origins["schedule.at"] == str(tmp_path / "flows/branch.toml")


def test_flows_share_no_place_on_disk_no_schema_and_no_path(tmp_path: Path) -> None:
    file = installation(tmp_path, branch=BRANCH)
    main, branch = (load_settings(file, {}, name).settings for name in ("main", "branch"))
    assert branch.state_dir == tmp_path / "state/flows/branch"
    assert main.report_directory != branch.report_directory
    assert (main.journal.db_schema, branch.journal.db_schema) == (None, "zvirka_branch")
    assert (main.receiver.path, branch.receiver.path) == ("/hook", "/hook/branch")
    assert main.metrics.textfile != branch.metrics.textfile
    assert (main.metrics.flow, branch.metrics.flow) == ("main", "branch")


def test_variables_and_credentials_reach_only_their_flow(tmp_path: Path) -> None:
    file = installation(tmp_path, branch=BRANCH, other=BRANCH)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "bases.hq.password").write_text("from systemd")
    (credentials / "flows.branch.erp.password").write_text("of the branch")
    environ = {
        "CREDENTIALS_DIRECTORY": str(credentials),
        "ZVIRKA_ONEC__USER": "only main",
        "ZVIRKA_FLOWS__BRANCH__ONEC__USER": "only branch",
        "ZVIRKA_LOG__LEVEL": "DEBUG",
    }
    flows = load_flows(file, environ)
    assert not flows.broken
    users = {name: loaded.settings.onec.user for name, loaded in flows.loaded.items()}
    assert users == {"main": "only main", "branch": "only branch", "other": "other"}
    for loaded in flows.loaded.values():
        assert loaded.settings.log.level == "DEBUG"
        assert loaded.settings.onec.password is not None
        assert loaded.settings.onec.password.get_secret_value() == "from systemd"
        assert not loaded.warnings
    of_branch = flows.loaded["branch"].settings.erp.password
    assert of_branch is not None
    assert of_branch.get_secret_value() == "of the branch"
    assert flows.loaded["other"].settings.erp.password is None


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (BRANCH + '[web]\nlisten = "127.0.0.1:1"\n', "web"),
        (BRANCH + '[receiver]\nlisten = "127.0.0.1:1"\n', "receiver.listen"),
        (BRANCH.replace('"hq"', '"hk"'), "onec.base"),
        (BRANCH.replace("max_deletes = 3", "max_delets = 3"), "guard.max_delets"),
    ],
)
def test_an_error_names_the_file_of_the_flow_and_the_key(
    text: str, key: str, tmp_path: Path
) -> None:
    file = installation(tmp_path, branch=text, good=BRANCH)
    with pytest.raises(SettingsError) as caught:
        load_settings(file, {}, "branch")
    assert caught.value.place == str(tmp_path / "flows/branch.toml")
    assert f"{key}: " in str(caught.value.cause)
    flows = load_flows(file, {})
    assert list(flows.loaded) == ["main", "good"]
    assert list(flows.broken) == ["branch"]


@pytest.mark.parametrize("name", ["Branch", "main", "a-b", "1c", "філія"])
def test_a_name_that_could_not_be_a_schema_or_is_taken_is_refused(
    name: str, tmp_path: Path
) -> None:
    file = installation(tmp_path, **{name: BRANCH})
    with pytest.raises(SettingsError) as caught:
        flow_names(file, {})
    assert caught.value.code == "ZV3110"
    assert caught.value.place == str(tmp_path / f"flows/{name}.toml")


def test_without_a_flow_of_its_own_zvirka_toml_asks_which_one_is_meant(tmp_path: Path) -> None:
    shared = MAIN.replace('[onec]\nbase = "hq"\n[erp]\nstore = "erp"\ntable = "clients"\n', "")
    file = installation(tmp_path, shared, branch=BRANCH)
    assert load_settings(file, {}).settings.name == "branch"
    installation(tmp_path, shared, branch=BRANCH, other=BRANCH)
    with pytest.raises(SettingsError) as caught:
        load_settings(file, {})
    assert caught.value.code == "ZV3111"
    assert "--flow" in str(caught.value.remedy)
    with pytest.raises(SettingsError, match="brunch"):
        load_settings(file, {}, "brunch")


def test_what_a_flow_refers_to_comes_before_it(tmp_path: Path) -> None:
    refers = BRANCH + '[onec.fields.owner]\nattribute = "Owner_Key"\nreference = "zeta"\n'
    file = installation(tmp_path, alpha=refers, zeta=BRANCH)
    flows = {name: loaded.settings for name, loaded in load_flows(file, {}).loaded.items()}
    assert by_references(["main", "alpha", "zeta"], flows) == ["main", "zeta", "alpha"]
    assert set(flows["alpha"].flows) == {"main", "alpha", "zeta"}

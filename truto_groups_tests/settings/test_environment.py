"""What the variables say. Real folders; the environment is a plain mapping."""

from pathlib import Path

import pytest

from truto_groups.errors import SettingsError
from truto_groups.settings import ObjectStore, find_project, read_environment, read_token


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "workspace.yaml").write_text("", encoding="utf-8")
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


def test_the_project_is_the_nearest_folder_upward_with_a_workspace(project: Path) -> None:
    assert find_project(project / "deep" / "er") == project
    (project / "deep" / "workspace.yaml").write_text("", encoding="utf-8")
    assert find_project(project / "deep" / "er") == project / "deep"
    assert find_project(project) == project
    assert find_project(project.parent) is None


def test_inside_a_project_nothing_need_be_set(project: Path) -> None:
    environment = read_environment({}, cwd=project / "deep")

    assert environment.project == project
    assert environment.base_url is None
    assert environment.database == str(project / "data" / "truto_groups.duckdb")
    assert environment.settings_path is None
    assert environment.webhook_url is None


def test_an_empty_variable_is_one_that_is_not_set(project: Path) -> None:
    names = ("BASE_URL", "GROUPS_DATABASE", "GROUPS_SETTINGS", "GROUPS_WEBHOOK_URL")

    environment = read_environment({f"TRUTO_{name}": " " for name in names}, cwd=project)

    assert environment == read_environment({}, cwd=project)


def test_the_projects_settings_file_is_used_when_it_is_there(project: Path) -> None:
    path = project / "truto_groups.yaml"
    path.write_text("", encoding="utf-8")

    assert read_environment({}, cwd=project / "deep").settings_path == path


def test_a_dangling_link_to_a_settings_file_is_not_taken_for_no_file(project: Path) -> None:
    path = project / "truto_groups.yaml"
    path.symlink_to(project / "gone.yaml")

    assert read_environment({}, cwd=project).settings_path == path


def test_outside_of_a_project_the_database_must_be_given(outside: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"^TRUTO_GROUPS_DATABASE is not set, .*workspace\.yaml"
    ):
        read_environment({}, cwd=outside)

    environment = read_environment({"TRUTO_GROUPS_DATABASE": "a.duckdb"}, cwd=outside)
    assert environment.database == str(outside / "a.duckdb")
    assert environment.settings_path is None
    assert environment.project is None


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("x/y.duckdb", "{project}/x/y.duckdb"),
        ("../y.duckdb", "{project}/../y.duckdb"),
        ("/abs/y.duckdb", "/abs/y.duckdb"),
        ("~/y.duckdb", "/home/me/y.duckdb"),
        ("md:mine", "md:mine"),
        ("md:", "md:"),
        ("motherduck:mine", "motherduck:mine"),
        ("ducklake:meta.ducklake", "ducklake:meta.ducklake"),
        ("ducklake:postgres:dbname=x host=y", "ducklake:postgres:dbname=x host=y"),
    ],
)
def test_a_relative_database_starts_at_the_project_and_a_remote_one_is_untouched(
    project: Path, given: str, read: str
) -> None:
    environ = {"TRUTO_GROUPS_DATABASE": given, "HOME": "/home/me"}

    expected = read.format(project=project).replace("project/../", "")
    assert read_environment(environ, cwd=project / "deep").database == expected


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (":memory:", "names a database in memory, which every process would have for itself"),
        (":memory:mine", "names a database in memory"),
        ("s3://bucket/x.duckdb", "neither a file nor a database that DuckDB can write to"),
    ],
)
def test_a_database_that_no_second_process_could_read_is_refused(
    project: Path, given: str, told: str
) -> None:
    with pytest.raises(SettingsError, match=r"^TRUTO_GROUPS_DATABASE ") as caught:
        read_environment({"TRUTO_GROUPS_DATABASE": given}, cwd=project)

    assert told in str(caught.value)
    assert str(project / "data" / "truto_groups.duckdb") in caught.value.advice


LAKE = {"TRUTO_GROUPS_DATABASE": "ducklake:postgres:dbname=x"}
KEY = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "hunter22"}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("lake", "{project}/lake/"),
        ("/abs/lake/", "/abs/lake/"),
        ("~/lake", "/home/me/lake/"),
        ("s3://bucket/groups", "s3://bucket/groups/"),
        ("S3://bucket", "s3://bucket/"),
    ],
)
def test_the_files_of_a_lake_lie_where_every_process_finds_them(
    project: Path, given: str, read: str
) -> None:
    environ = {**LAKE, **KEY, "HOME": "/home/me", "TRUTO_GROUPS_DATA_PATH": given}

    expected = read.format(project=project)
    assert read_environment(environ, cwd=project / "deep").data_path == expected


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"TRUTO_GROUPS_DATA_PATH": "lake"}, r"^TRUTO_GROUPS_DATA_PATH is set, and .* no lake"),
        ({**LAKE, "TRUTO_GROUPS_DATA_PATH": "gs://x"}, r"^TRUTO_GROUPS_DATA_PATH names neither"),
        ({**LAKE, "TRUTO_GROUPS_DATA_PATH": "s3://x"}, r"and AWS_ACCESS_KEY_ID is not set"),
        (
            {**LAKE, "AWS_SECRET_ACCESS_KEY": "hunter22"},
            r"^AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not",
        ),
        ({**LAKE, **KEY, "AWS_ENDPOINT_URL": "hunter22"}, r"^AWS_ENDPOINT_URL is no address"),
        ({**LAKE, **KEY, "AWS_ENDPOINT_URL": "http://h:x"}, r"^AWS_ENDPOINT_URL is no address"),
    ],
)
def test_what_no_lake_can_be_reached_by_is_refused_by_the_variables_name_only(
    project: Path, variables: dict[str, str], told: str
) -> None:
    with pytest.raises(SettingsError, match=told) as caught:
        read_environment(variables, cwd=project)

    assert "hunter22" not in str(caught.value)


def test_the_object_store_is_read_from_the_variables_of_aws(project: Path) -> None:
    variables = {
        **LAKE,
        **KEY,
        "AWS_SESSION_TOKEN": "hunter33",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": "https://elsewhere",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:8333/",
    }

    environment = read_environment(variables, cwd=project)

    assert environment.object_store == ObjectStore(
        "me", "hunter22", "hunter33", "eu-central-1", "127.0.0.1:8333", is_encrypted=False
    )
    assert "hunter" not in repr(environment)
    assert read_environment({**LAKE, "AWS_REGION": "x"}, cwd=project).object_store is None


def test_the_variables_of_aws_concern_a_lake_alone(project: Path) -> None:
    environ = {"AWS_SECRET_ACCESS_KEY": "hunter22"}

    assert read_environment(environ, cwd=project).object_store is None


def test_a_settings_file_that_is_named_is_kept_even_when_it_is_not_there(project: Path) -> None:
    environ = {"TRUTO_GROUPS_SETTINGS": "other.yaml"}

    assert read_environment(environ, cwd=project / "deep").settings_path == project / "other.yaml"


def test_the_base_url_is_brought_into_its_one_form(project: Path) -> None:
    environ = {"TRUTO_BASE_URL": " https://API.truto.one/ "}

    assert read_environment(environ, cwd=project).base_url == "https://api.truto.one"


@pytest.mark.parametrize("variable", ["TRUTO_BASE_URL", "TRUTO_GROUPS_WEBHOOK_URL"])
@pytest.mark.parametrize("url", ["http://hooks.example/hunter2", "hunter2"])
def test_a_url_that_is_not_safe_is_refused_by_the_variables_name_only(
    project: Path, variable: str, url: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{variable} is ") as caught:
        read_environment({variable: url}, cwd=project)

    assert "hunter2" not in str(caught.value)


def test_the_webhook_is_kept_but_not_shown(project: Path) -> None:
    environ = {
        "TRUTO_GROUPS_WEBHOOK_URL": "https://hooks.example/hunter2?x=1",
        "TRUTO_GROUPS_DATABASE": "md:x?motherduck_token=hunter2",
    }

    environment = read_environment(environ, cwd=project)

    assert environment.webhook_url == "https://hooks.example/hunter2?x=1"
    assert "hunter2" not in repr(environment)


def test_the_token_is_read_from_the_variable_that_is_named() -> None:
    assert read_token({"MY_TOKEN": " abc-123\n"}, variable="MY_TOKEN") == "abc-123"


@pytest.mark.parametrize("environ", [{}, {"MY_TOKEN": ""}, {"MY_TOKEN": " \n"}])
def test_a_missing_token_is_told_by_its_variable(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"^MY_TOKEN is not set.* Set MY_TOKEN to"):
        read_token(environ, variable="MY_TOKEN")


@pytest.mark.parametrize("token", ["hunter2 x", "hunter2\nx", "hünter2", "hunter2\x00"])
def test_a_token_that_no_header_can_carry_is_refused_without_being_repeated(token: str) -> None:
    with pytest.raises(SettingsError, match=r"^MY_TOKEN holds a blank") as caught:
        read_token({"MY_TOKEN": token}, variable="MY_TOKEN")

    assert "nter2" not in str(caught.value)

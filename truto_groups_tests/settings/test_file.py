"""Reading the settings file: what it may say, and how each mistake is told. Real files."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from truto_groups.errors import SettingsError
from truto_groups.settings import DiscoverySettings, Settings, TrutoKnobs, read_settings
from truto_groups.truto.encoding import encode_query
from truto_groups_tests.stand import A

OTHER = "90e3a2f1-1b0c-4d3e-8f5a-6b7c8d9e0f12"

FULL = """
truto:
  page_size: 250
  base_url: https://API.truto.one/
  connect_timeout_seconds: 5
discovery:
  grace_period: 14d
  max_missing_share: 0.25
defaults:
  refresh_every: 6h
  max_age: 24h
integrations:
  asana:
    query:
      organization_id: ["1200", "1201"]
      created_at: {gte: 2024-01-01}
accounts:
  62f44730-dd91-461e-bd6a-aedd9e0ad79d:
    skip: true
  90e3a2f1-1b0c-4d3e-8f5a-6b7c8d9e0f12:
    remote_data: [profile.name, type, ["urn:ietf:params:scim:schemas:core:2.0:Group", members]]
    volume: {max_fall: auto, max_rise: 2}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "truto_groups.yaml"


def read(path: Path, text: str | bytes) -> Settings:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_settings(path)


def refuse(path: Path, text: str | bytes) -> str:
    with pytest.raises(SettingsError) as caught:
        read(path, text)
    return str(caught.value)


def test_a_full_file_is_read_with_every_value_typed(path: Path) -> None:
    settings = read(path, FULL)

    assert settings.truto == TrutoKnobs(
        page_size=250, base_url="https://api.truto.one", connect_timeout_seconds=5
    )
    assert settings.discovery == DiscoverySettings(
        grace_period=timedelta(days=14), max_missing_share=0.25
    )
    asana = settings.for_account("x", "asana")
    assert asana.refresh_every == timedelta(hours=6)
    assert asana.query == {
        "organization_id": ["1200", "1201"],
        "created_at": {"gte": "2024-01-01"},
    }
    assert settings.for_account("62f44730-dd91-461e-bd6a-aedd9e0ad79d", "okta").skip is True
    assert settings.for_account(OTHER, "okta").remote_data == (
        ("profile", "name"),
        ("type",),
        ("urn:ietf:params:scim:schemas:core:2.0:Group", "members"),
    )
    assert settings.for_account(OTHER, "okta").volume.max_rise == 2.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n# nothing yet\n",
        "---\n",
        "~",
        "\ufeff",
        "truto:\ndefaults:\nintegrations:\naccounts:\n",
    ],
    ids=["empty", "comment", "marker", "null", "byte-order-mark", "sections-without-lines"],
)
def test_a_file_that_says_nothing_gives_the_defaults(path: Path, text: str) -> None:
    settings = read(path, text)

    assert settings.sections == Settings().sections
    assert settings.digest == Settings().digest


def test_no_file_gives_the_defaults() -> None:
    assert read_settings(None) == Settings()


@pytest.mark.parametrize(
    ("text", "line", "what", "right"),
    [
        ("a: 1", 1, "a: is not known", "The keys here are truto, discovery, history"),
        (
            '"[key]": 1',
            1,
            "[key]: is not known",
            "The keys here are truto, discovery, history",
        ),
        ("default:\n  skip: true", 1, "default: is not known", "Did you mean defaults?"),
        ("defaults:\n  max-age: 1d", 2, "defaults.max-age: is not known", "mean max_age?"),
        (
            "defaults:\n  retry_attempts: 5",
            2,
            "retry_attempts: is not known",
            "belongs under truto",
        ),
        ("skip: true", 1, "skip: is not known", "belongs under defaults, an integration or"),
        ("truto:\n  page_size: yes", 2, "page_size: yes (which YAML reads as true) is not", "1 to"),
        ("truto:\n  page_size: 0", 2, "page_size: 0 is not a whole number", "from 1 to 10,000"),
        ("truto:\n  page_size: 1.5", 2, "page_size: 1.5 is not a whole number", "Write a whole"),
        ('truto:\n  page_size: "5"', 2, 'page_size: "5" is not a whole number', "Write a whole"),
        ("truto:\n  max_pages: -1", 2, "max_pages: -1 is not", "from 0 to 100,000,000"),
        ("truto:\n  page_size: 0100", 2, "page_size: 0100 is a number to YAML, but", "plain"),
        ("truto:\n  page_size: 1_000", 2, "page_size: 1_000 is a number to YAML", "plain digits"),
        ("truto:\n  retry_seconds: .inf", 2, "retry_seconds: .inf is a number to", "plain digits"),
        ("truto:\n  read_timeout_seconds: on", 2, "on (which YAML reads as true)", "0.1 to 3,600"),
        ("truto: 5", 1, "truto: is not a mapping", "Write keys with their values"),
        ("defaults: []", 1, "defaults: is not a mapping", "Write keys with their values"),
        ("integrations: [okta]", 1, "integrations: is not a mapping", "Write keys"),
        ("defaults:\n  skip: nope", 2, "skip: nope is neither true nor false", "true or false"),
        ("defaults:\n  skip: 1", 2, "skip: 1 is neither true nor false", "true or false"),
        ("defaults:\n  skip:", 2, "skip: has no value", "remove the line"),
        ("defaults:\n  refresh_every: 6", 2, "refresh_every: 6 has no unit", "Write 6s if"),
        ("defaults:\n  refresh_every: 0", 2, "refresh_every: 0 is not a duration", "or 7d, up to"),
        ("defaults:\n  refresh_every: 6 hours", 2, "6 hours is not a duration", "30m, 6h or 7d"),
        ("defaults:\n  refresh_every: -6h", 2, "-6h is not a duration", "30m, 6h or 7d"),
        ("defaults:\n  refresh_every: 0s", 2, "0s is no time at all", "30m, 6h or 7d"),
        ("defaults:\n  max_age: 999999999d", 2, "999999999d is longer than 3650d", "up to 3650d"),
        ("defaults:\n  max_age: yes", 2, "(which YAML reads as true) is not a dur", "6h or 7d"),
        ("defaults:\n  max_age: 1:30", 2, "1:30 is a number to YAML", '"1:30"'),
        ("defaults:\n  complete: allways", 2, "allways is no such value", "Did you mean always?"),
        ("defaults:\n  complete: [auto]", 2, '["auto"] is no such value', "Did you mean auto?"),
        ("defaults:\n  complete: no", 2, "no (which YAML reads as false) is no", "auto, always"),
        ("defaults:\n  remote_data: some", 2, "some is neither all, nothing nor", "[profile"),
        ("defaults:\n  remote_data: []", 2, "is an empty list", "Write nothing"),
        ("defaults:\n  remote_data:\n  - a\n  - a", 4, "remote_data[1]: a stands twice", "once"),
        ("defaults:\n  remote_data: [a..b]", 2, "remote_data[0]: a..b is no dotted", "profile"),
        ("defaults:\n  remote_data: [a.b, [a, b]]", 2, 'remote_data[1]: ["a", "b"] stands', "once"),
        ("defaults:\n  remote_data: [[a, 5]]", 2, 'remote_data[0]: ["a", 5] is no l', "quotes"),
        ("defaults:\n  remote_data: [[]]", 2, "remote_data[0]: [] is no list of keys", "keys"),
        ("defaults:\n  page_size: 0", 2, "page_size: 0 is not a whole", "from 1 to 10,000"),
        ("defaults:\n  remote_data: ['a[0]']", 2, '"a[0]" is no dotted', "arrays are whole"),
        ("defaults:\n  volume: {max_fall: 2}", 2, "volume.max_fall: 2 is neither auto", "0 to 1"),
        (
            "defaults:\n  volume: {max_rise: -1}",
            2,
            "-1 is neither auto",
            "auto or a number from 0 to 1,0",
        ),
        ("defaults:\n  volume: {max_raise: 2}", 2, "volume.max_raise: is not", "max_rise?"),
        ("defaults:\n  unmapped_limit: 5%", 2, "5% is not a number from 0 to 1", "Write a num"),
        ("discovery:\n  max_missing_share: 50", 2, "50 is not a number from 0 to 1", "Write"),
        ("accounts:\n  a b:\n    skip: true", 2, "accounts.a b: is no id of an acc", "letters"),
        (f"accounts:\n  {A}:\n    max_pages: x", 3, f"accounts.{A}.max_pages: x is", "whole"),
        ("integrations:\n  a b:\n    skip: true", 2, "a b: is no name of an int", "letters"),
        (f"integrations:\n  {A}:\n    skip: true", 2, "the id of an account", "to accounts"),
        ("integrations:\n  Okta:\n  okta:", 3, "same integration as Okta on line 2", "Keep one"),
        (f"accounts:\n  {A}:\n  {A.upper()}:", 3, f"same account as {A} on line 2", "Keep one"),
        ("defaults:\n  query: [a]", 2, "query: is not a mapping", "Write keys"),
        ("defaults:\n  query:\n    limit: 5", 3, "query.limit: would break", "truto.page_size"),
        ("defaults:\n  query:\n    nam: x", 3, "query.nam: is no documented", "mean name?"),
        ("defaults:\n  query:\n    name: No", 3, "name: No is a boolean", 'name: "No"'),
        ("defaults:\n  query:\n    name: 12", 3, "name: 12 is a number", 'name: "12"'),
        ("defaults:\n  query:\n    name: 012", 3, "012 is a number to YAML", '"012"'),
        ("defaults:\n  query:\n    name: 1.10", 3, "name: 1.10 is a number", 'name: "1.10"'),
        ("defaults:\n  query:\n    name:\n      - a\n      - 5", 5, "name[1]: 5 is a n", '"5"'),
        ("defaults:\n  query:\n    name:", 3, "query.name: is empty", "leave it out"),
        ("integrations:\n  a:\n    query: {limit: 5}", 3, "integrations.a.query.limit", "Leave"),
        (f"accounts:\n  {A}:\n    query: {{limit: 5}}", 3, f"accounts.{A}.query.limit", "Leave"),
    ],
)
def test_a_mistake_is_told_with_file_line_key_and_what_would_be_right(
    path: Path, text: str, line: int, what: str, right: str
) -> None:
    told = refuse(path, text)

    assert told.startswith(f"{path}:{line}: ")
    assert what in told
    assert right in told
    assert "mistakes" not in told


@pytest.mark.parametrize(
    ("text", "line", "what", "right"),
    [
        ("a: 1\n b: 2", 2, "this is not YAML", "Write key: value"),
        ("defaults:\n\tskip: true", 2, "a tab indents this line", "Indent with spaces"),
        ("defaults: {skip: true", 1, "this is not YAML", "Write key: value"),
        ("defaults: 'x", 1, "this is not YAML", "goes in quotes"),
        ("truto:\n---\ntruto:", 2, "a second document starts here", "Keep one"),
        ("- a\n- b", 1, "the document is a list or a single value", "Write sections"),
        ("secret-token", 1, "the document is a list or a single value", "Write sections"),
        ("a: \x01", 1, "a character that YAML does not allow", "Remove it"),
        (b"truto:\n  # \xff\n", 2, "this is not UTF-8", "Save it as UTF-8"),
        ("accounts: *all", 1, "this is an alias", "write it out"),
        ("[" * 5000, 1, "this is n", "Write"),
        ("defaults: !!python/name:os.system x", 1, "defaults: has a tag", "starts with !"),
        ("defaults: !mine {skip: true}", 1, "defaults: has a tag", "starts with !"),
        ("defaults: {remote_data: !mine [a]}", 1, "remote_data: has a tag", "starts with !"),
        ('defaults:\n  "\\ud800": 1', 2, "defaults: has a key with half a character", "the whole"),
        ('"\\udc00": 1', 1, "has a key with half a character", "the whole"),
        ('defaults: {query: {name: "a\\ud800"}}', 1, "name: holds half a character", "the whole"),
        ("? [a, b]\n: 1", 1, "has a key that is not text", "Write key: value"),
        (
            "truto:\n  page_size: 1\n  page_size: 2",
            3,
            "page_size: is given twice, first on line 2",
            "one",
        ),
        ("integrations:\n  a: &x {skip: true}\n  b: *x", 3, "integrations.b: repeats", "write it"),
        ("integrations: &x\n  b: *x", 2, "integrations.b: repeats", "write it out"),
        ("defaults:\n  <<: {skip: true}", 2, "is a merge key", "write it out"),
    ],
)
def test_what_is_not_plain_yaml_is_told_with_its_line(
    path: Path, text: str | bytes, line: int, what: str, right: str
) -> None:
    told = refuse(path, text)

    # Where a bracket or quote is never closed, the parser notices at the end of the file.
    assert told.startswith(f"{path}:{line}: ")
    assert what in told
    assert right in told
    assert "secret-token" not in told


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        *(("1.10", "1.1"), ("2.", "2.0"), (".5", "0.5"), ("+5", "5"), ("1.5e+3", "1500.0")),
        *(("123456789012345678.5", "1.2345678901234568e+17"), ("0.00001", "1e-05")),
        *(("NO", "false"), ("yes", "true"), ("off", "false")),
    ],
)
@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("defaults: {{query: {{remote_query: {{a: {{b: [x, {}]}}}}}}}}", "remote_query.a.b[1]"),
        ("integrations: {{okta: {{query: {{or: [{{a: {}}}]}}}}}}", "query.or[0].a"),
        (f"accounts: {{{{{A}: {{{{query: {{{{and: [{{{{a: {{}}}}}}]}}}}}}}}}}}}", "query.and[0].a"),
    ],
    ids=["defaults", "integration", "account"],
)
def test_what_the_app_would_get_in_another_spelling_is_refused(
    path: Path, section: str, key: str, written: str, sent: str
) -> None:
    """What is below remote_query goes to the app as it is: version 1.10 is not version 1.1."""
    told = refuse(path, section.format(written))
    assert f"{key}: {written} is a" in told
    assert f"the app would get {sent}." in told
    assert f'Write "{written}" with the quotes if it is text, else {sent}.' in told


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        *(("1.5", "1.5"), ("-1.0", "-1.0"), ("12", "12"), ("1e3", "1e3"), ("2025-01-31",) * 2),
        *(("true", "true"), ("True", "true"), ("FALSE", "false")),
        *(('"1.10"', "1.10"), ("'NO'", "NO")),
    ],
)
def test_what_the_app_gets_as_it_is_written_is_read(path: Path, written: str, sent: str) -> None:
    settings = read(path, f"defaults: {{query: {{remote_query: {{a: {written}}}}}}}")
    query = settings.for_account(A, "okta").query
    assert encode_query(query) == f"remote_query%5Ba%5D={sent}"


@pytest.mark.parametrize(
    "query", ["remote_query: {a: 0x10}", "or: [{a: 1_000}]", "created_at: {gte: 0123}"]
)
def test_what_cannot_be_read_is_one_mistake(path: Path, query: str) -> None:
    assert refuse(path, f"defaults: {{query: {{{query}}}}}").count(f"{path}:1: ") == 1


def test_several_mistakes_are_told_at_once_in_line_order(path: Path) -> None:
    told = refuse(
        path,
        "integrations:\n  b:\n    skip: x\n    skip: {}\n"
        "defaults:\n  refresh_every: 30h\n  query: {limit: 1}\n  skip:\ntruto:\n  page_size: 0\n",
    )

    assert told.startswith("6 mistakes in the settings: (1) ")
    places = [3, 4, 6, 7, 8, 10]
    found = [told.index(f"{path}:{line}: ") for line in places]
    assert found == sorted(found)
    assert "max_age 24h (the default) is not above refresh_every 30h (line 6)" in told


def test_a_mistake_in_a_list_hides_no_impossible_age(path: Path) -> None:
    told = refuse(path, f"defaults:\n  remote_data: [a, a]\naccounts:\n  {A}: {{max_age: 1h}}\n")

    assert "defaults.remote_data[1]: a stands twice" in told
    assert f"accounts.{A}.max_age: max_age 1h (line 4) is not above" in told


def test_a_long_value_is_shortened(path: Path) -> None:
    sixty = "x" * 60
    assert f"complete: {sixty} is no such value" in refuse(path, f"defaults: {{complete: {sixty}}}")
    told = refuse(path, f"defaults: {{complete: {sixty}x}}")
    assert f"complete: {'x' * 59}… is no such value" in told


def test_twenty_mistakes_are_all_told_each_with_its_full_stop(path: Path) -> None:
    told = refuse(path, "".join(f"nonsense_{n}: 1\n" for n in range(20)))

    assert told.count("is not known. The keys here are ") == 20
    assert told.endswith("integrations, accounts.")


def test_the_least_that_a_number_may_be_is_allowed(path: Path) -> None:
    settings = read(path, "truto: {retry_seconds: 0}\ndefaults: {volume: {max_fall: 0}}")

    assert settings.truto.retry_seconds == 0
    assert settings.for_account("x", None).volume.max_fall == 0


def test_a_flood_of_mistakes_is_cut_short_and_counted(path: Path) -> None:
    told = refuse(path, "".join(f"nonsense_{n}: 1\n" for n in range(50)))

    assert told.startswith("50 mistakes in the settings: ")
    assert told.count("is not known") == 20
    assert told.endswith("And 30 more, told once these are mended.")


def test_a_misspelt_max_age_does_not_also_make_refresh_every_look_impossible(path: Path) -> None:
    told = refuse(path, "defaults:\n  refresh_every: 30h\n  maxage: 48h\n")

    assert "Did you mean max_age?" in told
    assert "is not above" not in told


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("truto:\n  base_url: https://me:hunter2@api.truto.one", "hunter2"),
        ("truto:\n  base_url: https://api.truto.one?key=hunter2", "hunter2"),
        ("truto:\n  token_variable: a1b2-hunter2", "hunter2"),
        ("truto:\n  token: hunter2", "hunter2"),
    ],
)
def test_a_secret_in_the_wrong_place_is_refused_without_being_repeated(
    path: Path, text: str, secret: str
) -> None:
    told = refuse(path, text)

    assert f"{path}:2: " in told
    assert secret not in told


def test_a_file_that_does_not_exist_is_told_with_the_variable(path: Path) -> None:
    with pytest.raises(SettingsError, match=r"does not exist\. .*TRUTO_GROUPS_SETTINGS") as caught:
        read_settings(path)

    assert str(path) in str(caught.value)


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read: Is a directory"):
        read_settings(tmp_path)


def test_the_digest_knows_meaning_and_not_order(path: Path) -> None:
    first = read(path, "defaults: {refresh_every: 1h, max_age: 2d, query: {name: a, user_id: b}}")
    same = read(path, "defaults: {query: {user_id: b, name: a}, max_age: 48h, refresh_every: 60m}")
    other = read(path, "defaults: {query: {user_id: a, name: b}, max_age: 48h, refresh_every: 1h}")

    assert first.digest == same.digest
    assert first.for_account("x", None).digest == same.for_account("x", None).digest
    assert first.digest != other.digest
    assert first.for_account("x", None).digest != other.for_account("x", None).digest


def test_digests_are_the_same_in_another_process(path: Path) -> None:
    settings = read(path, FULL)
    program = (
        "import pathlib, sys; from truto_groups.settings import read_settings;"
        "s = read_settings(pathlib.Path(sys.argv[1]));"
        "print(s.digest, s.for_account(sys.argv[2], 'asana').digest)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program, str(path), OTHER],
        cwd=Path(__file__).parents[2],
        env={"PYTHONHASHSEED": "7"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()

    assert printed == [settings.digest, settings.for_account(OTHER, "asana").digest]


@pytest.mark.parametrize(
    ("section", "place", "what", "right"),
    [
        ("{patterns: ['(']}", "patterns[0]", '"(" is no regular expression (unclosed', "^prod"),
        ("{patterns: ['(?=a)b']}", "patterns[0]", "look-around", "single quotes"),
        (r"{patterns: ['(a)\1']}", "patterns[0]", "backreferences", "single quotes"),
        ("{patterns: ['a{1000000}']}", "patterns[0]", "exceeds size limit", "single quotes"),
        ("{patterns: [a, '.*']}", "patterns[1]", '".*" is found in every name', "one letter"),
        ("{patterns: root}", "patterns", "is not a list", "patterns: ['^prod-.*-write$']"),
        ("{words: admin}", "words", "is not a list", "words: [payroll, vault]"),
        ("{words: [7]}", "words[0]", "7 is a number, not text", 'Write it in quotes: "7"'),
        ("{words: ['--']}", "words[0]", '"--" holds no letter', "such as payroll"),
        ("{words: [a, a]}", "words[1]", "a stands twice", "Give each value once"),
        ("{word: [a]}", "word", "is not known", "Did you mean words?"),
        (
            "{use_default_words: 'no'}",
            "use_default_words",
            '"no" is neither true nor false',
            "true",
        ),
    ],
)
def test_a_rule_for_privileged_groups_that_cannot_be_is_told_with_its_line(
    path: Path, section: str, place: str, what: str, right: str
) -> None:
    told = refuse(path, f"defaults:\n  skip: false\n  privileged: {section}\n")
    assert f":3: defaults.privileged.{place}: " in told
    assert what in told
    assert right in told


def test_rules_for_privileged_groups_are_laid_over_each_other_key_by_key(path: Path) -> None:
    settings = read(
        path,
        "defaults:\n  privileged: {words: [payroll], ignore: [code owner]}\n"
        "integrations:\n  okta:\n    privileged: {patterns: [^x], use_default_words: false}\n"
        f"accounts:\n  {OTHER}:\n    privileged:\n",
    )
    okta = settings.for_account(OTHER, "okta").privileged
    assert (okta.words, okta.patterns) == (("payroll",), ("^x",))
    assert (okta.ignore, okta.use_default_words) == (("code owner",), False)
    assert settings.for_account(OTHER, "jira").privileged.use_default_words is True
    assert "belongs under defaults" in refuse(path, "privileged: {words: [a]}")

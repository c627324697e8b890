"""Settings that apply to no known account. Pure but for reading the file."""

from pathlib import Path

from truto_groups.settings import Settings, find_unused_settings, read_settings

KNOWN = "62f44730-dd91-461e-bd6a-aedd9e0ad518"
ONE_DIGIT_OFF = "62f44730-dd91-461e-bd6a-aedd9e0ad519"
STRANGER = "0b1c2d3e-4f50-4617-8283-94a5b6c7d8e9"


def find(path: Path, text: str) -> list[str]:
    path.write_text(text)
    return find_unused_settings(
        read_settings(path), account_names={KNOWN}, integrations={"asana", "okta", "gitlab"}
    )


def test_what_applies_to_a_known_account_is_no_stray(tmp_path: Path) -> None:
    text = f"integrations:\n  Okta: {{skip: true}}\naccounts:\n  {KNOWN}: {{skip: true}}\n"
    assert find(tmp_path / "s.yaml", text) == []
    assert find_unused_settings(Settings(), account_names=(), integrations=()) == []


def test_an_unknown_key_is_told_with_its_line_and_what_may_be_meant(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    text = (
        f"integrations:\n  assana: {{skip: true}}\n  jira: {{skip: true}}\n"
        f"accounts:\n  {ONE_DIGIT_OFF}: {{skip: true}}\n  {STRANGER}: {{skip: true}}\n"
    )
    assert find(path, text) == [
        f"{path}:5: accounts.{ONE_DIGIT_OFF}: Truto lists no such account; did you mean {KNOWN}?",
        f"{path}:6: accounts.{STRANGER}: Truto lists no such account.",
        f"{path}:2: integrations.assana: no listed account is of this integration; "
        "did you mean asana?",
        f"{path}:3: integrations.jira: no listed account is of this integration.",
    ]

"""What is promised: the unified group as Truto documents it, and every table that we keep.

Declared once; the DDL, the column schemas in the Dagster UI, the audit and the README's dictionary
derive from here. How rows come to be is told in ``sql/``, never here.
"""

from dataclasses import dataclass

SCHEMA_VERSION = 4
"""Raised whenever the tables change; how a database of before follows is told in
warehouse/upgrades.py."""

NORMALIZATION_VERSION = 2
"""Raised whenever the same raw record would become another row of ``groups``."""

GROUP_TYPES = ("team", "department", "group", "product")
"""The values of ``group_type`` that are kept as they are, whatever their case."""

UNIFIED_GROUP_FIELDS = (
    "id",
    "name",
    "group_type",
    "description",
    "organization",
    "created_at",
    "updated_at",
    "remote_data",
)
"""The fields of a unified group that Truto documents; anything else goes to ``other_fields``.

One more goes into the table too, into sync/split.py, the statements staging, land, publish/compare,
publish/replace and groups_as_of, and sandbox/meta.py; both versions rise.
"""


@dataclass(frozen=True)
class Column:
    """One column of a table: its DuckDB type and what stands in it.

    ``is_long`` says that its texts are some hundred bytes each and resemble one another.
    """

    name: str
    type: str
    description: str
    is_required: bool = False
    is_long: bool = False


@dataclass(frozen=True)
class Table:
    """One table of the database; ``key`` names the columns that identify a row."""

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    def ddl(self, *, compression: str = "") -> str:
        """The statement that makes the table where it is missing.

        NOT NULL is the only constraint, so that a DuckDB file, MotherDuck and DuckLake all run it.

        Args:
            compression: DuckDB's method for the long columns; its own choice without.
        """
        columns: list[str] = []
        for column in self.columns:
            parts = [column.name, column.type]
            if column.is_required:
                parts.append("NOT NULL")
            if column.is_long and compression:
                parts.append(f"USING COMPRESSION {compression}")
            columns.append(" ".join(parts))
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({', '.join(columns)})"


def _record_column() -> Column:
    return Column(
        "record",
        "JSON",
        "The unified group, exactly as received.",
        is_required=True,
        is_long=True,
    )


def _account_column() -> Column:
    return Column("integrated_account_id", "VARCHAR", "The integrated account: a UUID.", True)


INTEGRATED_ACCOUNTS = Table(
    name="integrated_accounts",
    description="One row per integrated account, as Truto last listed it.",
    key=("id",),
    columns=(
        Column("id", "VARCHAR", "The integrated account: a UUID.", True),
        Column("partition_key", "VARCHAR", "How people and Dagster name it: acme.okta.62f44730."),
        Column("integration", "VARCHAR", "The app's kind, as a slug: okta, gitlab, asana.", True),
        Column("tenant_id", "VARCHAR", "The customer who connected the app."),
        Column("label", "VARCHAR", "What its tenant called it, as Truto's context.label tells."),
        Column("status", "VARCHAR", "What Truto says of it: active, needs_reauth…", True),
        Column("supports_groups", "BOOLEAN", "Whether its app lists groups; null: not asked."),
        Column("is_sandbox", "BOOLEAN", "Whether Truto marks the account as a sandbox."),
        Column("last_error", "VARCHAR", "The connection's last error, as Truto tells it."),
        Column("created_at", "TIMESTAMPTZ", "When the account was connected (UTC)."),
        Column("updated_at", "TIMESTAMPTZ", "When Truto last changed the account (UTC)."),
        Column("first_listed_at", "TIMESTAMPTZ", "When we first saw the account (UTC).", True),
        Column("listed_at", "TIMESTAMPTZ", "When a listing last held the account (UTC).", True),
        Column("gone_at", "TIMESTAMPTZ", "When a complete listing first lacked it (UTC), or null."),
        Column("last_confirmed_at", "TIMESTAMPTZ", "When its groups were last confirmed (UTC)."),
    ),
)

RAW_GROUPS = Table(
    name="raw_groups",
    description="One row per unified group, exactly as Truto sent it.",
    key=("integrated_account_id", "id"),
    columns=(
        _account_column(),
        Column("id", "VARCHAR", "The group's id, as text.", True),
        _record_column(),
        Column("received_at", "TIMESTAMPTZ", "When this content was first received (UTC).", True),
    ),
)

GROUPS = Table(
    name="groups",
    description="One row per group, team or department of an integrated account.",
    key=("integrated_account_id", "id"),
    columns=(
        _account_column(),
        Column("integration", "VARCHAR", "The app's kind, as a slug.", True),
        Column("tenant_id", "VARCHAR", "The customer who connected the app."),
        Column("id", "VARCHAR", "The vendor's id as text; unique inside one account only.", True),
        Column("name", "VARCHAR", "The group's name, as received."),
        Column("group_type", "VARCHAR", "team, department, group, product, unmapped, or null."),
        Column("group_type_as_received", "VARCHAR", "What came as the group's type."),
        Column("description", "VARCHAR", "The description, as received; empty is not null."),
        Column("organization_id", "VARCHAR", "The organization (or workspace) that it belongs to."),
        Column("created_at", "TIMESTAMPTZ", "When the vendor says it was made (UTC)."),
        Column("updated_at", "TIMESTAMPTZ", "When the vendor says it was last changed (UTC)."),
        Column(
            "remote_data",
            "JSON",
            "The vendor's own record, as received (see settings).",
            is_long=True,
        ),
        Column("other_fields", "JSON", "What else the unified group carried; null when nothing."),
        Column("first_seen_at", "TIMESTAMPTZ", "When the id was first published (UTC).", True),
        Column(
            "changed_at",
            "TIMESTAMPTZ",
            "When the row's present content, remote_data apart, was first received (UTC).",
            True,
        ),
        Column("normalization_version", "INTEGER", "The rules that made the row.", True),
    ),
)

GROUP_TYPE_BREAKDOWN = Table(
    name="group_type_breakdown",
    description="One row per group type of an integrated account.",
    key=("integrated_account_id", "group_type"),
    columns=(
        _account_column(),
        Column("integration", "VARCHAR", "The app's kind, as a slug.", True),
        Column("tenant_id", "VARCHAR", "The customer who connected the app."),
        Column("group_type", "VARCHAR", "As in groups; null counts the groups without a type."),
        Column("group_count", "BIGINT", "How many groups of the account have the type.", True),
        Column("share", "DOUBLE", "group_count over all groups of the account, 0 to 1.", True),
    ),
)

GROUP_CHANGES = Table(
    name="group_changes",
    description="One row per group that changed between two published syncs.",
    key=("integrated_account_id", "id", "changed_at"),
    columns=(
        _account_column(),
        Column("id", "VARCHAR", "The group's id.", True),
        Column("change", "VARCHAR", "added, removed or changed.", True),
        Column("hint", "VARCHAR", "renamed, retyped, recreated, id_reused, or null."),
        Column("changed_fields", "JSON", "An object: field to [before, after].", True),
        Column("name", "VARCHAR", "The name after the change; before it for a removed group."),
        Column("changed_at", "TIMESTAMPTZ", "When the change was published (UTC).", True),
        Column("run_id", "VARCHAR", "The Dagster run that published it.", True),
    ),
)

PRIVILEGED_GROUP_CHANGES = Table(
    name="privileged_group_changes",
    description="One row per group that was created as, renamed into or retyped to what the rules "
    "of then call privileged.",
    key=("integrated_account_id", "id", "changed_at"),
    columns=(
        _account_column(),
        Column("integration", "VARCHAR", "The app's kind, as a slug.", True),
        Column("tenant_id", "VARCHAR", "The customer who connected the app."),
        Column("id", "VARCHAR", "The group's id.", True),
        Column("change", "VARCHAR", "created, renamed or retyped.", True),
        Column("name", "VARCHAR", "The name after the change."),
        Column("name_before", "VARCHAR", "The name before it; null for a created group."),
        Column("group_type", "VARCHAR", "The type after the change, as received."),
        Column("group_type_before", "VARCHAR", "The type before it, as received."),
        Column(
            "matched_rules",
            "VARCHAR",
            "The rules that call it so and did not before, as the settings or the default spell "
            "them.",
            True,
        ),
        Column("changed_at", "TIMESTAMPTZ", "When the change was published (UTC).", True),
        Column("run_id", "VARCHAR", "The Dagster run that published it.", True),
        Column("reviewed_at", "TIMESTAMPTZ", "When a person reviewed it (UTC); null: not yet."),
        Column("reviewed_by", "VARCHAR", "Who reviewed it."),
        Column("review_reason", "VARCHAR", "Why it is right."),
    ),
)

INTEGRATION_CONTRACTS = Table(
    name="integration_contracts",
    description="One row per field or query parameter that Truto's meta declares.",
    key=("integration", "kind", "name", "first_seen_at"),
    columns=(
        Column("integration", "VARCHAR", "The app's kind, as a slug.", True),
        Column("kind", "VARCHAR", "field (of the response) or parameter (of the query).", True),
        Column("name", "VARCHAR", "The field's or the parameter's wire name.", True),
        Column("json_type", "VARCHAR", "The declared JSON type."),
        Column("is_required", "BOOLEAN", "Whether it is declared as required.", True),
        Column("first_seen_at", "TIMESTAMPTZ", "When this was first declared (UTC).", True),
        Column("gone_at", "TIMESTAMPTZ", "When it was first no longer declared (UTC), or null."),
    ),
)

ACCOUNT_SYNCS = Table(
    name="account_syncs",
    description="The ledger: one row per attempt to sync an account.",
    key=("integrated_account_id", "run_id"),
    columns=(
        _account_column(),
        Column("run_id", "VARCHAR", "The Dagster run of the attempt.", True),
        Column("started_at", "TIMESTAMPTZ", "When its first request left (UTC).", True),
        Column("finished_at", "TIMESTAMPTZ", "When it ended (UTC); null while it runs."),
        Column(
            "outcome",
            "VARCHAR",
            "running, published, unchanged, held_back, failed, skipped or interrupted.",
            True,
        ),
        Column("group_count", "BIGINT", "Groups received, each id once."),
        Column("page_count", "BIGINT", "Pages walked."),
        Column("request_count", "BIGINT", "Requests sent, retries included."),
        Column("retry_count", "BIGINT", "Requests sent again."),
        Column("throttled_seconds", "DOUBLE", "Seconds waited because of rate limits."),
        Column("byte_count", "BIGINT", "Bytes of the bodies, decompressed."),
        Column("digest", "VARCHAR", "Digest of the whole answer, order aside."),
        Column("error_kind", "VARCHAR", "The kind of failure, for machines."),
        Column("error", "VARCHAR", "What went wrong and what to do."),
        Column(
            "answer_order",
            "BIGINT",
            "Counts first requests: of two attempts, the one with the larger number is newer.",
        ),
    ),
)

HELD_BACK_GROUPS = Table(
    name="held_back_groups",
    description="The raw records of the syncs that wait for a person.",
    key=("integrated_account_id", "position"),
    columns=(
        _account_column(),
        Column("run_id", "VARCHAR", "The run whose sync was held back.", True),
        Column("position", "BIGINT", "The record's place in the answer.", True),
        _record_column(),
        Column("received_at", "TIMESTAMPTZ", "When the sync was held back (UTC).", True),
    ),
)

ACCOUNT_SHAPES = Table(
    name="account_shapes",
    description="What each account's answers looked like, one row per audited attempt.",
    key=("integrated_account_id", "run_id"),
    columns=(
        _account_column(),
        Column("run_id", "VARCHAR", "The run that observed it.", True),
        Column("observed_at", "TIMESTAMPTZ", "When it was observed (UTC).", True),
        Column("is_published", "BOOLEAN", "Whether the sync was published.", True),
        Column("is_baseline", "BOOLEAN", "Whether later syncs are compared with it.", True),
        Column("group_count", "BIGINT", "Groups received, each id once.", True),
        Column("digest", "VARCHAR", "Digest of the shape, counts aside.", True),
        Column(
            "shape",
            "JSON",
            "Paths with their JSON types and counts.",
            is_required=True,
            is_long=True,
        ),
        Column("findings", "JSON", "What the audit found: a list.", True),
        Column("volume", "VARCHAR", "Whether the count is plausible: ok, warn or hold_back.", True),
        Column("volume_reason", "VARCHAR", "Why it is not, with the numbers."),
        Column("examples", "JSON", "Path to one shortened value of what drifted there.", True),
        Column("told_filters", "JSON", "Filters of the query that seem to be ignored.", True),
        Column("settings_digest", "VARCHAR", "The settings that shape an answer then.", True),
        Column("normalization_version", "INTEGER", "The rules then.", True),
    ),
)

ACCEPTED_BASELINES = Table(
    name="accepted_baselines",
    description="What a person accepted, when, who and why.",
    key=("integrated_account_id", "accepted_at"),
    columns=(
        _account_column(),
        Column("run_id", "VARCHAR", "The sync that became the baseline.", True),
        Column("accepted_at", "TIMESTAMPTZ", "When it was accepted (UTC).", True),
        Column("accepted_by", "VARCHAR", "Who accepted it.", True),
        Column("reason", "VARCHAR", "Why.", True),
        Column("digest", "VARCHAR", "Digest of what was shown and accepted.", True),
    ),
)

ACCOUNT_DRIFT = Table(
    name="account_drift",
    description="A view: one row per finding that stands against an account, neither accepted nor "
    "gone, of every severity.",
    key=("integrated_account_id", "kind", "path", "now"),
    columns=(
        _account_column(),
        Column("partition_key", "VARCHAR", "How people and Dagster name the account.", True),
        Column("integration", "VARCHAR", "The app's kind, as a slug.", True),
        Column("tenant_id", "VARCHAR", "The customer who connected the app."),
        Column("path", "VARCHAR", "Where in a group; null when it is the whole answer."),
        Column("kind", "VARCHAR", "What changed: type_changed, field_gone, volume…", True),
        Column(
            "severity",
            "VARCHAR",
            "breaking (the account is held back), warning or information.",
            True,
        ),
        Column("was", "VARCHAR", "What was accepted, in words; null: nothing."),
        Column("now", "VARCHAR", "What came last, in words.", True),
        Column("group_count", "BIGINT", "How many groups of that answer it concerns.", True),
        Column(
            "attributed_to",
            "VARCHAR",
            "permission_lost (which `now` names), vendor, truto_mapping, our_normalization, "
            "our_settings, whole_integration; null: it cannot be told.",
        ),
        Column("since", "TIMESTAMPTZ", "Since when it stands without a break (UTC).", True),
        Column("run_id", "VARCHAR", "The run that found it last.", True),
    ),
)

DATABASE_PROPERTIES = Table(
    name="database_properties",
    description="What the database remembers of itself.",
    key=("name",),
    columns=(
        Column("name", "VARCHAR", "The property.", True),
        Column("value", "VARCHAR", "Its value.", True),
    ),
)

ACCOUNT_STATE = Table(
    name="account_state",
    description="What discovery and planning remember of an account.",
    key=("integrated_account_id",),
    columns=(
        _account_column(),
        Column("wanted_at", "TIMESTAMPTZ", "When a reason to sync it soon was last seen (UTC)."),
        Column("attempted_conditions", "VARCHAR", "Settings and listing at the last attempt."),
        Column(
            "rows_digest",
            "VARCHAR",
            "Digest of the answer and the rules that the rows were made of; null when a replay or "
            "an acceptance made them.",
        ),
        Column("row_count", "BIGINT", "How many groups were written; null before the first time."),
        Column("override_digest", "VARCHAR", "Digest of the account's own mapping, or null."),
        Column("override_changed_at", "TIMESTAMPTZ", "When we saw that mapping change (UTC)."),
        Column("forbidden_call", "VARCHAR", "What Truto was refused (403) last, or null."),
        Column("forbidden_scopes", "VARCHAR", "The scopes that were missing then, or null."),
        Column("forbidden_at", "TIMESTAMPTZ", "When that was (UTC)."),
        Column("forbidden_since", "TIMESTAMPTZ", "When the same was first told (UTC)."),
    ),
)

INTEGRATION_CAPABILITIES = Table(
    name="integration_capabilities",
    description="Whether an integration lists groups, as last asked.",
    key=("integration",),
    columns=(
        Column("integration", "VARCHAR", "The app's kind, as a slug.", True),
        Column("supports_groups", "BOOLEAN", "The answer; null when it did not tell."),
        Column("asked_at", "TIMESTAMPTZ", "When Truto was asked (UTC).", True),
    ),
)

TABLES = (
    INTEGRATED_ACCOUNTS,
    RAW_GROUPS,
    GROUPS,
    GROUP_TYPE_BREAKDOWN,
    GROUP_CHANGES,
    PRIVILEGED_GROUP_CHANGES,
    INTEGRATION_CONTRACTS,
    ACCOUNT_SYNCS,
    HELD_BACK_GROUPS,
    ACCOUNT_SHAPES,
    ACCEPTED_BASELINES,
    DATABASE_PROPERTIES,
    ACCOUNT_STATE,
    INTEGRATION_CAPABILITIES,
)
"""Every table, in the order in which they are made."""

VIEWS = (ACCOUNT_DRIFT,)
"""What is read like a table; made by the SQL file of its name."""

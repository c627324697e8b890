"""The integrations of the samples: what each supports, as Truto's coverage pages tell it.

Which fields an integration fills and which parameters it takes stand here once; meta.py declares
them and group_filters.py applies them. A parameter that is not here is ignored, as Truto does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

JsonType = Literal["string", "number", "boolean", "object"]


@dataclass(frozen=True)
class Parameter:
    """A query parameter of List Groups that an integration supports.

    Attributes:
        name: On the wire.
        filters: Dotted path inside the unified group that its value is compared with; None when it
            changes nothing in the sandbox.
        values: All values it may have, where they are few; the fields to sort by for ``sort_by``.
    """

    name: str
    description: str
    json_type: JsonType = "string"
    filters: str | None = None
    is_required: bool = False
    values: tuple[str, ...] = ()
    format: str | None = None


@dataclass(frozen=True)
class Integration:
    """An app's kind and how its groups come through Truto.

    Attributes:
        slug: Truto's name of it.
        label: For people.
        category: Of the app.
        fields: Fields of the unified group that its mapping fills; empty when it has no groups.
        parameters: Query parameters of List Groups that it supports.
        has_get: Whether Get Group is mapped.
        shorten: Makes what a list gives of a group, for those that are partial on list.
        page_size: Groups on a page when no ``limit`` is given.
        max_page_size: The vendor's largest page; None when the vendor has no pages and gives all.
        rate_limit: Requests and seconds of the vendor's own limit; told in headers, not enforced.
        remote_parameters: The vendor's own filters, for ``remote_query``: name to a dotted path
            inside ``remote_data``.
        other_resources: Unified resources beside groups, as ``model/resource``.
    """

    slug: str
    label: str
    category: str
    fields: tuple[str, ...] = ("id", "name", "group_type")
    parameters: tuple[Parameter, ...] = ()
    has_get: bool = True
    shorten: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    page_size: int = 25
    max_page_size: int | None = 1000
    rate_limit: tuple[int, int] | None = (600, 60)
    remote_parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    other_resources: tuple[str, ...] = ("user-directory/users",)

    @property
    def has_groups(self) -> bool:
        """Whether List Groups is mapped."""
        return bool(self.fields)


NAME = Parameter("name", "Name of the group.", filters="name")
_DATED = ("id", "name", "group_type", "created_at", "updated_at")
_DATED_AND_DESCRIBED = (*_DATED, "description")


def _sort_by(*fields: str) -> Parameter:
    return Parameter("sort_by", "The field to sort the resource by.", values=fields)


def _instant(name: str, description: str) -> Parameter:
    return Parameter(name, description, filters=name, json_type="object", format="date-time")


def _shorten_jfrog(group: Mapping[str, Any]) -> Mapping[str, Any]:
    name = group.get("name")
    uri = f"https://initech.jfrog.io/access/api/v2/groups/{name}"
    return _shorten(group, remote_data={"group_name": name, "uri": uri})


def _shorten_15five(group: Mapping[str, Any]) -> Mapping[str, Any]:
    remote_data: Mapping[str, Any] = group.get("remote_data") or {}
    return _shorten(group, remote_data={"id": remote_data.get("id"), "name": group.get("name")})


def _shorten(group: Mapping[str, Any], *, remote_data: Mapping[str, Any]) -> Mapping[str, Any]:
    kept = {name: group[name] for name in ("id", "name") if name in group}
    return {**kept, "remote_data": remote_data}


_ALL = (
    Integration(
        "okta",
        "Okta",
        "directory",
        fields=_DATED_AND_DESCRIBED,
        parameters=(NAME, _sort_by("name")),
    ),
    Integration(
        "jira",
        "Jira",
        "ticketing",
        fields=("id", "name"),
        has_get=False,
        max_page_size=50,
        remote_parameters={"groupId": "groupId", "groupName": "name"},
    ),
    Integration(
        "slack",
        "Slack",
        "instantmessaging",
        fields=_DATED_AND_DESCRIBED,
        has_get=False,
        max_page_size=None,
        rate_limit=(20, 60),
    ),
    Integration(
        "gitlab",
        "GitLab",
        "versioncontrol",
        fields=("id", "name", "group_type", "created_at", "description"),
        parameters=(
            Parameter("is_group", "If true, list groups instead of projects.", "boolean"),
            _sort_by("id", "name"),
        ),
        max_page_size=100,
        rate_limit=(2000, 60),
        remote_parameters={"visibility": "visibility"},
    ),
    Integration(
        "asana",
        "Asana",
        "projectmanagement",
        fields=("id", "name", "group_type", "description", "organization"),
        parameters=(
            Parameter(
                "organization_id",
                "Unique identifier of the organization to fetch the teams for.",
                filters="organization",
                is_required=True,
            ),
        ),
        max_page_size=100,
        rate_limit=(1500, 60),
    ),
    Integration(
        "trutotest",
        "Truto Test",
        "directory",
        fields=(*_DATED, "organization"),
        page_size=10,
        rate_limit=(5, 1),
    ),
    Integration(
        "jfrog",
        "JFrog",
        "devops",
        fields=("id", "name", "group_type", "description"),
        shorten=_shorten_jfrog,
        rate_limit=None,
    ),
    Integration(
        "15five",
        "15Five",
        "performancemanagement",
        fields=_DATED_AND_DESCRIBED,
        parameters=(NAME,),
        shorten=_shorten_15five,
        rate_limit=None,
    ),
    Integration(
        "launchdarkly",
        "LaunchDarkly",
        "devops",
        fields=_DATED_AND_DESCRIBED,
        max_page_size=100,
        page_size=20,
        rate_limit=(110, 10),
    ),
    Integration("opsgenie", "Opsgenie", "itsm", fields=("id", "name", "group_type", "description")),
    Integration(
        "freshservice",
        "Freshservice",
        "itsm",
        fields=_DATED_AND_DESCRIBED,
        max_page_size=100,
        rate_limit=(140, 60),
    ),
    Integration("servicenow", "ServiceNow", "itsm", fields=_DATED_AND_DESCRIBED),
    Integration(
        "jumpcloud",
        "JumpCloud",
        "directory",
        fields=("id", "name", "group_type", "description"),
        has_get=False,
        parameters=(NAME, _sort_by("name")),
        max_page_size=100,
    ),
    Integration(
        "vercel",
        "Vercel",
        "devops",
        fields=(*_DATED, "description"),
        parameters=(_instant("created_at", "Date and time when the group was created."),),
        max_page_size=100,
    ),
    Integration("bitwarden", "Bitwarden", "passwordmanager", fields=("id", "name", "group_type")),
    Integration(
        "databricks", "Databricks", "data", fields=("id", "name", "group_type"), rate_limit=None
    ),
    Integration("fivetran", "Fivetran", "data", fields=("id", "name", "group_type", "description")),
    Integration("onelogin", "OneLogin", "directory", fields=("id", "name", "group_type")),
    Integration(
        "helpscout", "Help Scout", "helpdesk", fields=_DATED, has_get=False, max_page_size=50
    ),
    Integration(
        "zendesk",
        "Zendesk",
        "ticketing",
        fields=(),
        other_resources=("ticketing/tickets", "user-directory/users"),
    ),
)

INTEGRATIONS: Mapping[str, Integration] = {integration.slug: integration for integration in _ALL}

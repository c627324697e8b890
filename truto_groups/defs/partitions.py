"""One Dagster partition per integrated account; only discovery adds or removes keys."""

import dagster as dg

integrated_accounts = dg.DynamicPartitionsDefinition(name="integrated_accounts")

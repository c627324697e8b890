"""Whose change a drift was, in words.

Only what changed at the same time can be the cause; which that is decides the view account_drift.
"""

from typing import Literal

Attribution = Literal[
    "vendor", "truto_mapping", "our_normalization", "our_settings", "whole_integration"
]

ATTRIBUTION_TEXTS: dict[Attribution | None, str] = {
    "vendor": "The vendor's own data changed.",
    "truto_mapping": "Truto's mapping changed at the same time.",
    "our_normalization": "Our own reading of the records changed with this version.",
    "our_settings": "Our settings for the account changed at the same time.",
    "whole_integration": "Many accounts of the integration drifted alike: the vendor changed its "
    "API, or Truto its mapping.",
    None: "It cannot be told whether the vendor or Truto's mapping changed.",
}

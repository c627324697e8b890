"""How surprising a count is, given another one: exact, and deliberately slow to be surprised.

If k0 of n0 records had something, how probable is it that of n records so few (or so many) have
it, when nothing has changed? The share itself is not known, only estimated from what was seen,
so the count is beta-binomial: Jeffreys' prior, the reference's counts, then the tail. A reference
of three records therefore makes hardly anything surprising, one of a thousand does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, lgamma

SURPRISING = 1e-5
"""A count less probable than this is no chance: it warns. Some fifty paths an account, four syncs
a day: a chance alarm in five hundred account-days even if every path were at the edge."""

UNUSUAL = 1e-2
"""A count less probable than this is worth a line, no warning."""

_PRIOR = 0.5


@dataclass(frozen=True, slots=True)
class Count:
    """So many of so many."""

    count: int
    of: int

    @property
    def share(self) -> float:
        """The share, 0 when there is nothing to have a share of."""
        return self.count / self.of if self.of else 0.0


def chance_of(observed: Count, *, reference: Count) -> float:
    """The probability of a count at least as far from the reference, on the same side.

    Returns:
        1.0 when the shares are equal, or when there is nothing to compare.
    """
    if not observed.of or not reference.of or observed.share == reference.share:
        return 1.0
    had = _PRIOR + reference.count
    had_not = _PRIOR + reference.of - reference.count
    if observed.share < reference.share:
        return tail(observed.count, observed.of, alpha=had, beta=had_not)
    return tail(observed.of - observed.count, observed.of, alpha=had_not, beta=had)


def tail(count: int, of: int, *, alpha: float, beta: float) -> float:
    """The beta-binomial probability of at most ``count`` of ``of``.

    Sums from ``count`` downward and stops when nothing is added any more, or when the sum is far
    beyond what anyone asks for.
    """
    log_term = (
        lgamma(of + 1)
        - lgamma(count + 1)
        - lgamma(of - count + 1)
        + _log_beta(count + alpha, of - count + beta)
        - _log_beta(alpha, beta)
    )
    term = exp(log_term)
    total = term
    for k in range(count, 0, -1):
        # Ratio of the probabilities of k - 1 and k.
        term *= k * (of - k + beta) / ((of - k + 1) * (k - 1 + alpha))
        total += term
        if term < total * 1e-9 or total > 0.5:
            break
    return min(total, 1.0)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def least_surprising(observed: Count, *, references: Iterable[Count]) -> float:
    """The chance of the observed count against the reference that explains it best.

    What varied before may vary again: one past sync that looked like this is enough. References
    of less than a quarter of the largest one's records are not asked, because a handful explains
    anything.
    """
    asked = [reference for reference in references if reference.of]
    largest = max((reference.of for reference in asked), default=0)
    return max(
        (chance_of(observed, reference=r) for r in asked if 4 * r.of >= largest), default=1.0
    )

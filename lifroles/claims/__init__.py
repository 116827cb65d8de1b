"""The paper's empirical claims as data, and the test that decides each.

:mod:`~lifroles.claims.quantities` says what is measured, :mod:`~lifroles.claims.verdict` when a claim counts as
reproduced, :mod:`~lifroles.claims.ledger` lists the claims. Thresholds are part of the claims, so that none is chosen
after its result is known.
"""

from lifroles.claims.ledger import CLAIMS
from lifroles.claims.quantities import Evidence
from lifroles.claims.verdict import Claim, Decision, Outcome, Verdict, decide

__all__ = ["CLAIMS", "Claim", "Decision", "Evidence", "Outcome", "Verdict", "decide"]

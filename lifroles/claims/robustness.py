"""The claims of section 4.3 about attacks, and of sections 5 and 6 about noise."""

from __future__ import annotations

from lifroles.claims.comparisons import above, lost_to_noise, perturbation
from lifroles.claims.verdict import Claim

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "robust-complete-leakage",
        "section 4.3.2, Fig. 9",
        "leakage",
        "A network with complete leakage takes a larger perturbation to fool than the baseline.",
        [above(perturbation("complete_leakage"), perturbation("baseline"))],
    ),
    Claim(
        "robust-no-leakage",
        "section 4.3.2, Fig. 9",
        "leakage",
        "A network without leakage takes a smaller perturbation to fool than the baseline.",
        [above(perturbation("baseline"), perturbation("no_leakage"))],
    ),
    Claim(
        "robust-recurrence",
        "section 4.3.2, Fig. 9",
        "recurrence",
        "A recurrent network takes a smaller perturbation to fool than the baseline.",
        [above(perturbation("baseline"), perturbation("recurrent"))],
    ),
    Claim(
        "robust-reset",
        "section 4.3.2, Fig. 9",
        "reset",
        "The reset matters less for adversarial robustness than leakage and recurrence do.",
        [
            above(
                abs(perturbation(other) - perturbation("baseline")),
                abs(perturbation("no_reset") - perturbation("baseline")),
            )
            for other in ("complete_leakage", "recurrent")
        ],
        "Less is not nothing: what leaving out the reset does by itself stands beside the tests.",
        [perturbation("no_reset") - perturbation("baseline")],
    ),
    Claim(
        "leakage-filters-noise",
        "sections 5 and 6",
        "leakage",
        "A smaller k_tau resists noise in the input better.",
        [
            above(
                lost_to_noise(worse, share),
                lost_to_noise(better, share),
            )
            for share in (0.01, 0.03)
            for better, worse in (("complete_leakage", "baseline"), ("baseline", "no_leakage"))
        ],
        "What additional events, one or three in a hundred empty entries, cost in accuracy.",
    ),
)
"""In the order in which the paper makes them."""

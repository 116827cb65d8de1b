"""How section 4.3 calls the attacks."""

from __future__ import annotations

ATTACK_LABELS = {
    "liang": "the paper's attack (Liang et al. 2021)",
    "gradient": "few flips along the gradient",
    "smooth": "few flips along the gradient of a smooth surrogate",
    "chance": "flips by chance",
    "fine": "Liang et al., a tenth of the flips at a time",
    "threshold": "Liang et al., hidden threshold 1 in the gradient",
    "wide": "along the gradient of a surrogate twice as wide",
    "black_box": "no gradient: from another digit towards the recording",
}


def label(attack: str) -> str:
    """Return an attack's name as a title begins."""
    return ATTACK_LABELS[attack][0].upper() + ATTACK_LABELS[attack][1:]

"""The claims of section 4.1 and of section 5 about accuracy, spike rates and training."""

from __future__ import annotations

from lifroles import paper
from lifroles.claims.comparisons import above, changes, guesses, influence, more_accurate
from lifroles.claims.quantities import accuracy, overfitting, rate, solved, train_loss, trained
from lifroles.claims.verdict import Claim, Test
from lifroles.prose import points
from lifroles.variant import TABLE6_VARIANTS

_TIMELESS = ("nmnist", "dvs_gesture", "mnist")

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "temporal-most",
        "section 4.1.3",
        "all",
        "The parts matter most on temporal benchmarks, less on spatio-temporal ones and least on spatial ones.",
        [
            above(influence("xor", "shd", "ssc"), influence("nmnist", "dvs_gesture")),
            above(influence("nmnist", "dvs_gesture"), influence("mnist")),
        ],
        "Influence is the mean distance of the other variants' accuracies from the baseline's. CIFAR10, which has no "
        "recurrent variant and is run at a smaller scale here, is left out.",
    ),
    Claim(
        "xor-complete-leakage",
        "section 4.1.3, Table 6",
        "leakage",
        "With complete leakage delayed XOR is not learned at all.",
        [guesses("xor", "complete_leakage")],
        "Where the hidden layer is silent, forgetting is not the only reason: its spike rate stands beside.",
        [rate("xor", "complete_leakage")],
        "By definition: the class layer forgets, too, so that nothing of the first pattern reaches a step that counts.",
    ),
    Claim(
        "shd-complete-leakage",
        "section 4.1.3, Table 6",
        "leakage",
        "With complete leakage SHD is hardly better than guessing.",
        [guesses("shd", "complete_leakage")],
    ),
    Claim(
        "ssc-complete-leakage",
        "section 4.1.3, Table 6",
        "leakage",
        "With complete leakage SSC is hardly better than guessing.",
        [guesses("ssc", "complete_leakage")],
    ),
    Claim(
        "xor-no-leakage",
        "section 4.1.3, Table 6",
        "leakage",
        "Without leakage delayed XOR is learned worse than with a learnable leak.",
        [more_accurate("xor", "baseline", "no_leakage")],
    ),
    Claim(
        "shd-no-leakage",
        "section 4.1.3, Table 6",
        "leakage",
        "Without leakage SHD is learned worse than with a learnable leak.",
        [more_accurate("shd", "baseline", "no_leakage")],
    ),
    Claim(
        "ssc-no-leakage",
        "section 4.1.3, Table 6",
        "leakage",
        "Without leakage SSC is learned worse than with a learnable leak.",
        [more_accurate("ssc", "baseline", "no_leakage")],
    ),
    Claim(
        "leak-without-memory",
        "Table 6",
        "leakage",
        "Where time matters little, complete leakage costs at most about a point: N-MNIST, DVS128 Gesture, MNIST.",
        [Test(accuracy(b, "complete_leakage") - accuracy(b, "baseline"), "within", 0.02) for b in _TIMELESS],
        "The paper's largest difference among the three is "
        + points(max((paper.difference(b, "complete_leakage") for b in _TIMELESS), key=abs), 2)
        + "; the limit is two.",
    ),
    Claim(
        "xor-reset",
        "section 4.1.3, Table 6",
        "reset",
        "The reset costs much on delayed XOR.",
        [above(accuracy("xor", "no_reset"), accuracy("xor", "baseline"), 0.05)],
        f"The paper's difference is {points(paper.difference('xor', 'no_reset'))}; five count as much.",
    ),
    Claim(
        "reset-weakened",
        "section 4.1.3",
        "reset",
        "The effect of the reset is weaker on spatio-temporal and spatial benchmarks than on delayed XOR.",
        [above(changes("xor", "no_reset"), changes(b, "no_reset")) for b in ("nmnist", "dvs_gesture", "mnist")],
    ),
    Claim(
        "reset-below-leakage",
        "section 4.1.3",
        "reset",
        "On SHD and SSC the reset matters less than the leakage does.",
        [above(changes(b, "no_leakage"), changes(b, "no_reset")) for b in ("shd", "ssc")],
    ),
    Claim(
        "reset-insignificant",
        "section 4.1.3",
        "reset",
        "On SHD and SSC the effect of the reset is not significant.",
        [Test(accuracy(b, "no_reset") - accuracy(b, "baseline"), "within", 0.01) for b in ("shd", "ssc")],
        f"The paper's differences are {points(paper.difference('shd', 'no_reset'), 2)} and "
        f"{points(paper.difference('ssc', 'no_reset'), 2)}; the limit is one.",
    ),
    Claim(
        "nmnist-no-reset",
        "Table 6",
        "reset",
        "Without reset N-MNIST is classified more accurately.",
        [more_accurate("nmnist", "no_reset", "baseline")],
    ),
    Claim(
        "reset-rate",
        "section 4.1.3, Fig. 4",
        "reset",
        "The reset lowers the spike rate of the hidden layer (N-MNIST).",
        [above(rate("nmnist", "no_reset"), rate("nmnist", "baseline"))],
        beside=[rate("mnist", "no_reset") - rate("mnist", "baseline")],
    ),
    Claim(
        "reset-rate-xor",
        "section 5",
        "reset",
        "Without reset neurons fire more also where that helps, on delayed XOR.",
        [above(rate("xor", "no_reset"), rate("xor", "baseline"))],
    ),
    Claim(
        "xor-recurrence",
        "section 4.1.3, Table 6",
        "recurrence",
        "Recurrence raises the accuracy on delayed XOR, above that of the other variants.",
        [more_accurate("xor", "recurrent", other) for other in TABLE6_VARIANTS[:4]],
        "A mean hides what the best seeds do: beside the tests stands how many of them solve the task at the end, and "
        "how many did at any epoch.",
        [
            solved("xor", model, ever=ever)
            for ever in (False, True)
            for model in ("recurrent", "baseline", "no_leakage", "no_reset")
        ],
    ),
    Claim(
        "shd-recurrence",
        "section 4.1.3, Table 6",
        "recurrence",
        "Recurrence raises the accuracy on SHD.",
        [more_accurate("shd", "recurrent", "baseline")],
    ),
    Claim(
        "ssc-recurrence",
        "section 4.1.3, Table 6",
        "recurrence",
        "Recurrence raises the accuracy on SSC.",
        [more_accurate("ssc", "recurrent", "baseline")],
    ),
    Claim(
        "nmnist-recurrence",
        "Table 6",
        "recurrence",
        "Recurrence raises the accuracy on N-MNIST.",
        [more_accurate("nmnist", "recurrent", "baseline")],
    ),
    Claim(
        "gesture-recurrence",
        "Table 6",
        "recurrence",
        "Recurrence raises the accuracy on DVS128 Gesture.",
        [more_accurate("dvs_gesture", "recurrent", "baseline")],
    ),
    Claim(
        "mnist-recurrence",
        "Table 6",
        "recurrence",
        "Recurrence raises the accuracy on MNIST.",
        [more_accurate("mnist", "recurrent", "baseline")],
    ),
    Claim(
        "shd-training-loss",
        "Fig. 3",
        "all",
        "On SHD the training loss ends lowest with recurrence and highest with complete leakage.",
        [
            *(above(train_loss("shd", v), train_loss("shd", "recurrent")) for v in TABLE6_VARIANTS[:4]),
            *(
                above(train_loss("shd", "complete_leakage"), train_loss("shd", v))
                for v in TABLE6_VARIANTS
                if v not in ("complete_leakage", "recurrent")
            ),
        ],
    ),
    Claim(
        "recurrence-overfits",
        "section 5",
        "recurrence",
        "Recurrence may overfit on temporal tasks (SHD): training and test accuracy lie farther apart.",
        [above(overfitting("shd", "recurrent"), overfitting("shd", "baseline"))],
        "Where a network does not fit its training set, the difference says nothing of overfitting: the training "
        "accuracies stand beside it.",
        [trained("shd", "recurrent"), trained("shd", "baseline")],
    ),
)
"""In the order in which the paper makes them."""

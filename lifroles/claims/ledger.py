"""The claims, in the order in which the paper makes them.

The limits were set before the results were read, but for the first seeds of delayed XOR and MNIST. Where the paper says
"little" or "close", the limit is one that the paper's own numbers keep; each claim's ``why`` says which.
"""

from __future__ import annotations

from collections.abc import Sequence

from lifroles.benchmarks import get
from lifroles.claims.quantities import (
    Quantity,
    accuracy,
    drop,
    mean,
    overfitting,
    probed,
    rate,
    spread,
    train_loss,
)
from lifroles.claims.verdict import Claim, Test
from lifroles.variant import TABLE6_VARIANTS

AWAY = (1.0, 10.0)
"""The step lengths of Table 7 that are farthest from the trained one, ms."""

NEAR_CHANCE = 0.03
"""Up to three points above chance count as guessing: the paper's 5.96 % of SHD lies within one point."""


def above(left: Quantity, right: Quantity, margin: float = 0.0) -> Test:
    """Return the test that ``left`` is larger, seed by seed, by more than ``margin``."""
    return Test(left - right, "above", margin)


def _accuracy(benchmark: str, better: str, worse: str) -> Test:
    return above(accuracy(benchmark, better), accuracy(benchmark, worse))


def _guesses(benchmark: str, model: str) -> Test:
    return Test(accuracy(benchmark, model), "below", get(benchmark).chance + NEAR_CHANCE)


def _influence(*benchmarks: str) -> Quantity:
    return mean(f"influence on {', '.join(benchmarks)}", [spread(b, TABLE6_VARIANTS) for b in benchmarks])


def _changes(benchmark: str, model: str) -> Quantity:
    return abs(accuracy(benchmark, model) - accuracy(benchmark, "baseline"))


def _worse_away(model: str, than: str, dts: Sequence[float] = AWAY) -> list[Test]:
    return [above(drop(model, dt), drop(than, dt)) for dt in dts]


def _rise(model: str) -> Quantity:
    """The mean rise of the loss at half the filter-normalised distance, over the probe's own directions."""
    return probed(model, "landscape", "rise", [f"seed={seed}/radius=0.5" for seed in range(3)])


def _gain(model: str) -> Quantity:
    return probed(model, "gradients", "gain", [f"t={t}" for t in range(1, 15)])


def _perturbation(model: str) -> Quantity:
    return probed(model, "attack", "fraction", "all", attack="liang", seed=0)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "temporal-most",
        "section 4.1.3",
        "all",
        "The parts matter most on temporal benchmarks, less on spatio-temporal ones and least on spatial ones.",
        [
            above(_influence("xor", "shd", "ssc"), _influence("nmnist", "dvs_gesture")),
            above(_influence("nmnist", "dvs_gesture"), _influence("mnist")),
        ],
        "Influence is the mean distance of the other variants' accuracies from the baseline's. CIFAR10, which has no "
        "recurrent variant and is run at a smaller scale here, is left out.",
    ),
    Claim(
        "xor-complete-leakage",
        "section 4.1.3, Table 6",
        "leakage",
        "With complete leakage delayed XOR is not learned at all.",
        [_guesses("xor", "complete_leakage")],
    ),
    Claim(
        "shd-complete-leakage",
        "section 4.1.3, Table 6",
        "leakage",
        "With complete leakage SHD is hardly better than guessing.",
        [_guesses("shd", "complete_leakage")],
    ),
    Claim(
        "ssc-complete-leakage",
        "section 4.1.3, Table 6",
        "leakage",
        "With complete leakage SSC is hardly better than guessing.",
        [_guesses("ssc", "complete_leakage")],
    ),
    Claim(
        "xor-no-leakage",
        "section 4.1.3, Table 6",
        "leakage",
        "Without leakage delayed XOR is learned worse than with a learnable leak.",
        [_accuracy("xor", "baseline", "no_leakage")],
    ),
    Claim(
        "shd-no-leakage",
        "section 4.1.3, Table 6",
        "leakage",
        "Without leakage SHD is learned worse than with a learnable leak.",
        [_accuracy("shd", "baseline", "no_leakage")],
    ),
    Claim(
        "ssc-no-leakage",
        "section 4.1.3, Table 6",
        "leakage",
        "Without leakage SSC is learned worse than with a learnable leak.",
        [_accuracy("ssc", "baseline", "no_leakage")],
    ),
    Claim(
        "leak-without-memory",
        "Table 6",
        "leakage",
        "Where time matters little, complete leakage costs at most about a point: N-MNIST, DVS128 Gesture, MNIST.",
        [
            Test(accuracy(b, "complete_leakage") - accuracy(b, "baseline"), "within", 0.02)
            for b in ("nmnist", "dvs_gesture", "mnist")
        ],
        "The paper's largest difference among the three is 1.05 points; the limit is two.",
    ),
    Claim(
        "xor-reset",
        "section 4.1.3, Table 6",
        "reset",
        "The reset costs much on delayed XOR.",
        [above(accuracy("xor", "no_reset"), accuracy("xor", "baseline"), 0.05)],
        "The paper's difference is 18.6 points; five count as much.",
    ),
    Claim(
        "reset-weakened",
        "section 4.1.3",
        "reset",
        "The effect of the reset is weaker on spatio-temporal and spatial benchmarks than on delayed XOR.",
        [above(_changes("xor", "no_reset"), _changes(b, "no_reset")) for b in ("nmnist", "dvs_gesture", "mnist")],
    ),
    Claim(
        "reset-below-leakage",
        "section 4.1.3",
        "reset",
        "On SHD and SSC the reset matters less than the leakage does.",
        [above(_changes(b, "no_leakage"), _changes(b, "no_reset")) for b in ("shd", "ssc")],
    ),
    Claim(
        "reset-insignificant",
        "section 4.1.3",
        "reset",
        "On SHD and SSC the effect of the reset is not significant.",
        [Test(accuracy(b, "no_reset") - accuracy(b, "baseline"), "within", 0.01) for b in ("shd", "ssc")],
        "The paper's differences are 0.31 and 0 points; the limit is one.",
    ),
    Claim(
        "nmnist-no-reset",
        "Table 6",
        "reset",
        "Without reset N-MNIST is classified more accurately.",
        [_accuracy("nmnist", "no_reset", "baseline")],
    ),
    Claim(
        "reset-rate",
        "section 4.1.3, Fig. 4",
        "reset",
        "The reset lowers the spike rate of the hidden layer (N-MNIST).",
        [above(rate("nmnist", "no_reset"), rate("nmnist", "baseline"))],
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
        [_accuracy("xor", "recurrent", other) for other in TABLE6_VARIANTS[:4]],
    ),
    Claim(
        "shd-recurrence",
        "section 4.1.3, Table 6",
        "recurrence",
        "Recurrence raises the accuracy on SHD.",
        [_accuracy("shd", "recurrent", "baseline")],
    ),
    Claim(
        "ssc-recurrence",
        "section 4.1.3, Table 6",
        "recurrence",
        "Recurrence raises the accuracy on SSC.",
        [_accuracy("ssc", "recurrent", "baseline")],
    ),
    Claim(
        "nmnist-recurrence",
        "Table 6",
        "recurrence",
        "Recurrence raises the accuracy on N-MNIST.",
        [_accuracy("nmnist", "recurrent", "baseline")],
    ),
    Claim(
        "gesture-recurrence",
        "Table 6",
        "recurrence",
        "Recurrence raises the accuracy on DVS128 Gesture.",
        [_accuracy("dvs_gesture", "recurrent", "baseline")],
    ),
    Claim(
        "mnist-recurrence",
        "Table 6",
        "recurrence",
        "Recurrence raises the accuracy on MNIST.",
        [_accuracy("mnist", "recurrent", "baseline")],
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
    ),
    Claim(
        "snn-generalise",
        "section 4.2, Table 7",
        "all",
        "Away from the trained step length the vanilla spiking network loses less than LSTM, GRU and vanilla RNN.",
        [test for model in ("lstm", "gru", "rnn") for test in _worse_away(model, "baseline")],
    ),
    Claim(
        "recurrence-generalises-worse",
        "section 4.2, Table 7",
        "recurrence",
        "Recurrence costs generalisation over step lengths.",
        _worse_away("recurrent", "baseline"),
    ),
    Claim(
        "no-leakage-generalises-worse",
        "section 4.2.3, Table 7",
        "leakage",
        "Without leakage a feed-forward network loses more at the shortest step.",
        _worse_away("no_leakage", "baseline", (1.0,)),
        "At 10 ms the paper's own numbers say the opposite, so that 1 ms alone is tested.",
    ),
    Claim(
        "complete-leakage-generalises-better",
        "section 5, Table 7",
        "leakage",
        "A smaller k_tau generalises better: complete leakage loses less than the baseline.",
        _worse_away("baseline", "complete_leakage"),
        "The paper's own numbers say so at 10 ms, by 0.24 points, and the opposite at 1 ms, by 0.11.",
    ),
    Claim(
        "no-leakage-recurrent-generalises-worse",
        "section 4.2.3, Table 7",
        "leakage",
        "With recurrence, removing the leakage costs still more.",
        _worse_away("no_leakage_recurrent", "recurrent"),
    ),
    Claim(
        "worst-of-all",
        "section 4.2, Table 7",
        "all",
        "Without leakage and reset and with recurrence, generalisation to the shortest step is worst of all variants, "
        "near the LSTM's.",
        [
            *_worse_away("no_leakage_no_reset_recurrent", "no_leakage_recurrent", (1.0,)),
            Test(drop("lstm", 1.0) - drop("no_leakage_no_reset_recurrent", 1.0), "within", 0.1),
        ],
        "The paper's distance from the LSTM is 9.7 points; the limit is ten.",
    ),
    Claim(
        "reset-generalises-alike",
        "section 4.2.3, Table 7",
        "reset",
        "The reset alone has little effect on generalisation.",
        [Test(drop("no_reset", dt) - drop("baseline", dt), "within", 0.02) for dt in (1.0, 2.0, 5.0, 10.0)],
        "The paper's largest difference is 1.66 points, at 1 ms; the limit is two.",
    ),
    Claim(
        "rnn-order",
        "section 4.2.5, Table 7",
        "all",
        "At the trained step length LSTM is more accurate than GRU, and GRU than a vanilla RNN.",
        [_accuracy("nmnist", "lstm", "gru"), _accuracy("nmnist", "gru", "rnn")],
    ),
    Claim(
        "landscape-recurrence",
        "section 4.2.3, Fig. 6",
        "all",
        "The loss around a vanilla spiking network is flatter than without leakage and with recurrence.",
        [above(_rise("no_leakage_recurrent"), _rise("baseline"))],
    ),
    Claim(
        "landscape-lstm",
        "section 4.2.3, Fig. 6",
        "all",
        "The loss around an LSTM is the steepest.",
        [above(_rise("lstm"), _rise("no_leakage_recurrent"))],
    ),
    Claim(
        "gradient-leakage",
        "section 4.2.3, Eq. (12)",
        "leakage",
        "Leakage scales down what passes from u(t) to u(t+1).",
        [above(_gain("no_leakage"), _gain("baseline")), above(_gain("baseline"), _gain("complete_leakage"))],
    ),
    Claim(
        "gradient-recurrence",
        "section 4.2.3, Eq. (13)",
        "recurrence",
        "Recurrence enlarges what passes from u(t) to u(t+1).",
        [above(_gain("recurrent"), _gain("baseline"))],
    ),
    Claim(
        "gradient-reset",
        "section 4.2.3",
        "reset",
        "The reset changes what passes from step to step less than the leakage does.",
        [above(abs(_gain("no_leakage") - _gain("baseline")), abs(_gain("no_reset") - _gain("baseline")))],
    ),
    Claim(
        "features-recurrence",
        "section 4.2.4, Fig. 7",
        "recurrence",
        "The hidden layer separates the classes best with recurrence.",
        [
            above(
                probed("recurrent", "features", "silhouette", "features"),
                probed(v, "features", "silhouette", "features"),
            )
            for v in TABLE6_VARIANTS[:4]
        ],
        "Measured by the silhouette in the features themselves, since distances in a t-SNE picture prove nothing.",
    ),
    Claim(
        "robust-complete-leakage",
        "section 4.3.2, Fig. 9",
        "leakage",
        "A network with complete leakage takes a larger perturbation to fool than the baseline.",
        [above(_perturbation("complete_leakage"), _perturbation("baseline"))],
    ),
    Claim(
        "robust-no-leakage",
        "section 4.3.2, Fig. 9",
        "leakage",
        "A network without leakage takes a smaller perturbation to fool than the baseline.",
        [above(_perturbation("baseline"), _perturbation("no_leakage"))],
    ),
    Claim(
        "robust-recurrence",
        "section 4.3.2, Fig. 9",
        "recurrence",
        "A recurrent network takes a smaller perturbation to fool than the baseline.",
        [above(_perturbation("baseline"), _perturbation("recurrent"))],
    ),
    Claim(
        "robust-reset",
        "section 4.3.2, Fig. 9",
        "reset",
        "The reset matters less for adversarial robustness than leakage and recurrence do.",
        [
            above(
                abs(_perturbation(other) - _perturbation("baseline")),
                abs(_perturbation("no_reset") - _perturbation("baseline")),
            )
            for other in ("complete_leakage", "recurrent")
        ],
    ),
    Claim(
        "leakage-filters-noise",
        "sections 5 and 6",
        "leakage",
        "A smaller k_tau resists noise in the input better.",
        [
            above(
                probed(worse, "corruption", "accuracy", "none/0") - probed(worse, "corruption", "accuracy", key),
                probed(better, "corruption", "accuracy", "none/0") - probed(better, "corruption", "accuracy", key),
            )
            for key in ("noise/0.01", "noise/0.03")
            for better, worse in (("complete_leakage", "baseline"), ("baseline", "no_leakage"))
        ],
        "What 1 % and 3 % of additional events cost in accuracy.",
    ),
)

"""A spec is typed, refuses what it does not know, and its digest follows its content."""

import pytest
from pydantic import ValidationError

from lifroles.errors import SpecError
from lifroles.spec import RunSpec
from lifroles.variant import Variant


def test_a_digest_is_stable_across_versions_of_this_package():
    """The archive is found by these names: whoever changes them orphans every archived run."""
    assert RunSpec.of("xor", "baseline", seed=0).path == "xor/baseline/seed0-7ec17db66a3c"
    assert RunSpec.of("mnist", "recurrent", source="official").path == "mnist/recurrent/seed0-58d207e703e5"


def test_every_field_changes_the_digest():
    specs = [
        RunSpec.of("xor", "baseline"),
        RunSpec.of("xor", "baseline", seed=1),
        RunSpec.of("xor", "no_reset"),
        RunSpec.of("xor", Variant(leak=0.3)),
        RunSpec.of("xor", "baseline", T=51),
        RunSpec.of("xor", "baseline", lr=0.02),
        RunSpec.of("mnist", "baseline"),
        RunSpec.of("mnist", "baseline", source="official"),
    ]
    assert len({spec.digest for spec in specs}) == len(specs)
    assert RunSpec.of("xor", "baseline", T=50).digest == specs[0].digest


def test_a_spec_survives_json():
    spec = RunSpec.of("xor", Variant(leak=0.5, reset="soft"), seed=3, T=60)
    again = RunSpec.model_validate_json(spec.model_dump_json())
    assert again == spec and again.digest == spec.digest
    assert RunSpec.model_validate(spec.model_dump(mode="json")) == spec
    assert spec.changes() == {"T": 60}


@pytest.mark.parametrize(
    ("arguments", "changes", "sentence"),
    [
        (("xr", "baseline"), {}, "benchmark is 'xr': give one of xor"),
        (("xor", "base"), {}, "variant is 'base': give one of baseline"),
        (("xor", "baseline", -1), {}, "seed is -1"),
        (("xor", "baseline", 0, "official"), {}, "source 'official' is not one of generated"),
        (("xor", "baseline"), {"t": 10}, "xor has no protocol field 't': it has T"),
        (("xor", "baseline"), {"T": "50"}, "T is '50'"),
        (("xor", "baseline"), {"T": 10}, "T is 10: it must hold two patterns"),
        (("xor", "baseline"), {"lr": float("inf")}, "lr is inf"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(arguments, changes, sentence):
    with pytest.raises(SpecError, match=sentence) as caught:
        RunSpec.of(*arguments, **changes)
    assert "\n" not in str(caught.value)


def test_a_value_of_the_wrong_type_is_told_what_to_be():
    with pytest.raises(SpecError, match=r"^bias is 'false': Input should be a valid boolean: give True or False\.$"):
        RunSpec.of("shd", "baseline", bias="false")


def test_unknown_keys_are_refused_at_every_level():
    whole = RunSpec.of("xor", "baseline").model_dump(mode="json")
    for broken in (
        {**whole, "seeed": 1},
        {**whole, "protocol": {**whole["protocol"], "TT": 1}},
    ):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            RunSpec.model_validate(broken)
    with pytest.raises((ValidationError, TypeError), match="lek"):
        RunSpec.model_validate({**whole, "variant": {**whole["variant"], "lek": 1}})

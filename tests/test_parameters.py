"""Parameters are refused before anything runs, in one sentence that says what is accepted."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from lifroles import parameters
from lifroles.benchmarks import BENCHMARKS
from lifroles.errors import LifrolesError, ParameterError
from lifroles.parameters import SCHEMAS, assign, from_notebook, parse_value, validate
from lifroles.paths import project_root
from lifroles.variant import PAPER_VARIANTS

ACCURACY = "4_1_accuracy"


@pytest.mark.parametrize(
    ("notebook", "values", "sentence"),
    [
        (
            ACCURACY,
            {"varient": "x"},
            "Unknown parameter 'varient' of 4_1_accuracy: did you mean 'variants'? "
            "It accepts profile, benchmarks, variants, seeds, epochs, source, scale.",
        ),
        (
            ACCURACY,
            {"seeds": "three"},
            "Parameter 'seeds' of 4_1_accuracy is 'three': "
            "it accepts a list of distinct whole numbers of at least 0, such as [0, 1], or None.",
        ),
        (
            ACCURACY,
            {"profile": "smoke", "epochs": 2.5},
            "Parameter 'epochs' of 4_1_accuracy is 2.5: it accepts a whole number of at least 1, or None.",
        ),
        (
            ACCURACY,
            {"profile": "smok"},
            "Parameter 'profile' of 4_1_accuracy is 'smok': did you mean 'smoke'? "
            "It accepts one of archive, smoke, paper.",
        ),
        (
            "2_lif_neuron",
            {"k_tau": 1.5},
            "Parameter 'k_tau' of 2_lif_neuron is 1.5: it accepts a number from 0 to 1.",
        ),
        (
            ACCURACY,
            {"epochs": 3},
            "Parameter 'epochs' needs profile 'smoke' or 'paper': 'archive' shows finished runs and trains nothing.",
        ),
    ],
)
def test_the_sentence_names_the_parameter_and_what_it_accepts(
    notebook: str, values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        validate(notebook, values)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("notebook", "values"),
    [
        (ACCURACY, {"profile": "smoke", "epochs": 0}),
        (ACCURACY, {"profile": "smoke", "epochs": True}),
        (ACCURACY, {"profile": "smoke", "epochs": "3"}),
        (ACCURACY, {"seeds": []}),
        (ACCURACY, {"seeds": [0, 0]}),
        (ACCURACY, {"seeds": [-1]}),
        (ACCURACY, {"seeds": [True]}),
        (ACCURACY, {"seeds": [0.0]}),
        (ACCURACY, {"seeds": 3}),
        (ACCURACY, {"seeds": "[0, 1"}),
        (ACCURACY, {"seeds": {0: 1}}),
        (ACCURACY, {"variants": "baseline"}),
        (ACCURACY, {"variants": ["baseline", "basline"]}),
        (ACCURACY, {"variants": None}),
        (ACCURACY, {"benchmarks": ["xor", "xor"]}),
        (ACCURACY, {"benchmarks": [1]}),
        (ACCURACY, {"source": "mnist"}),
        (ACCURACY, {"profile": None}),
        ("2_lif_neuron", {"k_tau": math.nan}),
        ("2_lif_neuron", {"k_tau": True}),
        ("2_lif_neuron", {"u_th": 0}),
        ("2_lif_neuron", {"u_th": math.inf}),
        ("2_lif_neuron", {"T": 60.0}),
        ("3_variants", {"features": 0}),
        ("3_variants", {"seed": -1}),
    ],
)
def test_wrong_types_and_values_out_of_range_are_refused(notebook: str, values: dict[str, Any]) -> None:
    wrong = list(values)[-1]
    with pytest.raises(ParameterError, match=f"^Parameter '{wrong}' of {notebook} is .*accepts .*\\.$"):
        validate(notebook, values)


def test_lists_may_come_as_text_as_papermill_passes_them() -> None:
    found = validate(ACCURACY, {"seeds": "[0,1]", "variants": "['baseline', 'no_reset']", "benchmarks": "[xor]"})
    assert found.as_data() | {"seeds": [0, 1], "variants": ["baseline", "no_reset"], "benchmarks": ["xor"]} == (
        found.as_data()
    )


def test_parameters_cannot_be_changed_after_validation() -> None:
    found = validate(ACCURACY, {})
    with pytest.raises(ValueError, match="frozen"):
        found.profile = "smoke"


def test_an_unknown_notebook_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"no notebook '4_1_accurcy'.*did you mean '4_1_accuracy'"):
        validate("4_1_accurcy", {})


def test_the_schemas_know_what_the_package_knows() -> None:
    assert set(parameters.BENCHMARK_NAMES) <= set(BENCHMARKS)
    known = {source for name in parameters.BENCHMARK_NAMES for source in BENCHMARKS[name].sources}
    assert known == set(parameters.SOURCE_NAMES)
    assert validate(ACCURACY, {}).as_data()["variants"] == list(PAPER_VARIANTS)


@pytest.mark.parametrize("schema", SCHEMAS.values())
def test_every_parameter_says_what_it_does_and_accepts(schema: type[parameters.NotebookParameters]) -> None:
    table = schema().table().splitlines()[2:]
    assert len(table) == len(schema.model_fields)
    for row, (name, info) in zip(table, schema.model_fields.items(), strict=True):
        assert info.description
        assert row.startswith(f"| `{name}` |")
        assert parameters.accepts(schema, name) in row
        assert row.count("|") == 5


def test_a_value_goes_to_every_notebook_that_has_the_parameter() -> None:
    assigned = assign({"profile": "smoke", "epochs": 3, "T": 10})
    assert set(assigned) == set(SCHEMAS)
    assert {values.profile for values in assigned.values()} == {"smoke"}
    assert assigned[ACCURACY].as_data()["epochs"] == 3
    assert [assigned[name].as_data()["T"] for name in ("2_lif_neuron", "3_variants")] == [10, 10]


def test_a_value_that_no_notebook_takes_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"'epoch' of any notebook.*did you mean 'epochs'"):
        assign({"epoch": 3})
    with pytest.raises(ParameterError, match="'epochs' of 2_lif_neuron"):
        assign({"epochs": 3}, ["2_lif_neuron"])


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("2.5", 2.5), ("None", None), ("True", True), ("[0, 1]", [0, 1]), ("[xor]", ["xor"]), ("a", "a")],
)
def test_the_command_line_reads_values_as_papermill_does(text: str, value: object) -> None:
    found = parse_value(text)
    assert found == value
    assert type(found) is type(value)


def test_a_notebook_offers_only_its_data_as_parameters() -> None:
    namespace: dict[str, Any] = {
        "__name__": "__main__",
        "_private": 1,
        "In": [""],
        "Out": {},
        "PAPERMILL_OUTPUT_PATH": "out.ipynb",
        "math": math,
        "from_notebook": from_notebook,
        "ParameterError": ParameterError,
        "T": 20,
    }
    assert from_notebook("2_lif_neuron", {**namespace}).as_data()["T"] == 20
    with pytest.raises(ParameterError, match="'varient' of 2_lif_neuron"):
        from_notebook("2_lif_neuron", {**namespace, "varient": "x"})


def test_the_cell_can_be_run_again_after_the_notebook_has_made_variables() -> None:
    namespace: dict[str, Any] = {"T": 20}
    from_notebook("2_lif_neuron", namespace)
    namespace |= {"rows": [1, 2], "T": 30}
    assert from_notebook("2_lif_neuron", namespace).as_data()["T"] == 30
    namespace["T"] = 0
    with pytest.raises(ParameterError, match="'T'"):
        from_notebook("2_lif_neuron", namespace)


def test_an_error_shows_in_a_notebook_as_its_sentence_alone() -> None:
    with pytest.raises(LifrolesError) as caught:
        validate(ACCURACY, {"profile": "smok"})
    assert caught.value._render_traceback_() == [f"ParameterError: {caught.value}"]


def test_validation_does_not_wait_for_torch_or_matplotlib() -> None:
    code = "import sys, lifroles.parameters; print([m for m in ('torch', 'matplotlib', 'numpy') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=project_root())
    assert found.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def accuracy_notebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook with the parameters and the validation of section 4.1, and nothing slow after them."""
    defaults = SCHEMAS[ACCURACY].defaults()
    cells = [
        new_code_cell("\n".join(f"{name} = {value!r}" for name, value in defaults.items())),
        new_code_cell(
            f'from lifroles.parameters import from_notebook\n\np = from_notebook("{ACCURACY}", globals())\np'
        ),
        new_code_cell('print("ran with", p.seeds, p.epochs)'),
    ]
    cells[0].metadata["tags"] = ["parameters"]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = tmp_path_factory.mktemp("papermill") / "in.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def _papermill(notebook: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[str], nbformat.NotebookNode]:
    out = notebook.with_name("out.ipynb")
    environment = {**os.environ, "PYTHONPATH": str(project_root())}
    command = [sys.executable, "-m", "papermill", str(notebook), str(out), "--no-progress-bar", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return result, nbformat.read(out, as_version=4)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-p", "varient", "x"), "Unknown parameter 'varient' of 4_1_accuracy: did you mean 'variants'?"),
        (("-p", "seeds", "three"), "Parameter 'seeds' of 4_1_accuracy is 'three': it accepts a list"),
        (("-p", "profile", "smoke", "-p", "epochs", "0"), "Parameter 'epochs' of 4_1_accuracy is 0: it accepts"),
    ],
)
def test_papermill_stops_before_anything_runs(
    accuracy_notebook: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    result, executed = _papermill(accuracy_notebook, *arguments)
    assert result.returncode != 0
    assert f"ParameterError: {sentence}" in result.stderr
    last = executed.cells[-1]
    assert last.execution_count is None
    assert not last.outputs
    shown = next(o for c in executed.cells for o in c.get("outputs", []) if o.output_type == "error")
    assert len(shown.traceback) == 1, "the notebook should show one sentence and no frames"


def test_papermill_passes_what_the_readme_shows(accuracy_notebook: Path) -> None:
    result, executed = _papermill(
        accuracy_notebook, "-p", "profile", "smoke", "-p", "seeds", "[0,1]", "-p", "epochs", "3"
    )
    assert result.returncode == 0, result.stderr
    assert executed.cells[-1].outputs[0].text == "ran with (0, 1) 3\n"
    assert "| `epochs` | `3` | `None` |" in executed.cells[-2].outputs[0].data["text/markdown"]

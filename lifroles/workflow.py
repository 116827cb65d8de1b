"""The study as ``workflow/Snakefile`` reads it: plain data, with a command for every step."""

from __future__ import annotations

import shlex
from typing import Any, get_args

from lifroles import paths, reproduce, study
from lifroles.durations import Durations
from lifroles.spec import RunSpec
from lifroles.study import Profile, Question


def rows() -> list[tuple[str, ...]]:
    """Return name, title and, for each of :data:`study.Profile`, the number of runs of every target."""
    return [
        (
            name,
            target.title,
            *(str(len(target.specs(p))) if p in study.profiles(name) else "–" for p in get_args(Profile)),
        )
        for name, target in study.TARGETS.items()
    ]


def definition() -> dict[str, Any]:
    """Return all targets, runs and data.

    ``targets`` maps a name to ``runs`` and ``probes`` (by profile, their names; the target's own profile first) and
    ``book``. ``runs`` maps a name to its ``command``, ``digest``, the ``data`` to be made ready before, its expected
    ``seconds`` or ``null``, and whether it is ``stored``; ``probes`` to its ``command``, the ``run`` that is asked, the
    runs whose weights it ``needs``, and whether it is ``stored``; ``data`` to its ``command``.
    ``store`` is the folder of runs.
    """
    store = reproduce.stores()
    durations = Durations(store.all())
    targets: dict[str, Any] = {}
    specs: dict[str, RunSpec] = {}
    questions: dict[str, Question] = {}
    data: dict[str, RunSpec] = {}
    needs: dict[str, str] = {}
    for name, target in study.TARGETS.items():
        profiles = study.profiles(name)
        found = {p: target.specs(p) for p in profiles}
        asked = {p: target.questions(p) for p in profiles}
        targets[name] = {
            "runs": {p: [spec.path for spec in found[p]] for p in profiles},
            "probes": {p: [question.path for question in asked[p]] for p in profiles},
            "book": target.book,
        }
        questions |= {question.path: question for p in profiles for question in asked[p]}
        for spec in (spec for p in profiles for spec in found[p]):
            specs[spec.path] = spec
    for spec in study.preparations(specs.values()):
        key = f"{spec.benchmark}-{spec.source}-{spec.digest}"
        data[key] = spec
        needs |= {
            path: key
            for path, other in specs.items()
            if other.protocol == spec.protocol and other.source == spec.source
        }
    return {
        "store": str(paths.runs_dir().resolve()),
        "targets": targets,
        "runs": {
            path: {
                "command": shlex.join(reproduce.train_command(spec)[1:]),
                "digest": spec.digest,
                "data": needs.get(path),
                "seconds": durations.expect(spec).seconds,
                "stored": store.get(spec, weights=True) is not None,
            }
            for path, spec in specs.items()
        },
        "probes": {
            path: {
                "command": shlex.join(reproduce.probe_command(question)[1:]),
                "run": question.run.path,
                "needs": [spec.path for spec in question.needs],
                "stored": reproduce.answered(question, store),
            }
            for path, question in questions.items()
        },
        "data": {key: {"command": shlex.join(reproduce.prepare_command(spec)[1:])} for key, spec in data.items()},
    }

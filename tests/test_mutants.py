"""The equation's tests notice every way in which the equation could be wrong; and the tool that shows it works."""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOOLS = Path(__file__).resolve().parents[1] / "tools"


@pytest.fixture
def tool(monkeypatch) -> Any:
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("mutate")


def test_every_mutant_of_the_reference_is_noticed():
    command = [sys.executable, str(TOOLS / "mutate.py"), "reference", "--jobs", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = re.search(r"reference: (\d+) mutants, of which (\d+) were noticed", done.stdout)
    assert counts and int(counts[1]) == int(counts[2]) > 80, done.stdout


def changes(tool, file, source):
    """Return the changed lines of a source, without their spaces."""
    lines: dict[str, set[str]] = {}
    for mutant in tool.mutants(file, source):
        lines.setdefault(mutant.before, set()).add(mutant.after.replace(" ", ""))
    return lines


def test_python_is_broken_everywhere_but_in_what_is_said_about_it(tool):
    source = '''
def f(x: "a - b", t: int = 0) -> "1 + 1":
    """Return 1 + 1."""
    # ü 1 - 1
    y = k * (x[t] - 0.5)  # ü
    if y >= 0 and not t:
        raise ValueError(f"{x - 1} is below 0")
    return min(y.detach(), abs(y))
'''
    found = changes(tool, "a.py", source)
    assert found == {
        'def f(x: "a - b", t: int = 0) -> "1 + 1":': {'deff(x:"a-b",t:int=1)->"1+1":'},
        "y = k * (x[t] - 0.5) # ü": {
            "y=k/(x[t]-0.5)#ü", "y=(k)#ü", "y=(x[t]-0.5)#ü", "y=k*(x[t]+0.5)#ü", "y=k*((x[t]))#ü", "y=k*((0.5))#ü",
            "y=k*(((0.5)-(x[t])))#ü", "y=k*(x[(t)+1]-0.5)#ü", "y=k*(x[(t)-1]-0.5)#ü", "y=k*(x[t]-1.5)#ü",
            "y=k*(x[t]-0.0)#ü",
        },
        "if y >= 0 and not t:": {
            "ifTrue:", "ifFalse:", "ify>=0ornott:", "ifTrueandnott:", "ify>=0andTrue:", "ify>0andnott:",
            "ify<0andnott:", "ify>=1andnott:", "ify>=0and(t):",
        },
        "return min(y.detach(), abs(y))": {
            "returnmax(y.detach(),abs(y))", "returnmin(y,abs(y))", "returnmin(y.detach(),(y))",
        },
    }  # fmt: skip


def test_cuda_is_broken_everywhere_but_in_what_is_said_about_it(tool):
    source = """
// a - b
#define ONE 1 + 1
constexpr int SIZE = 8;
__global__ void f(const real* __restrict__ x, int n) {
    real kept[SIZE];
    for (int t = 0; t < n; ++t) kept[t] = -x[t] * fabs(x[0]);
    if (!n && x[0] > 0) return;
}
"""
    found = changes(tool, "a.cu", source)
    assert found == {
        "constexpr int SIZE = 8;": {"constexprintSIZE=9;", "constexprintSIZE=7;"},
        "for (int t = 0; t < n; ++t) kept[t] = -x[t] * fabs(x[0]);": {
            f"for(intt={header})kept{rest};"
            for header, rest in [
                ("1;t<n;++t", "[t]=-x[t]*fabs(x[0])"), ("0;t<=n;++t", "[t]=-x[t]*fabs(x[0])"),
                ("0;t>=n;++t", "[t]=-x[t]*fabs(x[0])"), ("0;t<n;--t", "[t]=-x[t]*fabs(x[0])"),
                ("0;t<n;++t", "[(t)+1]=-x[t]*fabs(x[0])"), ("0;t<n;++t", "[(t)-1]=-x[t]*fabs(x[0])"),
                ("0;t<n;++t", "[t]=x[t]*fabs(x[0])"), ("0;t<n;++t", "[t]=-x[(t)+1]*fabs(x[0])"),
                ("0;t<n;++t", "[t]=-x[(t)-1]*fabs(x[0])"), ("0;t<n;++t", "[t]=-x[t]/fabs(x[0])"),
                ("0;t<n;++t", "[t]=-x[t]"), ("0;t<n;++t", "[t]=-x[t]*(x[0])"), ("0;t<n;++t", "[t]=-x[t]*fabs(x[1])"),
            ]
        } | {"for(intt=0;t<n;++t);"},
        "if (!n && x[0] > 0) return;": {
            "if(true)return;", "if(false)return;", "if(n&&x[0]>0)return;", "if(!n||x[0]>0)return;",
            "if(true&&x[0]>0)return;", "if(!n&&true)return;", "if(!n&&x[1]>0)return;", "if(!n&&x[0]>=0)return;",
            "if(!n&&x[0]<=0)return;", "if(!n&&x[0]>1)return;", "if(!n&&x[0]>0);",
        },
    }  # fmt: skip


def test_what_survives_or_is_listed_wrongly_is_an_error(tool, capsys, monkeypatch):
    target = tool.Target(("a.py",), "reference")
    one, other = tool.mutants("a.py", "x = 0\ny = 0\n")
    entry = {"file": "a.py", "function": "module", "code": one.before, "mutants": [one.after], "reason": ""}
    survived, noticed = tool.Result(tool.SURVIVED), tool.Result(tool.NOTICED)

    def status(entries, *results):
        monkeypatch.setattr(tool, "listed", lambda target, name: entries)
        return tool.report(target, "a", list(zip((one, other), results, strict=True)), True), capsys.readouterr().out

    assert status([], noticed, noticed)[0] == 0
    assert status([entry], survived, noticed)[0] == 0
    for entries, result, said in (
        ([], survived, "survived:\na.py:1"),
        ([entry], noticed, "listed as equivalent, but noticed or not compiled:\na.py:1"),
        ([entry, {**entry, "code": "z = 0"}], survived, "there is no such mutant:\na.py module: x = 1"),
    ):
        ended, text = status(entries, result, noticed)
        assert ended == 1 and said in text

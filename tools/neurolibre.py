"""Write content/ from _config.yml, _toc.yml and book/: the same book in the layout that NeuroLibre builds from.

NeuroLibre wants `content/_config.yml` and `content/_toc.yml`, runs `jupyter-book build content` in the environment that
`binder/` describes, and lets Jupyter Book execute the notebooks. These two have to be real files, because it rewrites
them when it publishes; the pages are symbolic links to those in `book/` and `notebooks/`, so that each exists once.

    python tools/neurolibre.py          # write it (`make neurolibre`)
    python tools/neurolibre.py --check  # say whether it is as this would write it; status 1 if not
"""

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
EXECUTED = "book/notebooks"
HEADER = "# Written by `make neurolibre` (tools/neurolibre.py) from the file of this name at the root; do not edit.\n"


def config(text: str) -> str:
    """Return content/_config.yml for the text of _config.yml: Jupyter Book executes, NeuroLibre adds the buttons."""
    data: dict[str, Any] = yaml.safe_load(text)
    data.pop("launch_buttons", None)  # NeuroLibre appends a section of this name, with its own hub
    data["exclude_patterns"] = ["_build"]
    data["repository"]["path_to_book"] = "content"
    data["execute"] = {
        "execute_notebooks": "force",
        "timeout": -1,
        "stderr_output": "remove",
        "raise_on_error": True,
    }
    data["sphinx"]["config"]["lifroles_archive"] = "../results"
    return HEADER + yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)


def links(toc: str, root: Path = ROOT) -> dict[str, str]:
    """Return the links of content/ by their place in it: what each page, and what the pages need, is in the project."""
    pages = [line.split("file:")[1].strip() for line in toc.splitlines() if "file:" in line]
    pages.append(next(line.split("root:")[1].strip() for line in toc.splitlines() if line.startswith("root:")))
    written = [f"{page}.md" for page in pages if not page.startswith(EXECUTED)]
    wanted = {EXECUTED: "notebooks"}
    for place in sorted([*written, "book/_static", "book/references.bib", "CHANGELOG.md"]):
        if not (root / place).exists():
            raise FileNotFoundError(f"{place} is not there: mend _toc.yml or restore it.")
        wanted[place] = place
    return {place: os.path.relpath(target, Path("content", place).parent) for place, target in wanted.items()}


def write(root: Path = ROOT) -> None:
    """Write content/ anew."""
    content = root / "content"
    toc = (root / "_toc.yml").read_text("utf-8")
    new = config((root / "_config.yml").read_text("utf-8"))
    wanted = links(toc, root)
    shutil.rmtree(content, ignore_errors=True)
    content.mkdir()
    (content / "_config.yml").write_text(new, "utf-8")
    (content / "_toc.yml").write_text(HEADER + toc, "utf-8")
    for place, target in wanted.items():
        (content / place).parent.mkdir(parents=True, exist_ok=True)
        (content / place).symlink_to(target)


def differences(root: Path = ROOT) -> list[str]:
    """Return what of content/ is not as :func:`write` would write it."""
    content = root / "content"
    toc = (root / "_toc.yml").read_text("utf-8")
    texts = {"_config.yml": config((root / "_config.yml").read_text("utf-8")), "_toc.yml": HEADER + toc}
    wanted = links(toc, root)
    found = [n for n, text in texts.items() if not (content / n).is_file() or (content / n).read_text("utf-8") != text]
    found += [p for p, to in wanted.items() if not (content / p).is_symlink() or os.readlink(content / p) != to]
    places = {path.relative_to(content).as_posix() for path in content.rglob("*") if path.is_symlink()}
    return [*found, *sorted(places - set(wanted))]


def main() -> int:
    """Run the command line; return its status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing")
    if not parser.parse_args().check:
        write()
        return 0
    found = differences()
    if found:
        print(f"content/ is not up to date ({', '.join(found)}): run `make neurolibre`.", file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())

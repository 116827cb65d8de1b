"""Is the configuration of the book what it seems to be?

Jupyter Book takes a misspelt key, a second ``execute`` section or an unknown option of the table of
contents without a word and builds with its defaults instead. Here they are problems.
"""

from __future__ import annotations

import importlib.resources
import json
import re
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import yaml

from lifroles.gate.base import Layout, Problem, nearest

# Jupyter Book reads these and lists them neither in its schema nor in its default configuration.
_UNLISTED: Mapping[str, Mapping[str, Any]] = {"project": {}, "parse": {"myst_substitutions": {}}}


class _StrictLoader(yaml.SafeLoader):
    """A YAML loader that refuses a key given twice, at any depth (PyYAML takes the last one)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is given twice, in lines {seen[key]} and {line}", key_node.start_mark
                )
            seen[key] = line
        return super().construct_mapping(node, deep)


def read_yaml(text: str) -> Any:
    """Return the data of a YAML document.

    Raises:
        ValueError: it is not YAML, or has a key twice. The message says where.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        twice = "is given twice" in str(error.problem)
        raise ValueError(str(error.problem) if twice else f"it is not YAML: {error.problem}{line}") from None
    except (yaml.YAMLError, TypeError) as error:
        raise ValueError(f"it is not YAML: {error}") from None


def check_config(layout: Layout) -> list[Problem]:
    """Return the problems of ``_config.yml``: unreadable, unknown or repeated keys, wrong types, execution on."""
    page = layout.page(layout.config)
    if not layout.config.is_file():
        return [Problem(page, "the configuration of the book is missing", "Restore it")]
    try:
        data = read_yaml(layout.config.read_text("utf-8"))
    except ValueError as error:
        return [Problem(page, str(error), "Keep each key once")]
    if not isinstance(data, dict):
        return [Problem(page, "it is not a mapping of keys to values", "Write it as 'key: value' lines")]

    from jupyter_book.config import get_validator  # imports Sphinx, which takes a moment

    schema, defaults = _jupyter_books_own()
    known = _merge(_merge(_of_schema(schema), _of_data(defaults)), _UNLISTED)
    problems = list(_unknown_keys(page, data, known, known))
    problems.extend(_not_yes_or_no(page, data, schema, defaults))
    for error in get_validator().iter_errors(data):
        where = ".".join(str(part) for part in error.path) or "the file"
        problems.append(
            Problem(page, f"'{where}' has a wrong value: {error.message}", "Give a value of the right type")
        )
    problems.extend(_ways_around(page, data))
    execute = data.get("execute")
    mode = execute.get("execute_notebooks") if isinstance(execute, dict) else None
    if mode is not False and mode != "off":
        found = "missing" if mode is None else repr(mode)
        problems.append(
            Problem(
                page, f"execute.execute_notebooks is {found}", 'Set it to "off": lifroles book executes the notebooks'
            )
        )
    return problems


def _jupyter_books_own() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return Jupyter Book's schema and its default configuration; neither lists every key."""
    package = importlib.resources.files("jupyter_book")
    schema = json.loads(package.joinpath("config_schema.json").read_text("utf-8"))
    return schema, yaml.safe_load(package.joinpath("default_config.yml").read_text("utf-8"))


def _of_schema(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a JSON schema as a tree; an empty branch takes anything."""
    return {key: _of_schema(value) for key, value in node.get("properties", {}).items()}


def _of_data(node: Any) -> dict[str, Any]:
    """Return the keys of a configuration as a tree."""
    return {key: _of_data(value) for key, value in node.items()} if isinstance(node, Mapping) else {}


def _merge(one: dict[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in other.items():
        one[key] = _merge(one.get(key, {}), value)
    return one


def _not_yes_or_no(
    page: str, data: Mapping[str, Any], schema: Mapping[str, Any], defaults: Mapping[str, Any]
) -> Iterator[Problem]:
    """Check the switches of the top level that the schema forgets, by the type of their defaults."""
    for key, default in defaults.items():
        if (
            isinstance(default, bool)
            and key not in schema["properties"]
            and not isinstance(data.get(key, default), bool)
        ):
            yield Problem(page, f"'{key}' has a wrong value: {data[key]!r}", "Write true or false")


def _ways_around(page: str, data: Mapping[str, Any]) -> Iterator[Problem]:
    """Find Sphinx's own settings that would execute a notebook during the build, or hide a warning."""
    section = data.get("sphinx")
    settings = section.get("config") if isinstance(section, Mapping) else None
    for key in settings if isinstance(settings, Mapping) else ():
        if str(key).startswith(("nb_execution", "jupyter_execute")):
            yield Problem(page, f"'sphinx.config.{key}' changes how notebooks are executed", "Delete it")
        elif key == "suppress_warnings":
            yield Problem(page, "'sphinx.config.suppress_warnings' hides faults from the gate", "Delete it")


def _unknown_keys(
    page: str, data: Mapping[Any, Any], known: Mapping[str, Any], top: Mapping[str, Any], path: str = ""
) -> Iterator[Problem]:
    for key, value in data.items():
        if key not in known:
            homes = [section for section, keys in top.items() if key in keys and section != path]
            otherwise = f"It belongs under '{homes[0]}'" if homes else "Delete it"
            where = f"under '{path}'" if path else "at the top level"
            yield Problem(page, f"unknown key '{key}' {where}", nearest(key, known, otherwise))
        elif known[key] and isinstance(value, Mapping):
            yield from _unknown_keys(page, value, known[key], top, f"{path}.{key}" if path else key)


def toc_pages(layout: Layout) -> list[str]:
    """Return the pages of the table of contents, in order, without endings; it has to be a valid one."""
    from sphinx_external_toc.parsing import parse_toc_data

    return [_docname(page) for page in parse_toc_data(read_yaml(layout.toc.read_text("utf-8")))]


def check_toc(layout: Layout) -> list[Problem]:
    """Return the problems of ``_toc.yml``: its form, and pages that are missing, repeated or not executed."""
    page = layout.page(layout.toc)
    if not layout.toc.is_file():
        return [Problem(page, "the table of contents is missing", "Restore it")]
    from sphinx_external_toc.parsing import MalformedError, parse_toc_data

    try:
        data = read_yaml(layout.toc.read_text("utf-8"))
        site = parse_toc_data(data)
    except ValueError as error:
        return [Problem(page, str(error), "Keep each key once")]
    except (MalformedError, TypeError, AttributeError) as error:
        return [Problem(page, f"it is malformed: {error}", "See the documentation of sphinx-external-toc")]

    problems = list(_toc_options(page, data))
    seen: set[str] = set()
    for entry in site:
        name = _docname(entry)
        if name in seen:
            problems.append(Problem(page, f"'{name}' is listed twice", "List it once"))
        seen.add(name)
        problems.extend(_toc_page(layout, name))
    return problems


def _toc_options(page: str, node: Mapping[str, Any], path: str = "") -> Iterator[Problem]:
    """Find what sphinx-external-toc ignores: unknown options of a part, of an item, and patterns."""
    from sphinx_external_toc.parsing import TOCTREE_OPTIONS

    lists = {"parts", "subtrees", "chapters", "sections", "entries"}
    is_part = path.endswith(("parts", "subtrees"))
    known = set(TOCTREE_OPTIONS) | lists if is_part else {"file", "url", "title", "options", "root", *lists}
    known |= set() if path else {"format", "defaults", "meta"}
    where = f"under '{path}'" if path else "at the top level"
    for key, value in node.items():
        if key == "glob":
            yield Problem(page, f"the pattern '{value}' {where} is no page", "List every page by name")
        elif key not in known:
            yield Problem(page, f"unknown key '{key}' {where}", nearest(key, known, "Delete it"))
        elif key == "options" and isinstance(value, Mapping):
            for option in value:
                if option not in TOCTREE_OPTIONS:
                    hint = nearest(option, TOCTREE_OPTIONS, "Delete it")
                    yield Problem(page, f"unknown key '{option}' under 'options'", hint)
        elif key in lists:
            for item in value:
                yield from _toc_options(page, item, f"{path}.{key}" if path else key)


def _toc_page(layout: Layout, name: str) -> Iterator[Problem]:
    """Check that a page of the table of contents can be built, and is not an unexecuted notebook."""
    page = layout.page(layout.toc)
    folder, _, stem = name.rpartition("/")
    if folder == layout.page(layout.executed):
        if not layout.source(stem).is_file():
            yield Problem(
                page, f"the page '{name}' has no notebook notebooks/{stem}.ipynb", "Write it or delete the page"
            )
        return
    found = [path for ending in (".md", ".ipynb", ".rst") if (path := layout.root / f"{name}{ending}").is_file()]
    if not found:
        yield Problem(page, f"the page '{name}' has no file", f"Write {name}.md or delete the page")
    elif found[0].suffix == ".ipynb":
        mend = f"List 'book/notebooks/{stem}', the executed copy"
        yield Problem(page, f"the page '{name}' is a notebook that the build does not execute", mend)
    elif re.search(r"\{code-cell\}|^mystnb:", found[0].read_text("utf-8"), re.MULTILINE):
        mend = "Move the code to a notebook in notebooks/"
        yield Problem(
            layout.page(found[0]),
            "it holds code cells or settings of MyST-NB, which would run code unseen or not at all",
            mend,
        )


def _docname(page: str) -> str:
    for ending in (".md", ".ipynb", ".rst"):
        page = page.removesuffix(ending)
    return page.removeprefix("./")

"""CITATION.cff, checked as far as that goes without cffconvert, which `make citation` runs on its own."""

import datetime
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent

# Citation File Format 1.2.0: every key that may stand at the top
KEYS = {
    *("abstract", "authors", "cff-version", "commit", "contact", "date-released", "doi", "identifiers", "keywords"),
    *("license", "license-url", "message", "preferred-citation", "references", "repository", "repository-artifact"),
    *("repository-code", "title", "type", "url", "version"),
}
LICENCES = {"BSD-3-Clause", "CC-BY-4.0"}
AUTHORS = ["Yin", "Zheng", "Mao", "Ding", "Liu", "Xu", "Hu", "Pei", "Deng"]


@pytest.fixture(scope="module")
def citation() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_it_has_the_keys_that_the_format_requires_and_no_others(citation: dict[str, Any]) -> None:
    assert {"cff-version", "message", "title", "authors"} <= citation.keys() <= KEYS
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] in {"software", "dataset"}
    assert len(citation["keywords"]) == len(set(citation["keywords"])) > 0


def test_it_describes_the_package_that_is_installed_from_here(citation: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert citation["license"] in LICENCES
    assert "BSD 3-Clause License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "CC BY 4.0" in (ROOT / "LICENSE-text.md").read_text(encoding="utf-8")


def test_dates_and_identifiers_are_well_formed(citation: dict[str, Any]) -> None:
    assert isinstance(citation["date-released"], datetime.date)
    for work in (citation, *citation["references"]):
        for author in work["authors"]:
            assert set(author) >= {"name"} or set(author) >= {"family-names", "given-names"}
            if "orcid" in author:
                assert re.fullmatch(r"https://orcid\.org/\d{4}-\d{4}-\d{4}-\d{3}[0-9X]", author["orcid"])
        dois = [work["doi"]] if "doi" in work else []
        dois += [entry["value"] for entry in work.get("identifiers", ()) if entry["type"] == "doi"]
        assert all(re.fullmatch(r"10\.\d{4,9}/\S+", doi) for doi in dois)


def test_the_paper_is_referenced_in_full(citation: dict[str, Any]) -> None:
    (paper,) = citation["references"]
    assert paper["type"] == "article"
    assert [author["family-names"] for author in paper["authors"]] == AUTHORS
    assert (paper["journal"], paper["volume"], paper["start"], paper["year"]) == (
        "Neuromorphic Computing and Engineering",
        4,
        "034009",
        2024,
    )
    assert paper["doi"] == "10.1088/2634-4386/ad6cef"
    assert paper["identifiers"][0]["value"] == "10.48550/arXiv.2403.16674"


def test_the_deposit_and_the_citing_page_say_what_the_citation_says(citation: dict[str, Any]) -> None:
    deposit = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    for here, there in (
        ("title", "title"),
        ("description", "abstract"),
        ("version", "version"),
        ("license", "license"),
    ):
        assert deposit[here] == citation[there]
    assert deposit["keywords"] == citation["keywords"]
    (reference,) = citation["references"]
    related = {one["identifier"] for one in deposit["related_identifiers"]}
    assert related == {reference["doi"], "arXiv:2403.16674"}
    page = (ROOT / "book/cite.md").read_text(encoding="utf-8")
    for said in (f"version = {{{citation['version']}}}", f"title   = {{{citation['title']}}}", reference["doi"]):
        assert said in page
    for author in AUTHORS:
        assert author in page

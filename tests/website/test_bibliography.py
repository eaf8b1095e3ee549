"""Whoever is cited is in the bibliography."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AUTHORS = r"([A-Z][^\W\d_]+(?:-[A-Z]\w+)?)(?: et al\.| and [A-Z][^\W\d_]+)"
CITED = re.compile(AUTHORS + r",? \(?(?:IC\w+ )?((?:19|20)\d\d)")
ENTRY = re.compile(r"^- ([^\W\d_]+), .*?\((\d{4})\)", re.DOTALL | re.MULTILINE)


def cited(text: str) -> set[tuple[str, str]]:
    """Return first authors and years."""
    return {(name, year) for name, year in CITED.findall(" ".join(text.split()))}


def entries(text: str) -> list[tuple[str, str]]:
    return ENTRY.findall(text)


def test_citations_of_all_forms_are_seen() -> None:
    text = (
        "Yeh et al., 2019; Fong and Vedaldi, 2017; Chefer et\nal., ICCV 2021; Arras et al. (2022)"
    )
    found = {("Yeh", "2019"), ("Fong", "2017"), ("Chefer", "2021"), ("Arras", "2022")}
    assert cited(text) == found


def test_all_that_is_cited_is_listed() -> None:
    known = set(entries((ROOT / "docs" / "bibliography.md").read_text(encoding="utf-8")))
    pages = [path for path in (ROOT / "docs").rglob("*.md") if path.name != "bibliography.md"]
    pages += [path for folder in ("swag", "workflows") for path in (ROOT / folder).rglob("*.py")]
    found = set[tuple[str, str]]().union(
        *(
            cited(path.read_text(encoding="utf-8").replace("Hedstroem", "Hedström"))
            for path in pages
        )
    )
    assert len(found) > 40
    assert found - known == set()


def test_every_list_is_in_order() -> None:
    text = (ROOT / "docs" / "bibliography.md").read_text(encoding="utf-8")
    for section in text.split("\n## ")[1:]:
        listed = entries(section)
        assert listed
        assert listed == sorted(listed)

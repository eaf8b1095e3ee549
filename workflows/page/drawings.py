"""Figures as a page has them."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

from ..report.rendering import INK, MUTED, RULE
from ..report.sections import Drawing

_THEMED = {INK: "var(--ink)", MUTED: "var(--muted)", RULE: "var(--rule)"}


def drawing_view(drawing: Drawing) -> dict[str, Any]:
    """Return a figure with its title and its alternative text."""
    return {
        "title": drawing.title,
        "stem": drawing.stem,
        "svg": inline_svg(drawing),
        "alt": drawing.alt,
    }


def inline_svg(drawing: Drawing) -> Markup:
    """Return a figure for the page: its ids made unique, its ink following the page's theme."""
    text = drawing.rendered["svg"].decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' id="(line|key)-([^"~]+)~(\w+)"', r' class="\1 \3" data-method="\2"', text)
    text = re.sub(r'\bid="|url\(#|href="#', lambda found: f"{found[0]}{drawing.stem}-", text)
    for colour, variable in _THEMED.items():
        text = text.replace(colour, variable)
    width = re.search(r'viewBox="0 0 ([\d.]+)', text)
    most = round(float(width[1]) * 1.6) if width else 900  # keeps the letters near the page's size
    label = Markup.escape(drawing.alt)
    return Markup(  # noqa: S704  # matplotlib escapes every text that it writes
        text.replace(
            "<svg ", f'<svg role="group" aria-label="{label}" style="max-width: {most}px" ', 1
        )
    )

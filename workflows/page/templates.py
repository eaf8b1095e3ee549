"""The templates of this package, and what they are filled with."""

from __future__ import annotations

import base64
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..report import names
from ..report.names import Labels
from .gallery import Bytes, jpeg


def environment_of(labels: Labels) -> Environment:
    """Return what reads the templates of this package."""
    environment = Environment(
        loader=PackageLoader("swagflow.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["method"] = lambda name: method_label(labels.method(name))
    environment.filters["count"] = names.count
    return environment


def method_label(label: str) -> Markup:
    """Return a method's name, a last I, G or I+G as a subscript like the paper's."""
    base, _, last = label.rpartition(" ")
    if base in {"SWAG", "LIME"} and last in {"I", "G", "I+G"}:
        return Markup("{}<sub>{}</sub>").format(base, last)
    return Markup.escape(label)


def asset(name: str) -> Markup:
    """Return a file of this package as a page has it."""
    text = (files(str(__package__)) / name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704  # a file of this package


def data_uri(picture: Bytes) -> str:
    """Return a picture as the address of an inline JPEG."""
    return jpeg_uri(jpeg(picture))


def jpeg_uri(content: bytes) -> str:
    """Return a JPEG as the address of an inline file."""
    return "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")


def csv_uri(content: bytes) -> str:
    """Return a table as the address of an inline file."""
    return "data:text/csv;base64," + base64.b64encode(content).decode("ascii")

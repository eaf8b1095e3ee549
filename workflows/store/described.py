"""benchmark.yaml: what a run folder is to hold, as plain data that needs none of its classes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, cast

import yaml
from pydantic import TypeAdapter, ValidationError

from swag.types import Kind

from ..errors import UserError
from .experiments import Experiment, RankedMetrics, Roar, Tuning
from .parts import CellName, Subject

Fields = dict[str, Any]
"""Class, version and fields of a configured object."""
PREDICTED = "predicted"
FLOAT32 = "float32"
TUNED_WITH = "tuned_with"
CAM_LAYER = "cam_layer"
SCHEMA_VERSION = 1
"""Of a run folder: which files it has, and what their columns and the keys of benchmark.yaml mean.
It is raised where a reader of the version before would mistake something; additions leave it."""
CHECKSUM = b"# sha256 of what follows: "
"""What the first line begins with; versions before 0.2 did not write it."""
READS_LAYER = "reads_layer"
PASSES = "passes"
FOR_READERS = ("kind", "higher_is_better", "is_timing", "about", TUNED_WITH, READS_LAYER, PASSES)
"""What a description adds for those who read a run folder; no part of what makes a number."""


@dataclass(frozen=True, kw_only=True)
class Described:
    """A benchmark as its run folder keeps it: the one reader and writer of benchmark.yaml."""

    schema_version: int = SCHEMA_VERSION
    """Of the folder; 1 where nothing is said, as before it was written down."""
    name: str
    datasets: dict[str, Fields]
    models: dict[str, Fields]
    explainers: dict[str, Fields]
    """With `kind`, where its class has a docstring the first line of it as `about`, with
    `reads_layer` where its maps depend on Grad-CAM's layer, and with `passes`, the forward and
    backward ones that explain one image alone."""
    metrics: dict[str, Fields]
    """With `higher_is_better` and `about`; with `is_timing` where they judge the explainer itself,
    and `tuned_with`, a perturbation, where a fine-tuned model scores."""
    experiments: dict[str, Experiment] = field(default_factory=dict)
    roar: dict[str, Roar] = field(default_factory=dict)
    """By the data set that validates."""
    tuning: dict[str, Tuning] = field(default_factory=dict)
    """By the data set whose saliencies are judged."""
    rankings: dict[str, RankedMetrics] = field(default_factory=dict)
    on: dict[str, dict[str, Fields]] = field(default_factory=dict)
    explainers_on: dict[str, dict[str, Fields]] = field(default_factory=dict)
    seed: int = 0
    target: str = PREDICTED
    """Which class of an image is explained."""
    shard_size: int = 32
    batch_size: int = 32
    forward: str = "eager"
    precision: str = FLOAT32
    """As `swagflow.config.benchmark.Benchmark` has them; versions before 0.2 knew one of each."""
    subjects: dict[str, Fields] = field(default_factory=dict)
    """By "data set/model": the fingerprint of the images, and the model with its weights'; and
    `cam_layer`, Grad-CAM's, where none is named and it is not simply the last with a map."""
    num_images: dict[str, int] = field(default_factory=dict)
    """Of each data set; nothing where version 0.1 wrote the folder."""

    @classmethod
    def parse(cls, content: bytes, uri: str) -> Described:
        """Return what the benchmark.yaml of a run folder says.

        Raises:
            UserError: it is damaged, no description of a benchmark, or of a newer schema version
                than this one knows.
        """
        line, _, text = content.partition(b"\n")
        try:
            plain = yaml.load(content, _loader(line, text))  # noqa: S506 - both are safe
            _require_known_schema(plain, uri)
            return _adapter().validate_python(plain)
        except ValidationError as error:
            first = error.errors()[0]
            problem = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            problem = str(error).splitlines()[0]
        raise UserError(
            f"benchmark.yaml of the run folder {uri!r} cannot be read ({problem}); put back the "
            "one that 'swagflow run' wrote, or choose another --run-dir"
        )

    def encoded(self) -> bytes:
        """Return it as a file, which tells whether it is whole: a part of YAML is YAML too."""
        text = yaml.safe_dump(self.plain(), sort_keys=False, allow_unicode=True).encode()
        return _checksum(text) + b"\n" + text

    def plain(self) -> dict[str, Any]:
        """Return it as data for YAML."""
        plain = cast(dict[str, Any], _adapter().dump_python(self, mode="json"))
        return {item.name: plain[item.name] for item in fields(self)}

    @property
    def cases(self) -> list[Subject]:
        """Data sets with their models, in the benchmark's order."""
        return [Subject.of(name) for name in self.subjects]

    def subject(self, subject: Subject) -> Fields:
        """Return what identifies a data set and model."""
        return _without(self.subjects[str(subject)], (CAM_LAYER,))

    def cam_layer(self, name: CellName) -> str | None:
        """Return the layer that an explainer's maps depend on, where that is part of their key."""
        if not self.explainers[name.explainer].get(READS_LAYER):
            return None
        return self.subjects[str(name.subject)].get(CAM_LAYER)

    def explainer(self, name: str, model: str) -> Fields:
        """Return what makes an explainer's maps what they are, on a model."""
        return _identity(self.explainers_on.get(name, {}).get(model, self.explainers[name]))

    def metric(self, name: str) -> Fields:
        """Return what makes a metric's scores what they are."""
        return _identity(self.metrics[name])

    def tuned_with(self, metric: str) -> Fields | None:
        """Return what a metric's model is fine-tuned with; None where it is the one explained."""
        return self.metrics[metric].get(TUNED_WITH)

    def passes(self, explainer: str) -> tuple[int, int] | None:
        """Return an image's forward and backward passes; None where an earlier version wrote it."""
        found = self.explainers[explainer].get(PASSES)
        return None if found is None else (int(found["forwards"]), int(found["backwards"]))

    def kind(self, explainer: str) -> Kind:
        return cast(Kind, self.explainers[explainer]["kind"])

    def higher_is_better(self, metric: str) -> bool:
        return bool(self.metrics[metric]["higher_is_better"])

    def is_timing(self, metric: str | None) -> bool:
        """Tell whether a metric judges an explainer itself and not its maps."""
        found = self.metrics.get(metric or "", {})
        return bool(found.get("is_timing", found.get("class") == "Efficiency"))

    def num_timed(self, name: CellName) -> int:
        """Return on how many images an explainer is timed."""
        asked = int(self.metrics[str(name.metric)]["images"])
        return min(asked, self.num_images.get(name.dataset, asked))

    def wanted(self, subject: Subject) -> list[CellName]:
        """Return the masks and scores that are computed there; timings are not among them."""
        pairs = {
            (explainer, metric): None
            for experiment in self.experiments.values()
            if experiment.covers(*subject) and not self.is_timing(experiment.metric)
            for explainer in experiment.explainers
            for metric in (None, experiment.metric)
        }
        for validation, roar in self.roar.items():
            is_concerned = subject.dataset in {validation, roar.train}
            if is_concerned and subject.model in (roar.models or (subject.model,)):
                pairs |= {(explainer, None): None for explainer in roar.explainers}
        order = {name: index for index, name in enumerate(self.explainers)}
        ordered = sorted(pairs, key=lambda pair: (order[pair[0]], pair[1] or ""))
        return [CellName(*subject, explainer, metric) for explainer, metric in ordered]

    def timed(self, subject: Subject) -> list[CellName]:
        """Return what is timed there."""
        names = [
            CellName(*subject, explainer, experiment.metric)
            for experiment in self.experiments.values()
            if experiment.covers(*subject) and self.is_timing(experiment.metric)
            for explainer in experiment.explainers
        ]
        return list(dict.fromkeys(names))


def _require_known_schema(plain: object, uri: str) -> None:
    """Refuse what a later version wrote, before any other of its keys is looked at."""
    version = plain.get("schema_version", 1) if isinstance(plain, dict) else 1
    if type(version) is not int or version < 1:
        raise ValueError(f"schema_version: wanted a number from 1, got {version!r}")
    if version > SCHEMA_VERSION:
        raise UserError(
            f"the run folder {uri!r} has schema version {version}, and this swagflow reads up to "
            f"{SCHEMA_VERSION}; use the newer swagflow that wrote it, or choose another --run-dir"
        )


@lru_cache
def _adapter() -> TypeAdapter[Described]:
    return TypeAdapter(Described)


def _loader(line: bytes, text: bytes) -> type[yaml.SafeLoader | yaml.CSafeLoader]:
    """Return what reads a description: libyaml, in a tenth of the time, what is as it was written.

    Raises:
        ValueError: the first line is the checksum of something else.
    """
    if not line.startswith(CHECKSUM):
        return yaml.SafeLoader
    if line.strip() != _checksum(text):
        raise ValueError("it is not what was written")
    return yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


def _checksum(text: bytes) -> bytes:
    """Return the first line; other ends of lines, as of a checkout, make no other text."""
    digest = hashlib.sha256(text.replace(b"\r\n", b"\n")).hexdigest()
    return CHECKSUM + digest.encode()


def _identity(description: Mapping[str, Any]) -> Fields:
    return _without(description, FOR_READERS)


def _without(description: Mapping[str, Any], names: tuple[str, ...]) -> Fields:
    return {key: value for key, value in description.items() if key not in names}

"""Which class of an image is explained: the predicted one, the label, the k-th, or a fixed one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

_TOP = re.compile(r"top:(\d+)")


@dataclass(frozen=True)
class Target:
    """A rule by which each image gets its class."""

    kind: Literal["label", "top", "class"] = "top"
    number: int = 1
    """The place among the model's classes by falling logit, from 1, or the class."""
    name: str = ""
    """Of a class whose number is not known yet: data sets name theirs."""

    @classmethod
    def parse(cls, text: str | int) -> Target:
        """Return what "predicted", "label", "top:K", a class's number or its name mean.

        Raises:
            ValueError: K is not at least 1, a number is negative, or there is no text.
        """
        text = str(text)
        if text == "predicted":
            return cls()
        if text == "label":
            return cls("label", 0)
        if match := _TOP.fullmatch(text):
            if int(match[1]) < 1:
                raise ValueError(f"target {text!r}: places begin at top:1, the predicted class")
            return cls("top", int(match[1]))
        if re.fullmatch(r"\d+", text):
            return cls("class", int(text))
        if not text or text.startswith(("top:", "-")):
            raise ValueError(
                f"target {text!r} is unknown; wanted predicted, label, top:K such as top:2, or a "
                "class by its number or name"
            )
        return cls("class", -1, text)

    def named_in(self, class_names: Sequence[str]) -> Target:
        """Return it with the number of a class that is named.

        Raises:
            ValueError: there is no class of this name, or several.
        """
        if not self.name:
            return self
        found = [number for number, name in enumerate(class_names) if name == self.name]
        if len(found) != 1:
            raise ValueError(
                f"target {self.name!r} is the name of {len(found)} of the {len(class_names)} "
                "classes; give the number of one, or predicted, label or top:K"
            )
        return Target("class", found[0])

    def require_in(self, num_classes: int) -> None:
        """Raise ValueError where a model has too few classes."""
        least = self.number if self.kind == "top" else self.number + 1
        if self.kind != "label" and least > num_classes:
            raise ValueError(
                f"target {self}: the model has {num_classes} classes, 0 to {num_classes - 1}"
            )

    def __str__(self) -> str:
        if self.kind == "label":
            return "label"
        if self.kind == "top":
            return "predicted" if self.number == 1 else f"top:{self.number}"
        return self.name or str(self.number)


def ranked_class(logit_BK: Tensor, place: int) -> Tensor:
    """Return the class at a place, from 1, by falling logit; of equal ones the lower number first.

    Two logits that differ can have one softmax in float32, so probabilities do not serve.

    Raises:
        ValueError: the model has fewer classes.
    """
    if place == 1:
        return logit_BK.argmax(1)
    num_classes = logit_BK.shape[1]
    if place > num_classes:
        raise ValueError(f"target top:{place}: the model has {num_classes} classes only")
    order_BK = logit_BK.sort(dim=1, descending=True, stable=True).indices
    return order_BK[:, place - 1]

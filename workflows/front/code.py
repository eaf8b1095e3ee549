"""What tells a function, class or model from another of its name, in any process and version.

Neither a pickle's nor a compiled function's bytes are the same in two versions of Python, so what
counts is source text: of a function itself and of all functions and classes of its author that it
calls, with the values that they take from outside. What an installed package has is known by name.
"""

from __future__ import annotations

import dataclasses
import dis
import functools
import hashlib
import inspect
import re
import sys
import sysconfig
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from swag.models import weights_sha256

from ..errors import UserError

PLAIN = (bool, int, float, complex, str, bytes)
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
Reader = Callable[[Any, Any, str], Iterator[str | bytes]]
READ_GLOBAL = {"LOAD_GLOBAL", "LOAD_NAME"}
PYTHONS_OWN = Path(sysconfig.get_path("stdlib")).resolve()
INSTALLED = {"site-packages", "dist-packages"}
"""Folders of packages, of which environments that build on others have several."""


def code_of(thing: object, what: str) -> str:
    """Return the sha256 of what makes a thing what it is.

    Args:
        thing: a function, a class, a module of torch, an array, or plain data of them.
        what: what it is called in an error.

    Raises:
        UserError: it depends on something that has no source text and is no data.
    """
    digest = hashlib.sha256()
    for part in _Reader(what).parts(thing, ""):
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


class _Reader:
    """Reads one thing; whatever it meets twice counts once."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._seen: dict[int, object] = {}

    def parts(self, value: Any, path: str) -> Iterator[str | bytes]:
        """Yield what makes a value what it is; `path` says where it is used."""
        if value is None or isinstance(value, PLAIN):
            yield repr(value)
            return
        if id(value) in self._seen:
            return
        self._seen[id(value)] = value  # kept, so that no other gets its id
        yield from self._composed(value, path)

    def _composed(self, value: Any, path: str) -> Iterator[str | bytes]:
        for kinds, read in self._readers:
            if isinstance(value, kinds):
                yield from read(self, value, path)
                return
        if isinstance(value, type | FunctionType | BuiltinFunctionType) and is_installed(value):
            yield f"{value.__module__}.{value.__qualname__}"
        elif isinstance(value, FunctionType):
            yield from self._function(value, path)
        elif isinstance(value, type):
            yield from self._class(value, path)
        elif dataclasses.is_dataclass(value):
            yield from self._class(type(value), path)
            for field in dataclasses.fields(value):
                yield from self.parts(getattr(value, field.name), f"{path}.{field.name}")
        elif is_installed(value) and not ADDRESS.search(repr(value)):
            yield repr(value)
        else:
            raise self._unknown(f"it uses {path or 'itself'}, a {type(value).__name__}")

    def _mapping(self, value: Mapping[Any, Any], path: str) -> Iterator[str | bytes]:
        for key, item in value.items():
            yield from (*self.parts(key, path), *self.parts(item, f"{path}[{key!r}]"))

    def _sequence(self, value: Sequence[Any], path: str) -> Iterator[str | bytes]:
        yield f"{type(value).__name__} of {len(value)}"
        for item in value:
            yield from self.parts(item, path)

    def _bound(self, value: Any, path: str) -> Iterator[str | bytes]:
        if isinstance(value, MethodType):
            return self._sequence([value.__func__, value.__self__], path)
        return self._sequence([value.func, value.args, value.keywords], path)

    def _function(self, function: FunctionType, path: str) -> Iterator[str | bytes]:
        yield self._source(function, path or function.__qualname__)
        yield from self.parts([function.__defaults__, function.__kwdefaults__], path)
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            yield name
            yield from self.parts(_content(cell), name)
        for name in sorted(_globals_read(function.__code__)):
            if name in function.__globals__:
                yield name
                yield from self.parts(function.__globals__[name], name)

    def _class(self, kind: type, path: str) -> Iterator[str | bytes]:
        yield kind.__qualname__
        for base in kind.__bases__:
            yield from self.parts(base, path)
        for name, held in sorted(vars(kind).items()):
            function = inspect.unwrap(getattr(held, "fget", getattr(held, "__func__", held)))
            if isinstance(function, FunctionType):
                if _is_written(function):
                    yield from (name, *self.parts(function, f"{kind.__qualname__}.{name}"))
            elif isinstance(held, PLAIN) and not name.startswith("__"):
                yield from (name, repr(held))

    def _module(self, model: nn.Module, path: str) -> Iterator[str | bytes]:
        """Yield a model's structure, its weights, its own classes and their plain settings."""
        yield from (repr(model), weights_sha256(model))
        for name, module in model.named_modules():
            kind = type(module)
            if not is_installed(kind):
                yield from self.parts(kind, path)
            settings = {
                key: value
                for key, value in sorted(vars(module).items())
                if isinstance(value, PLAIN) and not key.startswith("_") and key != "training"
            }
            yield f"{name} {settings!r}"

    _readers: ClassVar[tuple[tuple[Any, Reader], ...]] = (
        (Tensor | np.ndarray, lambda _, value, __: _array(value)),
        (Mapping, _mapping),
        (set | frozenset, lambda _, value, __: iter(sorted(map(repr, value)))),
        (list | tuple, _sequence),
        (ModuleType, lambda _, value, __: iter([value.__name__])),
        (functools.partial | MethodType, _bound),
        (nn.Module, _module),
        (torch.device | torch.dtype | np.dtype | Path, lambda _, value, __: iter([repr(value)])),
    )

    def _source(self, function: FunctionType, path: str) -> str:
        try:
            return textwrap.dedent(inspect.getsource(function))
        except (OSError, TypeError):
            raise self._unknown(f"the source text of {path} cannot be read") from None

    def _unknown(self, why: str) -> UserError:
        return UserError(
            f"{self._what}: {why}, so nobody can tell when it changes and stored rows are no "
            f"longer its; give it a name that changes with it: swagflow.named(..., id='mine-1')"
        )


def is_installed(value: object) -> bool:
    """Return whether a thing is of Python, of an installed package, or of this program."""
    name = _module_name(value)
    top = name.partition(".")[0]
    if top in {"builtins", "swag", "swagflow"} or top in sys.builtin_module_names:
        return True
    file = getattr(sys.modules.get(name), "__file__", None)
    if not file:
        return False
    path = Path(str(file)).resolve()
    return path.is_relative_to(PYTHONS_OWN) or not INSTALLED.isdisjoint(path.parts)


def _module_name(value: object) -> str:
    kind = value if isinstance(value, type) or hasattr(value, "__qualname__") else type(value)
    return str(getattr(kind, "__module__", None) or "builtins")


def _is_written(function: FunctionType) -> bool:
    """Return whether somebody wrote a method down, rather than `dataclass`."""
    return not function.__code__.co_filename.startswith("<string")


def _content(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _globals_read(code: CodeType) -> set[str]:
    found = {
        str(instruction.argval)
        for instruction in dis.get_instructions(code)
        if instruction.opname in READ_GLOBAL
    }
    inner: Iterable[CodeType] = (item for item in code.co_consts if isinstance(item, CodeType))
    return found.union(*(_globals_read(item) for item in inner))


def _array(value: Tensor | np.ndarray) -> Iterator[str | bytes]:
    array_cpu = value.detach().cpu().contiguous() if isinstance(value, Tensor) else value
    yield f"{value.dtype} {tuple(value.shape)}"
    if isinstance(array_cpu, Tensor):
        yield array_cpu.reshape(-1).view(torch.uint8).numpy().tobytes()
    else:
        yield np.ascontiguousarray(array_cpu).tobytes()

"""Batch normalisation folded into the convolutions before it, in a traced copy of a model."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TypeGuard

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class _Tracer(fx.Tracer):
    """Follows a model down to convolutions and normalisations, timm's too."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        is_one = _is_convolution(m) or _after(m) is not None
        return is_one or super().is_leaf_module(m, module_qualified_name)


def folded(model: nn.Module) -> fx.GraphModule:
    """Return a copy whose convolutions have the normalisation that alone takes their outputs.

    A normalised sum w * x + b is (w / s) * x + (b - m) / s, with what a batch normalisation
    multiplies and adds within both (Jacob et al., 2018, section 3.2).

    Args:
        model: in evaluation mode; it stays as it is.

    Raises:
        torch.fx.proxy.TraceError, or what else code raises that cannot be traced.
    """
    root = copy.deepcopy(model)
    graph = _Tracer().trace(root)
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    for node in list(graph.nodes):
        norm, before = _module(root, node), node.args[0] if node.args else node
        conv, rest = _module(root, before), _after(norm)
        if rest is None or not isinstance(norm, nn.BatchNorm2d) or not _is_convolution(conv):
            continue
        if len(before.users) > 1 or calls[node.target] > 1 or calls[before.target] > 1:
            continue
        root.set_submodule(before.target, fuse_conv_bn_eval(conv, norm))
        root.set_submodule(node.target, rest)
        if not len(rest):
            node.replace_all_uses_with(before)
            graph.erase_node(node)
    return fx.GraphModule(root, graph)


def _module(root: nn.Module, node: object) -> nn.Module | None:
    """Return the module that a node calls; None where it does something else."""
    if isinstance(node, fx.Node) and node.op == "call_module":
        return root.get_submodule(str(node.target))
    return None


def _is_convolution(module: nn.Module | None) -> TypeGuard[nn.Conv2d]:
    """Tell whether a module is a convolution whose weights are its own.

    timm's `Conv2dSame` pads images by their size, which cannot be traced.
    """
    return type(module) is nn.Conv2d or type(module).__name__ == "Conv2dSame"


def _after(norm: nn.Module | None) -> nn.Sequential | None:
    """Return what a module does beside batch normalisation; None where that is not known.

    timm's `BatchNormAct2d` ends with its own dropout and activation.
    """
    if type(norm) is nn.BatchNorm2d:
        return nn.Sequential()
    if type(norm).__name__ == "BatchNormAct2d":
        parts = (getattr(norm, "drop", None), getattr(norm, "act", None))
        return nn.Sequential(*(part for part in parts if isinstance(part, nn.Module)))
    return None

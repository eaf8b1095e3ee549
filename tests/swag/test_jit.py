"""What numba keeps of an older text is never run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.processes import python

CALLED = """
from swag.superpixels.jit import compiled

@compiled()
def inner(x):
    return x + {}
"""
CALLING = """
from inner import inner
from swag.superpixels.jit import compiled

@compiled()
def outer(x):
    return 2 * inner(x)

print(outer(1.0), sum(outer.stats.cache_hits.values()))
"""


@pytest.mark.slow
def test_a_function_is_compiled_anew_when_what_it_calls_in_another_file_changes(
    tmp_path: Path,
) -> None:
    (tmp_path / "outer.py").write_text(CALLING)

    def outer_of_one(added: int) -> list[str]:
        (tmp_path / "inner.py").write_text(CALLED.format(added))
        done = python(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import outer")
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert outer_of_one(1) == ["4.0", "0"]
    assert outer_of_one(1) == ["4.0", "1"]
    assert outer_of_one(2) == ["6.0", "0"]

"""What is no configuration is refused in a moment, with one line that repeats nothing of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import yaml

from swagflow.config.load import load_benchmark
from swagflow.config.yaml_text import parse_yaml
from swagflow.errors import UserError

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(9)
)


def test_aliases_and_merges_are_read() -> None:
    text = "one: &one {a: 1, on: true}\ntwo: {<<: *one, b: off}\n"
    assert parse_yaml(text) == {
        "one": {"a": 1, "on": True},
        "two": {"a": 1, "on": True, "b": "off"},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "more than 100,000 values"),
        ("[" * 50_000, "nested deeper than 50 levels"),
        ("a: " + "x" * 1_000_001, "larger than 1,000,000 bytes"),
        ("a: &a [*a]", "more than 100,000 values"),
        ("seed: 1\nseed: 2\n", "the key 'seed' stands there twice"),
        ("seed: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
    ],
)
def test_what_is_no_configuration_is_refused_at_once(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    start = time.process_time()
    with pytest.raises(UserError, match=message):
        load_benchmark(str(path))
    assert time.process_time() - start < 5, "it took seconds to refuse"
    with pytest.raises(yaml.YAMLError):
        parse_yaml(text)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "study.yaml").write_text("include: pipe\n")
    with pytest.raises(UserError, match="is not a file"):
        load_benchmark(str(tmp_path / "study.yaml"))


def test_an_error_repeats_nothing_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("password: [hunter2\nx: :\n")
    (tmp_path / "study.yaml").write_text("include: secret\n")
    with pytest.raises(UserError, match="line 2") as raised:
        load_benchmark(str(tmp_path / "study.yaml"))
    assert "hunter2" not in str(raised.value)

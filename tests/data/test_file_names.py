"""Pictures of whatever names: rows name them as their files are called, or a line refuses them."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from swagflow.cli.data import check_data
from swagflow.data import ImageFolder
from swagflow.errors import UserError
from swagflow.store.run_folder import Store
from tests.support import s3_proxy, s3_server
from tests.support.runs import Runner

NAMES = [
    *("a b.png", "é.png", "e\u0301.png", "😀.png", "q'uo\"te.png", "new\nline.png", "tab\t.png"),
    *("dataset=x.png", "a=b&c=d.png", "%41%2F.png", "100%.png", "%s.png", "{x}.png", "[bold].png"),
    *("-x.png", "~.png", "$HOME.png", "$\\frac{1.png", "*.png", "?.png", "[a].png", "a\\b.png"),
    *(
        "\u202eabc.png",
        "\x01\x1b[31m.png",
        "<script>.png",
        "#x.png",
        "a:b.png",
        " .png",
        "&lt;.png",
    ),
    *(
        "none.png",
        "nan.png",
        "0.png",
        "__HIVE_DEFAULT_PARTITION__.png",
        "\ufeffbom.png",
        "\u2028.png",
    ),
    *("x" * 251 + ".png", "\r.png", "x.png.png", "PNG.PNG", ".x.png"),
]
HIDDEN = {".x.png"}
CLASSES = ["k=v", "new\nline", "é %20", "$x_{", "<b>"]


def png() -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


PICTURE = png()
# What a file system takes: no slash, no zero byte, at most 255 bytes; halves of characters stand
# for bytes that are not UTF-8.
PARTS = st.text(
    st.one_of(
        st.characters(exclude_characters="/\0", exclude_categories=["Cs"]),
        st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF),
    ),
    min_size=1,
    max_size=40,
).filter(lambda name: name not in {".", ".."})


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(folder=PARTS, name=PARTS)
@example(folder="plain", name="caf\udce9")
@example(folder="caf\udce9", name="plain")
def test_any_name_is_the_id_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, folder: str, name: str
) -> None:
    root = tmp_path_factory.mktemp("pictures")
    file = f"{folder}/{name}.png"
    (root / folder).mkdir()
    (root / file).write_bytes(PICTURE)
    try:
        opened = ImageFolder(root=str(root), size=8).open()
    except UserError as error:
        said = str(error)
    else:
        assert opened.image_ids == (file,)
        assert opened.class_names == (folder,)
        assert opened.load(file).image_CHW.shape == (3, 8, 8)
        assert len(opened.fingerprint) == 64
        return
    hidden = folder.startswith(".") or name.startswith(".")
    assert said.isprintable()
    assert "holds no pictures" in said if hidden else "is not UTF-8" in said


def write(root: Path) -> set[str]:
    """Write pictures of odd names in classes of odd names; return their ids."""
    found = set()
    for number, name in enumerate(NAMES):
        image_id = f"{CLASSES[number % len(CLASSES)]}/{name}"
        (root / image_id).parent.mkdir(parents=True, exist_ok=True)
        (root / image_id).write_bytes(PICTURE)
        if name not in HIDDEN:
            found.add(image_id)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("remote", [False, True])
def test_rows_masks_and_report_name_them_as_they_are_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remote: bool
) -> None:
    root = tmp_path / "a=b c%20d"
    expected = write(root)
    assert sum("\n" in image_id for image_id in expected) > 1
    runner = Runner(tmp_path)
    with (
        s3_server.serving() as environment,
        s3_proxy.between(environment["AWS_ENDPOINT_URL"]) as proxy,
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.uri)
        where = s3_server.upload(root, "pictures") if remote else str(root)
        pictures = {"type": "image_folder", "root": where, "size": 16}
        code = runner(datasets={"pictures": pictures}, explainers={"centre": {}, "grad_cam": {}})
    assert code == 0, runner.output
    rows = runner.scores()
    assert set(rows["image_id"]) == expected
    assert len(rows) == 2 * len(expected)
    assert rows["error"].isna().all()
    maps = Store(runner.uri).read_explanations("pictures", "toy", "centre")
    assert maps.keys() == expected
    page = (runner.folder / "report.html").read_text("utf-8")
    assert "<script>.png" not in page


def test_what_is_wrong_with_pictures_of_any_name_is_said_in_a_line_each(tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    for name in ("new\nline", "\x1b[31mred", "\r", "plain"):
        (root / name).mkdir(parents=True)
        (root / name / f"{name}.png").write_bytes(PICTURE[:100])
    runner = Runner(tmp_path)
    pictures = {"type": "image_folder", "root": str(root), "size": 16}
    assert runner(datasets={"pictures": pictures}, explainers={"centre": {}}) == 1
    lines = [line for line in runner.output.splitlines() if line.startswith("  pictures/")]
    assert len(lines) == 4
    assert "\x1b" not in runner.output
    assert any(
        line.startswith("  pictures/new line/new line.png: the image cannot") for line in lines
    )
    stream = io.StringIO()
    assert check_data("image_folder", str(root), None, 1, Console(file=stream, width=200)) == 1
    said = stream.getvalue()
    assert "\x1b" not in said
    assert sum(".png: " in line for line in said.splitlines()) == 4


def test_a_latin_1_name_is_named_in_the_refusal(tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    name = os.fsencode(tmp_path / "class") + b"/caf\xe9.png"
    Path(os.fsdecode(name)).write_bytes(PICTURE)
    with pytest.raises(UserError, match=r"caf\\xe9\.png' is not UTF-8.*rename it"):
        ImageFolder(root=str(tmp_path)).open()

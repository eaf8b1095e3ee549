"""`swagflow data check`: counts, unreadable pictures, and what it says of them."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from swagflow.cli import main
from swagflow.cli.data import check_data
from swagflow.cli.guard import guarded
from swagflow.data import check
from swagflow.data.check import OFFICIAL, Official, check_dataset
from swagflow.errors import UserError
from tests.support import archives

WHOLE = {
    "imagenet": Official(3, {"validation": 6}, ("validation",), evenly_annotated=False),
    "cub200": Official(3, {"train": 6, "validation": 6}),
    "stanford_dogs": Official(3, {"train": 6, "validation": 3}),
    "flowers102": Official(102, {"train": 6, "validation": 3}),
}
BUILDERS = {
    "imagenet": archives.imagenet_flat,
    "cub200": archives.cub200,
    "stanford_dogs": archives.stanford_dogs,
    "flowers102": archives.flowers102,
}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the archives of the tests be the official ones."""
    for name, official in WHOLE.items():
        monkeypatch.setitem(check.OFFICIAL, name, official)


def said(name: str, root: Path, split: str | None = None) -> tuple[int, str]:
    stream = io.StringIO()
    console = Console(file=stream, width=300)
    code = guarded(lambda: check_data(name, str(root), split, 2, console), console)
    return code, stream.getvalue()


def test_the_official_counts() -> None:
    totals = {name: sum(official.num_images.values()) for name, official in OFFICIAL.items()}
    assert totals == {
        "imagenet": 1_281_167 + 50_000,
        "cub200": 11_788,
        "stanford_dogs": 20_580,
        "flowers102": 8_189,
    }
    assert [official.num_classes for official in OFFICIAL.values()] == [1000, 200, 120, 102]
    assert OFFICIAL["flowers102"].num_images["train"] == 1_020 + 1_020


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_data_set_has_no_problems(name: str, tmp_path: Path) -> None:
    root = BUILDERS[name](tmp_path)
    report = check_dataset(name, str(root), threads=2)
    assert report.problems == []
    assert {part.split: part.num_images for part in report.parts} == WHOLE[name].num_images
    assert {part.num_classes for part in report.parts} == {3}
    boxes = {"imagenet": 0, "flowers102": 0}.get(name)
    for part in report.parts:
        assert part.num_boxed == (part.num_images if boxes is None else boxes)
        assert part.num_masked == 0
    code, text = said(name, root)
    assert code == 0
    assert "No problems found." in text
    assert f"fingerprint {report.parts[0].fingerprint[:12]}" in text


@pytest.mark.usefixtures("small")
def test_every_picture_is_told_to_the_progress(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    archives.cub200(tmp_path)
    check_dataset("cub200", str(tmp_path), progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 12) for done in range(1, 13)]


@pytest.mark.usefixtures("small")
def test_bad_files_are_listed_by_name(tmp_path: Path) -> None:
    root = archives.stanford_dogs(tmp_path)
    names = archives.dog_names()
    archives.truncate(root / "Images" / names[2])  # of the test list
    (root / "Images" / names[0]).unlink()
    (root / "Images" / names[1]).write_bytes(b"")
    note = (root / "Annotation" / names[3]).with_suffix("")
    note.write_text("<annotation>")
    (root / "Annotation" / names[4]).with_suffix("").unlink()
    code, text = said("stanford_dogs", root)
    assert code == 1
    assert "5 problems:" in text
    assert f"validation: {names[2]}: the image cannot be decoded: " in text
    assert f"train: {names[0]}: the file is missing: " in text
    assert f"train: {names[1]}: the file is not an image" in text
    assert f"train: {names[3]}: annotation {note.name} cannot be read: " in text
    assert "train: boxes are missing for 1 images, and there for 2" in text
    assert "train: 6 images of 2 classes, 2 with boxes" in text


def test_counts_that_are_not_the_official_ones(tmp_path: Path) -> None:
    code, text = said("cub200", archives.cub200(tmp_path))
    assert code == 1
    assert "train: 6 images, and the official data set has 5,994" in text
    assert "validation: 6 images, and the official data set has 5,794" in text
    assert "validation: 3 classes, and the official data set has 200" in text


@pytest.mark.usefixtures("small")
def test_one_split_alone(tmp_path: Path) -> None:
    root = archives.cub200(tmp_path)
    archives.cub_masks(root, archives.cub_names()[:3])
    report = check_dataset("cub200", str(root), split="validation")
    assert [part.split for part in report.parts] == ["validation"]
    assert report.problems == ["validation: masks are missing for 5 images, and there for 1"]


def test_a_folder_has_no_official_counts(tmp_path: Path) -> None:
    for name in ("a/1.jpg", "a/2.jpg", "b/3.jpg"):
        archives.picture(tmp_path / name)
    assert said("image_folder", tmp_path)[0] == 0
    archives.truncate(tmp_path / "a" / "2.jpg")
    code, text = said("image_folder", tmp_path)
    assert code == 1
    assert "all: 3 images of 2 classes, 0 with boxes" in text
    assert "  a/2.jpg: the image cannot be decoded" in text


def test_the_fingerprint_tells_two_copies_apart(tmp_path: Path) -> None:
    root = archives.flowers102(tmp_path / "one")
    copy = shutil.copytree(root, tmp_path / "two")
    first, second = (check_dataset("flowers102", str(folder)).parts[0] for folder in (root, copy))
    assert first.fingerprint == second.fingerprint
    archives.flower_mask(copy, 1)
    assert check_dataset("flowers102", str(copy)).parts[0].fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("name", "split", "message"),
    [
        ("cub20", None, "dataset 'cub20' is unknown; did you mean 'cub200'"),
        ("digit_scenes", None, "digit_scenes is not read from a folder"),
        ("image_folder", "train", "image_folder has no splits, so `split` cannot be 'train'"),
        ("cub200", "test", r"`split` must be one of \('train', 'validation'\), got 'test'"),
        ("cub200", None, r"/images is missing\. Wanted is"),
    ],
)
def test_user_errors(name: str, split: str | None, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        check_dataset(name, str(tmp_path), split=split)
    code, text = said(name, tmp_path, split)
    assert code == 2
    assert text.startswith("Error: ")


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["data", "check", "cub200", "--root", str(archives.cub200(tmp_path))])
    assert ended.value.code == 1
    assert "train: 6 images of 3 classes" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["data", "check", "cub200"])
    assert ended.value.code == 2
    with pytest.raises(SystemExit) as ended:
        main(["data", "check", "--help"])
    assert ended.value.code == 0
    assert "Example: swagflow data check cub200 --root" in capsys.readouterr().out

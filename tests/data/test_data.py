"""Picture files, whole and broken, to network inputs; boxes and masks on the same way; folders."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision import datasets, transforms

from swagflow.data import Frame, ImageFolder, Resize, load_image
from swagflow.data.base import fingerprint, first, read_rgb, shuffled
from swagflow.errors import ImageError, UserError

USUAL = Frame.by(224, Resize())


def picture(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> io.BytesIO:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    stream.seek(0)
    return stream


@pytest.mark.parametrize(
    ("width", "height"), [(500, 375), (375, 500), (256, 256), (100, 90), (641, 427), (1, 1), (3, 7)]
)
def test_the_framing_is_torchvisions(width: int, height: int) -> None:
    """The transform of torchvision's weights, applied to the picture, gives the same bits."""
    image = picture(width, height)
    transform = transforms.Compose(
        [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor()]
    )
    image_CHW, framing = load_image(encoded(image), USUAL)
    assert torch.equal(image_CHW, transform(image))
    assert (framing.width, framing.height) == (width, height)
    assert image_CHW.is_contiguous()


def test_boxes_go_where_the_pixels_go() -> None:
    """A 400x200 picture is halved to 200x100 and loses 56 columns and 6 rows on each side."""
    framing = Frame.by(88, Resize()).of(400, 200)
    assert framing.resized == (200, 100)
    assert framing.corner == (56, 6)
    boxes_N4 = torch.tensor(
        [
            [120.0, 20.0, 220.0, 112.0],  # inside
            [0.0, 0.0, 400.0, 200.0],  # all of the picture
            [0.0, 0.0, 112.0, 200.0],  # in what is cut off
            [100.0, 0.0, 130.0, 30.0],  # across the corner
        ]
    )
    expected = [[4.0, 4.0, 54.0, 50.0], [0.0, 0.0, 88.0, 88.0], [0.0, 0.0, 9.0, 9.0]]
    assert framing.boxes(boxes_N4).tolist() == expected
    assert framing.boxes(boxes_N4[2:3]).shape == (0, 4)


def test_a_mask_goes_where_the_pixels_go() -> None:
    framing = Frame.by(88, Resize()).of(400, 200)
    mask_HW = torch.zeros(200, 400, dtype=torch.bool)
    mask_HW[20:112, 120:220] = True
    expected_HW = torch.zeros(88, 88, dtype=torch.bool)
    expected_HW[4:50, 4:54] = True
    assert torch.equal(framing.mask(mask_HW), expected_HW)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 64))
def test_every_framing_fills_the_input(width: int, height: int, size: int) -> None:
    framing = Frame.by(size, Resize()).of(width, height)
    left, top = framing.corner
    assert left >= 0
    assert top >= 0
    assert left + size <= framing.resized[0]
    assert top + size <= framing.resized[1]


def sixteen_bit(values_HW: np.ndarray) -> io.BytesIO:
    return encoded(Image.fromarray(values_HW.astype(np.uint16)))


def animated() -> io.BytesIO:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


def transparent_palette() -> io.BytesIO:
    image = Image.new("P", (4, 4))
    image.putpalette([255, 0, 0, 0, 0, 255])
    return encoded(image, transparency=bytes([0, 255]))


def turned() -> io.BytesIO:
    """A picture of two rows that EXIF wants to be turned by 90 degrees."""
    image = Image.new("RGB", (8, 16), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image, "JPEG", exif=exif)


@pytest.mark.parametrize(
    ("file", "colour"),
    [
        (encoded(Image.new("L", (4, 4), 100)), (100, 100, 100)),
        (encoded(Image.new("1", (4, 4), 1)), (255, 255, 255)),
        (encoded(Image.new("LA", (4, 4), (100, 0))), (100, 100, 100)),
        (encoded(Image.new("RGBA", (4, 4), (10, 20, 30, 0))), (10, 20, 30)),
        (encoded(Image.new("CMYK", (4, 4), (255, 0, 0, 0)), "TIFF"), (0, 255, 255)),
        (encoded(Image.new("RGB", (4, 4), (1, 2, 3)).quantize(2)), (1, 2, 3)),
        (transparent_palette(), (255, 0, 0)),
        (animated(), (255, 0, 0)),
        (sixteen_bit(np.full((4, 4), 100 * 257)), (100, 100, 100)),
        (encoded(Image.fromarray(np.full((4, 4), 65535, np.int32)), "TIFF"), (255, 255, 255)),
        (encoded(Image.new("RGB", (1, 1), (7, 8, 9))), (7, 8, 9)),
    ],
    ids=[
        "grey", "bilevel", "grey and alpha", "RGBA", "CMYK", "palette", "transparent palette",
        "animation", "16 bits", "32 bits", "one pixel",
    ],
)  # fmt: skip
def test_every_kind_of_picture_becomes_rgb(file: io.BytesIO, colour: tuple[int, ...]) -> None:
    image_CHW, _ = load_image(file, Frame.by(14, Resize()))
    assert image_CHW.dtype == torch.float32
    expected_C11 = torch.tensor(colour)[:, None, None] / 255
    assert torch.equal(image_CHW, expected_C11.expand(3, 14, 14))


def test_cmyk_jpeg_and_exif_orientation() -> None:
    cyan = read_rgb(encoded(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG"))
    assert np.abs(np.asarray(cyan).astype(int) - [0, 255, 255]).max() <= 3
    assert read_rgb(turned()).size == (8, 16), "orientation is ignored, as by torchvision"


def test_damaged_metadata_does_not_matter() -> None:
    damaged = b"Exif\0\0II*\0\x08\0\0\0\xff\xff"
    file = encoded(Image.new("RGB", (8, 8)), "JPEG", exif=damaged)
    with pytest.warns(UserWarning, match="Corrupt EXIF data"):
        Image.open(file)
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_rgb(file).size == (8, 8)


def huge_png(width: int, height: int) -> io.BytesIO:
    """A few bytes that claim to be a giant picture."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + body)


def half(file: io.BytesIO) -> io.BytesIO:
    content = file.getvalue()
    return io.BytesIO(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (half(encoded(picture(), "JPEG")), "cannot be decoded: .*truncated"),
        (half(encoded(picture(), "PNG")), "cannot be decoded"),
        (half(encoded(picture(), "GIF")), "cannot be decoded"),
        (half(encoded(picture(), "TIFF")), "cannot be decoded|not an image"),
        (half(encoded(picture(), "WEBP")), "cannot be decoded|not an image"),
        (io.BytesIO(b"<html>Not Found</html>"), "not an image in a format that Pillow reads"),
        (io.BytesIO(b""), "not an image"),
        (huge_png(10_000, 10_000), "too large to be decoded safely"),
        (huge_png(60_000, 60_000), "too large to be decoded safely"),
        (encoded(Image.new("RGB", (20_000, 2))), "20000x2 pixels, too elongated"),
        (encoded(Image.new("F", (4, 4)), "TIFF"), "floating-point pixels"),
        (encoded(Image.fromarray(np.full((4, 4), -1, np.int32)), "TIFF"), "32-bit integer pixels"),
        (Path("nowhere/missing.png"), "the file is missing: nowhere/missing.png"),
    ],
)
def test_a_bad_picture_says_what_is_wrong(file: Path | io.BytesIO, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        load_image(file, USUAL)


@given(st.integers(0, 2**32), st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"]))
def test_damage_is_an_image_error_or_nothing(seed: int, kind: str) -> None:
    """Bytes changed at random never raise anything else, and never warn."""
    rng = np.random.default_rng(seed)
    content = bytearray(encoded(picture(9, 7), kind).getvalue())
    for place in rng.integers(len(content), size=4):
        content[place] = rng.integers(256)
    with suppress(ImageError):
        load_image(
            io.BytesIO(bytes(content[: rng.integers(1, len(content) + 1)])),
            Frame.by(14, Resize()),
        )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        (tmp_path / name / "deeper").mkdir(parents=True)
        for index in range(3):
            picture(seed=index).save(tmp_path / name / f"{index}.png")
        picture(seed=9).save(tmp_path / name / "deeper" / "9.JPEG")
    (tmp_path / "cat" / "broken.jpg").write_bytes(encoded(picture(), "JPEG").getvalue()[:500])
    (tmp_path / "cat" / "text.jpg").write_text("not a picture")
    (tmp_path / "cat" / "notes.txt").write_text("passed over")
    (tmp_path / "cat" / "._0.png").write_text("passed over")
    (tmp_path / ".hidden").mkdir()
    return tmp_path


def test_a_folder_of_classes(tree: Path) -> None:
    dataset = ImageFolder(root=str(tree), size=28).open()
    assert dataset.class_names == ("cat", "dog")
    assert len(dataset.image_ids) == len(set(dataset.image_ids)) == 10
    assert dataset.input_size == (28, 28)
    labels = {image_id: image_id.startswith("dog") for image_id in dataset.image_ids}
    for image_id in ("cat/0.png", "dog/deeper/9.JPEG"):
        sample = dataset.load(image_id)
        assert sample.image_id == image_id
        assert sample.label == labels[image_id]
        assert sample.image_CHW.shape == (3, 28, 28)
        assert sample.boxes_N4 is None
        assert sample.mask_HW is None
    with pytest.raises(ImageError, match="Truncated File Read"):
        dataset.load("cat/broken.jpg")
    with pytest.raises(ImageError, match="not an image"):
        dataset.load("cat/text.jpg")


def test_labels_are_those_of_torchvision(tree: Path) -> None:
    (tree / "cat" / "._0.png").unlink()
    (tree / ".hidden").rmdir()
    dataset = ImageFolder(root=str(tree)).open()
    expected = {
        Path(path).relative_to(tree).as_posix(): y for path, y in datasets.ImageFolder(tree).samples
    }
    assert set(dataset.image_ids) == set(expected)
    good = [name for name in dataset.image_ids if "broken" not in name and "text" not in name]
    assert {name: dataset.load(name).label for name in good} == {k: expected[k] for k in good}


def test_a_folder_without_classes(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    dataset = ImageFolder(root=str(tmp_path)).open()
    assert dataset.image_ids == ("a.png",)
    assert dataset.class_names == ()
    assert dataset.load("a.png").label is None


def test_fewer_images_are_the_first_of_all(tree: Path) -> None:
    every = ImageFolder(root=str(tree)).open()
    few = ImageFolder(root=str(tree), images=3).open()
    assert few.image_ids == every.image_ids[:3]
    assert few.fingerprint == every.fingerprint
    assert list(every.image_ids) != sorted(every.image_ids)
    assert ImageFolder(root=str(tree), images=99).open().image_ids == every.image_ids


def test_the_fingerprint_follows_what_is_loaded(tree: Path) -> None:
    def current(size: int = 224) -> str:
        return ImageFolder(root=str(tree), size=size).open().fingerprint

    prints = [current(), current(112)]
    picture(seed=5).resize((50, 50)).save(tree / "cat" / "0.png")
    prints.append(current())
    (tree / "cat" / "0.png").rename(tree / "cat" / "new.png")
    prints.append(current())
    assert len(set(prints)) == 4
    assert current() == prints[-1]


def test_a_dangling_link_is_an_image_that_is_missing(tree: Path) -> None:
    (tree / "cat" / "link.png").symlink_to(tree / "gone.png")
    dataset = ImageFolder(root=str(tree)).open()
    with pytest.raises(ImageError, match="the file is missing"):
        dataset.load("cat/link.png")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"root": "nowhere"}, "the image folder nowhere does not exist; set `root`"),
        ({"root": "file.txt"}, "the image folder file.txt is a file"),
        ({"root": "empty"}, "the image folder empty holds no pictures"),
        ({"root": "half"}, "the class folder half/b holds no pictures"),
        ({"root": "half", "size": 0}, "`size` must be at least 1, got 0"),
        ({"root": "whole", "images": 0}, "`images` must be at least 1, got 0"),
    ],
)
def test_an_unusable_folder_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "half/a", "half/b", "whole/a"):
        Path(folder).mkdir(parents=True)
    for name in ("half/a/0.png", "whole/a/0.png"):
        picture().save(name)
    Path("file.txt").write_text("")
    with pytest.raises(UserError, match=message):
        ImageFolder(**config).open()


def test_the_order_is_a_function_of_the_ids() -> None:
    names = [f"{index:03d}" for index in range(200)]
    assert shuffled(names) == shuffled(reversed(names)) != names
    assert sorted(shuffled(names)) == names
    assert shuffled(names, seed=1) != shuffled(names)
    assert first(names, 2) == ("000", "001")
    assert first(names, None) == tuple(names)


def test_parts_of_a_fingerprint_do_not_run_together() -> None:
    assert fingerprint(["ab", "c"]) != fingerprint(["a", "bc"])
    assert fingerprint(["ab"]) == fingerprint([b"ab"])


def saved(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture().save(path)


def test_a_pipe_among_the_pictures_is_not_waited_for(tmp_path: Path) -> None:
    saved(tmp_path / "cat" / "one.png")
    os.mkfifo(tmp_path / "cat" / "two.png")
    dataset = ImageFolder(root=str(tmp_path), size=8).open()
    assert len(dataset.image_ids) == 2
    with pytest.raises(ImageError, match="a pipe, a device or a folder"):
        dataset.load("cat/two.png")


def test_links_that_lead_back_show_no_picture_twice(tmp_path: Path) -> None:
    saved(tmp_path / "cat" / "deep" / "one.png")
    (tmp_path / "cat" / "deep" / "up").symlink_to(tmp_path / "cat")
    (tmp_path / "cat" / "here").symlink_to(tmp_path / "cat" / "deep")
    dataset = ImageFolder(root=str(tmp_path), size=8).open()
    assert len(dataset.image_ids) == 1


def test_a_name_that_is_not_utf_8_is_one_clear_error(tmp_path: Path) -> None:
    saved(tmp_path / "cat" / "one.png")
    (tmp_path / "cat" / "one.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/cat/caf\xe9.png"))
    with pytest.raises(UserError, match=r"caf\\xe9.*is not UTF-8"):
        ImageFolder(root=str(tmp_path), size=8).open()

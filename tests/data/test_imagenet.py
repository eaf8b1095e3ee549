"""ImageNet in the layouts in which people have it: labels, boxes, lists that are missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy.io import savemat
from torchvision.datasets import ImageNet as TorchvisionImageNet

from swagflow.data import ImageNet
from swagflow.errors import UserError
from tests.support import archives
from tests.support.archives import LEFT, SIZE, TOP, labels_of


def test_imagenet_counts_classes_by_wordnet_id_in_every_layout(tmp_path: Path) -> None:
    wanted = {
        archives.imagenet_name(number): c for number, c in enumerate(archives.IMAGENET_TRUTH, 1)
    }
    fingerprints = set()
    for build in (archives.imagenet_flat, archives.imagenet_torchvision, archives.imagenet_loc):
        dataset = ImageNet(root=str(build(tmp_path / build.__name__)), size=SIZE).open()
        assert labels_of(dataset) == wanted
        assert dataset.class_names == archives.WORDS
        fingerprints.add(dataset.fingerprint)
    assert len(fingerprints) == 1


def test_imagenet_labels_are_torchvision_s(tmp_path: Path) -> None:
    root = archives.imagenet_torchvision(tmp_path)
    samples = TorchvisionImageNet(str(root), split="val").samples
    dataset = ImageNet(root=str(root), size=SIZE).open()
    assert {Path(path).name: label for path, label in samples} == labels_of(dataset)


@pytest.mark.parametrize("folder", [".", "Data/CLS-LOC/val"])
def test_imagenet_pictures_may_lie_in_other_folders(folder: str, tmp_path: Path) -> None:
    dataset = ImageNet(root=str(archives.imagenet_flat(tmp_path, folder)), size=SIZE).open()
    assert dataset.load(archives.imagenet_name(1)).label == 2


def test_imagenet_train_split(tmp_path: Path) -> None:
    config = ImageNet(root=str(archives.imagenet_loc(tmp_path)), split="train", size=SIZE)
    dataset = config.open()
    assert sorted(dataset.image_ids) == [
        f"{w}/{w}_{i}.JPEG" for w in archives.WNIDS for i in (0, 1)
    ]
    assert labels_of(dataset)["n02105855/n02105855_1.JPEG"] == 1
    path = tmp_path / "ILSVRC/Annotations/CLS-LOC/train/n02105855/n02105855_1.xml"
    path.parent.mkdir(parents=True)
    path.write_text(archives.annotation([("n02105855", 50, 10, 79, 39)]))
    boxes_N4 = config.open().load("n02105855/n02105855_1.JPEG").boxes_N4
    assert boxes_N4 is not None
    assert boxes_N4.tolist() == [[50 - LEFT, 10 - TOP, 80 - LEFT, 40 - TOP]]


@pytest.mark.parametrize("folder", ["Annotations/CLS-LOC/val", "val"])
def test_imagenet_boxes_are_those_of_the_class(folder: str, tmp_path: Path) -> None:
    root = archives.imagenet_flat(tmp_path)
    (root / folder).mkdir(parents=True, exist_ok=True)
    boxes = [
        ("n03995372", 50, 10, 79, 39),
        ("n01440764", 40, 5, 60, 20),
        ("n03995372", 0, 0, 127, 63),
    ]
    (root / folder / "ILSVRC2012_val_00000001.xml").write_text(archives.annotation(boxes))
    dataset = ImageNet(root=str(root), size=SIZE, need_boxes=True).open()
    boxes_N4 = dataset.load(archives.imagenet_name(1)).boxes_N4
    assert boxes_N4 is not None
    assert boxes_N4.tolist() == [
        [50 - LEFT, 10 - TOP, 80 - LEFT, 40 - TOP],
        [0, 0, SIZE, SIZE],
    ]
    assert dataset.load(archives.imagenet_name(2)).boxes_N4 is None


def test_imagenet_images_on_the_blacklist_have_no_boxes(tmp_path: Path) -> None:
    root = archives.imagenet_flat(tmp_path)
    for number in (1, 2):
        path = root / "val" / f"ILSVRC2012_val_{number:08d}.xml"
        path.write_text(archives.annotation([(archives.WNIDS[2], 1, 1, 60, 60)]))
    before = ImageNet(root=str(root), size=SIZE).open()
    archives.write_lines(root / "ILSVRC2014_clsloc_validation_blacklist.txt", [1, 777])
    after = ImageNet(root=str(root), size=SIZE).open()
    assert before.load(archives.imagenet_name(1)).boxes_N4 is not None
    assert after.load(archives.imagenet_name(1)).boxes_N4 is None
    assert after.load(archives.imagenet_name(2)).boxes_N4 is not None
    assert after.fingerprint != before.fingerprint


def test_imagenet_boxes_can_be_demanded(tmp_path: Path) -> None:
    root = archives.imagenet_flat(tmp_path)
    with pytest.raises(
        UserError, match=r"the folder of boxes \(`need_boxes: false` does without it\) is missing"
    ):
        ImageNet(root=str(root), need_boxes=True).open()


def test_imagenet_class_folders_alone_do_when_all_classes_are_there(tmp_path: Path) -> None:
    for c in range(1000):
        (tmp_path / "val" / f"n{c * 7:08d}").mkdir(parents=True)
    archives.picture(tmp_path / "val" / "n00000007" / archives.imagenet_name(3))
    dataset = ImageNet(root=str(tmp_path), size=SIZE).open()
    assert labels_of(dataset) == {archives.imagenet_name(3): 1}


def test_imagenet_class_folders_of_some_classes_need_a_list(tmp_path: Path) -> None:
    root = archives.imagenet_torchvision(tmp_path)
    (root / "meta.bin").unlink()
    with pytest.raises(UserError, match=r"a list of the classes \(meta.bin, meta.mat or LOC_\*\)"):
        ImageNet(root=str(root)).open()


def test_imagenet_pictures_without_ground_truth(tmp_path: Path) -> None:
    root = archives.imagenet_flat(tmp_path)
    truth = root / "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"
    truth.unlink()
    with pytest.raises(UserError, match=r"the class of 6 pictures \(ILSVRC2012_val_00000001.JPEG"):
        ImageNet(root=str(root)).open()
    archives.write_lines(truth, [1, 9])
    with pytest.raises(UserError, match=r"class 9 is not in meta\.mat; unpack it again"):
        ImageNet(root=str(root)).open()


def test_imagenet_damaged_lists(tmp_path: Path) -> None:
    root = archives.imagenet_torchvision(tmp_path)
    (root / "meta.bin").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"meta\.bin is not as the archive has it"):
        ImageNet(root=str(root)).open()
    (root / "meta.bin").unlink()
    kit = root / "ILSVRC2012_devkit_t12" / "data"
    kit.mkdir(parents=True)
    savemat(kit / "meta.mat", {"other": 1})
    with pytest.raises(UserError, match=r"meta\.mat.*it has no variable 'synsets'"):
        ImageNet(root=str(root)).open()
    (kit / "meta.mat").write_bytes(b"no matrix" * 40)
    with pytest.raises(UserError, match=r"meta\.mat is not as the archive has it"):
        ImageNet(root=str(root)).open()

"""The study that the README shows, run as it stands there: small pictures, a small model."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from swagflow.cli.app import main

MODULE = '''
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Brightness:
    """Bright pixels first, whatever the model is.

    Nothing more is known of it.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "pixel"

    @property
    def needs(self):
        return frozenset()

    def __call__(self, signals):
        return signals.batch.image_BCHW.mean(1)


my_method = Brightness()
'''


def readme_study() -> str:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (study,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    return str(study)


@pytest.mark.slow
def test_the_study_of_the_readme_has_all_that_a_report_can_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "code" / "my_package"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "saliency.py").write_text(MODULE)
    for name in ("my_package", "my_package.saliency"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(package.parent))
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        folder = tmp_path / "PHOTOS" / ("animals" if name == "chelsea" else "things")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(getattr(data, name)()).resize((80, 80)).save(folder / f"{name}.png")
    (tmp_path / "sweep.yaml").write_text(readme_study())
    monkeypatch.chdir(tmp_path)
    settings = ["architecture=resnet18", "weights=random:0", "num_classes=2"]
    options = [*(f"model.{setting}" for setting in settings), "dataset.size=64"]
    call = ["run", "sweep.yaml", "--run-dir", "run", "--device", "cpu", "--workers", "0"]
    for option in options:
        call += ["--set", option]
    with pytest.raises(SystemExit) as ended:
        main(call)
    assert ended.value.code == 0, capsys.readouterr().err
    html = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    figures = {path.name for path in (tmp_path / "run" / "figures").glob("*.png")}
    shown = {"sweep_curves", "sweep_deletion", "sweep_gallery"}
    more = {"sweep_deletion_ranks", "maps_agreement", "quality_cost"}
    assert figures == {f"{name}.png" for name in shown | more}
    for name in shown:
        assert f"figures/{name}.png" in html
    assert "Mean probability of the class against the share of pixels removed" in html
    assert "Deletion AUC against the number of segments" in html
    assert html.count("Saliency of Mine for") == 4
    assert '<script type="application/json" id="scrubber-data">' in html
    assert "Pixels are replaced by the data set&#39;s mean colour" in html
    # What ran is what is named.
    assert "resnet50 (resnet18)" in html
    assert "ResNet50" not in html
    assert "<dt>Mine</dt><dd>Bright pixels first, whatever the model is.</dd>" in html

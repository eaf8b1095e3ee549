"""Maps that you have already, from any tool: scored by themselves, and beside methods of ours."""

import numpy as np
import torch
from skimage import data
from skimage.transform import resize

import swag
import swagflow
from swag.models import ModelSpec, load_classifier

model = load_classifier(
    ModelSpec(architecture="tiny_resnet"), device=torch.device("cpu"), batch_size=8
)
pictures = [resize(getattr(data, name)(), (112, 112)) for name in ("chelsea", "coffee", "rocket")]
images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()

maps = np.stack([picture.mean(-1) for picture in pictures])  # bright is important, say

# Once, without a run folder:
print("deletion:", swag.score(model, images, maps, metric="deletion").value_B.tolist())

# Beside others, with statistics and a report. A mapping of image ids to arrays will do as well; a
# configuration reads them from files: `explainers: {theirs: {type: stored_maps, root: FOLDER}}`.
results = swagflow.evaluate(model, images, explainers={"theirs": maps, "swag_ig": "swag_ig"})
print(results.table())

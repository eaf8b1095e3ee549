"""Your own model and tensors: which method is most faithful, and how sure is that?"""

import torch
from torch import nn

import swagflow

# A model of your own, trained for a moment to find the brighter half of an image.
torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(3, 16, 5, stride=2), nn.ReLU(), nn.Conv2d(16, 16, 3, stride=2), nn.ReLU(),
    nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 2),
)  # fmt: skip
images = torch.rand(256, 3, 48, 48) * 0.5
labels = torch.randint(2, (256,))
for image, label in zip(images, labels, strict=True):
    image[:, :, 24 * label : 24 * (label + 1)] += 0.4
optimiser = torch.optim.Adam(model.parameters(), 0.003)
normalised = (images - 0.5) / 0.25
for _ in range(60):
    optimiser.zero_grad()
    nn.functional.cross_entropy(model(normalised), labels).backward()
    optimiser.step()

results = swagflow.evaluate(
    model,
    (images[:24], labels[:24]),
    explainers=["random", "grad_cam", "swag_ig", "rise"],
    metrics=["deletion", "insertion"],
    mean=(0.5,) * 3,
    std=(0.25,) * 3,
)
print(results.table())
print(results.compare("random", "deletion")[["explainer", "difference", "ci_low", "ci_high"]])
print("report:", results.report())

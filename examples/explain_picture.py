"""Explain one picture: a float for every pixel, higher is more important."""

import torch
from skimage import data
from skimage.transform import resize

import swag
from swag.models import ModelSpec, load_classifier

# Any torch.nn.Module will do; this one comes with the package. Of torchvision, timm or Hugging Face
# it is architecture="resnet50", "timm/convnext_tiny" or "hf/google/vit-base-patch16-224".
model = load_classifier(
    ModelSpec(architecture="tiny_resnet"), device=torch.device("cpu"), batch_size=8
)

picture = resize(data.chelsea(), (112, 112), anti_aliasing=True)  # (H, W, 3) in [0, 1]
image = torch.from_numpy(picture).permute(2, 0, 1).float()

saliency = swag.explain(model, image)
print("SWAG:", tuple(saliency.shape), "most important pixel:", divmod(int(saliency.argmax()), 112))

for method in ("grad_cam", "captum:IntegratedGradients"):
    print(f"{method}:", tuple(swag.explain(model, image, method=method).shape))

"""Training images that lose what a metric's perturbation draws, anew in each epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from swag.classifier import Classifier
from swag.protocols import Perturbation, TunedMetric
from swag.rng import generator

from ..store.experiments import Tuning
from ..train.images import Images
from ..train.recipe import Fit
from ..train.train_config import Augmentation
from .roar_jobs import recipe_of


@dataclass(frozen=True)
class PerturbedImages:
    """Images with the recipe by which a model is fine-tuned on them."""

    images: Images
    perturbation: Perturbation
    recipe: Fit
    augmentation: Augmentation

    def batches(self, classifier: Classifier, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield an epoch's normalised images_BCHW, 0 where something is lost, and label_B.

        They depend on the recipe's seed and the epoch only, so that an interrupted job goes on as
        if it had not been.

        Raises:
            ValueError: the model's outputs are not those of a softmax.
        """
        if classifier.output not in {"softmax", "logit"}:
            raise ValueError(
                "models are fine-tuned by the cross entropy of a softmax, and this one has output: "
                f"{classifier.output}; leave it out of experiments of such metrics"
            )
        rng = generator(self.recipe.seed, str(epoch), "tuning_epoch")
        device = classifier.device
        for image_BCHW, label_B in self.images.batches(self.recipe, epoch, self.augmentation):
            x_BCHW = classifier.prepared(image_BCHW)
            height, width = x_BCHW.shape[2:]
            shown_BHW = self.perturbation((height, width), len(x_BCHW), rng).to(device)
            yield x_BCHW.masked_fill_(~shown_BHW[:, None], 0.0), label_B.to(device)


def perturbed_images(images: Images, metric: object, tuning: Tuning, seed: int) -> PerturbedImages:
    """Return the images that a metric's model is fine-tuned on."""
    if not isinstance(metric, TunedMetric):
        raise TypeError(f"{metric!r} scores with the model that is explained")
    augmentation = Augmentation(flip=tuning.flip)
    return PerturbedImages(images, metric.perturbation, recipe_of(tuning, seed), augmentation)

"""VGG16 and ResNet50 in miniature, for images of 112x112 pixels."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


class TinyVGG(nn.Module):
    """Plain 3x3 convolutions, ReLU in place, max-pooling and two fully connected layers.

    Like VGG16, without normalisation layers and with a last feature map of 14x14. Unlike VGG16,
    the first convolution has a stride of 2, which halves the price of a pass, and the map is
    averaged before the fully connected layers, so that they weigh channels and not places: with so
    few channels Grad-CAM's mean gradient would tell nothing otherwise.
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_convolution(3, 16, stride=2),
            nn.MaxPool2d(2),
            *_convolution(16, 20),
            *_convolution(20, 20),
            nn.MaxPool2d(2),
            *_convolution(20, 40),
            *_convolution(40, 40),
            *_convolution(40, 40),
            nn.MaxPool2d(2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(40, 64), nn.ReLU(inplace=True), nn.Dropout(0.2), nn.Linear(64, num_classes)
        )
        _initialise(self)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x_BCHW)).flatten(1))  # type: ignore[no-any-return]


def _convolution(channels_in: int, channels: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(channels_in, channels, 3, stride, padding=1), nn.ReLU(inplace=True)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut; one ReLU module serves all three."""

    expansion = 2

    def __init__(self, channels_in: int, width: int, stride: int) -> None:
        super().__init__()
        channels = width * self.expansion
        self.conv1 = nn.Conv2d(channels_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        shortcut = x_BCHW if self.downsample is None else self.downsample(x_BCHW)
        x_BCHW = self.relu(self.bn1(self.conv1(x_BCHW)))
        x_BCHW = self.relu(self.bn2(self.conv2(x_BCHW)))
        x_BCHW = self.bn3(self.conv3(x_BCHW))
        x_BCHW += shortcut
        return self.relu(x_BCHW)  # type: ignore[no-any-return]


class TinyResNet(nn.Module):
    """Bottleneck blocks with batch normalisation, last feature map 7x7, averaged over the map.

    Args:
        widths: of the bottlenecks at each of three resolutions; the first convolution has as many
            channels as the first.
    """

    def __init__(
        self, num_classes: int = 10, *, widths: tuple[int, int, int] = (16, 24, 48)
    ) -> None:
        super().__init__()
        early, middle, late = widths
        self.conv1 = nn.Conv2d(3, early, 3, 2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(early)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = _stage(early, early, num_blocks=1, stride=1)
        self.layer2 = _stage(early * Bottleneck.expansion, middle, num_blocks=2, stride=2)
        self.layer3 = _stage(middle * Bottleneck.expansion, late, num_blocks=2, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(late * Bottleneck.expansion, num_classes)
        _initialise(self)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BCHW = self.maxpool(self.relu(self.bn1(self.conv1(x_BCHW))))
        x_BCHW = self.layer3(self.layer2(self.layer1(x_BCHW)))
        return self.fc(self.avgpool(x_BCHW).flatten(1))  # type: ignore[no-any-return]


def _stage(channels_in: int, width: int, *, num_blocks: int, stride: int) -> nn.Sequential:
    channels = width * Bottleneck.expansion
    rest = [Bottleneck(channels, width, 1) for _ in range(num_blocks - 1)]
    return nn.Sequential(Bottleneck(channels_in, width, stride), *rest)


def _initialise(model: nn.Module) -> None:
    """Draw convolutions as torchvision does (He et al., 2015, by the outputs)."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def tiny_vgg(num_classes: int = 10) -> TinyVGG:
    """Return a `TinyVGG` with random weights."""
    return TinyVGG(num_classes)


def tiny_resnet(num_classes: int = 10) -> TinyResNet:
    """Return a `TinyResNet` with random weights."""
    return TinyResNet(num_classes)


def small_resnet(num_classes: int = 10) -> TinyResNet:
    """Return a `TinyResNet` with more channels and random weights."""
    return TinyResNet(num_classes, widths=(24, 40, 64))


TINY: dict[str, Callable[..., nn.Module]] = {
    "tiny_vgg": tiny_vgg,
    "tiny_resnet": tiny_resnet,
    "small_vgg": tiny_vgg,  # its weights are what is other: they know natural scenes
    "small_resnet": small_resnet,
}

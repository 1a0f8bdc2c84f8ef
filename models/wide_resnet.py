"""Wide residual networks for small images: WRN-26-10, and two nets small enough for a CPU."""

from torch import Tensor, nn

from data.facts import Facts


class WideResNet(nn.Module):
    """Three stages of basic blocks with 16, 32 and 64 channels times `width`; all but the first halve the image.

    Blocks are post-activation with a normalised 1x1 shortcut, as in the code of Mukhoti et al. 2020, whose
    36,481,434 parameters WRN-26-10 has. Differs from Zagoruyko & Komodakis 2016: theirs are pre-activation
    blocks (36,479,194 parameters).

    Args:
        num_blocks: blocks a stage; the net has 6 num_blocks + 2 weighted layers without shortcuts.
        width: factor on the channels; 1 is He et al.'s thin CIFAR net.
        in_channels: channels of an image.
        num_classes: classes K.
        stem_stride: 1, or 2: halves the image before the first stage, for a quarter of the work.
    """

    def __init__(self, num_blocks: int, width: int, in_channels: int = 3, num_classes: int = 10, stem_stride: int = 1):
        super().__init__()
        if stem_stride not in (1, 2):
            raise ValueError(f"stem_stride must be 1 or 2, got {stem_stride}")
        channels = [16, 16 * width, 32 * width, 64 * width]
        self.stem = nn.Sequential(
            _conv(in_channels, 16, kernel_size=3, stride=stem_stride), nn.BatchNorm2d(16), nn.ReLU(inplace=True)
        )
        self.stages = nn.Sequential(
            *(_stage(channels[i], channels[i + 1], num_blocks, stride=1 if i == 0 else 2) for i in range(3))
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels[-1], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """[N, C, H, W] float -> logits [N, K]."""
        features = self.stages(self.stem(images))  # [N, 64 * width, H', W']
        return self.fc(self.pool(features).flatten(1))


def wrn26_10(facts: Facts) -> nn.Module:
    """WRN-26-10: four blocks a stage, width 10. The field's usual name for it is WRN-28-10."""
    return WideResNet(num_blocks=4, width=10, in_channels=facts.in_channels, num_classes=facts.num_classes)


def wrn10_2(facts: Facts, stem_stride: int = 1) -> nn.Module:
    """WRN-10-2 in the field's counting: one block a stage, width 2; 0.3 M parameters."""
    return WideResNet(1, 2, facts.in_channels, facts.num_classes, stem_stride)


def resnet8(facts: Facts, stem_stride: int = 1) -> nn.Module:
    """The thin ResNet-8: one block a stage, 16, 32 and 64 channels; 0.08 M parameters."""
    return WideResNet(1, 1, facts.in_channels, facts.num_classes, stem_stride)


def _stage(in_channels: int, out_channels: int, num_blocks: int, stride: int) -> nn.Sequential:
    from torchvision.models.resnet import BasicBlock  # takes two seconds to import, and texts need none of it

    shortcut = None
    if stride != 1 or in_channels != out_channels:
        shortcut = nn.Sequential(
            _conv(in_channels, out_channels, kernel_size=1, stride=stride), nn.BatchNorm2d(out_channels)
        )
    first = BasicBlock(in_channels, out_channels, stride, shortcut)
    return nn.Sequential(first, *(BasicBlock(out_channels, out_channels) for _ in range(num_blocks - 1)))


def _conv(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False)

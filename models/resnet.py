"""ResNet-50 and ResNet-110 with bottleneck blocks, in the forms of CIFAR, Tiny-ImageNet and ImageNet."""

from torch import nn

from data.facts import Facts

from .initialisation import reset_to_default


def resnet50(facts: Facts) -> nn.Module:
    """ResNet-50: bottleneck blocks [3, 4, 6, 3]. Source: He et al. 2016, table 1."""
    return _bottleneck_net(facts, [3, 4, 6, 3])


def resnet110(facts: Facts) -> nn.Module:
    """ResNet-110: bottleneck blocks [3, 4, 26, 3], as in the code of Mukhoti et al. 2020.

    He et al.'s CIFAR ResNet-110 is another, thin network of 1.7 M parameters; this one has 45.9 M on CIFAR-10.
    """
    return _bottleneck_net(facts, [3, 4, 26, 3])


def _bottleneck_net(facts: Facts, layers: list[int]) -> nn.Module:
    """Torchvision's ResNet with the stem and head of `facts.form`; forward: [N, C, H, W] -> logits [N, K]."""
    from torchvision.models.resnet import Bottleneck, ResNet  # takes two seconds to import; texts need none of it

    net = ResNet(Bottleneck, layers, num_classes=facts.num_classes)
    if facts.form == "imagenet":
        return net
    net.conv1 = nn.Conv2d(facts.in_channels, 64, kernel_size=3, stride=1, padding=1, bias=False)
    net.maxpool = nn.Identity()
    nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    if facts.form == "tiny-imagenet":
        net.avgpool = nn.AdaptiveAvgPool2d(2)
        net.fc = nn.Linear(4 * net.fc.in_features, facts.num_classes)
    else:
        # The authors' CIFAR net keeps PyTorch's default initialisation; their Tiny-ImageNet net uses He's.
        reset_to_default(net)
    return net

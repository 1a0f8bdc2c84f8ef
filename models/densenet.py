"""DenseNet-121 in the forms of CIFAR and ImageNet."""

from torch import nn

from data.facts import Facts

from .initialisation import reset_to_default


def densenet121(facts: Facts) -> nn.Module:
    """DenseNet-121: blocks [6, 12, 24, 16], growth 32, transitions that halve the channels.

    The CIFAR form starts with a bare 3x3 convolution of 64 channels: no normalisation, no pooling. It keeps PyTorch's
    default initialisation, as in the code of Mukhoti et al. 2020.

    Source: Huang et al. 2017, table 1.
    """
    from torchvision.models import DenseNet  # takes two seconds to import, and texts need none of it

    net = DenseNet(growth_rate=32, block_config=(6, 12, 24, 16), num_init_features=64, num_classes=facts.num_classes)
    if facts.form == "imagenet":
        return net
    net.features.conv0 = nn.Conv2d(facts.in_channels, 64, kernel_size=3, stride=1, padding=1, bias=False)
    for name in ("norm0", "relu0", "pool0"):
        delattr(net.features, name)
    reset_to_default(net)
    return net

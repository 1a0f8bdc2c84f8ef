"""PyTorch's default weights, for nets whose torchvision class would choose others."""

from torch import nn


def reset_to_default(net: nn.Module) -> None:
    """Redraw every convolution and linear layer of `net` from PyTorch's default distribution, in place.

    The default is uniform in +-1 / sqrt(fan_in), for weights and biases: 2.4 times narrower than He's normal.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.reset_parameters()

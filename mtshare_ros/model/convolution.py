"""The convolution both stem and heads are made of."""

from torch import nn


def conv_norm_act(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """
    Return a 3x3 convolution with batch norm and ReLU.

    Batch norm, because in evaluation it is a constant per channel: a pixel depends on its 3x3
    neighbourhood alone, which norms over the whole image would break for the sparse path.
    """
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )

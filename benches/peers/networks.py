"""The project's networks in PyTorch, and what one can do to them to make them fast on a processor.

Used by `pytorch.py`. Written from the description of the method (docs/architecture.md, tests/parity); weights are
random, since only time and memory are measured.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

WIDTH = 64
DENSE_CODE = 4000

# preset: (channels of the dense code or None for channel-wise, pixels of the overlap band, fill in 8-bit RGB)
PRESETS = {
    "authors": (DENSE_CODE, 4, (117.0, 104.0, 123.0)),
    "recommended": (None, 0, (123.0, 117.0, 104.0)),
}


def channels(side):
    """Channels after each halving down to the 4x4 map: 64, 64, 128, 256, 512 for 128 pixels."""
    stages = (side // 4).bit_length() - 1
    return [WIDTH << max(0, 3 - (stages - 1 - stage)) for stage in range(stages)]


class ChannelWise(nn.Module):
    """Channel c's map, flattened row by row, times its own matrix; no bias."""

    def __init__(self, channels, positions):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, positions, positions))

    def forward(self, x):
        return torch.einsum("coi,bci->bco", self.weight, x.flatten(2)).reshape(x.shape)


def one_dnn_product(x, weight, bias=None):
    """`x weight^T + bias` by oneDNN, which PyTorch uses for convolutions but, in 32 bits, not for `F.linear`: that goes
    to MKL, which is half as fast on processors that are not Intel's. Has no gradient."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


@torch.library.custom_op("peers::learned_product", mutates_args=())
def learned_product(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """`x weight^T` by oneDNN with gradients, opaque to the compiler."""
    return one_dnn_product(x, weight)


@learned_product.register_fake
def _(x, weight):
    return x.new_empty(x.shape[0], weight.shape[0])


def remember(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def backward(ctx, gradient):
    x, weight = ctx.saved_tensors
    by_x = learned_product(gradient, weight.t()) if ctx.needs_input_grad[0] else None
    by_weight = learned_product(gradient.t(), x.t()) if ctx.needs_input_grad[1] else None
    return by_x, by_weight


learned_product.register_autograd(backward, setup_context=remember)


class Product(nn.Module):
    """A convolution from or to one position, as the linear product that it is.

    `[batch, channels, side, side]` to `[batch, outputs, out_side, out_side]`; one of the sides is 1.
    """

    def __init__(self, layer, one_dnn):
        super().__init__()
        self.one_dnn = one_dnn
        up = isinstance(layer, nn.ConvTranspose2d)
        inputs, outputs = layer.in_channels, layer.out_channels
        area = layer.kernel_size[0] ** 2
        self.shape = (outputs, *(layer.kernel_size if up else (1, 1)))
        weight = layer.weight.detach().contiguous()
        # [outputs * out_side^2, inputs * side^2]
        weight = weight.reshape(inputs, outputs * area).t() if up else weight.reshape(outputs, inputs * area)
        self.weight = nn.Parameter(weight.contiguous())
        bias = None if layer.bias is None else layer.bias.detach()
        if bias is not None:
            bias = nn.Parameter(bias.repeat_interleave(area) if up else bias)
        self.register_parameter("bias", bias)

    def forward(self, x):
        x = x.flatten(1)
        if not self.one_dnn:
            x = F.linear(x, self.weight, self.bias)
        else:
            learns = torch.is_grad_enabled()
            x = learned_product(x, self.weight) if learns else one_dnn_product(x, self.weight, self.bias)
        return x.unflatten(1, self.shape)


def down(widths):
    layers = []
    for inputs, outputs in zip([3, *widths], widths):
        layers.append(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False))
        if len(layers) > 1:
            layers.append(nn.BatchNorm2d(outputs))
        layers.append(nn.LeakyReLU(0.2))
    return layers


class Generator(nn.Module):
    """Hides what the masks hide (1 = hidden) and predicts the central square."""

    def __init__(self, preset, size):
        super().__init__()
        code, _, fill = PRESETS[preset]
        encoder, decoder = channels(size), channels(size // 2)[::-1]
        deepest = encoder[-1]
        layers = down(encoder)  # [batch, 512, 4, 4]
        if code is None:
            layers += [ChannelWise(deepest, 16), nn.Conv2d(deepest, deepest, 1, bias=False)]
        else:
            layers += [nn.Conv2d(deepest, code, 4, bias=False), nn.BatchNorm2d(code), nn.LeakyReLU(0.2)]
            layers += [nn.ConvTranspose2d(code, deepest, 4, bias=False)]
        layers += [nn.BatchNorm2d(deepest), nn.ReLU()]  # [batch, 512, 4, 4]
        for inputs, outputs in zip(decoder, decoder[1:]):
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        layers += [nn.ConvTranspose2d(decoder[-1], 3, 4, 2, 1, bias=False), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.register_buffer("fill", torch.tensor(fill).view(1, 3, 1, 1) * 2 / 255 - 1)
        initialise(self)

    def forward(self, images, masks):
        return self.layers(images * (1 - masks) + masks * self.fill)


FEATURE_SIDE = 227


class FeatureNetwork(nn.Module):
    """AlexNet's convolutions, a channel-wise layer with dropout, a 1x1 convolution, five up-convolutions.

    Hides what the masks hide (1 = hidden) and predicts the whole picture of 227 pixels."""

    def __init__(self):
        super().__init__()
        relu, pool = nn.ReLU, lambda: nn.MaxPool2d(3, 2)
        response = lambda: nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
        layers = [nn.Conv2d(3, 96, 11, 4), relu(), response(), pool()]
        layers += [nn.Conv2d(96, 256, 5, 1, 2, groups=2), relu(), response(), pool()]
        layers += [nn.Conv2d(256, 384, 3, 1, 1), relu(), nn.Conv2d(384, 384, 3, 1, 1, groups=2), relu()]
        layers += [nn.Conv2d(384, 256, 3, 1, 1, groups=2), relu(), pool()]  # [batch, 256, 6, 6]
        layers += [ChannelWise(256, 36), nn.Dropout(0.5), nn.Conv2d(256, 256, 1), relu()]
        widths = [256, 128, 64, 64, 32, 3]
        for inputs, outputs in zip(widths, widths[1:]):
            layers += [nn.ConvTranspose2d(inputs, outputs, 5, 2, 2), relu()]
        self.layers = nn.Sequential(*layers[:-1])  # [batch, 3, 161, 161]
        self.register_buffer("fill", torch.tensor(PRESETS["recommended"][2]).view(1, 3, 1, 1) * 2 / 255 - 1)
        for layer in self.layers:
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)
            elif isinstance(layer, ChannelWise):
                nn.init.normal_(layer.weight, 0.0, 1 / 36)

    def forward(self, images, masks):
        small = self.layers(images * (1 - masks) + masks * self.fill)
        return F.interpolate(small, size=(FEATURE_SIDE, FEATURE_SIDE), mode="bilinear", align_corners=False)


class Discriminator(nn.Module):
    """Logits `[batch]` of patches `[batch, 3, side, side]`."""

    def __init__(self, side):
        super().__init__()
        widths = channels(side)
        self.layers = nn.Sequential(*down(widths), nn.Conv2d(widths[-1], 1, 4, bias=False))
        initialise(self)

    def forward(self, patches):
        return self.layers(patches).flatten()


def initialise(network):
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, ChannelWise)):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)


def as_products(network, one_dnn):
    """Replaces every convolution from or to one position by a linear product, and lets activations overwrite
    their input."""
    for index, layer in enumerate(network.layers):
        convolution = isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
        if convolution and layer.kernel_size == (4, 4) and layer.stride == (1, 1):
            network.layers[index] = Product(layer, one_dnn)
        elif isinstance(layer, (nn.ReLU, nn.LeakyReLU)):
            layer.inplace = True
    return network


def folded(network):
    """Puts batch norm, in evaluation an affine map of each channel, into the convolution before it."""
    layers = []
    for layer in network.layers:
        if isinstance(layer, nn.BatchNorm2d):
            transposed = isinstance(layers[-1], nn.ConvTranspose2d)
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer, transpose=transposed)
        else:
            layers.append(layer)
    network.layers = nn.Sequential(*layers)
    return network

"""Makes the fixtures that the parity tests compare against, with PyTorch.

The networks, losses and optimiser steps below are written from the description of the method, not
from the Rust code, so that both sides can only agree when both are right.

Packages from PyPI, with the versions that made the committed files:

    pip install torch==2.15.0 numpy==2.4.6 safetensors==0.8.0

Run it from anywhere, without a GPU; it takes a few seconds and overwrites `fixtures/` beside it:

    python tests/parity/make_fixtures.py

What it writes:

- `netg_*.pth`, `discriminator.pth`: weights as training scripts of the public ports leave them
  (one `nn.Sequential` named `main`), each saved in another of the ways that occur in the wild.
- `feature_*.safetensors`: weights of the AlexNet-style networks under this project's own names.
- `option_*.safetensors`: weights of networks with what the public ports have not (skip connections and
  the mask as an input; noise beside the dense code; a discriminator that sees the context), likewise.
- `expected_forward.safetensors`: what all of them answer. Long outputs are flattened and thinned.
- `expected_step.safetensors`: losses of two training steps, gradients of the first, and the weights
  after each (long ones flattened and thinned), under this project's own names.

Weights are 32-bit (or 16-bit where said), computations 64-bit, results stored as 32-bit: what the
tests measure is the rounding of the Rust side alone. Inputs follow from a formula (`pictures`,
`masks`) that the tests repeat, so none are stored. A second run writes the same bytes, except for the
one file in PyTorch's old format, which holds memory addresses.
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

FIXTURES = Path(__file__).parent / "fixtures"

# Of an output with this many values or fewer everything is stored, of a longer one every 29th value
# of the flattened tensor; 29 shares no factor with any side used here, so all rows and columns occur.
WHOLE_UP_TO = 600
STRIDE = 29

# Constant colours that stand in for hidden pixels, red, green, blue in 8-bit units.
FILLS = {"mean": (123.0, 117.0, 104.0), "authors": (117.0, 104.0, 123.0)}


# ---- Inputs -----------------------------------------------------------------------------------------


def pictures(batch, side, offset):
    """`[batch, 3, side, side]` in [-1, 1]: value i of the flattened tensor is
    `((37 i + 11 + offset) mod 101) / 50.5 - 1`, division and subtraction in 32-bit floats."""
    i = np.arange(batch * 3 * side * side, dtype=np.int64)
    ramp = ((i * 37 + 11 + offset) % 101).astype(np.float32)
    values = ramp / np.float32(50.5) - np.float32(1.0)
    return torch.from_numpy(values.reshape(batch, 3, side, side)).double()


def masks(batch, side):
    """`[batch, 1, side, side]`, 1 = hidden: a rectangle within the central square, uneven, and
    another one in each picture."""
    result = torch.zeros(batch, 1, side, side, dtype=torch.float64)
    quarter, three = side // 4, 3 * side // 4
    for n in range(batch):
        result[n, 0, quarter + 2 + n : three - 4 - 2 * n, quarter + 3 + 2 * n : three - 2 - n] = 1.0
    return result


def hide(images, hidden, fill):
    colour = torch.tensor(FILLS[fill], dtype=torch.float64).view(1, 3, 1, 1) * 2 / 255 - 1
    return torch.where(hidden.bool(), colour, images)


def centre(full):
    side = full.shape[-1]
    return full[..., side // 4 : side // 4 + side // 2, side // 4 : side // 4 + side // 2]


# ---- Networks ---------------------------------------------------------------------------------------


class ChannelWise(nn.Module):
    """Channel c's map, flattened row by row, times its own matrix; no bias."""

    def __init__(self, channels, positions):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, positions, positions))

    def forward(self, x):
        batch, channels, height, width = x.shape
        flat = x.reshape(batch, channels, height * width)
        return torch.einsum("coi,bci->bco", self.weight, flat).reshape(x.shape)


class Port(nn.Module):
    """One `nn.Sequential` named `main`, as in the public ports, which also knows this project's name
    of each of its layers."""

    def __init__(self, layers):
        super().__init__()
        self.main = nn.Sequential(*[layer for layer, _ in layers])
        self.paths = {f"main.{index}": path for index, (_, path) in enumerate(layers) if path}

    def forward(self, x):
        return self.main(x)

    def our_name(self, name):
        layer, parameter = name.rsplit(".", 1)
        return f"{self.paths[layer]}.{parameter}"


def down(sequence, prefix, widths):
    layers = []
    for stage, (inputs, outputs) in enumerate(zip([3, *widths], widths)):
        layers.append((nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False), f"{prefix}.{stage}.conv"))
        if stage > 0:
            layers.append((nn.BatchNorm2d(outputs), f"{prefix}.{stage}.norm"))
        layers.append((nn.LeakyReLU(0.2), None))
    sequence += layers


def generator(encoder, bottleneck, decoder):
    """`encoder`: channels after each halving; `decoder`: channels from the 4x4 map outwards, without
    the three colours; `bottleneck`: channels of the dense code, or None for channel-wise."""
    layers = []
    deepest = encoder[-1]
    down(layers, "encoder.stages", encoder)
    if bottleneck is None:
        layers += [
            (ChannelWise(deepest, 16), "bottleneck.channel_wise"),
            (nn.Conv2d(deepest, deepest, 1, bias=False), "bottleneck.mix"),
            (nn.BatchNorm2d(deepest), "bottleneck.norm"),
            (nn.ReLU(), None),
        ]
    else:
        layers += [
            (nn.Conv2d(deepest, bottleneck, 4, bias=False), "bottleneck.down"),
            (nn.BatchNorm2d(bottleneck), "bottleneck.down_norm"),
            (nn.LeakyReLU(0.2), None),
            (nn.ConvTranspose2d(bottleneck, deepest, 4, bias=False), "bottleneck.up"),
            (nn.BatchNorm2d(deepest), "bottleneck.up_norm"),
            (nn.ReLU(), None),
        ]
    for stage, (inputs, outputs) in enumerate(zip(decoder, decoder[1:])):
        layers += [
            (nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), f"decoder.stages.{stage}.conv"),
            (nn.BatchNorm2d(outputs), f"decoder.stages.{stage}.norm"),
            (nn.ReLU(), None),
        ]
    layers += [(nn.ConvTranspose2d(decoder[-1], 3, 4, 2, 1, bias=False), "decoder.to_rgb"), (nn.Tanh(), None)]
    return Port(layers)


def discriminator(widths):
    """Logits: the ports' last sigmoid has no weights and is left out."""
    layers = []
    down(layers, "stages", widths)
    layers.append((nn.Conv2d(widths[-1], 1, 4, bias=False), "to_logit"))
    return Port(layers)


def randomise(network):
    """Uneven random numbers everywhere, so that no exchange of two axes, layers or statistics goes
    unnoticed; convolutions keep the scale of their maps, so that answers are of order 1."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.normal_(1.0, 0.2)
                module.bias.normal_(0.0, 0.2)
                module.running_mean.normal_(0.0, 0.3)
                module.running_var.uniform_(0.5, 1.5)
            elif isinstance(module, ChannelWise):
                module.weight.normal_(0.0, 0.3)
            elif isinstance(module, nn.Conv2d):
                module.weight.normal_(0.0, (2.0 / module.weight[0].numel()) ** 0.5)
            elif isinstance(module, nn.ConvTranspose2d):
                # at stride 2 each output pixel hears of a quarter of the 4x4 window
                heard = module.weight.shape[0] * (4 if module.stride == (2, 2) else 1)
                # the last one, before tanh, stays away from its saturation
                gain = 0.4 if module.weight.shape[1] == 3 else 1.0
                module.weight.normal_(0.0, gain * (2.0 / heard) ** 0.5)
    return network


class Stage(nn.Module):
    """A convolution up or down, batch norm unless it is the first, activation."""

    def __init__(self, conv, channels, activation):
        super().__init__()
        self.conv = conv
        if channels:
            self.norm = nn.BatchNorm2d(channels)
        self.activation = activation

    def forward(self, x):
        x = self.conv(x)
        return self.activation(self.norm(x) if hasattr(self, "norm") else x)


def down_stages(inputs, widths):
    return nn.ModuleList(
        Stage(nn.Conv2d(i, o, 4, 2, 1, bias=False), o if n else 0, nn.LeakyReLU(0.2))
        for n, (i, o) in enumerate(zip([inputs, *widths], widths))
    )


def up_stages(widths):
    return nn.ModuleList(
        Stage(nn.ConvTranspose2d(i, o, 4, 2, 1, bias=False), o, nn.ReLU()) for i, o in zip(widths, widths[1:])
    )


class Part(nn.Module):
    """Modules under one name."""

    def __init__(self, **modules):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)


class AnyShape(nn.Module):
    """Skip connections and the mask as a fourth channel; channel-wise, the whole picture, side 64."""

    def __init__(self, w):
        super().__init__()
        deepest = 8 * w
        self.encoder = Part(stages=down_stages(4, [w, 2 * w, 4 * w, deepest]))
        self.bottleneck = Part(
            channel_wise=ChannelWise(deepest, 16),
            mix=nn.Conv2d(deepest, deepest, 1, bias=False),
            norm=nn.BatchNorm2d(deepest),
        )
        to_rgb = nn.ConvTranspose2d(w, 3, 4, 2, 1, bias=False)
        self.decoder = Part(stages=up_stages([deepest, 4 * w, 2 * w, w]), to_rgb=to_rgb)

    def forward(self, seen):
        maps = []
        x = seen
        for stage in self.encoder.stages:
            x = stage(x)
            maps.append(x)
        x = F.relu(self.bottleneck.norm(self.bottleneck.mix(self.bottleneck.channel_wise(x))))
        x = x + maps[3]
        for stage, skip in zip(self.decoder.stages, (maps[2], maps[1], maps[0])):
            x = stage(x) + skip
        return torch.tanh(self.decoder.to_rgb(x))


class Noisy(nn.Module):
    """Noise joins the dense code before batch norm, which works on each channel alone; the centre of 64."""

    def __init__(self, w, code, noise):
        super().__init__()
        deepest = 8 * w
        self.encoder = Part(stages=down_stages(3, [w, 2 * w, 4 * w, deepest]))
        self.bottleneck = Part(
            down=nn.Conv2d(deepest, code, 4, bias=False),
            down_norm=nn.BatchNorm2d(code),
            noise=Stage(nn.Conv2d(noise, noise, 1, bias=False), noise, nn.LeakyReLU(0.2)),
            up=nn.ConvTranspose2d(code + noise, deepest, 4, bias=False),
            up_norm=nn.BatchNorm2d(deepest),
        )
        to_rgb = nn.ConvTranspose2d(2 * w, 3, 4, 2, 1, bias=False)
        self.decoder = Part(stages=up_stages([deepest, 4 * w, 2 * w]), to_rgb=to_rgb)

    def forward(self, seen, noise):
        x = seen
        for stage in self.encoder.stages:
            x = stage(x)
        part = self.bottleneck
        joined = torch.cat([part.down(x), part.noise.conv(noise[:, :, None, None])], 1)
        norm, other = part.down_norm, part.noise.norm
        # one batch norm over both, as the authors have it
        x = F.batch_norm(
            joined,
            torch.cat([norm.running_mean, other.running_mean]),
            torch.cat([norm.running_var, other.running_var]),
            torch.cat([norm.weight, other.weight]),
            torch.cat([norm.bias, other.bias]),
            self.training,
        )
        x = F.relu(part.up_norm(part.up(F.leaky_relu(x, 0.2))))
        for stage in self.decoder.stages:
            x = stage(x)
        return torch.tanh(self.decoder.to_rgb(x))


class Conditional(nn.Module):
    """A discriminator that sees the context: a first convolution for it and one for the patch, which lies
    in its place with zeros around it. The weights of the two are stored one after the other."""

    def __init__(self, w):
        super().__init__()
        self.stages = down_stages(6, [2 * w, 2 * w, 4 * w, 8 * w])
        self.stages[0].conv = nn.Conv2d(3, 2 * w, 4, 2, 1, bias=False)
        self.to_logit = nn.Conv2d(8 * w, 1, 4, bias=False)

    def forward(self, context, patch):
        w = self.stages[0].conv.weight
        first, second = w[: len(w) // 2], w[len(w) // 2 :]
        quarter = context.shape[-1] // 4
        placed = F.pad(patch, (quarter, quarter, quarter, quarter))
        first = F.conv2d(context, first, stride=2, padding=1)
        x = F.leaky_relu(torch.cat([first, F.conv2d(placed, second, stride=2, padding=1)], 1), 0.2)
        for stage in self.stages[1:]:
            x = stage(x)
        return self.to_logit(x).flatten()


class Shrink(nn.Module):
    """What the pool-free network has in place of pooling."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels, 3, 3))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x):
        return F.relu(F.conv2d(x, self.weight, self.bias, stride=2))


class Features(nn.Module):
    """AlexNet's convolutions at width 4 (a sixteenth of AlexNet's channels)."""

    def __init__(self, pool_free, response_norm, groups):
        super().__init__()
        c1, c2, c3, c4, c5 = 6, 16, 24, 24, 16

        def pool(channels):
            return Shrink(channels) if pool_free else nn.MaxPool2d(3, 2)

        self.conv1 = nn.Conv2d(3, c1, 11, stride=4)
        self.pool1 = pool(c1)
        self.conv2 = nn.Conv2d(c1, c2, 5, padding=2, groups=groups)
        self.pool2 = pool(c2)
        self.conv3 = nn.Conv2d(c2, c3, 3, padding=1)
        self.conv4 = nn.Conv2d(c3, c4, 3, padding=1, groups=groups)
        self.conv5 = nn.Conv2d(c4, c5, 3, padding=1, groups=groups)
        self.pool5 = pool(c5)
        self.norm = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0) if response_norm else nn.Identity()

    def forward(self, x):
        x = self.pool1(self.norm(F.relu(self.conv1(x))))
        x = self.pool2(self.norm(F.relu(self.conv2(x))))
        x = F.relu(self.conv3(x))
        x = F.relu(self.conv4(x))
        x = F.relu(self.conv5(x))
        return self.pool5(x)


class Picture(nn.Module):
    """Five up-convolutions, from 6 to 161 pixels for AlexNet's size, then bilinear to the pictures' side."""

    def __init__(self, size):
        super().__init__()
        self.size = size
        widths = [16, 8, 4, 4, 2, 3]
        self.layers = nn.ModuleList(
            nn.ConvTranspose2d(inputs, outputs, 5, stride=2, padding=2)
            for inputs, outputs in zip(widths, widths[1:])
        )

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        x = self.layers[-1](x)
        return F.interpolate(x, size=(self.size, self.size), mode="bilinear", align_corners=False)


class FeatureNetwork(nn.Module):
    """In evaluation: dropout is the identity and left out."""

    def __init__(self, size, pool_free, response_norm, groups):
        super().__init__()
        side = (size - 35) // 32  # of pool5's map
        self.encoder = Features(pool_free, response_norm, groups)
        self.channel_wise = ChannelWise(16, side * side)
        self.mix = nn.Conv2d(16, 16, 1)
        self.decoder = Picture(size)

    def forward(self, x):
        return self.decoder(F.relu(self.mix(self.channel_wise(self.encoder(x)))))


def randomise_features(network, gain):
    """Random weights that keep the scale of the maps, except that conv1 multiplies it by `gain` and
    conv3 divides it again: local response normalisation (1e-4 of the squares) is felt at large values
    only."""
    with torch.no_grad():
        for name, module in network.named_modules():
            if isinstance(module, ChannelWise):
                module.weight.normal_(0.0, module.weight.shape[-1] ** -0.5)
            elif isinstance(module, (nn.Conv2d, Shrink)):
                module.weight.normal_(0.0, (2.0 / module.weight[0].numel()) ** 0.5)
                module.bias.normal_(0.0, 0.1)
            elif isinstance(module, nn.ConvTranspose2d):
                # each output pixel hears of a quarter of the 5x5 window
                module.weight.normal_(0.0, (2.0 / (module.weight.shape[0] * 6.25)) ** 0.5)
                module.bias.normal_(0.0, 0.1)
        network.encoder.conv1.weight *= gain
        network.encoder.conv3.weight /= gain
    return network


# ---- Fixtures ---------------------------------------------------------------------------------------


def stored(tensor):
    """As it lies in the file: flat, thinned when long, 32-bit; a copy, since optimisers and batch norm
    work in place."""
    flat = tensor.detach().reshape(-1)
    return (flat if flat.numel() <= WHOLE_UP_TO else flat[::STRIDE]).float().clone()


def answers(expected, name, network, seen):
    """The answer in evaluation and, for networks with batch norm, with the batch's statistics."""
    network.double()
    with torch.no_grad():
        expected[f"{name}.eval"] = stored(network.eval()(seen))
        expected[f"{name}.train"] = stored(network.train()(seen))


def half(network):
    """Rounds the weights to 16 bits."""
    return network.half().float()


# name: (network, fill, side of the input)
def generators():
    return {
        "dense_centre": (generator([4, 8, 16, 32], 10, [32, 16, 8]), "authors", 64),
        "dense_whole": (generator([4, 8, 16, 32], 10, [32, 16, 8, 4]), "authors", 64),
        "channel_wise_centre": (generator([4, 8, 16, 32], None, [32, 16, 8]), "mean", 64),
        "channel_wise_whole": (generator([4, 8, 16, 32], None, [32, 16, 8, 4]), "mean", 64),
        "channel_wise_centre_128": (generator([2, 2, 4, 8, 16], None, [16, 8, 4, 2]), "mean", 128),
    }


def save_generators(networks):
    """Every network in another of the ways that checkpoints are written.

    The archive inside a file is named after it. Avoid names of exactly 21 letters before `.pth`: the
    Rust zip reader (crate zip 9.8.1) takes such an archive's second entry for its first.
    """
    weights = {name: network.state_dict() for name, (network, _, _) in networks.items()}

    def path(name):
        return FIXTURES / f"netg_{name}.pth"

    torch.save(weights["dense_centre"], path("dense_centre"))
    # data-parallel training
    parallel = {f"module.{key}": value for key, value in weights["dense_whole"].items()}
    torch.save(parallel, path("dense_whole"))
    # the public ports' own training script
    nested = {"epoch": 3, "state_dict": weights["channel_wise_centre"]}
    torch.save(nested, path("channel_wise_centre"))
    # before PyTorch 1.6
    torch.save(
        weights["channel_wise_whole"], path("channel_wise_whole"), _use_new_zipfile_serialization=False
    )
    # half precision
    halves = {
        key: value.half() if value.is_floating_point() else value
        for key, value in weights["channel_wise_centre_128"].items()
    }
    torch.save(halves, path("channel_wise_centre_128"))
    # the same beside a discriminator and an optimizer's state
    adam = {
        "state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(2)}},
        "param_groups": [{"lr": 2e-4, "params": [0]}],
    }
    others = {"netD": {"main.0.weight": torch.ones(2, 3, 4, 4)}, "optimizerG": adam}
    torch.save({"epoch": 3, "netG": halves, **others}, path("beside_others"))


ALEXNET = {"pooling": "max", "local_response_norm": True, "groups": 2, "fill": "mean"}
POOL_FREE = {"pooling": "convolution", "local_response_norm": False, "groups": 1, "fill": "authors"}


def feature_network(name, size, config, gain, expected):
    network = FeatureNetwork(
        size, config["pooling"] == "convolution", config["local_response_norm"], config["groups"]
    )
    randomise_features(network, gain)
    # files from before there was a size are AlexNet's
    header = {"width": 4, **config} if size == 227 else {"size": size, "width": 4, **config}
    save_file(
        network.state_dict(),
        FIXTURES / f"feature_{name}.safetensors",
        metadata={"context-encoder.feature-model": json.dumps(header)},
    )
    network.double().eval()
    seen = hide(pictures(1, size, 0), masks(1, size), config["fill"])
    with torch.no_grad():
        expected[f"feature_{name}.features"] = stored(network.encoder(seen))
        expected[f"feature_{name}.eval"] = stored(network(seen))


def options(expected):
    """Networks with the options that the public ports have not."""
    images, hidden = pictures(4, 64, 0), masks(4, 64)
    seen = hide(images, hidden, "mean")
    noise = ((torch.arange(24).double() * 37 + 11) % 101 / 50.5 - 1.0).reshape(4, 6)
    config = dict(size=64, width=4, bottleneck="channel-wise", prediction="centre", fill="mean")
    any_shape = dict(prediction="whole", skips=True, mask_input=True)
    cases = {
        "any_shape": (AnyShape(4), any_shape, lambda _: [torch.cat([seen, hidden], 1)]),
        # in evaluation there is no noise
        "noise": (
            Noisy(4, 10, 6),
            dict(bottleneck={"dense": 10}, noise=6),
            lambda mode: [seen, noise if mode == "train" else 0 * noise],
        ),
        "conditional": (Conditional(4), dict(conditional=True), lambda _: [seen, centre(images)]),
    }
    for name, (network, change, inputs) in cases.items():
        randomise(network)
        weights = {key: value for key, value in network.state_dict().items() if "num_batches" not in key}
        metadata = {"context-encoder.model": json.dumps({**config, **change})}
        save_file(weights, FIXTURES / f"option_{name}.safetensors", metadata=metadata)
        network.double()
        with torch.no_grad():
            for mode in ("eval", "train"):
                expected[f"option_{name}.{mode}"] = stored(network.train(mode == "train")(*inputs(mode)))


def reconstruction_loss(prediction, truth, hidden, overlapping):
    """`sum(w M (x - F)^2) / sum(M over channels)`. For the central square every pixel of the
    prediction counts (M = 1) and the visible ones, the overlap band, weigh 10; for whole pictures
    hidden pixels alone count."""
    if overlapping:
        counted = torch.ones_like(hidden)
        weight = torch.where(hidden.bool(), 1.0, 10.0).double()
    else:
        counted, weight = hidden, torch.ones_like(hidden)
    squares = weight * counted * (truth - prediction) ** 2
    return squares.sum() / counted.expand_as(squares).sum()


def training_steps(expected, network, critic, fill):
    """Two steps of both networks: the discriminator first, then the generator against the updated
    discriminator. The first update of Adam does not depend on its betas, the second does."""
    network.double().train()
    critic.double().train()
    adam = dict(betas=(0.5, 0.999), eps=1e-8)
    network_optimiser = torch.optim.Adam(network.parameters(), lr=2e-3, **adam)
    critic_optimiser = torch.optim.Adam(critic.parameters(), lr=2e-4, **adam)
    bce = F.binary_cross_entropy_with_logits

    def keep(kind, owner, model, tensors):
        for name, tensor in tensors:
            if not name.endswith("num_batches_tracked"):
                value = tensor.detach().float().clone() if kind == "gradient" else stored(tensor)
                expected[f"{kind}.{owner}.{model.our_name(name)}"] = value

    for step in (1, 2):
        images, hidden = pictures(4, 64, 50 * (step - 1)), masks(4, 64)
        truth = centre(images)
        prediction = network(hide(images, hidden, fill))

        # Real and predicted patches go through the discriminator in two passes, each with its own
        # batch statistics. Both terms are added, not averaged, as in the authors' code.
        critic_optimiser.zero_grad()
        real = critic(truth).flatten()
        fake = critic(prediction.detach()).flatten()
        real_loss = bce(real, torch.ones_like(real))
        fake_loss = bce(fake, torch.zeros_like(fake))
        critic_loss = real_loss + fake_loss
        critic_loss.backward()
        if step == 1:
            keep("gradient", "discriminator", critic, ((n, p.grad) for n, p in critic.named_parameters()))
        critic_optimiser.step()

        network_optimiser.zero_grad()
        distance = reconstruction_loss(prediction, truth, centre(hidden), overlapping=True)
        judged = critic(prediction).flatten()
        adversarial = bce(judged, torch.ones_like(judged))  # non-saturating
        total = 0.999 * distance + 0.001 * adversarial
        total.backward()
        if step == 1:
            keep("gradient", "generator", network, ((n, p.grad) for n, p in network.named_parameters()))
        network_optimiser.step()

        losses = dict(
            real=real_loss,
            fake=fake_loss,
            discriminator=critic_loss,
            reconstruction=distance,
            adversarial=adversarial,
            generator=total,
        )
        for name, value in losses.items():
            expected[f"loss{step}.{name}"] = value.detach().float().reshape(1)
        # running statistics of batch norm included
        keep(f"after{step}", "discriminator", critic, critic.state_dict().items())
        keep(f"after{step}", "generator", network, network.state_dict().items())


def main():
    torch.manual_seed(20160427)
    FIXTURES.mkdir(exist_ok=True)
    expected, step = {}, {}

    networks = generators()
    for network, _, side in networks.values():
        randomise(network)
        if side == 128:
            half(network)
    critic = randomise(discriminator([8, 16, 32]))
    save_generators(networks)
    torch.save(critic.state_dict(), FIXTURES / "discriminator.pth")

    # Passes in training mode move the running statistics, so what starts from the saved ones comes
    # first, or puts them back.
    network, fill, _ = networks["channel_wise_centre"]
    initial = {key: value.clone() for key, value in network.state_dict().items()}
    initial_critic = {key: value.clone() for key, value in critic.state_dict().items()}
    training_steps(step, network, critic, fill)
    network.load_state_dict(initial)
    critic.load_state_dict(initial_critic)

    with torch.no_grad():
        images, hidden = pictures(4, 64, 0), masks(4, 64)
        network, fill, _ = networks["channel_wise_whole"]
        prediction = network.double().eval()(hide(images, hidden, fill))
        loss = reconstruction_loss(prediction, images, hidden, overlapping=False)
        expected["generator_channel_wise_whole.reconstruction"] = loss.float().reshape(1)
    for name, (network, fill, side) in networks.items():
        images, hidden = pictures(4, side, 0), masks(4, side)
        answers(expected, f"generator_{name}", network, hide(images, hidden, fill))
    answers(expected, "discriminator", critic, centre(pictures(4, 64, 0)))
    feature_network("alexnet", 227, ALEXNET, 150.0, expected)
    feature_network("pool_free", 227, POOL_FREE, 1.0, expected)
    feature_network("alexnet_131", 131, ALEXNET, 150.0, expected)
    options(expected)

    save_file(expected, FIXTURES / "expected_forward.safetensors")
    save_file(step, FIXTURES / "expected_step.safetensors")
    for name, tensor in sorted(expected.items()):
        print(f"{name}: {tuple(tensor.shape)}, |max| {tensor.abs().max():.3f}")
    for name in sorted(name for name in step if name.startswith("loss")):
        print(f"{name}: {step[name].item():.6f}")
    print(f"{sum(f.stat().st_size for f in FIXTURES.iterdir()) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()

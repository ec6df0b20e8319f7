"""Makes small networks in the formats of Torch 7 and Caffe, and what PyTorch computes from them.

    pip install torch==2.15.0 numpy==2.4.6 safetensors==0.8.0
    python tests/parity/make_foreign.py

Writes into `fixtures/`: `authors_*.t7` as `torch.save` of the authors' `util.lua` leaves a generator (nested
`nn.Sequential`, fields beside the weights, biases of convolutions, one file with `running_std` as older versions had
it, one in double precision), `alexnet*.caffemodel` (one of the format before 2014), and `expected_foreign.safetensors`.
The formats are written from their description, with nothing but `struct`; the networks from that of the method.
A second run writes the same bytes.
"""

import struct
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

FIXTURES = Path(__file__).parent / "fixtures"
WHOLE_UP_TO = 600
STRIDE = 29
MEAN = (123.0, 117.0, 104.0)  # red, green, blue


def pictures(batch, side):
    i = np.arange(batch * 3 * side * side, dtype=np.int64)
    values = ((i * 37 + 11) % 101).astype(np.float32) / np.float32(50.5) - np.float32(1.0)
    return torch.from_numpy(values.reshape(batch, 3, side, side)).double()


def masks(batch, side):
    result = torch.zeros(batch, 1, side, side, dtype=torch.float64)
    quarter, three = side // 4, 3 * side // 4
    for n in range(batch):
        result[n, 0, quarter + 2 + n : three - 4 - 2 * n, quarter + 3 + 2 * n : three - 2 - n] = 1.0
    return result


def stored(values):
    flat = values.detach().float().reshape(-1)
    return flat.clone() if flat.numel() <= WHOLE_UP_TO else flat[::STRIDE].clone()


def uneven(shape, scale, shift, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float32) * scale + shift


# ---- Torch 7 ----------------------------------------------------------------------------------------


class Torch7:
    """A writer of `torch.save`'s binary format: values with their kind, tables and objects with a number by which
    they can be referred to again."""

    def __init__(self, double):
        self.out, self.numbers, self.double = bytearray(), {}, double

    def int(self, value):
        self.out += struct.pack("<i", value)

    def text(self, value):
        data = value.encode()
        self.int(len(data))
        self.out += data

    def value(self, value):
        if value is None:
            self.int(0)
        elif isinstance(value, bool):
            self.int(5)
            self.int(int(value))
        elif isinstance(value, (int, float)):
            self.int(1)
            self.out += struct.pack("<d", value)
        elif isinstance(value, str):
            self.int(2)
            self.text(value)
        elif isinstance(value, dict):
            if self.begin(3, value):
                self.int(len(value))
                for key, item in value.items():
                    self.value(key)
                    self.value(item)
        elif isinstance(value, tuple):  # class, fields
            if self.begin(4, value):
                self.text("V 1")
                self.text(value[0])
                self.value(value[1])
        else:
            self.tensor(value)

    def begin(self, kind, value):
        """Whether it was not written before."""
        self.int(kind)
        new = id(value) not in self.numbers
        self.int(self.numbers.setdefault(id(value), len(self.numbers) + 1))
        return new

    def tensor(self, tensor):
        name = "Double" if self.double else "Float"
        if not self.begin(4, tensor):
            return
        self.text("V 1")
        self.text(f"torch.{name}Tensor")
        self.int(tensor.dim())
        # A view that begins behind other numbers and, for vectors, skips every other one.
        stride = 2 if tensor.dim() == 1 else 1
        strides = [stride * s for s in tensor.contiguous().stride()]
        self.out += struct.pack(f"<{2 * tensor.dim() + 1}q", *tensor.shape, *strides, 4)
        numbers = np.full(3 + stride * tensor.numel(), 9.0)
        numbers[3::stride] = tensor.reshape(-1).numpy()
        self.int(4)
        self.numbers[object()] = None
        self.int(len(self.numbers))
        self.text("V 1")
        self.text(f"torch.{name}Storage")
        self.out += struct.pack("<q", numbers.size)
        self.out += numbers.astype("<f8" if self.double else "<f4").tobytes()


def torch7_layers(size, predicted, width, code):
    """The authors' generator as PyTorch's layers; `None` begins a new `nn.Sequential` within the first."""
    halvings, doublings = (size // 4).bit_length() - 1, (predicted // 4).bit_length() - 1

    def widths(stages):
        return [width * 2 ** max(0, 3 - (stages - 1 - stage)) for stage in range(stages)]

    channels = [3, *widths(halvings)]
    layers = []
    for stage in range(halvings):
        layers.append(nn.Conv2d(channels[stage], channels[stage + 1], 4, 2, 1))
        layers += [] if stage == 0 else [nn.BatchNorm2d(channels[stage + 1])]
        layers.append(nn.LeakyReLU(0.2))
    layers += [nn.Conv2d(channels[-1], code, 4), None, nn.BatchNorm2d(code), nn.LeakyReLU(0.2)]
    outward = widths(doublings)[::-1]
    layers += [nn.ConvTranspose2d(code, outward[0], 4), nn.BatchNorm2d(outward[0]), nn.ReLU()]
    for inputs, outputs in zip(outward, outward[1:]):
        layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.BatchNorm2d(outputs), nn.ReLU()]
    layers += [nn.ConvTranspose2d(outward[-1], 3, 4, 2, 1), nn.Tanh()]
    for seed, layer in enumerate(layer for layer in layers if layer is not None):
        normalized = isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)) and layer.in_channels != 3 and layer.out_channels != 3
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            layer.weight.data = uneven(layer.weight.shape, (2.0 / layer.weight[0].numel()) ** 0.5, 0.0, seed)
            layer.bias.data = uneven(layer.bias.shape, 0.3 if normalized else 0.0, 0.0, seed + 100)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.weight.data = uneven(layer.weight.shape, 0.2, 1.0, seed)
            layer.bias.data = uneven(layer.bias.shape, 0.2, 0.0, seed + 100)
            layer.running_mean.data = uneven(layer.running_mean.shape, 0.3, 0.0, seed + 200)
            layer.running_var.data = uneven(layer.running_var.shape, 0.2, 0.0, seed + 300).abs() + 0.5
    return layers


def torch7_module(layer, empty, old):
    fields = {"output": empty, "gradInput": empty, "_type": "torch.FloatTensor", "train": False}
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        transposed = isinstance(layer, nn.ConvTranspose2d)
        fields |= {"nInputPlane": layer.in_channels, "nOutputPlane": layer.out_channels}
        fields |= {"kW": 4, "kH": 4, "dW": layer.stride[0], "dH": layer.stride[1]}
        fields |= {"padW": layer.padding[0], "padH": layer.padding[1]}
        fields |= {"adjW": 0, "adjH": 0} if transposed else {}
        weight = layer.weight.data
        if old and not transposed:
            weight = weight.reshape(weight.shape[0], -1)
        fields |= {"weight": weight, "bias": layer.bias.data}
        kind = "nn.SpatialFullConvolution" if transposed else "nn.SpatialConvolutionMM" if old else "nn.SpatialConvolution"
        return (kind, fields)
    if isinstance(layer, nn.BatchNorm2d):
        fields |= {"eps": 1e-5, "momentum": 0.1, "affine": True}
        fields |= {"weight": layer.weight.data, "bias": layer.bias.data, "running_mean": layer.running_mean}
        if old:
            fields |= {"running_std": (layer.running_var.double() + 1e-5).rsqrt()}
        else:
            fields |= {"running_var": layer.running_var}
        return ("nn.SpatialBatchNormalization", fields)
    if isinstance(layer, nn.LeakyReLU):
        return ("nn.LeakyReLU", fields | {"negval": 0.2, "inplace": True})
    return ("nn.ReLU" if isinstance(layer, nn.ReLU) else "nn.Tanh", fields)


def sequential(modules):
    return ("nn.Sequential", {"modules": {index + 1: module for index, module in enumerate(modules)}, "train": False})


def write_torch7(name, size, predicted, width, code, old, expected):
    layers = torch7_layers(size, predicted, width, code)
    empty = torch.zeros(0)
    split = layers.index(None)
    modules = [torch7_module(layer, empty, old) for layer in layers if layer is not None]
    file = Torch7(double=old)
    file.value(sequential([sequential(modules[:split]), *modules[split:]]))
    (FIXTURES / f"{name}.t7").write_bytes(file.out)

    network = nn.Sequential(*[layer for layer in layers if layer is not None]).double().eval()
    colour = torch.tensor((117.0, 104.0, 123.0), dtype=torch.float64).view(1, 3, 1, 1) * 2 / 255 - 1
    seen = torch.where(masks(2, size).bool(), colour, pictures(2, size))
    expected[name] = stored(network(seen))


# ---- Caffe ------------------------------------------------------------------------------------------


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, data):
    """A field of bytes, text or a message, or of a whole number, or of a float."""
    if isinstance(data, float):
        return varint(number << 3 | 5) + struct.pack("<f", data)
    if isinstance(data, int):
        return varint(number << 3) + varint(data)
    data = data.encode() if isinstance(data, str) else bytes(data)
    return varint(number << 3 | 2) + varint(len(data)) + data


def blob(tensor, old):
    values = field(5, tensor.numpy().astype("<f4").tobytes())
    if old:
        dims = [1] * (4 - tensor.dim()) + list(tensor.shape)
        return b"".join(field(number + 1, dim) for number, dim in enumerate(dims)) + values
    return values + field(7, field(1, b"".join(varint(dim) for dim in tensor.shape)))


def write_caffe(name, width, groups, normalized, old, expected):
    c1, c2, c3, c5 = width * 3 // 2, width * 4, width * 6, width * 4
    shapes = {
        "conv1": (c1, 3, 11, 11),
        "conv2": (c2, c1 // groups, 5, 5),
        "conv3": (c3, c2, 3, 3),
        "conv4": (c3, c3 // groups, 3, 3),
        "conv5": (c5, c3 // groups, 3, 3),
    }
    geometries = {"conv1": (4, 0), "conv2": (1, 2), "conv3": (1, 1), "conv4": (1, 1), "conv5": (1, 1)}  # stride, padding
    weights, biases = {}, {}
    for seed, (layer, shape) in enumerate(shapes.items()):
        # conv1 sees values up to 150, the others what ReLU leaves.
        scale = (2.0 / np.prod(shape[1:])) ** 0.5 / (60.0 if layer == "conv1" else 1.0)
        weights[layer] = uneven(shape, float(scale), 0.0, seed + 50)
        biases[layer] = uneven(shape[:1], 0.1, 0.0, seed + 60)

    kinds = {"Data": 5, "Convolution": 4, "ReLU": 18, "LRN": 15, "Pooling": 17, "InnerProduct": 14}

    def layer(name, kind, parameters=b"", tensors=()):
        tensors = [blob(tensor, old) for tensor in tensors]
        if old:
            return field(2, field(4, name) + field(5, kinds[kind]) + b"".join(field(6, t) for t in tensors) + parameters)
        return field(100, field(1, name) + field(2, kind) + b"".join(field(7, t) for t in tensors) + parameters)

    def conv(name):
        group = groups if name in ("conv2", "conv4", "conv5") else 1
        stride, padding = geometries[name]
        parameters = field(1, shapes[name][0]) + field(3, padding) + field(5, group) + field(6, stride)
        parameters = field(10 if old else 106, parameters)
        return layer(name, "Convolution", parameters, (weights[name], biases[name])) + layer(f"relu{name[4:]}", "ReLU")

    def norm(name):
        parameters = field(18 if old else 118, field(1, 5) + field(2, 1e-4) + field(3, 0.75))
        return layer(name, "LRN", parameters) if normalized else b""

    def pool(name):
        return layer(name, "Pooling", field(19 if old else 121, field(1, 0) + field(2, 3) + field(3, 2)))

    file = field(1, "AlexNet") + layer("data", "Data")
    file += conv("conv1") + norm("norm1") + pool("pool1")
    file += conv("conv2") + norm("norm2") + pool("pool2")
    file += conv("conv3") + conv("conv4") + conv("conv5") + pool("pool5")
    file += layer("fc6", "InnerProduct", b"", (uneven((3, 2), 1.0, 0.0, 1), uneven((3,), 1.0, 0.0, 2)))
    (FIXTURES / f"{name}.caffemodel").write_bytes(file)

    # As a user of Caffe computes it: blue, green, red in 0 to 255 less the mean.
    bytes_rgb = (pictures(1, 227) + 1) * 127.5
    x = (bytes_rgb - torch.tensor(MEAN, dtype=torch.float64).view(1, 3, 1, 1)).flip(1)
    # After each: normalization and pooling, nothing (None), or pooling alone (False).
    for conv_name, tail in [("conv1", True), ("conv2", True), ("conv3", None), ("conv4", None), ("conv5", False)]:
        stride, padding = geometries[conv_name]
        group = groups if conv_name in ("conv2", "conv4", "conv5") else 1
        x = F.relu(F.conv2d(x, weights[conv_name].double(), biases[conv_name].double(), stride, padding, groups=group))
        if tail and normalized:
            x = F.local_response_norm(x, 5, 1e-4, 0.75, 1.0)
        if tail is not None:
            x = F.max_pool2d(x, 3, 2)
    expected[name] = stored(x)


def main():
    expected = {}
    write_torch7("authors_centre", 64, 32, 3, 7, False, expected)
    write_torch7("authors_whole_old", 64, 64, 2, 5, True, expected)
    write_caffe("alexnet", 4, 2, True, False, expected)
    write_caffe("alexnet_old", 4, 1, False, True, expected)
    save_file(expected, FIXTURES / "expected_foreign.safetensors")
    for name, values in expected.items():
        print(name, tuple(values.shape), float(values.abs().max()), float(values.std()))


main()

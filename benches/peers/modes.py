"""Ways to make PyTorch fast on a processor or a graphics card, and the combinations of them that are measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mode:
    """What is done; each is off unless said."""

    tasks: tuple = ("train", "infer")
    channels_last: bool = False  # memory order of maps and convolution weights
    products: bool = False  # one-position convolutions as linear products, activations in place
    one_dnn: bool = False  # those products by oneDNN instead of MKL
    fused_adam: bool = False  # in training
    fold: bool = False  # in inference, batch norm into convolutions
    freeze: bool = False  # TorchScript, frozen and optimised for inference
    compile: bool = False  # torch.compile, with constant weights in inference
    capture: bool = False  # on cards: the whole step, or the whole prediction, as a captured CUDA graph
    bf16: bool = False  # autocast: another precision than all others, so compared apart
    tf32: bool = False  # on cards: products of 19 bits, sums of 32
    devices: tuple = ("cpu",)


REWRITTEN = dict(products=True, fused_adam=True)
COMPILED = dict(**REWRITTEN, fold=True, compile=True)
FOLDED = dict(tasks=("infer",), products=True, fold=True)

EVERYWHERE = ("cpu", "cuda")
ON_CARDS = dict(fused_adam=True, channels_last=True, devices=("cuda",))

MODES = {
    "eager": Mode(devices=EVERYWHERE),
    "channels-last": Mode(channels_last=True, devices=EVERYWHERE),
    "rewritten": Mode(**REWRITTEN),
    "rewritten-channels-last": Mode(**REWRITTEN, channels_last=True),
    "onednn": Mode(**REWRITTEN, channels_last=True, one_dnn=True),
    "folded": Mode(**FOLDED),
    "folded-channels-last": Mode(**FOLDED, channels_last=True),
    "folded-onednn": Mode(**FOLDED, channels_last=True, one_dnn=True),
    "frozen": Mode(**FOLDED, freeze=True),
    "frozen-channels-last": Mode(**FOLDED, freeze=True, channels_last=True),
    "compile": Mode(**COMPILED),
    "compile-channels-last": Mode(**COMPILED, channels_last=True),
    "compile-onednn": Mode(**COMPILED, channels_last=True, one_dnn=True),
    "bf16": Mode(**REWRITTEN, channels_last=True, bf16=True),
    "compile-bf16": Mode(**COMPILED, channels_last=True, bf16=True),
    "tf32": Mode(**ON_CARDS, tf32=True),
    "folded-tf32": Mode(**ON_CARDS, tasks=("infer",), fold=True, tf32=True),
    "compile-tf32": Mode(**ON_CARDS, fold=True, tf32=True, compile=True),
    "captured-tf32": Mode(**ON_CARDS, fold=True, tf32=True, capture=True),
    "captured-compile-tf32": Mode(**ON_CARDS, fold=True, tf32=True, compile=True, capture=True),
    "card-bf16": Mode(**ON_CARDS, tf32=True, bf16=True),
    "captured-bf16": Mode(**ON_CARDS, tf32=True, bf16=True, capture=True),
    "card-compile-bf16": Mode(**ON_CARDS, fold=True, tf32=True, compile=True, bf16=True),
}


def of_task(task, device="cpu"):
    """Names of the modes that can do a task on a device."""
    return [name for name, mode in MODES.items() if task in mode.tasks and device in mode.devices]

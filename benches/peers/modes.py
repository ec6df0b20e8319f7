"""Ways to make PyTorch fast on a processor, and the combinations of them that are measured."""

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
    bf16: bool = False  # autocast: another precision than all others, so compared apart


REWRITTEN = dict(products=True, fused_adam=True)
COMPILED = dict(**REWRITTEN, fold=True, compile=True)
FOLDED = dict(tasks=("infer",), products=True, fold=True)

MODES = {
    "eager": Mode(),
    "channels-last": Mode(channels_last=True),
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
}


def of_task(task):
    """Names of the modes that can do a task."""
    return [name for name, mode in MODES.items() if task in mode.tasks]

"""The PyTorch peer: the same networks, the same training step and the same forward pass, as fast as PyTorch gets.

    python benches/peers/pytorch.py --preset authors --task train --batch 64

runs every mode in a process of its own and prints a table; `--mode NAME` runs one. With `--worker` it serves
`compare.py` instead: it prints one JSON line when it is warm, then runs for as many seconds as each line that it reads
says (at least one step) and answers with a JSON line; the end of its input ends it. `--device cuda` runs on a graphics
card, in modes of its own.

Packages: torch (measured with 2.15.0); `compile` needs a C++ compiler. Threads: `--threads`.
"""

import argparse
import contextlib
import json
import platform
import shutil
import sys
import time

import torch
import torch._inductor.config as inductor
import torch.nn.functional as F

from modes import MODES, of_task
from networks import FEATURE_SIDE, PRESETS, Discriminator, FeatureNetwork, Generator, as_products, folded
from worker import Failed, Worker

WARM_UP_STEPS = 3
SHOWN = ("preset", "task", "batch", "size", "threads", "device")
OVERLAP_WEIGHT = 10.0  # of visible pixels in the predicted square


class Unavailable(Exception):
    """A mode that this machine cannot run."""


def batch_of(arguments, memory_format):
    """Random but fixed pictures in [-1, 1] and central masks (1 = hidden)."""
    size = FEATURE_SIDE if arguments.task.startswith("feature") else arguments.size
    overlap = PRESETS[arguments.preset][1]
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(arguments.batch, 3, size, size, generator=generator) * 2 - 1
    masks = torch.zeros(arguments.batch, 1, size, size)
    first, end = size // 4 + overlap, 3 * size // 4 - overlap
    masks[:, :, first:end, first:end] = 1.0
    return images.to(arguments.device, memory_format=memory_format), masks.to(arguments.device)


def centre(full):
    side = full.shape[-1]
    return full[..., side // 4 : 3 * side // 4, side // 4 : 3 * side // 4]


def prepared(network, mode, memory_format, device):
    if mode.fold and not network.training:
        network = folded(network)
    if mode.products:
        network = as_products(network, mode.one_dnn)
    return network.to(device, memory_format=memory_format)


def compiled(network, mode):
    if shutil.which("c++") is None and shutil.which("g++") is None and shutil.which("clang++") is None:
        raise Unavailable("torch.compile needs a C++ compiler")
    return torch.compile(network, dynamic=False)


def captured(run):
    """The same computation as one launch: everything that it reads and writes stays where it is."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph, results = torch.cuda.CUDAGraph(), []
    with torch.cuda.graph(graph):
        results.append(run())

    def replay():
        graph.replay()
        return results[0]

    return replay


def training(arguments, mode):
    """A function that makes one step and returns the generator's loss, as a tensor."""
    memory_format = torch.channels_last if mode.channels_last else torch.contiguous_format
    images, masks = batch_of(arguments, memory_format)
    network = prepared(Generator(arguments.preset, arguments.size), mode, memory_format, arguments.device)
    critic = prepared(Discriminator(arguments.size // 2), mode, memory_format, arguments.device)
    adam = dict(betas=(0.5, 0.999), eps=1e-8, fused=mode.fused_adam or None, capturable=mode.capture)
    network_optimiser = torch.optim.Adam(network.parameters(), lr=2e-3, **adam)
    critic_optimiser = torch.optim.Adam(critic.parameters(), lr=2e-4, **adam)
    predict, judge = (compiled(network, mode), compiled(critic, mode)) if mode.compile else (network, critic)
    ones = torch.ones(arguments.batch, device=arguments.device)
    zeros = torch.zeros_like(ones)
    bce = F.binary_cross_entropy_with_logits

    def step():
        with autocast(mode, arguments.device):
            truth, hidden = centre(images), centre(masks)
            prediction = predict(images, masks)
            critic_loss = bce(judge(truth), ones) + bce(judge(prediction.detach()), zeros)
        critic_optimiser.zero_grad()
        critic_loss.backward()
        critic_optimiser.step()

        critic.requires_grad_(False)  # the generator's step needs no gradients of the discriminator's weights
        with autocast(mode, arguments.device):
            weights = OVERLAP_WEIGHT - (OVERLAP_WEIGHT - 1) * hidden
            distance = ((prediction - truth) ** 2 * weights).sum() / truth.numel()
            loss = 0.999 * distance + 0.001 * bce(judge(prediction), ones)
        network_optimiser.zero_grad()
        loss.backward()
        network_optimiser.step()
        critic.requires_grad_(True)
        return loss.detach()

    return step


def feature_training(arguments, mode):
    """A function that makes one step of the feature network and returns its loss, masked L2, as a tensor."""
    memory_format = torch.channels_last if mode.channels_last else torch.contiguous_format
    images, masks = batch_of(arguments, memory_format)
    network = prepared(FeatureNetwork(), mode, memory_format, arguments.device)
    adam = dict(betas=(0.5, 0.999), eps=1e-8, fused=mode.fused_adam or None)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, **adam)
    predict = compiled(network, mode) if mode.compile else network

    def step():
        with autocast(mode, arguments.device):
            loss = ((predict(images, masks) - images) ** 2 * masks).sum() / (masks.sum() * 3)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.detach()

    return step


def network_of(arguments):
    return FeatureNetwork() if arguments.task == "feature-infer" else Generator(arguments.preset, arguments.size)


def inference(arguments, mode):
    """A function that predicts the centres of one batch."""
    memory_format = torch.channels_last if mode.channels_last else torch.contiguous_format
    images, masks = batch_of(arguments, memory_format)
    network = prepared(network_of(arguments).eval(), mode, memory_format, arguments.device).requires_grad_(False)
    if mode.freeze:
        with torch.no_grad():
            network = torch.jit.optimize_for_inference(torch.jit.trace(network, (images, masks)))
    if mode.compile:
        inductor.freezing = True  # constant weights, packed and folded once
        network = compiled(network, mode)

    def forward():
        with torch.no_grad(), autocast(mode, arguments.device):
            network(images, masks)

    return forward


TASKS = {"train": training, "infer": inference, "feature-train": feature_training, "feature-infer": inference}


def autocast(mode, device):
    return torch.autocast(device, torch.bfloat16) if mode.bf16 else contextlib.nullcontext()


def finish(device):
    """Waits until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def card_memory(device):
    """The most bytes of a card that tensors held; null on the processor."""
    return torch.cuda.max_memory_reserved() if device == "cuda" else None


def memory(key):
    """`VmHWM` (most memory ever held) or `VmRSS` (held now) of this process in bytes; null where there is no /proc."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(key + ":"))
    except OSError:
        return None


def work(arguments):
    """Serves one mode; see the file's first lines."""
    torch.manual_seed(0)
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    base = memory("VmRSS")
    mode = MODES[arguments.mode]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = mode.tf32
    torch.backends.cudnn.benchmark = True  # the fastest algorithm for these sizes, found while warming up
    try:
        run = TASKS[arguments.task](arguments, mode)
        if mode.capture:
            run = captured(run)
        for _ in range(WARM_UP_STEPS):
            run()
        finish(arguments.device)
    except Unavailable as reason:
        print(json.dumps({"ready": False, "reason": str(reason)}), flush=True)
        return
    versions = {"torch": torch.__version__, "python": platform.python_version()}
    ready = {"ready": True, "versions": versions, "threads": torch.get_num_threads(), "base_bytes": base}
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        seconds, steps, start = float(line), 0, time.perf_counter()
        while steps == 0 or time.perf_counter() - start < seconds:
            loss = run()
            steps += 1
        loss = None if loss is None else loss.item()
        finish(arguments.device)
        passed = time.perf_counter() - start
        answer = {"images": steps * arguments.batch, "seconds": passed, "loss": loss, "peak_bytes": memory("VmHWM")}
        answer["card_bytes"] = card_memory(arguments.device)
        print(json.dumps(answer), flush=True)


def table(arguments):
    """Every mode of the task, or the one asked for, each in a fresh process."""
    modes = [arguments.mode] if arguments.mode else of_task(arguments.task.removeprefix("feature-"), arguments.device)
    print(", ".join(f"{name} {getattr(arguments, name)}" for name in SHOWN))
    print("| mode | images/s | peak MiB | loss | cores used by others |\n|---|---|---|---|---|", flush=True)
    for mode in modes:
        options = vars(arguments) | {"mode": mode}
        flags = [f"--{name}={options[name]}" for name in (*SHOWN, "mode")]
        try:
            with Worker([sys.executable, __file__, "--worker", *flags]) as worker:
                result = worker.measure(arguments.seconds)
        except Failed as reason:
            print(f"| {mode} | {reason} | | | |", flush=True)
            continue
        speed, peak = result["images"] / result["seconds"], (result["peak_bytes"] or 0) / 2**20
        loss = "-" if result["loss"] is None else f"{result['loss']:.4f}"
        print(f"| {mode} | {speed:.2f} | {peak:.0f} | {loss} | {result['others']:.2f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description="The PyTorch peer of `context-encoder bench`")
    parser.add_argument("--worker", action="store_true")
    parser.add_argument("--preset", choices=PRESETS, default="recommended")
    parser.add_argument("--task", choices=TASKS, default="train")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", type=int, choices=(64, 128, 256), default=128)
    parser.add_argument("--mode", choices=MODES)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=5.0, help="of each mode, without --worker")
    arguments = parser.parse_args()
    if arguments.worker:
        arguments.mode = arguments.mode or "eager"
        work(arguments)
    else:
        table(arguments)


if __name__ == "__main__":
    main()

"""Records what onnxruntime computes from this library's ONNX files, for the test `parity::onnx`.

    pip install onnx==1.23.2 onnxruntime==1.32.0 numpy safetensors
    mkdir /tmp/onnx
    ONNX_FILES=/tmp/onnx cargo test --workspace --features ndarray --test integration -- onnxruntime
    python tests/parity/make_onnx.py /tmp/onnx

The test writes the files; this checks them by `onnx.checker` with shape inference, runs them on the processor with
the inputs of `make_fixtures.py`, with a batch of one and of four (the answers must not depend on it), and writes
`fixtures/expected_onnx.safetensors`: answers, long ones thinned, and in the metadata a hash of each file.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import save_file

FIXTURES = Path(__file__).parent / "fixtures"
WHOLE_UP_TO = 600
STRIDE = 29


def pictures(batch, side):
    i = np.arange(batch * 3 * side * side, dtype=np.int64)
    values = ((i * 37 + 11) % 101).astype(np.float32) / np.float32(50.5) - np.float32(1.0)
    return values.reshape(batch, 3, side, side)


def masks(batch, side):
    result = np.zeros((batch, 1, side, side), dtype=np.float32)
    quarter, three = side // 4, 3 * side // 4
    for n in range(batch):
        result[n, 0, quarter + 2 + n : three - 4 - 2 * n, quarter + 3 + 2 * n : three - 2 - n] = 1.0
    return result


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def stored(values):
    flat = values.reshape(-1)
    return np.ascontiguousarray(flat if flat.size <= WHOLE_UP_TO else flat[::STRIDE])


def session(path):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def filled(folder, name, feed):
    """What the file that takes a mask makes of it before its first convolution of the encoder."""
    model = onnx.load(folder / f"{name}.masked.onnx")
    first = next(n for n in model.graph.node if n.input[1:2] == ["encoder.stages.0.conv.weight"])
    model.graph.output.append(onnx.helper.make_tensor_value_info(first.input[0], onnx.TensorProto.FLOAT, None))
    made = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return made.run([first.input[0]], feed)[0]


def main():
    folder = Path(sys.argv[1])
    expected, hashes = {}, {}
    for path in sorted(folder.glob("*.onnx")):
        hashes[path.name] = fnv(path.read_bytes())
        run = session(path)
        names = [output.name for output in run.get_outputs()]
        if path.name.startswith("feature"):
            side, batch = 131 if "131" in path.name else 227, 1
            feed = {"image": pictures(2, side)}
        else:
            side, batch = run.get_inputs()[0].shape[2], 4
            feed = {"image": pictures(batch, side), "mask": masks(batch, side)}
            if ".filled" in path.name:
                feed = {"input": filled(folder, path.name.split(".")[0], feed)}
        answers = run.run(names, feed)
        alone = run.run(names, {name: values[:1] for name, values in feed.items()})
        for name, answer, one in zip(names, answers, alone):
            assert np.abs(answer[:1] - one).max() < 1e-4, (path.name, name)
            expected[f"{path.stem}/{name}"] = stored(answer[:batch])
        print(path.name, {name: list(answer.shape) for name, answer in zip(names, answers)})
    save_file(expected, FIXTURES / "expected_onnx.safetensors", metadata=hashes)


main()

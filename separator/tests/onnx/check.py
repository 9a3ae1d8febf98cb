"""Checks exported graphs with the ONNX project's own checker and with ONNX Runtime.

    check.py FOLDER

FOLDER/cases.json is a list of cases. Each has the name of a graph, NAME.onnx, what it was exported as (precision, batch,
stems, frames), and beside it NAME.mix, the segments that go in, and
NAME.stems, what the CPU engine gave for them one by one, or every so many samples of the reference's stems (keep_every), both
float32. Prints one JSON object a case; what is measured is judged by onnx_export.rs.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

FLOAT = onnx.TensorProto.FLOAT


def describe(values):
    """[name, element type, shape] of every input or output."""
    kind = onnx.TensorProto.DataType.Name
    shape = lambda value: [d.dim_value for d in value.type.tensor_type.shape.dim]
    return [[value.name, kind(value.type.tensor_type.elem_type), shape(value)] for value in values]


def error(found, expected):
    """The largest relative L2 error of a stem."""
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    axes = (0, 2, 3)
    return float(np.sqrt(((found - expected) ** 2).sum(axes) / (expected**2).sum(axes)).max())


def products(model):
    """The number of products of two numbers in all matrix products; `model` has the shapes of its values."""
    graph = model.graph
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for value in [*graph.input, *graph.output, *graph.value_info]:
        shapes[value.name] = [d.dim_value for d in value.type.tensor_type.shape.dim]
    matrices = [node for node in graph.node if node.op_type == "MatMul"]
    return sum(int(np.prod(shapes[node.output[0]])) * shapes[node.input[0]][-1] for node in matrices)


def run(session, mix):
    return session.run(["stems"], {"mix": mix})[0]


def check(folder, case):
    path = folder / f"{case['name']}.onnx"
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    sizes = sorted(((int(np.prod(t.dims)), list(t.dims)) for t in model.graph.initializer), reverse=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    batch, stems, frames = case["batch"], case["stems"], case["frames"]
    mix = np.fromfile(folder / f"{case['name']}.mix", "<f4").reshape(batch, 2, frames)
    keep_every = case.get("keep_every", 1)
    kept = -(-frames // keep_every)
    expected = np.fromfile(folder / f"{case['name']}.stems", "<f4").reshape(batch, stems, 2, kept)
    found = run(session, mix)
    # Every segment in every place of the batch: a place must not matter, nor what is beside it.
    turned = run(session, np.roll(mix, 1, axis=0)) if batch > 1 else found
    return {
        "name": case["name"],
        "operator_sets": [[o.domain, o.version] for o in model.opset_import],
        "inputs": describe(model.graph.input),
        "outputs": describe(model.graph.output),
        "inferred": describe(inferred.graph.output),
        "metadata": {entry.key: entry.value for entry in model.metadata_props},
        "bytes": path.stat().st_size,
        "largest": sizes[:4],
        "operators": sorted({node.op_type for node in model.graph.node}),
        "products": [products(inferred), case.get("products")],
        "finite": bool(np.isfinite(found).all()),
        "error": error(found[..., ::keep_every], expected),
        "error_turned": error(np.roll(turned, -1, axis=0), found),
    }


def main():
    folder = Path(sys.argv[1])
    versions = {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__, "numpy": np.__version__}
    print(json.dumps(versions), file=sys.stderr)
    for case in json.loads((folder / "cases.json").read_text()):
        print(json.dumps(check(folder, case)), flush=True)


if __name__ == "__main__":
    main()

"""Products and attention of the CUDA engine by themselves, on a GPU, beside a reference in float64.

Every case has fresh inputs. Outputs are full of NaN before, and so is a margin behind them, which has to stay as it
is; each kernel runs three times and has to give the same bits. Takes PyTorch, and the driver's own functions.

    python benches/kernels.py [TARGET ...]

TARGET is one of `kernels.txt`'s, such as sm_90a or compute_80; without one, those that this GPU runs.
"""

import ctypes
import json
import math
import sys
import zlib
from pathlib import Path

import torch

FILE = Path(__file__).parent.parent / "separator/kernels/kernels.bin"
MARGIN = 4096
#: Largest relative L2 error: a rounding to float16 is 2.1e-4 on average, attention rounds its weights too.
TOLERANCE = 3.5e-4

PLAIN, UP_SEQUENCES, UP_POSITIONS, UP_SPECTRA, UP_WAVEFORMS = range(5)
NONE, GELU, RELU, GLU = range(4)

driver = ctypes.CDLL("libcuda.so.1")
Pointer, Int, Short = ctypes.c_void_p, ctypes.c_int, ctypes.c_short


class TensorMap(ctypes.Structure):
    _fields_ = [("opaque", ctypes.c_uint64 * 16)]


def struct(*fields):
    """A struct of parameters: pairs of names and a type."""
    flat = [(name, kind) for names, kind in fields for name in names.split()]
    return type("Struct", (ctypes.Structure,), {"_fields_": flat})


Output = struct(("to add table moments", Pointer), ("sequences positions channels rows_s rows_p layout box_s box_p", Int))
Product = struct(
    ("input weights", TensorMap),
    ("output", Output),
    ("bias", Pointer),
    ("tiles column_tiles tiles_s tiles_p copies stride_s stride_p taps channels activation", Int),
    ("tap_s tap_p", Short * 9),
)
Convolution = struct(
    ("input weight", Pointer),
    ("output", Output),
    ("bias", Pointer),
    ("sequences positions channels stride_s stride_p taps columns depth activation", Int),
    ("tap_s tap_p", Short * 9),
)
Attention = struct(("query key value output", Pointer), ("queries keys query_stride key_stride heads", Int))
AttentionHopper = struct(
    ("key value", TensorMap), ("query output", Pointer), ("queries keys query_stride heads first_key first_value", Int)
)


def check(code, what):
    if code:
        text = ctypes.c_char_p()
        driver.cuGetErrorString(code, ctypes.byref(text))
        raise SystemExit(f"{what}: {text.value.decode()}")


def images(target):
    """The images of a target by name, as `images.rs` reads them."""
    index, data = FILE.read_bytes().split(b"\n", 1)
    entry = next(entry for entry in json.loads(index)["targets"] if entry["name"] == target)
    unpacked = zlib.decompress(data[entry["offset"] :][: entry["bytes"]], wbits=-15)
    found, at = {}, 0
    for name, length in entry["kernels"]:
        found[name] = unpacked[at : at + length]
        at += length
    return found


class Kernel:
    def __init__(self, image, function, shared):
        self.module, self.function, self.shared = Pointer(), Pointer(), shared
        check(driver.cuModuleLoadData(ctypes.byref(self.module), image + b"\0"), f"load {function}")
        check(driver.cuModuleGetFunction(ctypes.byref(self.function), self.module, function.encode()), function)
        if shared > 48 << 10:
            check(driver.cuFuncSetAttribute(self.function, 8, shared), f"shared memory of {function}")

    def __call__(self, grid, threads, parameters):
        stream = Pointer(torch.cuda.current_stream().cuda_stream)
        arguments = (Pointer * 1)(ctypes.cast(ctypes.pointer(parameters), Pointer))
        check(
            driver.cuLaunchKernel(self.function, *grid, threads, 1, 1, self.shared, stream, arguments, None), "launch"
        )


def tensor_map(tensor, lengths, box, steps):
    """Boxes of a tensor without gaps; all lists begin with the innermost axis."""
    array = lambda kind, values: (kind * len(values))(*values)
    strides = [2 * math.prod(lengths[: axis + 1]) for axis in range(len(lengths) - 1)]
    described, swizzle = TensorMap(), 3 if box[0] == 64 else 2
    code = driver.cuTensorMapEncodeTiled(
        ctypes.byref(described), 6, len(lengths), Pointer(tensor.data_ptr()), array(ctypes.c_uint64, lengths),
        array(ctypes.c_uint64, strides), array(ctypes.c_uint32, [b * s for b, s in zip(box, steps)]),
        array(ctypes.c_uint32, steps), 0, swizzle, 2, 0,
    )  # fmt: skip
    check(code, f"describe {lengths} in boxes of {box}")
    return described


def halves(*shape, scale=1.0):
    return (torch.randn(*shape, device="cuda") * scale).half()


def poisoned(count):
    return torch.full((count + MARGIN,), float("nan"), device="cuda", dtype=torch.half)


def compare(name, run, output, expected):
    """Runs a kernel three times; raises where its output is not what is expected."""
    run()
    torch.cuda.synchronize()
    found, margin = output[:-MARGIN].double(), output[-MARGIN:]
    error = ((found - expected).norm() / expected.norm()).item()
    if not error <= TOLERANCE:
        raise SystemExit(f"{name}: relative error {error:.2e}, {TOLERANCE:.1e} at most")
    if not torch.isnan(margin).all():
        raise SystemExit(f"{name}: writes behind its output")
    for _ in range(2):
        again = output.clone()
        run()
        torch.cuda.synchronize()
        if not torch.equal(output[:-MARGIN], again[:-MARGIN]):
            raise SystemExit(f"{name}: gives other bits when it runs again")
    print(f"    {name:44} {error:.1e}", flush=True)
    return error


def tile_of(rows, strides, layout):
    """Sequences, positions and copies of a tile, by the rule of `lower/product.rs`."""
    least = min(32 if layout == UP_SPECTRA else 1, rows[0])
    best = None
    for sequences in range(least, min(128, 256 // strides[0]) + 1):
        positions = min(rows[1], 128 // sequences)
        copies = -(-positions * strides[1] // 256)
        positions = positions // copies * copies
        count = -(-rows[0] // sequences) * -(-rows[1] // positions)
        if best is None or count < best[0]:
            best = (count, sequences, positions, copies)
    return best[1:]


def reference(x, weight, bias, taps, strides, rows, activation):
    """Activated sums of one segment, [rows, columns], in float64."""
    sequences, positions, channels = x.shape
    sums = bias.double().expand(rows[0] * rows[1], -1).clone()
    for index, (tap_s, tap_p) in enumerate(taps):
        s = torch.arange(rows[0], device="cuda") * strides[0] + tap_s
        p = torch.arange(rows[1], device="cuda") * strides[1] + tap_p
        inside = ((s >= 0) & (s < sequences))[:, None, None] & ((p >= 0) & (p < positions))[None, :, None]
        shifted = x[s.clamp(0, sequences - 1)][:, p.clamp(0, positions - 1)].double() * inside
        sums += shifted.reshape(-1, channels) @ weight[:, index].double().T
    if activation == GELU:
        return torch.nn.functional.gelu(sums)
    if activation == RELU:
        return sums.relu()
    if activation == GLU:
        turns = sums.reshape(len(sums), -1, 2, 8)
        return (turns[:, :, 0] * torch.sigmoid(turns[:, :, 1])).reshape(len(sums), -1)
    return sums


def in_layout(y, layout, rows, output):
    """Brings activated sums [rows, columns] into the layout of an output (sequences, positions, channels)."""
    sequences, positions, channels = output
    if layout == PLAIN:
        return y[:, :channels].reshape(-1)
    y = y[:, : 4 * channels]
    if layout in (UP_SEQUENCES, UP_POSITIONS):
        y = y.reshape(*rows, 4, channels)
    elif layout == UP_SPECTRA:
        y = y.reshape(*rows, channels // 4, 4, 4).permute(0, 1, 3, 2, 4).reshape(*rows, 4, channels)
    else:
        y = y.reshape(*rows, channels, 4).transpose(2, 3)
    if layout in (UP_SEQUENCES, UP_SPECTRA):
        y = y.permute(0, 2, 1, 3).reshape(4 * rows[0], rows[1], channels)[2 : 2 + sequences]
    else:
        y = y.reshape(rows[0], 4 * rows[1], channels)[:, 2 : 2 + positions]
    if layout == UP_SPECTRA:
        return y.reshape(sequences, positions, channels // 4, 4).permute(2, 1, 0, 3).reshape(-1)
    return y[0].T.reshape(-1) if layout == UP_WAVEFORMS else y.reshape(-1)


class Products:
    """Products of matrices of one target."""

    def __init__(self, target):
        self.images, self.hopper, self.kernels = images(target), target == "sm_90a", {}
        self.blocks = torch.cuda.get_device_properties(0).multi_processor_count

    def kernel(self, columns):
        if columns not in self.kernels:
            name = "product" if self.hopper else "convolution"
            results = 128 * (columns + 8) * 2 + (128 + columns // 8) * 8 + 32
            rows = 128 + columns
            shared = 6 * rows * 128 + 2 * results + 256 if self.hopper else max(3 * rows * 64, results)
            self.kernels[columns] = Kernel(self.images[f"{name}_{columns}"], name, shared)
        return self.kernels[columns]

    def case(self, name, shape, columns, taps, activation=NONE, strides=(1, 1), rows=None, layout=PLAIN, output=None,
             add=False, table=False, moments=False):  # fmt: skip
        batch, sequences, positions, channels = shape
        rows = rows or (sequences, positions)
        output = output or (*rows, columns // 2 if activation == GLU else columns)
        block = 96 if -columns % 96 < 48 else 48
        padded = -(-columns // block) * block
        x = halves(*shape, scale=0.7)
        weight = torch.zeros(padded, len(taps), channels, device="cuda", dtype=torch.half)
        weight[:columns] = halves(columns, len(taps), channels, scale=(channels * len(taps)) ** -0.5)
        bias = torch.zeros(padded, device="cuda")
        bias[:columns] = torch.randn(columns, device="cuda") * 0.3
        size = math.prod(output)
        y = poisoned(batch * size)
        added = halves(batch * size) if add else None
        rows_table = halves(rows[0], output[2]) if table else None

        tile = tile_of(rows, strides, layout) if self.hopper else (1, 128, 1)
        tiles = (-(-rows[0] // tile[0]), -(-rows[1] // tile[1])) if self.hopper else (1, -(-rows[0] * rows[1] // 128))
        of_segment = tiles[0] * tiles[1] * (padded // block)
        parts = torch.full((batch * of_segment, 3), float("nan"), device="cuda")
        written = Output(
            y.data_ptr(), added.data_ptr() if add else None, rows_table.data_ptr() if table else None,
            parts.data_ptr() if moments else None, *output, *rows, layout, *tile[:2],
        )  # fmt: skip
        offsets = [(Short * 9)(*(tap[axis] for tap in taps)) for axis in (0, 1)]
        if self.hopper:
            pitch = -(-channels // 64) * 64
            packed = torch.zeros(padded, len(taps), pitch, device="cuda", dtype=torch.half)
            packed[:, :, :channels] = weight
            boxes = [64, tile[1] // tile[2], tile[0], 1]
            parameters = Product(
                tensor_map(x, [channels, positions, sequences, batch], boxes, [1, strides[1], strides[0], 1]),
                tensor_map(packed, [len(taps) * pitch, padded], [64, block], [1, 1]),
                written, bias.data_ptr(), batch * of_segment, padded // block, *tiles, tile[2], *strides, len(taps),
                channels, activation, *offsets,
            )  # fmt: skip
            grid, threads = (min(batch * of_segment, self.blocks), 1, 1), 384
        else:
            depth = -(-len(taps) * channels // 32) * 32
            packed = torch.zeros(padded, depth, device="cuda", dtype=torch.half)
            packed[:, : len(taps) * channels] = weight.reshape(padded, -1)
            packed = packed.reshape(padded // block, block, depth // 32, 32).transpose(1, 2).contiguous()
            parameters = Convolution(
                x.data_ptr(), packed.data_ptr(), written, bias.data_ptr(), sequences, positions, channels, *strides,
                len(taps), padded, depth, activation, *offsets,
            )  # fmt: skip
            grid, threads = (padded // block, tiles[1], batch), 128

        expected = []
        for segment in range(batch):
            part = in_layout(reference(x[segment], weight, bias, taps, strides, rows, activation), layout, rows, output)
            if add:
                part = part + added[segment * size : (segment + 1) * size].double()
            if table:
                part = part + rows_table.double().repeat_interleave(rows[1], 0).reshape(-1)
            expected.append(part)
        kernel = self.kernel(block)
        compare(name, lambda: kernel(grid, threads, parameters), y, torch.cat(expected))
        if moments:
            for segment, part in enumerate(expected):
                count, mean, squares = parts[segment * of_segment : (segment + 1) * of_segment].double().T
                whole = (count * mean).sum() / count.sum()
                variance = (squares + count * (mean - whole) ** 2).sum() / count.sum()
                apart = abs(whole - part.mean()) + abs(variance / part.var(unbiased=False) - 1)
                if count.sum() != size or not apart < 5e-5:
                    raise SystemExit(f"{name}: moments of segment {segment} are off by {apart:.1e}")

    def upsampling(self, name, shape, channels, axis, layout, output, gelu=True, add=True):
        batch, sequences, positions, _ = shape
        taps = [(0, 0), (-1, 0) if axis == 0 else (0, -1)]
        rows = (sequences + 1, positions) if axis == 0 else (sequences, positions + 1)
        self.case(name, shape, 4 * channels, taps, GELU if gelu else NONE, rows=rows, layout=layout,
                  output=(*output, channels), add=add)  # fmt: skip

    def all(self):
        square = [(s, p) for s in (-1, 0, 1) for p in (-1, 0, 1)]
        line = [(0, -1), (0, 0), (0, 1)]
        along_s, along_p = [(tap, 0) for tap in range(-2, 6)], [(0, tap) for tap in range(-2, 6)]
        self.case("one row", (1, 1, 1, 384), 384, [(0, 0)])
        self.case("odd rows, moments, sum", (3, 1, 77, 96), 192, line, GELU, add=True, moments=True)
        self.case("moments over many tiles", (2, 8, 336, 1536), 384, [(0, 0)], add=True, moments=True)
        self.case("table", (2, 7, 50, 24), 48, [(0, 0)], RELU, table=True)
        self.case("narrow, GLU", (2, 3, 41, 24), 48, square, GLU)
        self.case("channels that are no multiple of 16", (2, 1, 130, 40), 96, line)
        for level, (sequences, channels) in enumerate(((512, 48), (128, 96), (32, 192), (8, 384))):
            self.case(f"3 x 3, level {level}", (1, sequences, 336, channels), 2 * channels, square, GLU)
        for level, (length, channels) in enumerate(((85995, 48), (21499, 96), (5375, 192), (1344, 384))):
            self.case(f"3, level {level}", (1, 1, length, channels), 2 * channels, line, GLU)
        self.case("stride 4 over frequencies", (2, 32, 336, 48), 96, along_s, GELU, (4, 1), (8, 336))
        self.case("stride 4 over time, odd", (2, 1, 5375, 96), 192, along_p, GELU, (1, 4), (1, 1344))
        self.case("stride 4 over little time", (2, 1, 21, 48), 96, along_p, GELU, (1, 4), (1, 6))
        self.case("linear1", (2, 8, 336, 384), 1536, [(0, 0)], GELU)
        self.upsampling("upsampling, frequencies", (2, 8, 336, 384), 192, 0, UP_SEQUENCES, (32, 336))
        self.upsampling("upsampling, time", (2, 1, 1344, 384), 192, 1, UP_POSITIONS, (1, 5375))
        self.upsampling("upsampling, little time", (2, 1, 6, 48), 24, 1, UP_POSITIONS, (1, 21))
        self.upsampling("upsampling, spectra", (2, 512, 336, 48), 24, 0, UP_SPECTRA, (2048, 336), False, False)
        self.upsampling("upsampling, spectra of four stems", (1, 512, 336, 48), 16, 0, UP_SPECTRA, (2048, 336), False, False)
        self.upsampling("upsampling, waveforms", (2, 1, 8599, 48), 12, 1, UP_WAVEFORMS, (1, 34393), False, False)


def attention(target):
    hopper, found = target == "sm_90a", images(target)
    for width in (24, 48, 64):
        row = 32 if width <= 32 else 64
        if hopper:
            kernel = Kernel(found[f"attention_hopper_{width}"], "attention", 4 * 2 * 64 * row * 2 + 64)
        else:
            pitch = -(-width // 16) * 16 + 8
            rows = 3 * 128 if width > 48 else 3 * 64 + 128
            kernel = Kernel(found[f"attention_{width}"], "attention", rows * pitch * 2)
        for batch, heads, queries, keys in ((1, 1, 1, 1), (2, 2, 77, 63), (3, 2, 300, 130), (2, 8, 2688, 1344)):
            channels = heads * width
            query, key = halves(batch, queries, 3 * channels), halves(batch, keys, 3 * channels)
            query[..., :channels] *= 3 / math.sqrt(width)
            output = poisoned(batch * queries * channels)
            if hopper:
                described = tensor_map(key, [3 * channels, keys, batch], [row, 64, 1], [1, 1, 1])
                parameters = AttentionHopper(
                    described, described, query.data_ptr(), output.data_ptr(), queries, keys, 3 * channels, heads,
                    channels, 2 * channels,
                )  # fmt: skip
                grid, threads = (-(-queries // 192), heads, batch), 512
            else:
                at = key.data_ptr() + 2 * channels
                parameters = Attention(
                    query.data_ptr(), at, at + 2 * channels, output.data_ptr(), queries, keys, 3 * channels,
                    3 * channels, heads,
                )  # fmt: skip
                grid, threads = (-(-queries // 128), heads, batch), 128

            split = lambda tensor, first: (
                tensor[..., first : first + channels].unflatten(-1, (heads, width)).transpose(1, 2).double()
            )
            scores = split(query, 0) @ split(key, channels).transpose(-1, -2)
            expected = (scores.softmax(-1) @ split(key, 2 * channels)).transpose(1, 2).reshape(-1)
            name = f"attention, {width} channels, {queries} x {keys}"
            compare(name, lambda: kernel(grid, threads, parameters), output, expected)


def main():
    torch.cuda.init()
    torch.zeros(1, device="cuda")
    torch.manual_seed(1)
    own = {(8, 0): "sm_80", (8, 6): "sm_86", (8, 9): "sm_89", (9, 0): "sm_90a", (10, 0): "sm_100", (12, 0): "sm_120"}
    targets = sys.argv[1:] or [own.get(torch.cuda.get_device_capability(), "compute_80"), "compute_80"]
    for target in targets:
        print(f"{target} on {torch.cuda.get_device_name()}: relative L2 error against float64")
        Products(target).all()
        attention(target)
    print("all as they should be")


if __name__ == "__main__":
    main()

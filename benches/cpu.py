"""Times one chunk of the official six-stem shape on the CPU: Sextet against PyTorch and ONNX Runtime, in turn.

Weights are random: the official ones cannot be bundled, and speed does not depend on them. They take turns, round by round,
so that a machine that slows down slows all of them; the first chunks of every process are not counted. Sextet runs as many
chunks side by side as it likes; so that the comparison is fair, PyTorch is also timed with two chunks side by side, each on
half of the threads.

    pip install torch demucs==4.1.0 onnxruntime
    cargo build --release && cargo build --release -p sextet-separator --example time_chunks
    python benches/cpu.py --threads 2 --rounds 3 --chunks 4
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASE = ROOT / "target" / "release"


def make_checkpoint(path):
    import torch
    from demucs.htdemucs import HTDemucs
    from safetensors.torch import save_file

    torch.manual_seed(0)
    kwargs = dict(
        sources=["drums", "bass", "other", "vocals", "guitar", "piano"], dconv_mode=3, segment=Fraction(39, 5)
    )
    model = HTDemucs(**kwargs)
    kwargs["segment"] = {"_type": "fraction", "numerator": 39, "denominator": 5}
    metadata = {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": json.dumps(kwargs)}
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, path, metadata=metadata)


def timed(run, chunks, workers):
    """Seconds a chunk, `workers` of them at a time, after one each that does not count."""
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(run, range(workers)))
        begin = time.perf_counter()
        list(pool.map(run, range(chunks)))
        return (time.perf_counter() - begin) / chunks


def child(engine, folder, threads, chunks):
    """Runs in a process of its own and prints the seconds a chunk."""
    import numpy

    mix = numpy.random.default_rng(0).uniform(-0.5, 0.5, (1, 2, 343980)).astype("float32")
    workers = 2 if engine == "pytorch, two" else 1
    if engine.startswith("pytorch"):
        import torch
        from demucs.hf import load_safetensors_model

        torch.set_num_threads(max(1, threads // workers))
        model = load_safetensors_model(folder / "official.safetensors").eval()
        tensor = torch.from_numpy(mix)

        def run(_):
            with torch.no_grad():
                model(tensor)

    else:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(folder / "official.onnx", options, ["CPUExecutionProvider"])

        def run(_):
            session.run(None, {"mix": mix})

    print(json.dumps({"chunk_s": timed(run, chunks, workers)}))


def command(engine, folder, threads, chunks):
    if engine == "sextet":
        return [RELEASE / "examples" / "time_chunks", folder / "official.safetensors", str(chunks), str(threads)]
    return [sys.executable, __file__, "--child", engine, "--folder", folder, "--threads", str(threads), "--chunks", str(chunks)]


def run(engine, folder, threads, chunks):
    """Seconds a chunk, and the peak memory of the process in bytes."""
    process = subprocess.Popen(command(engine, folder, threads, chunks), stdout=subprocess.PIPE)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{engine} failed")
    return json.loads(output.splitlines()[-1])["chunk_s"], usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chunks", type=int, default=4, help="chunks a round, a multiple of those that Sextet runs side by side")
    parser.add_argument("--folder", type=Path, default=ROOT / "target" / "bench")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.child:
        return child(a.child, a.folder, a.threads, a.chunks)
    a.folder.mkdir(parents=True, exist_ok=True)
    if not (a.folder / "official.safetensors").exists():
        make_checkpoint(a.folder / "official.safetensors")
    export = [RELEASE / "sextet", "model", "export", a.folder / "official.safetensors", "-o", a.folder / "official.onnx"]
    subprocess.run(export, check=True)
    engines = ["pytorch", "pytorch, two", "onnxruntime", "sextet"]
    seconds = {engine: [] for engine in engines}
    memory = dict.fromkeys(engines, 0)
    for _ in range(a.rounds):
        for engine in engines:
            chunk_s, peak = run(engine, a.folder, a.threads, a.chunks)
            seconds[engine].append(chunk_s)
            memory[engine] = max(memory[engine], peak)
    print(f"{a.threads} threads, {a.rounds} rounds of {a.chunks} chunks of 7.8 s")
    print(f"{'engine':<12} {'s a chunk':>10} {'x PyTorch':>10} {'peak memory':>12}   rounds")
    for engine in engines:
        ratios = [own / torch for own, torch in zip(seconds[engine], seconds["pytorch"])]
        rounds = " ".join(f"{s:.2f}" for s in seconds[engine])
        median, ratio = statistics.median(seconds[engine]), statistics.median(ratios)
        print(f"{engine:<12} {median:>10.2f} {ratio:>10.2f} {memory[engine] / 1e6:>9.0f} MB   {rounds}")


if __name__ == "__main__":
    main()

"""What the trials on a machine with a GPU share: runs of the command, talks with its worker, stand-ins for the driver.

`Trial` collects rows and expectations. The table comes last, then every expectation that did not hold.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SAMPLE = ROOT / "samples/six-of-one.flac"
#: The version of the conversation with the worker that this checkout speaks.
PROTOCOL = int(re.search(r"PROTOCOL: u32 = (\d+)", (ROOT / "protocol/src/worker/mod.rs").read_text())[1])
#: Words by which the command and the plugin name an engine that is under way, and by which the cache does.
NAMES = {"cuda": "CUDA kernels", "tensorrt": "TensorRT", "cpu": "CPU"}


class Trial:
    def __init__(self, sextet, out, driver=None):
        self.sextet, self.out, self.driver = Path(sextet).resolve(), out, driver
        self.rows, self.failed = [], []
        out.mkdir(parents=True, exist_ok=True)
        self.environment = os.environ | {"SEXTET_CACHE": str(out / "cache"), "SEXTET_DATA": str(out / "data")}
        # CUDA's own cache of compiled kernels begins empty.
        self.environment["CUDA_CACHE_PATH"] = str(out / "cuda-cache")
        for name in ("SEXTET_TENSORRT", "SEXTET_COMMAND", "SEXTET_GPU"):
            self.environment.pop(name, None)

    def row(self, *cells):
        self.rows.append(" | ".join(str(cell).replace("\n", " / ") for cell in cells))
        print(self.rows[-1], flush=True)

    def expect(self, what, holds, found):
        if not holds:
            self.failed.append(f"{what}: {found}")
        self.row(what, "yes" if holds else "NO", found)

    def parts(self, names):
        """Runs the parts with these names, each to its end whatever becomes of the others."""
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.used", "--format=csv,noheader"]
        found = shutil.which(query[0]) and subprocess.run(query, capture_output=True, text=True).stdout.strip()
        self.row(found or "no nvidia-smi")
        for name in names:
            begun = time.monotonic()
            try:
                getattr(self, name)()
            except Exception as error:
                self.failed.append(f"{name}: {type(error).__name__}: {error}")
                print(self.failed[-1], flush=True)
            print(f"    {name}: {time.monotonic() - begun:.1f} s", flush=True)

    def end(self):
        """Prints and keeps the table; the exit code."""
        verdict = "all as it should be" if not self.failed else "FAILED\n" + "\n".join(self.failed)
        table = "\n".join([*self.rows, verdict]) + "\n"
        (self.out / "table.txt").write_text(table)
        print("\n" + table, end="")
        return len(self.failed) > 0

    # The command

    def run(self, name, command, patience=300, **environment):
        """Runs a command; its exit code, output and seconds. What it said is kept in a file."""
        begun = time.monotonic()
        try:
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=patience,
                                  stdin=subprocess.DEVNULL, env=self.environment | environment)  # fmt: skip
            code, out, err = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired as late:
            code, out, err = "out of time", str(late.stdout), str(late.stderr)
        took = time.monotonic() - begun
        name = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
        (self.out / f"{name}.txt").write_text(f"{command}\nexit {code}, {took:.3f} s\n{out}\n--- stderr\n{err}")
        return code, out, err, took

    def separate(self, name, song, *more, **environment):
        """Separates `song` into an empty folder. What became of it."""
        out = self.out / "stems"
        shutil.rmtree(out, ignore_errors=True)
        command = [self.sextet, "separate", song, "-o", out, "--json", *more]
        code, text, err, took = self.run(name, command, **environment)
        return Separated(out, code, [json.loads(line) for line in text.splitlines() if line.startswith("{")], err, took)

    def worker(self, **environment):
        return Worker(self, environment)

    def forget_stems(self):
        shutil.rmtree(self.out / "cache/stems", ignore_errors=True)

    # Stand-ins for the driver

    def real_driver(self):
        """The path of the driver's library, or None."""
        if self.driver:
            return str(self.driver.resolve())
        listed = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True).stdout
        paths = [line.split()[-1] for line in listed.splitlines() if "libcuda.so.1 " in line]
        return next(iter(paths + [str(path) for path in Path("/usr/local/nvidia").rglob("libcuda.so.1")]), None)

    def stand_in(self, source):
        """Variables with which what `source` makes stands before the driver; None where it cannot be made."""
        path, compiler = self.real_driver(), shutil.which("gcc") or shutil.which("cc")
        if not path or not compiler:
            return self.row(f"{source}: not tried, no C compiler or no driver")
        folder = (self.out / "driver" / Path(source).stem).resolve()
        if not (folder / "libcuda.so.1").exists():
            folder.mkdir(parents=True, exist_ok=True)
            # Whatever is not intercepted is found in the real driver, which the stand-in needs by its path.
            for command in (
                [compiler, "-shared", "-x", "c", "/dev/null", "-o", folder / "real.so", f"-Wl,-soname,{Path(path).resolve()}"],
                [compiler, "-shared", "-fPIC", "-O2", HERE / source, "-o", folder / "libcuda.so.1", "-Wl,-soname,libcuda.so.1",
                 "-Wl,--no-as-needed", folder / "real.so", "-ldl"],
            ):  # fmt: skip
                subprocess.run([str(word) for word in command], check=True, capture_output=True)
            (folder / "libcuda.so").symlink_to("libcuda.so.1")
        return first(folder)

    def losing(self, after):
        """Variables with which the GPU is lost when it has been waited for `after` times: see lost_gpu.c."""
        variables = self.stand_in("lost_gpu.c")
        return variables and variables | {"LOSE_GPU_AFTER": str(after)}

    def waits(self, work):
        """How often each process that `work` starts waits for the GPU, by what the processes do: `separate`, `worker`."""
        folder = self.out / "waits"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        variables = self.stand_in("lost_gpu.c")
        if variables:
            work(**variables, LOSE_GPU_WAITS=str(folder))
        return {path.name.split("-", 1)[1]: int(path.read_text()) for path in sorted(folder.iterdir())}


def first(folder):
    """Variables with which the libraries of `folder` are found before all others."""
    return {"LD_LIBRARY_PATH": f"{folder}:{os.environ.get('LD_LIBRARY_PATH', '')}"}


class Separated:
    """What became of a separation of one song."""

    def __init__(self, folder, code, lines, complaint, seconds):
        self.folder, self.code, self.lines, self.complaint, self.seconds = folder, code, lines, complaint, seconds
        ends = [line for line in lines if line.get("event") == "song_end"]
        self.engine = str(ends[-1]["engine"]) if ends else ""
        self.status = ends[-1]["status"] if ends else "none"
        self.stems = stems_of(folder)

    def by(self, engine):
        """Whether all six stems are there and were made by `engine`."""
        return self.code == 0 and self.status == "done" and len(self.stems) == 6 and self.engine.startswith(NAMES[engine])

    def told(self):
        """What was said for people, in one line."""
        start = next((line for line in self.lines if line.get("event") == "start"), {})
        said = [start.get("engine"), start.get("engine_note")]
        said += [line["message"] for line in self.lines if line.get("event") == "warning"]
        errors = [line["error"] for line in self.lines if line.get("error")]
        said += [f"{error['message']}; help: {error['remedy']}" for error in errors]
        said += [self.engine] if self.engine not in said else []
        said = [text for text in said if text] or [self.complaint.strip()[-300:]]
        return f"exit {self.code}, {self.seconds:.2f} s: " + "; ".join(dict.fromkeys(said))

    def left(self):
        """Files that should not be there: unfinished ones, and stems of a separation that failed."""
        return leftovers(self.folder) + ([] if self.code == 0 else sorted(self.stems))


def stems_of(folder):
    """The stems below `folder`: a hash of each, by its name."""
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("[!.]*.wav")}


def leftovers(folder):
    return sorted(path.name for path in folder.rglob(".sextet*"))


class Worker:
    """The command's worker, spoken to as the plugin does."""

    def __init__(self, trial, environment):
        self.trial, self.environment, self.job, self.seconds, self.phrases, self.told = trial, environment, 0, 0.0, [], []

    def __enter__(self):
        log = open(self.trial.out / "worker.log", "a")
        self.child = subprocess.Popen([self.trial.sextet, "worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=log, text=True, env=self.trial.environment | self.environment)  # fmt: skip
        self.say({"type": "hello", "protocol": PROTOCOL, "client": "trial.py"})
        hello = self.hear()
        assert hello["type"] == "hello", hello
        return self

    def __exit__(self, *_):
        self.child.stdin.close()
        self.child.wait()

    def say(self, request):
        self.child.stdin.write(json.dumps(request) + "\n")
        self.child.stdin.flush()

    def hear(self):
        line = self.child.stdout.readline()
        assert line, f"the worker ended with {self.child.wait()}"
        return json.loads(line)

    def ask(self, request):
        """Asks, and gives the last reply; how long it took is in `seconds`, what was said on the way in `phrases` and `told`."""
        self.job, self.phrases, self.told, begun = self.job + 1, [], [], time.monotonic()
        self.say({**request, "job": self.job})
        middle = ("queued", "loading", "started", "progress", "warning")
        while (reply := self.hear())["type"] in middle:
            if reply["type"] == "loading" and (not self.phrases or self.phrases[-1][0] != reply["what"]):
                self.phrases.append((reply["what"], time.monotonic() - begun))
            said = [reply.get(key) for key in ("engine", "note", "message")]
            self.told += [text for text in said if text]
        self.seconds = time.monotonic() - begun
        return reply

    def separate(self, song, **more):
        return self.ask({"type": "separate", "song": str(song), **more})


def write_official(path):
    """Writes a checkpoint of the official six-stem shape: weights are random, drawn as PyTorch does for fresh layers."""
    import numpy as np

    shape = json.loads((ROOT / "separator/tests/parity/official-six-stems.json").read_text())
    rng, header, parts, offset = np.random.default_rng(0), {}, [], 0
    header["__metadata__"] = {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": json.dumps(shape["kwargs"])}
    fans = {name.rsplit(".", 1)[0]: int(np.prod(size[1:])) for name, size in shape["tensors"] if len(size) > 1}
    for name, size in shape["tensors"]:
        owner, kind = name.rsplit(".", 1)
        if kind == "scale":
            values = np.full(size, 1e-3)
        elif len(size) == 1 and kind == "weight":
            values = np.ones(size)
        else:
            bound = fans.get(owner, 100) ** -0.5
            values = rng.uniform(-bound, bound, size)
        data = values.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": size, "data_offsets": [offset, offset + len(data)]}
        parts.append(data)
        offset += len(data)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    path.write_bytes(len(head).to_bytes(8, "little") + head + b"".join(parts))
    return path

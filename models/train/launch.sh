#!/bin/sh
# Generator and training on one machine, from nothing to OUT/mini.safetensors:
#   sh launch.sh POOL OUT SECONDS [options of train]
# Ends within a minute when the generator renders nothing, before any accelerator time is wasted. Where nothing could be
# installed, first unpack what bundle.sh packed and source its `environment` (it sets GENERATOR_LIBRARIES and OMP_NUM_THREADS;
# cores are therefore counted by Python: nproc obeys OMP_NUM_THREADS). FIRST_SEED in the environment: where the songs begin.
set -eu
pool=$1 out=$2 seconds=$3
shift 3
python=${PYTHON:-python3}
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
mkdir -p "$pool" "$out"
cores=$($python -c 'import os; print(len(os.sched_getaffinity(0)))')
gpus=$($python -c 'import torch; print(max(1, torch.cuda.device_count()))')
workers=$(( cores - 3 * gpus - 1 ))
[ "$workers" -ge 1 ] || workers=1
echo "$cores cores, $gpus training processes, $workers render workers"
LD_LIBRARY_PATH=${GENERATOR_LIBRARIES:-${LD_LIBRARY_PATH:-}} $python -m sextet_train generate "$pool" \
    --workers "$workers" --first-seed "${FIRST_SEED:-1000000}" --valid 16 > "$out/generator.log" 2>&1 &
generator=$!
trap 'kill $generator 2>/dev/null || true' EXIT
waited=0
while [ "$(find "$pool" -maxdepth 1 -name '*.npy' | wc -l)" -lt 1 ]; do
    sleep 1
    waited=$(( waited + 1 ))
    if [ "$waited" -ge 60 ] || ! kill -0 $generator 2>/dev/null; then
        echo "the generator rendered nothing in $waited s:" >&2
        tail -20 "$out/generator.log" >&2
        exit 1
    fi
done
echo "first songs after $waited s"
$python -m torch.distributed.run --nproc-per-node "$gpus" -m sextet_train train "$pool" "$out" --seconds "$seconds" "$@"

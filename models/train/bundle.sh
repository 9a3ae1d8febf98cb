#!/bin/sh
# Packs what the generator needs into one archive, for a machine where nothing can be installed: FluidSynth and espeak-ng with
# their libraries (all but the C and C++ run time), the soundfonts, the one-shot samples as WAV, and demucs itself.
#   sh bundle.sh OUT.tar.xz      unpack anywhere, then `. FOLDER/environment FOLDER`
set -eu
out=$1
work=$(mktemp -d)
top=$work/bundle
python=${PYTHON:-python3}
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
mkdir -p "$top/lib" "$top/bin" "$top/fonts" "$top/oneshots" "$top/python"
lib=$(ldconfig -p | awk '/libfluidsynth.so.3 /{print $NF; exit}')
for file in "$lib" "$(command -v espeak-ng)"; do
    ldd "$file" | awk '$3 ~ /^\//{print $3}'
done | sort -u | grep -Ev '/(libc|libm|libdl|librt|libpthread|libresolv|libstdc\+\+|libgcc_s|ld-linux[^/]*)\.so' | while read -r path; do
    cp -L "$path" "$top/lib/"
done
cp -L "$lib" "$top/lib/"
cp -L "$(command -v espeak-ng)" "$top/bin/"
cp -rL /usr/lib/*/espeak-ng-data "$top/"
(cd "$top/espeak-ng-data" && rm -f cmn_dict yue_dict ar_dict ia_dict lb_dict my_dict ne_dict ml_dict) # nobody sings in these
cp -L /usr/share/sounds/sf3/FluidR3Mono_GM.sf3 /usr/share/sounds/sf2/TimGM6mb.sf2 /usr/share/sounds/sf2/sf_GMbank.sf2 "$top/fonts/"
$python - "$top" <<'PY'
import sys
from pathlib import Path
import numpy as np
from scipy.io import wavfile
from sextet_train.pcm import FOREIGN_FULL_SCALE
from sextet_train.songs import training_players as players
from sextet_train.stems import RATE_HZ
for patterns in players.ONESHOTS.values():
    for pattern in patterns.split("|"):
        for path in Path(players.ONESHOT_FOLDER).glob(pattern + ".flac"):
            sound = np.clip(np.round(players.load_mono(path) * FOREIGN_FULL_SCALE), -32768, 32767)
            target = Path(sys.argv[1]) / "oneshots" / (path.stem + ".wav")
            wavfile.write(target, RATE_HZ, sound.astype(np.int16))
PY
$python - "$top/python" <<'PY'
import shutil, sys
import demucs, julius
for package in (demucs, julius):
    name = package.__name__
    shutil.copytree(package.__path__[0], f"{sys.argv[1]}/{name}", ignore=shutil.ignore_patterns("__pycache__"))
PY
commit=$(git -C "$here" rev-parse HEAD 2>/dev/null || true)
echo "export SEXTET_COMMIT=$commit" > "$top/environment"
cat >> "$top/environment" <<'SH'
export SOUNDFONTS=$1/fonts ONESHOTS=$1/oneshots ESPEAK_DATA_PATH=$1 PYTHONPATH=$1/python OMP_NUM_THREADS=1
export ESPEAK="env LD_LIBRARY_PATH=$1/lib $1/bin/espeak-ng" GENERATOR_LIBRARIES=$1/lib
SH
tar -C "$work" -cf - bundle | xz -9e > "$out"
rm -r "$work"
ls -l "$out"

#!/bin/sh
# Packs what the farm needs into one archive, for a machine where nothing can be installed: FluidSynth and espeak-ng with
# their libraries (all but the C and C++ run time), the soundfonts, the one-shot samples as WAV, and demucs itself.
#   sh bundle.sh OUT.tar.xz      unpack anywhere, then `. FOLDER/environment FOLDER`
set -eu
out=$1
work=$(mktemp -d)
top=$work/bundle
python=${PYTHON:-python3}
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
sys.path.insert(0, ".")
import instruments
for patterns in instruments.ONESHOTS.values():
    for pattern in patterns.split("|"):
        for path in Path(instruments.ONESHOT_FOLDER).glob(pattern + ".flac"):
            sound = np.clip(instruments.load_mono(path), -1, 1)
            wavfile.write(Path(sys.argv[1]) / "oneshots" / (path.stem + ".wav"), 44100, (sound * 32767).astype(np.int16))
PY
$python - "$top/python" <<'PY'
import shutil, sys
import demucs, julius
for package in (demucs, julius):
    name = package.__name__
    shutil.copytree(package.__path__[0], f"{sys.argv[1]}/{name}", ignore=shutil.ignore_patterns("__pycache__"))
PY
cat > "$top/environment" <<'SH'
export SOUNDFONTS=$1/fonts ONESHOTS=$1/oneshots ESPEAK_DATA_PATH=$1 PYTHONPATH=$1/python OMP_NUM_THREADS=1
export ESPEAK="env LD_LIBRARY_PATH=$1/lib $1/bin/espeak-ng" FARM_LIBRARIES=$1/lib
SH
tar -C "$work" -cf - bundle | xz -9e > "$out"
rm -r "$work"
ls -l "$out"

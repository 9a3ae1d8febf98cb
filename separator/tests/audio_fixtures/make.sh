#!/bin/sh
# Makes the fixtures beside this script, with Debian's ffmpeg, lame, flac, vorbis-tools and opus-tools. The signal is our
# own: channel c of N frames at rate R is 0.5 sin(2 pi (f n / R + 3000 n^2 / (2 N R))), f = 300 + 200 c; `signal` in
# audio_formats.rs is the same. Run it in an empty folder and copy what changed; encoders of another version give other
# bytes, the tests hold all the same.
set -eu
chirp() { # FRAMES RATE CHANNELS
    c=0; exprs=""
    while [ "$c" -lt "$3" ]; do
        exprs="$exprs${exprs:+|}0.5*sin(2*PI*((300+200*$c)*n/$2+3000*n*n/(2*$1*$2)))"
        c=$((c + 1))
    done
    echo "aevalsrc=exprs=$exprs:s=$2,atrim=end_sample=$1"
}
ff() { ffmpeg -hide_banner -loglevel error -y "$@"; }
bare="-map_metadata -1 -fflags +bitexact -flags:a +bitexact"
wav() { ff -f lavfi -i "$(chirp "$1" "$2" "$3")" $bare -c:a "$4" "$5"; }

wav 12345 44100 2 pcm_s16le stereo.wav
wav 4321 22050 1 pcm_s16le mono.wav
wav 3000 48000 6 pcm_s16le surround.wav

lame --quiet -b 128 stereo.wav lame_cbr.mp3
lame --quiet -V 4 stereo.wav lame_vbr.mp3
lame --quiet -t -b 96 stereo.wav lame_untagged.mp3
lame --quiet -b 64 mono.wav lame_mono.mp3
ff -i stereo.wav $bare -c:a libmp3lame -b:a 96k ffmpeg.mp3
ff -i stereo.wav $bare -c:a aac -b:a 96k aac.m4a
ff -i stereo.wav $bare -c:a aac -b:a 96k -movflags +faststart aac_faststart.m4a
ff -i stereo.wav $bare -c:a aac -b:a 96k raw.aac
ff -i surround.wav $bare -c:a aac -b:a 192k -channel_layout 5.1 surround.m4a
ff -i stereo.wav $bare -c:a alac alac.m4a
flac --silent -f -8 stereo.wav -o stereo.flac
flac --silent -f -8 surround.wav -o surround.flac
ff -f lavfi -i "$(chirp 3000 96000 2)" $bare -c:a flac -sample_fmt s32 -bits_per_raw_sample 24 deep.flac
oggenc -Q -q 3 stereo.wav -o vorbis.ogg
oggenc -Q -q 2 mono.wav -o mono.ogg
ff -i stereo.wav $bare -c:a libvorbis -q:a 3 ffmpeg.ogg
oggenc -Q -q 2 surround.wav -o surround.ogg
opusenc --quiet --bitrate 96 stereo.wav opus.opus
opusenc --quiet --bitrate 32 mono.wav mono.opus
opusenc --quiet --bitrate 192 surround.wav surround.opus
ff -i stereo.wav $bare -c:a libopus -b:a 64k ffmpeg.opus
ff -i stereo.wav $bare -c:a libopus -b:a 64k opus.m4a || true
ff -i mono.wav $bare -c:a pcm_s16be mono.aiff
ff -i mono.wav $bare -c:a pcm_f32be float.aiff
ff -i mono.wav $bare -c:a pcm_s24be deep.aiff
ff -i mono.wav $bare -c:a pcm_s16le mono.caf
ff -i mono.wav $bare -c:a alac alac.caf
ff -i mono.wav $bare -c:a adpcm_ms adpcm.wav
ff -i mono.wav $bare -c:a pcm_alaw alaw.wav
ff -i mono.wav $bare -c:a pcm_f64le double.wav
ff -i mono.wav $bare -c:a pcm_s32le int32.wav
ff -i mono.wav $bare -c:a pcm_u8 byte.wav
ff -i mono.wav $bare -c:a ac3 unsupported.ac3
ff -i mono.wav $bare -c:a ac3 -f mp4 unsupported.m4a
ff -i mono.wav $bare -c:a adpcm_g726 -ar 8000 unsupported.wav
opusdec --quiet --float opus.opus opusdec.wav

#!/bin/sh
# Makes the fixtures beside this script, with Debian's ffmpeg, lame, flac, vorbis-tools and opus-tools. The signal is our
# own: channel c of N frames at rate R is 0.5 sin(2 pi (f n / R + 3000 n^2 / (2 N R))), f = 300 + 200 c; `signal` in
# `chirp` in audio_support is the same. Run it in an empty folder and copy what changed, all but the first three WAVs;
# encoders of another version give other bytes, the tests hold all the same.
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
flac --silent -f -8 -b 1152 --no-padding stereo.wav -o stereo.flac
flac --silent -f -8 surround.wav -o surround.flac
ff -f lavfi -i "$(chirp 3000 96000 2)" $bare -c:a flac -sample_fmt s32 -bits_per_raw_sample 24 deep.flac
oggenc -Q -q 3 stereo.wav -o vorbis.ogg
oggenc -Q -q 2 mono.wav -o mono.ogg
ff -i stereo.wav $bare -c:a libvorbis -q:a 3 -page_duration 40000 ffmpeg.ogg
ff -f lavfi -i "$(chirp 60000 44100 1)" $bare -c:a libvorbis -q:a 0 -page_duration 40000 long.ogg
oggenc -Q -q 2 surround.wav -o surround.ogg
opusenc --quiet --bitrate 96 stereo.wav opus.opus
opusenc --quiet --music --bitrate 96 mono.wav mono.opus
opusenc --quiet --bitrate 192 surround.wav surround.opus
# What the reference decoder makes of two of them, to hold ours against.
opusdec --quiet --rate 48000 --no-dither opus.opus opusdec_16.wav && flac --silent -f -8 opusdec_16.wav -o opus_reference.flac
ff -i vorbis.ogg $bare -c:a flac -sample_fmt s16 vorbis_reference.flac
ff -i aac.m4a $bare -c:a flac -sample_fmt s16 aac_reference.flac
ff -i lame_vbr.mp3 $bare -c:a flac -sample_fmt s16 mp3_reference.flac
rm opusdec_16.wav
ff -i stereo.wav $bare -c:a libopus -b:a 64k -page_duration 40000 ffmpeg.opus
ff -i mono.wav $bare -c:a pcm_s16be mono.aiff
ff -i mono.wav $bare -c:a pcm_f32be float.aiff
ff -i mono.wav $bare -c:a pcm_s24be deep.aiff
ff -i mono.wav $bare -c:a pcm_s16le mono.caf
ff -i mono.wav $bare -c:a alac alac.caf
ff -i mono.wav $bare -c:a adpcm_ms adpcm.wav
ff -i mono.wav $bare -c:a pcm_alaw alaw.wav
ff -i mono.wav $bare -c:a ac3 -f mp4 unsupported.m4a
ff -i mono.wav $bare -c:a adpcm_g726 -ar 8000 unsupported.wav
# Tags and a cover of our own (a blue square).
ff -f lavfi -i color=c=blue:s=16x16 -frames:v 1 -update 1 cover.png
song="-metadata title=Étude -metadata artist=Sextet -metadata album=Tests -metadata track=3 -metadata date=2024 -metadata genre=Study"
ff -i mono.wav -i cover.png -map 0 -map 1 $song -disposition:v attached_pic -c:a libmp3lame -b:a 64k -c:v copy tagged.mp3
ff -i mono.wav -i cover.png -map 0 -map 1 $song -disposition:v attached_pic -c:a flac -c:v copy tagged.flac
ff -i mono.wav -i cover.png -map 0 -map 1 $song -disposition:v attached_pic -c:a aac -b:a 64k -c:v copy tagged.m4a
ff -i mono.wav $song -c:a libvorbis -q:a 0 tagged.ogg
ff -i mono.wav $song -c:a pcm_u8 tagged.wav
# Files of kinds that people have and no manual describes: fragmented, in Matroska, with a track that is not decoded.
frag="-movflags +frag_keyframe+empty_moov+delay_moov -frag_duration 100000"
ff -i stereo.wav $bare -c:a alac $frag fragmented_alac.mp4
ff -i stereo.wav $bare -c:a flac -strict -2 $frag fragmented_flac.mp4
ff -i stereo.wav $bare -c:a aac -b:a 96k aac.mkv
ff -i stereo.wav $bare -c:a flac flac.mka
ff -i stereo.wav $bare -c:a libopus -b:a 64k opus.webm
ff -i stereo.wav $bare -c:a libopus -b:a 64k opus.caf
ff -i stereo.wav $bare -c:a mp2 -b:a 192k layer2.mp2
ff -i stereo.wav $bare -c:a wmav2 -b:a 96k wma.wma
ff -i stereo.wav -i stereo.wav $bare -map 0 -map 1 -c:a:0 ac3 -c:a:1 aac ac3_then_aac.mp4

#!/bin/sh
# Installs the plugin and the command for this user alone. Run it again to replace an older version.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

case $(uname -s) in
Darwin)
    vst3="$HOME/Library/Audio/Plug-Ins/VST3"
    clap="$HOME/Library/Audio/Plug-Ins/CLAP"
    data="$HOME/Library/Application Support/sextet"
    ;;
*)
    vst3="$HOME/.vst3"
    clap="$HOME/.clap"
    data="${XDG_DATA_HOME:-$HOME/.local/share}/sextet"
    ;;
esac
data=${SEXTET_DATA:-$data}

# A copy is made beside and renamed: hosts find the old one or the new one, never half of one.
place() {
    mkdir -p "$2"
    new="$2/.$1.new"
    rm -rf "$new"
    cp -R "$here/$1" "$new"
    rm -rf "${2:?}/$1"
    mv "$new" "$2/$1"
    echo "installed $2/$1"
}

place Sextet.vst3 "$vst3"
place Sextet.clap "$clap"
place sextet "$data/bin"
echo "have your host search for new plugins"

case ":$PATH:" in
*":$data/bin:"*) ;;
*) echo "for the command in a terminal: export PATH=\"$data/bin:\$PATH\"" ;;
esac

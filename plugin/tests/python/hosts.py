"""Tries the plugin in hosts that come as Python packages: DawDreamer (all 14 channels) and pedalboard (the main output).

    pip install -r plugin/tests/python/requirements.txt
    SEXTET_COMMAND=target/debug/sextet python plugin/tests/python/hosts.py <Sextet.vst3> samples/six-of-one.flac

Each host captures the song's first seconds, waits for the stems in a render's first block, and plays them back. The figures
are printed; a wrong one ends the script with an error. With --editor DawDreamer shows the editor afterwards, until its
window is closed.
"""

import argparse
import time

import numpy
import soundfile

BLOCK = 512
SECONDS = 12
STEMS = ["drums", "bass", "other", "vocals", "guitar", "piano"]


def db(value):
    return 20 * numpy.log10(max(value, 1e-12))


def check(name, main, clip, stems=None):
    frames = min(main.shape[1], clip.shape[1]) - BLOCK
    null = db(numpy.abs(main[:, BLOCK:frames] - clip[:, BLOCK:frames]).max())
    print(f"{name}: the mix against the clip: {null:.1f} dBFS")
    assert null < -120, name
    if stems is not None:
        total = db(numpy.abs(stems.sum(axis=0)[:, BLOCK:frames] - clip[:, BLOCK:frames]).max())
        peaks = ", ".join(f"{stem} {numpy.abs(audio).max():.3f}" for stem, audio in zip(STEMS, stems))
        print(f"{name}: the six buses' sum against the clip: {total:.1f} dBFS; peaks: {peaks}")
        assert total < -110, name


def dawdreamer(path, clip, rate, show):
    import dawdreamer

    engine = dawdreamer.RenderEngine(rate, BLOCK)
    song = engine.make_playback_processor("song", clip)
    plugin = engine.make_plugin_processor("sextet", path)
    names = {entry["name"]: entry["index"] for entry in plugin.get_parameters_description()}
    print(f"DawDreamer: {plugin.get_num_output_channels()} outputs, {len(names)} parameters, latency {plugin.get_latency_samples()}")
    assert plugin.get_num_output_channels() == 14
    engine.load_graph([(song, []), (plugin, ["song"])])
    plugin.set_parameter(names["Capture"], 1.0)
    engine.render(SECONDS)
    plugin.set_parameter(names["Capture"], 0.0)
    begun = time.time()
    engine.render(SECONDS)
    print(f"DawDreamer: capture, separation and playback of {SECONDS} s took {time.time() - begun:.1f} s")
    audio = engine.get_audio()
    assert audio.shape[0] == 14
    check("DawDreamer", audio[:2], clip, audio[2:].reshape(6, 2, -1))
    # Automation: from the mix to silence of the drums in the middle.
    automation = numpy.concatenate([numpy.full(rate * 3, 1.0), numpy.full(rate * (SECONDS - 3), 1 / 7)])
    plugin.set_automation(names["Stem"], automation.astype(numpy.float32))
    engine.render(SECONDS)
    audio = engine.get_audio()
    late = slice(4 * rate, SECONDS * rate - BLOCK)
    error = db(numpy.abs(audio[:2, late] - audio[2:4, late]).max())
    print(f"DawDreamer: the main output automated to the drums against their bus: {error:.1f} dBFS")
    assert error < -120
    if show:
        # The mix again, so that no stem is shown as muted.
        plugin.set_automation(names["Stem"], numpy.ones(rate, numpy.float32))
        engine.render(1)
        print("DawDreamer: the editor", flush=True)
        plugin.open_editor()


def pedalboard(path, clip, rate, _show):
    import pedalboard

    plugin = pedalboard.load_plugin(path)
    print(f"pedalboard: {len(plugin.parameters)} parameters: {', '.join(list(plugin.parameters)[:4])} ...")
    dry = plugin.process(clip, rate, buffer_size=BLOCK)
    assert numpy.array_equal(dry, clip), "without stems the track plays dry"
    plugin.capture = True
    plugin.process(clip, rate, buffer_size=BLOCK)
    plugin.capture = False
    begun = time.time()
    main = plugin.process(clip, rate, buffer_size=BLOCK)
    print(f"pedalboard: the next render took {time.time() - begun:.1f} s")
    check("pedalboard", main, clip)
    plugin.stem = "Drums"
    drums = plugin.process(clip, rate, buffer_size=BLOCK)
    difference = db(numpy.abs(drums - clip).max())
    print(f"pedalboard: drums alone differ from the clip by {difference:.1f} dBFS")
    assert difference > -40, "the stems are not played"


def main():
    hosts = {"pedalboard": pedalboard, "dawdreamer": dawdreamer}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plugin", help="a VST3 bundle")
    parser.add_argument("song", help="an audio file")
    parser.add_argument("host", nargs="*", default=list(hosts), help=" or ".join(hosts))
    parser.add_argument("--editor", action="store_true", help="show it in DawDreamer; needs a screen")
    given = parser.parse_args()
    audio, rate = soundfile.read(given.song, dtype="float32", always_2d=True)
    clip = numpy.ascontiguousarray(audio[: SECONDS * rate].T)
    for host in given.host:
        hosts[host](given.plugin, clip, rate, given.editor)


main()

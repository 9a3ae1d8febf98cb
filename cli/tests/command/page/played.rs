//! The page in a browser: what it plays is measured, and what it does when it is touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use sextet_cases::each_case;
use sextet_separator::audio::{Audio, AudioWriter, Layout, TagField, Tags, WriteOptions};

use super::browser::{self, Browser};
use super::{FFMPEG, has_mp3};
use crate::sandbox::{Sandbox, read};

/// Longest time in which a page is ready.
const PATIENCE: Duration = Duration::from_secs(120);

/// Functions that the tests use inside the page.
const HELPERS: &str = "
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function heard() {
  const analyser = new AnalyserNode(player.context, { fftSize: 16384 });
  player.output.connect(analyser);
  await pause(600);
  const samples = new Float32Array(16384);
  analyser.getFloatTimeDomainData(samples);
  player.output.disconnect(analyser);
  return Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
}
async function rendered(mix, frame, loop, frames) {
  const context = new OfflineAudioContext(2, frames, player.rate);
  new Deck(context, context.destination, player.buffers, mix, 0, frame, loop);
  const out = await context.startRendering();
  return [0, 1].map((channel) => out.getChannelData(channel));
}
function sum(stems, from, to) {
  return [0, 1].map((channel) => {
    const all = stems.map((stem) => player.buffers[stem].getChannelData(channel));
    return Float32Array.from({ length: to - from }, (_, n) =>
      all.reduce((sum, samples) => sum + samples[from + n], 0));
  });
}
function furthest(a, b, from = 0) {
  let most = 0;
  a.forEach((samples, channel) => samples.forEach((value, n) => {
    if (n >= from) most = Math.max(most, Math.abs(value - b[channel][n]));
  }));
  return most;
}
const all = player.buffers.map((_, stem) => stem);
";

/// Returns a browser, or `None` and says so where there is none.
fn start() -> Option<Browser> {
    let found = browser::find();
    if found.is_none() {
        eprintln!("SKIPPED: no Chromium on the PATH; name one with SEXTET_CHROMIUM");
    }
    found.map(|program| Browser::start(&program))
}

/// Opens a page and waits until its stems are decoded.
fn open(browser: &mut Browser, page: &Path) {
    browser.open(page);
    let since = Instant::now();
    let ready = "typeof player !== 'undefined' && player !== null";
    while browser.run(ready) != true {
        let said = browser.run("document.getElementById('status')?.textContent ?? ''");
        let has_failed = said.as_str().unwrap().contains("cannot");
        assert!(!has_failed && since.elapsed() < PATIENCE, "{said}");
        std::thread::sleep(Duration::from_millis(50));
    }
    browser.run(HELPERS);
}

/// Separates the beginning of the sample song, once with FLAC and, where there is an ffmpeg, once
/// with MP3 in the page.
fn sample_pages(sandbox: &Sandbox) -> Vec<PathBuf> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/six-of-one.flac");
    let mut ffmpegs = vec![("none", "flac")];
    if has_mp3() {
        ffmpegs.push(("ffmpeg", "mp3"));
    } else {
        eprintln!("SKIPPED: pages with MP3; no ffmpeg with libmp3lame on the PATH");
    }

    let make = |(ffmpeg, folder)| {
        let mut command = sandbox.sextet(&["separate", "--page", "--single-chunk", "-o", folder]);
        command
            .args(["--engine", "cpu"])
            .arg(&sample)
            .env(FFMPEG, ffmpeg);
        command.assert().success();
        sandbox.path(folder).join("six-of-one/index.html")
    };
    ffmpegs.into_iter().map(make).collect()
}

#[test]
fn the_sample_song_plays_in_step_and_does_what_it_is_told() {
    let Some(mut browser) = start() else {
        return;
    };
    let sandbox = Sandbox::new();
    for page in sample_pages(&sandbox) {
        println!("{}", page.display());
        open(&mut browser, &page);
        stems_are_those_that_were_written(&mut browser, page.parent().unwrap());
        stems_are_in_step(&mut browser);
        it_plays_and_solo_mutes_the_others(&mut browser);
        seeks_land(&mut browser);
        loops_go_round(&mut browser);
        keys_work(&mut browser);
        gestures_work(&mut browser);
        assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
    }
    look(&mut browser);
}

/// Compares the decoded stems with the files: in length and place to the sample.
fn stems_are_those_that_were_written(browser: &mut Browser, folder: &Path) {
    let names = browser.run("facts.stems");
    for (stem, name) in names.as_array().unwrap().iter().enumerate() {
        let file = read(folder.join(name.as_str().unwrap()).with_extension("wav"));
        let frames = browser.run(&format!("player.buffers[{stem}].length"));
        assert_eq!(frames, file.frames(), "{name}");

        // The difference grows by much where the place is wrong by a single sample.
        let from = file.frames() / 2;
        let range = format!("{from}, {}", from + 8192);
        let script = format!("[...player.buffers[{stem}].getChannelData(0).slice({range})]");
        let found: Vec<f64> = serde_json::from_value(browser.run(&script)).unwrap();
        let distance = |lag: isize| {
            let begin = from.checked_add_signed(lag).unwrap();
            let truth = &file.channels()[0][begin..begin + found.len()];
            let pairs = found.iter().zip(truth);
            pairs.map(|(a, b)| (a - f64::from(*b)).powi(2)).sum::<f64>()
        };
        let best = (-40..=40).min_by(|a, b| distance(*a).total_cmp(&distance(*b)));
        assert_eq!(best, Some(0), "{name} is early or late");
    }
}

/// The sum of the stems, as Web Audio plays it, is the sum of what was decoded: from the beginning,
/// from the middle, and round a loop.
fn stems_are_in_step(browser: &mut Browser) {
    let worst = browser.run(
        "(async () => {
          const mix = new Mix(player.buffers.length);
          const frames = player.frames;
          const whole = furthest(await rendered(mix, 0, null, frames), sum(all, 0, frames));
          // A start in the middle is faded in.
          const fade = Math.ceil(2 * FADE_S * player.rate);
          const middle = await rendered(mix, 100001, null, 50000);
          const seek = furthest(middle, sum(all, 100001, 150001), fade);
          const loop = { start: 30003, end: 52345 };
          const length = loop.end - loop.start;
          const twice = await rendered(mix, loop.start, loop, 2 * length);
          const second = twice.map((samples) => samples.slice(length));
          return { whole, seek, loop: furthest(second, sum(all, loop.start, loop.end)) };
        })()",
    );
    println!("furthest from the sum of the stems: {worst}");
    each_case(["whole", "seek", "loop"], |case| {
        assert!(worst[case].as_f64().unwrap() < 1e-6, "{case}: {worst}");
    });
}

fn it_plays_and_solo_mutes_the_others(browser: &mut Browser) {
    let levels = browser.run(
        "(async () => {
          await player.play();
          const before = player.context.currentTime;
          player.setLoop(0, player.frames);
          const all = await heard();
          const time = player.context.currentTime - before;
          player.toggleLoop();
          player.pause();
          const paused = await heard();
          return { all, time, paused };
        })()",
    );
    println!("heard: {levels}");
    assert!(levels["all"].as_f64().unwrap() > 1e-3, "{levels}");
    assert!(levels["time"].as_f64().unwrap() > 0.3, "{levels}");
    assert_eq!(levels["paused"].as_f64(), Some(0.0), "{levels}");

    // Measured to the sample: with a solo or mutes, those stems alone are heard.
    let worst = browser.run(
        "(async () => {
          const of = async (act, stems, factor = 1) => {
            const mix = new Mix(player.buffers.length);
            act(mix);
            const expected = sum(stems, 0, 100000).map((side) => side.map((x) => x * factor));
            return furthest(await rendered(mix, 0, null, 100000), expected);
          };
          return {
            solo: await of((mix) => mix.toggleSolo(3), [3]),
            solos: await of((mix) => { mix.toggleSolo(3); mix.toggleSolo(0); }, [0, 3]),
            mute: await of((mix) => mix.toggleMute(3), all.filter((stem) => stem !== 3)),
            mutedSolo: await of((mix) => { mix.toggleSolo(3); mix.toggleMute(3); }, []),
            gain: await of((mix) => all.forEach((stem) => mix.set(stem, { db: -6 })), all,
              10 ** (-6 / 20)),
            silence: await of((mix) => all.forEach((stem) => mix.set(stem, { db: -60 })), []),
            cleared: await of((mix) => { mix.toggleSolo(3); mix.clear(); }, all),
          };
        })()",
    );
    for (case, worst) in worst.as_object().unwrap() {
        assert!(worst.as_f64().unwrap() < 1e-6, "{case}: {worst}");
    }

    // While it plays, a solo of a silent gain leaves silence, and its end brings the sound back.
    let levels = browser.run(
        "(async () => {
          player.seek(0);
          await player.play();
          mix.set(1, { db: -60, soloed: true });
          await pause(200);
          const silent = await heard();
          mix.set(1, { db: 0, soloed: false });
          player.seek(0);
          const back = await heard();
          player.pause();
          return { silent, back };
        })()",
    );
    assert!(levels["silent"].as_f64().unwrap() < 1e-6, "{levels}");
    assert!(levels["back"].as_f64().unwrap() > 1e-3, "{levels}");
}

fn seeks_land(browser: &mut Browser) {
    for (asked, expected) in [
        ("0", "0"),
        ("123456", "123456"),
        ("1.2 * player.rate", "1.2 * player.rate"),
        ("-5", "0"),
        ("player.frames + 5", "player.frames"),
    ] {
        for state in ["pause", "play"] {
            let script = format!(
                "(async () => {{
                  player.seek(0);
                  await player.{state}();
                  player.seek({asked});
                  return Math.abs(player.position() - {expected});
                }})()"
            );
            let off = browser.run(&script).as_f64().unwrap();
            assert!(off <= 1.0, "{asked} in {state}: {off} frames off");
        }
    }

    // The end stops it, and it plays from the beginning then.
    let end = browser.run(
        "(async () => {
          player.seek(player.frames - 4000);
          await player.play();
          for (let n = 0; n < 100 && player.playing; n++) await pause(50);
          const end = { playing: player.playing, left: player.frames - player.position() };
          await player.play();
          end.again = player.position();
          player.pause();
          return end;
        })()",
    );
    assert_eq!(end, json!({"playing": false, "left": 0, "again": 0}));
}

fn loops_go_round(browser: &mut Browser) {
    let found = browser.run(
        "(async () => {
          player.setLoop(44100, 57330);
          player.seek(44100);
          await player.play();
          const seen = [];
          for (let n = 0; n < 30; n++) {
            await pause(40);
            seen.push(player.position());
          }
          const result = {
            playing: player.playing,
            least: Math.min(...seen),
            most: Math.max(...seen),
            back: seen.some((frame, n) => n > 0 && frame < seen[n - 1]),
          };
          player.pause();
          player.clearLoop();
          return { ...result, loop: player.loop, looping: player.looping };
        })()",
    );
    assert_eq!(found["playing"], true, "{found}");
    assert_eq!(found["back"], true, "{found}");
    assert!(found["least"].as_f64().unwrap() >= 44_100.0, "{found}");
    assert!(found["most"].as_f64().unwrap() <= 57_330.0, "{found}");
    assert!(
        found["loop"].is_null() && found["looping"] == false,
        "{found}"
    );
}

fn keys_work(browser: &mut Browser) {
    let state = "({
      playing: player.playing,
      seconds: Math.round(player.position() / player.rate * 10) / 10,
      muted: mix.stems.flatMap((stem, n) => stem.muted ? [n] : []),
      soloed: mix.stems.flatMap((stem, n) => stem.soloed ? [n] : []),
      pressed: [...document.querySelectorAll('.lane [aria-pressed=true]')].map((x) => x.ariaLabel),
      looping: player.looping,
      spectrum: view.isSpectrum,
    })";
    // Key, its code, Shift, and what changes.
    let cases = [
        ("Home", "Home", false, json!({"seconds": 0})),
        ("ArrowRight", "ArrowRight", false, json!({"seconds": 5})),
        ("ArrowLeft", "ArrowLeft", true, json!({"seconds": 4})),
        ("ArrowLeft", "ArrowLeft", false, json!({"seconds": 0})),
        ("ArrowRight", "ArrowRight", true, json!({"seconds": 1})),
        (
            "2",
            "Digit2",
            false,
            json!({"muted": [1], "pressed": ["Mute bass"]}),
        ),
        (
            "!",
            "Digit1",
            true,
            json!({"soloed": [0], "pressed": ["Solo drums", "Mute bass"]}),
        ),
        ("6", "Numpad6", false, json!({"muted": [1, 5]})),
        (
            "0",
            "Digit0",
            false,
            json!({"muted": [], "soloed": [], "pressed": []}),
        ),
        ("l", "KeyL", false, json!({"looping": true})),
        ("L", "KeyL", true, json!({"looping": false})),
        ("o", "KeyO", false, json!({"looping": true})),
        ("Escape", "Escape", false, json!({"looping": false})),
        ("v", "KeyV", false, json!({"spectrum": true})),
        ("v", "KeyV", false, json!({"spectrum": false})),
        (" ", "Space", false, json!({"playing": true})),
        (" ", "Space", false, json!({"playing": false})),
    ];
    browser.run("player.pause(); document.activeElement.blur();");
    for (key, code, has_shift, expected) in cases {
        browser.press(key, code, has_shift);
        // Starting takes a moment.
        browser.run("pause(100)");
        let found = browser.run(state);
        for (name, expected) in expected.as_object().unwrap() {
            assert_eq!(&found[name], expected, "{name} after {key}: {found}");
        }
    }

    // A focused slider keeps its arrows, a focused button its Space.
    browser.run("player.seek(0); document.querySelector('.lane input').focus();");
    browser.press("ArrowLeft", "ArrowLeft", false);
    let found = browser.run("[mix.stems[0].db, player.position()]");
    assert_eq!(found, json!([-0.5, 0]));
    browser.run("mix.set(0, { db: 0 }); document.querySelector('.lane .solo').focus();");
    browser.press(" ", "Space", false);
    let found = browser.run("[mix.stems[0].soloed, player.playing]");
    assert_eq!(found, json!([true, false]));
    browser.run("mix.clear(); document.activeElement.blur();");
}

fn gestures_work(browser: &mut Browser) {
    let place = browser.run(
        "(() => {
          scrollTo(0, 0);
          const { left, top, width } = lanes[2].track.getBoundingClientRect();
          const ruler = document.getElementById('ruler').getBoundingClientRect();
          return { left, top: top + 10, width, ruler: ruler.top + 5 };
        })()",
    );
    let number = |name: &str| place[name].as_f64().unwrap();
    let at = |share: f64| number("left") + share * number("width");
    let (lane, ruler) = (number("top"), number("ruler"));
    let state = "[player.position(), player.loop?.start, player.loop?.end]
        .map((frame) => Math.round(100 * frame / player.frames))";

    // A click goes there; a drag marks a loop; its edge can be moved; the ruler moves.
    browser.drag(&[(at(0.5), lane)]);
    assert_eq!(browser.run(state)[0], 50);
    browser.drag(&[(at(0.2), lane), (at(0.3), lane), (at(0.6), lane)]);
    assert_eq!(browser.run(state), json!([50, 20, 60]));
    browser.drag(&[(at(0.6) + 2.0, lane), (at(0.7), lane), (at(0.8), lane)]);
    assert_eq!(browser.run(state), json!([50, 20, 80]));
    browser.drag(&[(at(0.1), ruler), (at(0.4), ruler)]);
    assert_eq!(browser.run(state), json!([40, 20, 80]));
    browser.run("player.clearLoop()");

    // Every control has a name, and a size that a finger hits.
    let small = browser.run(
        "[...document.querySelectorAll('button, input, [role=slider]')]
          .filter((element) => {
            const named = element.ariaLabel || element.textContent || element.labels?.length;
            const { width, height } = element.getBoundingClientRect();
            return !named || width < 24 || height < 24;
          })
          .map((element) => element.outerHTML)",
    );
    assert_eq!(small, json!([]));
}

/// Takes pictures, which people look at: target/tmp/page-*.png.
fn look(browser: &mut Browser) {
    browser.run("mix.clear(); player.setLoop(80000, 160000); player.seek(120000); 0");
    let sizes = [
        ("desktop", 1280, 860, 1, false),
        ("phone", 390, 844, 2, true),
    ];
    for (name, width, height, scale, mobile) in sizes {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile,
        });
        browser.call("Emulation.setDeviceMetricsOverride", metrics);
        for scheme in ["light", "dark"] {
            let feature = json!({"name": "prefers-color-scheme", "value": scheme});
            browser.call("Emulation.setEmulatedMedia", json!({"features": [feature]}));
            // Two frames: one to notice, one to draw.
            browser.run("pause(300)");

            // The pictures are drawn to the device's pixels, in colours.
            let drawn = browser.run(
                "lanes.map(({ canvas, track }) => {
                  const { width, height } = canvas;
                  const pixels = canvas.getContext('2d').getImageData(0, 0, width, height).data;
                  const ratio = width / track.getBoundingClientRect().width;
                  return { ratio, drawn: pixels.some((value) => value > 0) };
                })",
            );
            for lane in drawn.as_array().unwrap() {
                assert_eq!(lane["drawn"], true, "{name} {scheme}: {drawn}");
                let ratio = lane["ratio"].as_f64().unwrap();
                assert!((ratio - f64::from(scale)).abs() < 0.01, "{drawn}");
            }
            let overflow = browser.run("document.documentElement.scrollWidth - innerWidth");
            assert!(overflow.as_f64().unwrap() <= 0.0, "{name} is too wide");

            let picture = browser.call("Page.captureScreenshot", json!({"format": "png"}));
            let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
            let place = place.join(format!("page-{name}-{scheme}.png"));
            let data = picture["data"].as_str().unwrap();
            fs::write(&place, base64(data)).unwrap();
            println!("{}", place.display());
        }
    }
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}

#[test]
fn names_of_a_song_are_texts_in_its_page() {
    let Some(mut browser) = start() else {
        return;
    };
    let sandbox = Sandbox::new();
    let name = "<img src=x onerror=document.title='no'>.wav";
    let titles = [
        "</script><img src=x onerror=\"document.title='no'\">",
        "</title><script>document.title='no'</script>",
        "{{audio}} & 'quotes' \"and\" <b>bold</b>",
    ];

    for title in titles.map(Some).into_iter().chain([None]) {
        let layout = Layout {
            channels: 2,
            rate_hz: 44_100,
        };
        let mut tags = Tags::default();
        if let Some(title) = title {
            tags.set(TagField::Title, title);
            tags.set(TagField::Artist, title);
        }
        let file = fs::File::create(sandbox.path(name)).unwrap();
        let options = WriteOptions::new().tags(tags);
        let mut writer = AudioWriter::new(file, layout, &options, 22_050).unwrap();
        let block = Audio::new(vec![vec![0.2; 22_050]; 2], 44_100);
        writer.write(&block).unwrap();
        writer.finish().unwrap();

        let mut command = sandbox.separate(&[name, "--page"]);
        command.env(FFMPEG, "none").assert().success();
        let stem = name.strip_suffix(".wav").unwrap();
        open(
            &mut browser,
            &sandbox.path("stems").join(stem).join("index.html"),
        );

        let expected = title.unwrap_or(stem);
        let shown = browser.run("document.querySelector('h1').textContent");
        assert_eq!(shown, expected);
        let shown = browser.run("document.title");
        assert_eq!(shown, format!("{expected} – stems"));
        let elements = browser.run("document.querySelectorAll('img, b').length");
        assert_eq!(elements, 0, "{expected}");
        assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
    }
}

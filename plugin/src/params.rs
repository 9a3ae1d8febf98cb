//! The parameters that hosts see, automate and save.

use std::sync::Arc;

use nice_plug::prelude::*;
use nice_plug_egui::RepaintNotifier;
use sextet_protocol::Stem;

use crate::playback::Levels;
use crate::saved::SavedField;

/// Level at and below which a stem is silent, in dB.
const SILENT_DB: f32 = -60.0;
const LOUDEST_DB: f32 = 12.0;
/// Identifier of [`SextetParams::capture`], which loading a state never switches on.
pub(crate) const CAPTURE_ID: &str = "capture";

/// The signal of the main output.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MainOutput {
    /// The input.
    #[id = "dry"]
    #[name = "Dry"]
    Dry,
    /// One stem, unchanged.
    #[id = "drums"]
    #[name = "Drums"]
    Drums,
    #[id = "bass"]
    #[name = "Bass"]
    Bass,
    #[id = "other"]
    #[name = "Other"]
    Other,
    #[id = "vocals"]
    #[name = "Vocals"]
    Vocals,
    #[id = "guitar"]
    #[name = "Guitar"]
    Guitar,
    #[id = "piano"]
    #[name = "Piano"]
    Piano,
    /// All stems, mixed by their gains, mutes and solos.
    #[id = "mix"]
    #[name = "Mix"]
    Mix,
}

impl MainOutput {
    /// All choices, in the order of the parameter.
    pub(crate) const ALL: [Self; 8] = [
        Self::Dry,
        Self::Drums,
        Self::Bass,
        Self::Other,
        Self::Vocals,
        Self::Guitar,
        Self::Piano,
        Self::Mix,
    ];

    /// Returns the stem, if the choice is a single one.
    pub(crate) fn stem(self) -> Option<Stem> {
        let number = Self::ALL.iter().position(|&choice| choice == self)?;
        Stem::ALL.get(number.checked_sub(1)?).copied()
    }
}

/// The signal of the main output before and after the clip.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outside {
    /// The input.
    #[id = "dry"]
    #[name = "Dry"]
    Dry,
    /// Silence.
    #[id = "silence"]
    #[name = "Silence"]
    Silence,
}

/// The parameters of one stem in the mix.
#[derive(Params)]
pub(crate) struct StemParams {
    /// Gain in dB.
    #[id = "gain"]
    pub(crate) gain: FloatParam,
    #[id = "mute"]
    pub(crate) mute: BoolParam,
    #[id = "solo"]
    pub(crate) solo: BoolParam,
}

/// All parameters, and the state that is saved with them.
#[derive(Params)]
pub(crate) struct SextetParams {
    #[id = "stem"]
    pub(crate) output: EnumParam<MainOutput>,
    #[id = "outside"]
    pub(crate) outside: EnumParam<Outside>,
    /// Whether the capture is armed. The next run of the transport is captured then.
    #[id = "capture"]
    pub(crate) capture: BoolParam,
    #[nested(id_prefix = "drums", group = "Drums")]
    pub(crate) drums: StemParams,
    #[nested(id_prefix = "bass", group = "Bass")]
    pub(crate) bass: StemParams,
    #[nested(id_prefix = "other", group = "Other")]
    pub(crate) other: StemParams,
    #[nested(id_prefix = "vocals", group = "Vocals")]
    pub(crate) vocals: StemParams,
    #[nested(id_prefix = "guitar", group = "Guitar")]
    pub(crate) guitar: StemParams,
    #[nested(id_prefix = "piano", group = "Piano")]
    pub(crate) piano: StemParams,
    /// The clip and the settings.
    #[persist = "sextet"]
    pub(crate) saved: Arc<SavedField>,
}

impl SextetParams {
    /// Creates the parameters. The editor draws again whenever a host changes one.
    pub(crate) fn new(saved: Arc<SavedField>, repaint: RepaintNotifier) -> Self {
        let stem = |stem: Stem| StemParams::new(title(stem), &repaint);
        Self {
            output: EnumParam::new("Stem", MainOutput::Mix).with_callback(redraw(&repaint)),
            outside: EnumParam::new("Outside the clip", Outside::Dry)
                .with_callback(redraw(&repaint)),
            capture: BoolParam::new("Capture", false).with_callback(redraw(&repaint)),
            drums: stem(Stem::Drums),
            bass: stem(Stem::Bass),
            other: stem(Stem::Other),
            vocals: stem(Stem::Vocals),
            guitar: stem(Stem::Guitar),
            piano: stem(Stem::Piano),
            saved,
        }
    }

    /// Returns the parameters of one stem.
    pub(crate) fn stem(&self, stem: Stem) -> &StemParams {
        match stem {
            Stem::Drums => &self.drums,
            Stem::Bass => &self.bass,
            Stem::Other => &self.other,
            Stem::Vocals => &self.vocals,
            Stem::Guitar => &self.guitar,
            Stem::Piano => &self.piano,
        }
    }

    /// Returns the levels that the parameters ask the player for.
    pub(crate) fn levels(&self) -> Levels {
        let output = self.output.value();
        let outside = match (output, self.outside.value()) {
            (MainOutput::Dry, _) | (_, Outside::Dry) => 1.0,
            (_, Outside::Silence) => 0.0,
        };

        let silent = [0.0; Stem::ALL.len()];
        match (output, output.stem()) {
            (MainOutput::Dry, _) => Levels {
                dry: 1.0,
                stems: silent,
                outside,
            },
            (_, Some(chosen)) => Levels {
                dry: 0.0,
                stems: Stem::ALL.map(|stem| f32::from(stem == chosen)),
                outside,
            },
            _ => Levels {
                dry: 0.0,
                stems: self.mix(),
                outside,
            },
        }
    }

    /// Returns each stem's level in the mix.
    pub(crate) fn mix(&self) -> [f32; Stem::ALL.len()] {
        let any_solo = Stem::ALL.iter().any(|&stem| self.stem(stem).solo.value());
        Stem::ALL.map(|stem| {
            let params = self.stem(stem);
            let heard = !params.mute.value() && (!any_solo || params.solo.value());
            if heard {
                level(params.gain.value())
            } else {
                0.0
            }
        })
    }
}

impl StemParams {
    fn new(name: &str, repaint: &RepaintNotifier) -> Self {
        let range = FloatRange::SymmetricalSkewed {
            min: SILENT_DB,
            max: LOUDEST_DB,
            factor: 0.6,
            center: 0.0,
        };

        let text = gain_text;
        let number = gain_number;

        Self {
            gain: FloatParam::new(format!("{name} gain"), 0.0, range)
                .with_callback(redraw(repaint))
                .with_unit(" dB")
                .with_value_to_string(Arc::new(text))
                .with_string_to_value(Arc::new(number)),
            mute: BoolParam::new(format!("{name} mute"), false).with_callback(redraw(repaint)),
            solo: BoolParam::new(format!("{name} solo"), false).with_callback(redraw(repaint)),
        }
    }
}

/// Returns a gain as text that [`gain_number`] reads back as the same gain, within half of the last
/// digit: tenths of a dB, and more digits close above silence.
fn gain_text(db: f32) -> String {
    // A gain that is not silent must not read like the one that is.
    if db <= SILENT_DB {
        return "-inf".to_owned();
    }
    let mut digits = 1;
    loop {
        let text = format!("{db:+.digits$}");
        let is_distinct = text.parse().is_ok_and(|read: f32| read > SILENT_DB);
        if is_distinct || digits == 6 {
            let is_zero = text[1..].bytes().all(|byte| matches!(byte, b'0' | b'.'));
            return if is_zero { "0.0".to_owned() } else { text };
        }
        digits += 1;
    }
}

/// Returns the gain that a text gives; `None` if it gives none.
fn gain_number(text: &str) -> Option<f32> {
    let text = text.trim().trim_end_matches(['d', 'D', 'b', 'B', ' ']);
    if text.eq_ignore_ascii_case("-inf") || text == "-\u{221e}" {
        return Some(SILENT_DB);
    }
    // Some locales' minus sign and decimal comma.
    let text = text.replace('\u{2212}', "-").replace(',', ".");
    text.parse().ok().filter(|db: &f32| db.is_finite())
}

/// Returns the callback for changed values, which raises a flag. It may run on the audio thread.
fn redraw<T>(repaint: &RepaintNotifier) -> Arc<dyn Fn(T) + Send + Sync> {
    let repaint = repaint.clone();
    Arc::new(move |_| repaint.request_repaint())
}

/// Returns a stem's name for people.
pub(crate) fn title(stem: Stem) -> &'static str {
    match stem {
        Stem::Drums => "Drums",
        Stem::Bass => "Bass",
        Stem::Other => "Other",
        Stem::Vocals => "Vocals",
        Stem::Guitar => "Guitar",
        Stem::Piano => "Piano",
    }
}

/// Returns the factor of a gain in dB: exactly 1 at 0 dB, also when a host's rounding has moved the
/// value by a hair.
fn level(db: f32) -> f32 {
    if db <= SILENT_DB {
        0.0
    } else if db.abs() < 1e-3 {
        1.0
    } else {
        util::db_to_gain(db)
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn a_gain_of_0_db_is_exact_whatever_the_host_makes_of_it() {
        let params = SextetParams::new(Arc::default(), RepaintNotifier::default());
        let gain = &params.drums.gain;

        let host = gain.preview_plain(gain.preview_normalized(0.0) + 1e-7);
        assert_eq!(level(host), 1.0);
        assert_eq!(level(gain.preview_plain(0.0)), 0.0);
        assert_eq!(gain.preview_plain(1.0), LOUDEST_DB);

        assert_eq!(
            (
                gain.normalized_value_to_string(0.0, true),
                gain.string_to_normalized_value("-inf")
            ),
            { ("-inf dB".to_owned(), Some(0.0)) }
        );
    }

    #[test]
    fn the_text_of_a_gain_and_its_value_agree_both_ways() {
        let params = SextetParams::new(Arc::default(), RepaintNotifier::default());
        let gain = &params.drums.gain;

        // Every value, through text and back, is shown by the same text and is as loud.
        for step in 0..=20_000_u16 {
            let value = f32::from(step) / 20_000.0;
            let text = gain.normalized_value_to_string(value, true);
            let read = gain.string_to_normalized_value(&text).unwrap();
            assert_eq!(gain.normalized_value_to_string(read, true), text, "{value}");

            let [before, after] = [value, read].map(|value| level(gain.preview_plain(value)));
            assert_eq!(before == 0.0, after == 0.0, "{value} is {text}");
            let apart_db = gain.preview_plain(value) - gain.preview_plain(read);
            assert!(apart_db.abs() <= 0.051, "{value} is {text}: {apart_db} dB");
        }

        // Just above silence.
        let text = gain.normalized_value_to_string(0.00018, true);
        let read = gain.string_to_normalized_value(&text).unwrap();
        assert!(read > 0.0, "{text}");

        let cases = [
            ("-6", Some(-6.0)),
            ("-6.0 dB", Some(-6.0)),
            ("+3,5 DB", Some(3.5)),
            ("\u{2212}12dB", Some(-12.0)),
            ("-inf dB", Some(SILENT_DB)),
            ("-INF", Some(SILENT_DB)),
            ("inf", None),
            ("NaN", None),
            ("loud", None),
            ("", None),
        ];
        each_case(cases, |(text, expected)| {
            assert_eq!(gain_number(text), expected, "{text}");
        });
    }

    #[test]
    fn each_choice_plays_what_it_says() {
        assert_eq!(MainOutput::Dry.stem(), None);
        assert_eq!(MainOutput::Mix.stem(), None);

        each_case(Stem::ALL, |stem| {
            assert_eq!(MainOutput::ALL[1 + stem as usize].stem(), Some(stem));
            assert_eq!(MainOutput::variants()[1 + stem as usize], title(stem));
        });

        let params = SextetParams::new(Arc::default(), RepaintNotifier::default());
        assert_eq!(
            params.levels(),
            Levels {
                dry: 0.0,
                stems: [1.0; 6],
                outside: 1.0
            }
        );
    }
}

//! Separations that do not come to their end: cancelled, failed, refused.

use sextet_cases::each_case;

use super::*;

/// Listener that counts chunks and cancels after a given number.
struct CancelAfter(Cell<u64>, u64);

impl Listener for CancelAfter {
    fn progress(&mut self, progress: Progress) {
        if let Progress::Separating { chunks_done, .. } = progress {
            self.0.set(chunks_done);
        }
    }

    fn cancelled(&self) -> bool {
        self.0.get() >= self.1
    }
}

#[test]
fn cancelling_stops_between_chunks() {
    let mut separator = separator();
    let song = stereo(100_000);
    let total = separate(&mut separator, &song, &Options::default())
        .1
        .chunks;

    assert!(total > 4);
    for after in 0..total {
        let mut listener = CancelAfter(Cell::new(0), after);
        let error = separator
            .separate(
                &song,
                &Options::default(),
                &mut InMemory::default(),
                &mut listener,
            )
            .unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(matches!(error.cause(), Some(SeparateError::Cancelled)));
        assert_eq!(listener.0.get(), after);
    }

    let mut listener = CancelAfter(Cell::new(0), total);
    separator
        .separate(
            &song,
            &Options::default(),
            &mut InMemory::default(),
            &mut listener,
        )
        .unwrap();

    println!("cancelled after each of {total} chunks");
}

/// Sink that fails at the start, or at a write with a given number.
struct Failing {
    at: Option<usize>,
    writes: usize,
}

impl StemSink for Failing {
    fn start(&mut self, _: &Outputs) -> Result<()> {
        self.at.map_or(
            Err(Error::new(ErrorKind::Output, "no room at the start")),
            |_| Ok(()),
        )
    }

    fn write(&mut self, _: usize, _: &Audio) -> Result<()> {
        self.writes += 1;
        match self.at {
            Some(at) if self.writes > at => Err(Error::new(
                ErrorKind::Output,
                format!("no room at write {at}"),
            )),
            _ => Ok(()),
        }
    }
}

#[test]
fn an_error_of_the_sink_ends_the_run() {
    let mut separator = separator();
    let cases = [None, Some(0), Some(1), Some(7), Some(20)];
    each_case(cases, |at| {
        let mut sink = Failing { at, writes: 0 };
        let error = separator
            .separate(
                &stereo(100_000),
                &Options::default(),
                &mut sink,
                &mut Ignore,
            )
            .unwrap_err();

        let expected = at.map_or("no room at the start".to_owned(), |at| {
            format!("no room at write {at}")
        });
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::Output, expected)
        );
        assert_eq!(
            sink.writes,
            at.map_or(0, |at| at + 1),
            "nothing is written after an error"
        );
    });

    println!("{} failing sinks", cases.len());
}

/// Source that fails from the opening with a given number on, counted from 0.
struct Broken<'a> {
    audio: &'a Audio,
    opens: std::sync::atomic::AtomicUsize,
    fails_at: usize,
}

impl AudioSource for Broken<'_> {
    fn open(&self) -> Result<Box<dyn AudioStream + '_>> {
        let opened = self
            .opens
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if opened >= self.fails_at {
            return Err(Error::new(ErrorKind::Input, "the file has gone"));
        }
        self.audio.open()
    }
}

#[test]
fn what_cannot_be_separated_is_refused() {
    let mut separator = separator();
    let mut tried = 0;
    let mut refuse = |song: &dyn AudioSource, options: Options, kind: ErrorKind, what: &str| {
        let error = separator
            .separate(song, &options, &mut InMemory::default(), &mut Ignore)
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{what}: {error}");
        assert!(!error.to_string().is_empty());
        tried += 1;
    };

    let song = stereo(1000);
    let cases = [1.0, -0.25, 2.0, f64::NAN, f64::INFINITY, 0.999_999_9];
    each_case(cases, |overlap| {
        refuse(
            &song,
            Options::new().overlap(overlap),
            ErrorKind::Options,
            "overlap",
        );
    });

    refuse(
        &Audio::silent(song.layout(), 0),
        Options::default(),
        ErrorKind::Audio,
        "no frames",
    );

    each_case([f32::NAN, f32::INFINITY, f32::NEG_INFINITY], |bad| {
        let cases = [(44_100, 0), (44_100, 999), (48_000, 500)];
        each_case(cases, |(rate_hz, at)| {
            let mut audio = sextet_testing::draw::song(1000, 1).into_channels();
            audio[1][at] = bad;
            refuse(
                &Audio::new(audio, rate_hz),
                Options::default(),
                ErrorKind::Audio,
                "not a number",
            );
        });
    });

    let opens = Default::default();
    refuse(
        &Broken {
            audio: &song,
            opens,
            fails_at: 0,
        },
        Options::default(),
        ErrorKind::Input,
        "broken source",
    );

    let mut read_again = |fails_at: usize| {
        let (opens, options) = (Default::default(), Options::new().sum(Sum::Exact));

        let decode = DecodeOptions::of(&options).memory_bytes(0);
        let source = Broken {
            audio: &song,
            opens,
            fails_at,
        };

        let decoded = Decoded::read(&source, decode, &mut Ignore, &mut |_| ()).unwrap();
        separator
            .separate_decoded(&decoded, &options, &mut InMemory::default(), &mut Ignore)
            .map(drop)
    };

    each_case([1, 2], |fails_at| {
        assert_eq!(
            read_again(fails_at).unwrap_err().kind(),
            ErrorKind::Input,
            "broken source, opened for its sum or again"
        );
        tried += 1;
    });

    read_again(3).unwrap();
    let mut four = Separator::new(
        sextet_testing::small::model(&tiny(0.5), 1),
        EngineOptions::default(),
    )
    .unwrap();

    let options = Options::new().parts(vec![Part::stem(Stem::Piano)]);
    let error = four
        .separate(&song, &options, &mut InMemory::default(), &mut Ignore)
        .unwrap_err();

    assert!(
        matches!(
            error.cause(),
            Some(SeparateError::NoSuchStem {
                stem: Stem::Piano,
                ..
            })
        ),
        "{error}"
    );

    println!("{} songs and options refused", tried + 1);
}

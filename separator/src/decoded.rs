//! A song that was read from its beginning to its end: its statistics, and its samples if they fit
//! into memory.
//!
//! Reading is the costly part of a file, and a song must be read to its end before its first chunk
//! can be normalised. The samples are therefore kept in memory, up to [`MEMORY_BYTES`]. A longer
//! song is read again while it is separated.

use crate::audio::{Audio, AudioSource, Layout, Resampler};
use crate::error::SeparateError;
use crate::model::{CHANNELS, MODEL_RATE_HZ};
use crate::progress::{Listener, Progress};
use crate::read_ahead::{Read, ReadAhead, read_ahead};
use crate::setters::setters;
use crate::song::in_place;
use crate::statistics::{Moments, STRETCH_FRAMES, Statistics};
use crate::{Options, Result, Sum};

/// Memory that the samples of a song may take in total, in bytes: 12 minutes and 40 seconds of
/// stereo at the model's rate, or six minutes at 48 kHz whose stems have to add up exactly.
pub const MEMORY_BYTES: u64 = 256 << 20;

/// Number of bytes of a kept frame.
const FRAME_BYTES: u64 = (CHANNELS * size_of::<f32>()) as u64;

/// Options for reading a song.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodeOptions {
    /// Whether the stems must add up to the song. If they must, the song is needed at its own rate
    /// too.
    pub sum: Sum,
    /// Largest amount of memory that the samples may take, in bytes.
    pub memory_bytes: u64,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            sum: Sum::default(),
            memory_bytes: MEMORY_BYTES,
        }
    }
}

setters!(DecodeOptions {
    sum: Sum,
    memory_bytes: u64,
});

impl DecodeOptions {
    /// Returns the options that suit a separation with `options` best.
    pub fn of(options: &Options) -> Self {
        Self::new().sum(options.sum)
    }
}

/// Song that was read once. [`Separator::separate_decoded`](crate::Separator::separate_decoded)
/// does not read it again unless it was too long to be kept.
#[derive(Debug)]
pub struct Decoded<S> {
    source: S,
    layout: Layout,
    statistics: Statistics,
    kept: Option<KeptSamples>,
}

/// Samples of a song that are kept in memory.
#[derive(Debug)]
struct KeptSamples {
    /// Samples as the model hears them.
    heard: Audio,
    /// Stereo samples at the song's own rate, if they are needed and that rate differs from the
    /// model's.
    own: Option<Audio>,
}

/// View of a song for the pipeline, independent of the type of its source.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) source: &'a dyn AudioSource,
    /// Layout of the source.
    pub(crate) layout: Layout,
    pub(crate) statistics: &'a Statistics,
    /// Song as the model hears it, if it is in memory.
    pub(crate) heard: Option<&'a Audio>,
    /// Song in stereo at its own rate, if it is in memory.
    pub(crate) own: Option<&'a Audio>,
}

impl<S: AudioSource> Decoded<S> {
    /// Reads `source` from its beginning to its end. `tap` receives all blocks in stereo at the
    /// song's own rate. It may be called from any thread.
    ///
    /// # Errors
    /// Fails when the source cannot be read, is empty or holds samples that are not numbers, or
    /// when `listener` cancels.
    pub fn read(
        source: S,
        options: DecodeOptions,
        listener: &mut dyn Listener,
        tap: &mut (dyn FnMut(&Audio) + Send),
    ) -> Result<Self> {
        if let Some(song) = in_place(&source) {
            let statistics = measure_in_place(song, listener, tap)?;
            return Ok(Self {
                layout: song.layout(),
                statistics,
                kept: None,
                source,
            });
        }

        let (layout, statistics, kept) = read_all(&source, options, listener, tap)?;
        Ok(Self {
            source,
            layout,
            statistics,
            kept,
        })
    }

    /// Returns the source.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Returns the number of channels and the sample rate of the source.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Returns the number of frames of the song at its own rate.
    pub fn frames(&self) -> u64 {
        self.statistics.source_frames
    }

    /// Returns whether the samples are in memory, so that the song need not be read again.
    pub fn is_kept(&self) -> bool {
        self.kept.is_some() || in_place(&self.source).is_some()
    }

    pub(crate) fn view(&self) -> View<'_> {
        let heard = in_place(&self.source).or(self.kept.as_ref().map(|kept| &kept.heard));
        let own = match self.layout.rate_hz {
            MODEL_RATE_HZ => heard,
            _ => self.kept.as_ref().and_then(|kept| kept.own.as_ref()),
        };
        View {
            source: &self.source,
            layout: self.layout,
            statistics: &self.statistics,
            heard,
            own,
        }
    }
}

fn measure_in_place(
    song: &Audio,
    listener: &mut dyn Listener,
    tap: &mut (dyn FnMut(&Audio) + Send),
) -> Result<Statistics> {
    let mut moments = Moments::default();
    let [left, right] = song.channels() else {
        return Err(SeparateError::Empty.into());
    };

    for (left, right) in left
        .chunks(STRETCH_FRAMES)
        .zip(right.chunks(STRETCH_FRAMES))
    {
        moments.push(left, right);
        proceed(moments.frames(), listener)?;
    }
    tap(song);
    moments.statistics(song.frames() as u64, Vec::new())
}

/// Reads a song that is not in memory as the model hears it.
fn read_all(
    source: &dyn AudioSource,
    options: DecodeOptions,
    listener: &mut dyn Listener,
    tap: &mut (dyn FnMut(&Audio) + Send),
) -> Result<(Layout, Statistics, Option<KeptSamples>)> {
    let announced = source.frames();
    let read = |layout: Layout, mut ahead: ReadAhead| {
        let mut moments = Moments::default();
        let mut keeper = Keeper::new(layout, options, announced);
        while let Some(read) = ahead.next()? {
            match &read {
                Read::Own(block) => {
                    rayon::join(|| tap(block), || keeper.push_own(block));
                }
                Read::Heard(block) if layout.rate_hz == MODEL_RATE_HZ => {
                    // Run the tap in parallel with the measuring; only the next block waits for it.
                    rayon::join(
                        || tap(block),
                        || (moments.push_block(block), keeper.push_heard(block)),
                    );
                }
                Read::Heard(block) => {
                    moments.push_block(block);
                    keeper.push_heard(block);
                }
            }
            proceed(ahead.read_frames(), listener)?;
        }

        let statistics = moments.statistics(ahead.read_frames(), ahead.into_warnings())?;
        Ok((layout, statistics, keeper.finish()))
    };

    read_ahead(source, true, |_| (), read)
}

/// Collector of a song's samples while it is read. It gives up when the song is too long.
struct Keeper {
    memory_bytes: u64,
    /// Song's own rate in Hz, if samples are kept at that rate too.
    own_hz: Option<u32>,
    heard: Planes,
    own: Planes,
    is_over: bool,
}

/// Samples of a song at one rate, by channel.
type Planes = [Vec<f32>; CHANNELS];

impl Keeper {
    /// Creates a collector for a song of `layout`. Reserves memory for the announced number of
    /// frames, if there is one.
    fn new(layout: Layout, options: DecodeOptions, announced: Option<u64>) -> Self {
        let needs_own = options.sum == Sum::Exact && layout.rate_hz != MODEL_RATE_HZ;
        let own_hz = needs_own.then_some(layout.rate_hz);
        let mut keeper = Self {
            memory_bytes: options.memory_bytes,
            own_hz,
            heard: Planes::default(),
            own: Planes::default(),
            is_over: false,
        };

        let Some(frames) = announced else {
            return keeper;
        };

        let heard_frames = Resampler::output_frames(frames, layout.rate_hz, MODEL_RATE_HZ);
        let own_frames = own_hz.map_or(0, |_| frames);
        if keeper.make_room(heard_frames, own_frames) {
            // Both numbers fit into memory, so they fit into `usize`.
            keeper
                .heard
                .iter_mut()
                .for_each(|side| side.reserve_exact(heard_frames as usize));
            keeper
                .own
                .iter_mut()
                .for_each(|side| side.reserve_exact(own_frames as usize));
        }

        keeper
    }

    /// Returns whether there is room for the given numbers of frames. If not, drops all kept
    /// samples.
    fn make_room(&mut self, heard_frames: u64, own_frames: u64) -> bool {
        if heard_frames.saturating_add(own_frames) > self.memory_bytes / FRAME_BYTES {
            self.is_over = true;
            (self.heard, self.own) = (Planes::default(), Planes::default());
        }
        !self.is_over
    }

    fn push_heard(&mut self, block: &Audio) {
        let frames = (self.heard[0].len() + block.frames()) as u64;
        if !self.is_over && self.make_room(frames, self.own[0].len() as u64) {
            append(&mut self.heard, block);
        }
    }

    fn push_own(&mut self, block: &Audio) {
        let frames = (self.own[0].len() + block.frames()) as u64;
        if self.own_hz.is_some()
            && !self.is_over
            && self.make_room(self.heard[0].len() as u64, frames)
        {
            append(&mut self.own, block);
        }
    }

    /// Returns the whole song, if it was kept.
    fn finish(self) -> Option<KeptSamples> {
        let own = self
            .own_hz
            .map(|rate_hz| Audio::new(self.own.into(), rate_hz));
        (!self.is_over).then(|| KeptSamples {
            heard: Audio::new(self.heard.into(), MODEL_RATE_HZ),
            own,
        })
    }
}

fn append(planes: &mut Planes, block: &Audio) {
    planes
        .iter_mut()
        .zip(block.channels())
        .for_each(|(plane, samples)| plane.extend_from_slice(samples));
}

/// Reports the frames read so far to `listener`. Returns an error if the listener cancels.
fn proceed(frames: u64, listener: &mut dyn Listener) -> Result<()> {
    listener.progress(Progress::Reading { frames });
    if listener.cancelled() {
        Err(SeparateError::Cancelled.into())
    } else {
        Ok(())
    }
}

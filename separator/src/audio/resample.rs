//! Change of sample rate, block by block, with no delay left in.

use rubato::audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Indexing, Resampler as _, WindowFunction};

use super::{Audio, AudioStream, Layout, Speaker, Warning};
use crate::{Error, ErrorKind, Result, SeparateError};

/// Frames of the lower of the two rates that the anti-aliasing filter spans at least: the longer,
/// the closer to the Nyquist frequency it stays flat.
const FILTER_FRAMES: u64 = 4096;

/// Changes the rate of audio that is pushed through it.
///
/// A linear-phase FFT resampler ([`rubato::Fft`], squared Blackman-Harris window) in float64. Its
/// delay is taken out to the sample: frame `n` of the output is heard at the time `n / to_hz`, as
/// in the input. What lies before and after the audio counts as silence. The output does not depend
/// on how the input is cut into blocks. Where both rates are the same, samples go through bit for
/// bit.
pub struct Resampler {
    layout: Layout,
    to_hz: u32,
    engine: Option<Engine>,
    /// Frames handed out so far.
    done_frames: u64,
}

/// The running filter, absent where the rate stays.
struct Engine {
    fft: Fft<f64>,
    /// Input that does not yet fill a chunk.
    pending: Vec<Vec<f64>>,
    /// Output frames of the filter's delay that are still to be dropped.
    delay_frames: usize,
    chunk_out: Vec<Vec<f64>>,
}

impl Resampler {
    /// A resampler from the rate of `layout` to `to_hz`.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when one of the rates is 0 or there is no channel.
    pub fn new(layout: Layout, to_hz: u32) -> Result<Self> {
        if layout.channels == 0 || layout.rate_hz == 0 || to_hz == 0 {
            return Err(ResampleError::Unusable { layout, to_hz }.into());
        }

        let engine = (layout.rate_hz != to_hz)
            .then(|| Engine::new(layout, to_hz))
            .transpose()?;
        Ok(Self {
            layout,
            to_hz,
            engine,
            done_frames: 0,
        })
    }

    /// Frames that `frames` frames at `from_hz` become at `to_hz`: `frames * to_hz / from_hz`,
    /// rounded to the nearest and up at a half. What has any frame at all keeps one.
    pub fn output_frames(frames: u64, from_hz: u32, to_hz: u32) -> u64 {
        let (frames, from, to) = (
            u128::from(frames),
            u128::from(from_hz.max(1)),
            u128::from(to_hz),
        );
        let rounded = u64::try_from((2 * frames * to + from) / (2 * from)).unwrap_or(u64::MAX);
        rounded.max(u64::from(frames > 0))
    }

    /// The layout of what goes in.
    pub fn input_layout(&self) -> Layout {
        self.layout
    }

    /// The layout of what comes out.
    pub fn output_layout(&self) -> Layout {
        Layout {
            rate_hz: self.to_hz,
            ..self.layout
        }
    }

    /// Takes `block` and hands out what can be computed by now, which may be no frame at all.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when the block has another layout than the one given to [`Resampler::new`],
    /// [`ErrorKind::Audio`] when a sample that has to be resampled is NaN or infinite.
    pub fn push(&mut self, block: Audio) -> Result<Audio> {
        if block.layout() != self.layout {
            return Err(ResampleError::Block {
                expected: self.layout,
                found: block.layout(),
            }
            .into());
        }

        let out = match &mut self.engine {
            None => block,
            // The filter would panic, and smear what is no number over its whole length.
            Some(_)
                if !block
                    .channels()
                    .iter()
                    .flatten()
                    .all(|sample| sample.is_finite()) =>
            {
                return Err(SeparateError::NotFinite.into());
            }
            Some(engine) => Audio::new(engine.push(block.channels())?, self.to_hz),
        };

        self.done_frames += out.frames() as u64;
        Ok(out)
    }

    /// Hands out the rest, so that `total_frames` frames have come out in all, exactly: see
    /// [`Resampler::output_frames`], or the number of frames of a song that was resampled before and now goes back.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when more frames than that have come out already.
    pub fn finish(mut self, total_frames: u64) -> Result<Audio> {
        let short = ResampleError::Short {
            expected: total_frames,
            found: self.done_frames,
        };
        let Some(missing) = total_frames.checked_sub(self.done_frames) else {
            return Err(short.into());
        };

        let missing = usize::try_from(missing).map_err(|_| Error::from(short))?;
        let mut out = vec![Vec::new(); self.layout.channels];
        if let Some(engine) = &mut self.engine {
            out = engine.flush(missing)?;
        }

        for channel in &mut out {
            channel.resize(missing, 0.0);
        }

        Ok(Audio::new(out, self.to_hz))
    }
}

impl Engine {
    fn new(layout: Layout, to_hz: u32) -> Result<Self> {
        let unusable = || ResampleError::Unusable { layout, to_hz };
        let (from, to) = (u64::from(layout.rate_hz), u64::from(to_hz));
        let gcd = greatest_common_divisor(from, to);

        // An even number of smallest blocks, so that half a block, the delay, is a whole number of
        // frames on both sides.
        let smallest = from.min(to) / gcd;
        let blocks = FILTER_FRAMES.div_ceil(smallest).next_multiple_of(2);
        let chunk_in = usize::try_from(blocks * from / gcd).map_err(|_| unusable())?;
        let (from, to) = (layout.rate_hz as usize, to_hz as usize);

        let window = WindowFunction::BlackmanHarris2;
        let fft = Fft::new_custom(
            from,
            to,
            chunk_in,
            1,
            layout.channels,
            window,
            FixedSync::Both,
        )
        .map_err(|source| Error::from(ResampleError::Setup { source }))?;

        let (delay_frames, chunk) = (fft.output_delay(), fft.output_frames_max());
        let channels = layout.channels;
        Ok(Self {
            fft,
            pending: vec![Vec::new(); channels],
            delay_frames,
            chunk_out: vec![vec![0.0; chunk]; channels],
        })
    }

    fn push(&mut self, channels: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        for (pending, samples) in self.pending.iter_mut().zip(channels) {
            pending.extend(samples.iter().map(|&sample| f64::from(sample)));
        }

        let chunk_in = self.fft.input_frames_next();
        let mut out = vec![Vec::new(); self.pending.len()];

        let mut start = 0;
        while self.pending[0].len() - start >= chunk_in {
            self.process(start, &mut out)?;
            start += chunk_in;
        }

        for pending in &mut self.pending {
            pending.drain(..start);
        }

        Ok(out)
    }

    /// Silence is pushed until `frames` frames have come out; what is beyond them is dropped.
    fn flush(&mut self, frames: usize) -> Result<Vec<Vec<f32>>> {
        let chunk_in = self.fft.input_frames_next();
        let mut out = vec![Vec::new(); self.pending.len()];

        // What is pending and the filter's delay fit into two chunks; a caller that asks for more
        // gets silence.
        for _ in 0..2 {
            if out[0].len() >= frames {
                break;
            }
            for pending in &mut self.pending {
                pending.resize(chunk_in, 0.0);
            }
            self.process(0, &mut out)?;
            self.pending.iter_mut().for_each(Vec::clear);
        }

        out.iter_mut().for_each(|channel| channel.truncate(frames));
        Ok(out)
    }

    /// Runs the filter over one chunk of what is pending, from frame `start` on, and appends to
    /// `out`.
    fn process(&mut self, start: usize, out: &mut [Vec<f32>]) -> Result<()> {
        let (channels, available) = (self.pending.len(), self.pending[0].len());
        let mismatch = |_| Error::from(ResampleError::Buffers);
        let input =
            SequentialSliceOfVecs::new(&self.pending, channels, available).map_err(mismatch)?;

        let frames_out = self.chunk_out[0].len();
        let mut output = SequentialSliceOfVecs::new_mut(&mut self.chunk_out, channels, frames_out)
            .map_err(mismatch)?;
        let from = Indexing::new().input_offset(start);
        let (_, made) = self
            .fft
            .process_into_buffer(&input, &mut output, Some(&from))
            .map_err(|source| Error::from(ResampleError::Run { source }))?;

        let dropped = self.delay_frames.min(made);
        self.delay_frames -= dropped;

        for (out, chunk) in out.iter_mut().zip(&self.chunk_out) {
            out.extend(chunk[dropped..made].iter().map(|&sample| sample as f32));
        }

        Ok(())
    }
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// A stream at another rate.
pub struct Resampled<'a> {
    inner: Box<dyn AudioStream + 'a>,
    resampler: Option<Resampler>,
    layout: Layout,
    from_hz: u32,
    read_frames: u64,
}

impl<'a> Resampled<'a> {
    /// `inner` at `to_hz`; [`Resampler::output_frames`] says how many frames come out.
    ///
    /// # Errors
    /// As [`Resampler::new`].
    pub fn new(inner: Box<dyn AudioStream + 'a>, to_hz: u32) -> Result<Self> {
        let resampler = Resampler::new(inner.layout(), to_hz)?;
        let (layout, from_hz) = (resampler.output_layout(), inner.layout().rate_hz);
        Ok(Self {
            inner,
            resampler: Some(resampler),
            layout,
            from_hz,
            read_frames: 0,
        })
    }

    /// Frames read so far, at the rate of the inner stream.
    pub fn read_frames(&self) -> u64 {
        self.read_frames
    }
}

impl AudioStream for Resampled<'_> {
    fn layout(&self) -> Layout {
        self.layout
    }

    fn next_block(&mut self) -> Result<Option<Audio>> {
        while let Some(resampler) = &mut self.resampler {
            let out = match self.inner.next_block()? {
                Some(block) => {
                    self.read_frames += block.frames() as u64;
                    resampler.push(block)?
                }
                None => {
                    let total = Resampler::output_frames(
                        self.read_frames,
                        self.from_hz,
                        self.layout.rate_hz,
                    );
                    let Some(resampler) = self.resampler.take() else {
                        break;
                    };
                    resampler.finish(total)?
                }
            };
            if out.frames() > 0 {
                return Ok(Some(out));
            }
        }
        Ok(None)
    }

    fn speakers(&self) -> Vec<Speaker> {
        self.inner.speakers()
    }

    fn warnings(&self) -> Vec<Warning> {
        self.inner.warnings()
    }
}

/// Why audio could not be brought to another rate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResampleError {
    /// Rates or channels that make no sense.
    #[error(
        "expected at least one channel and rates above 0 Hz, found {layout:?} to {to_hz} Hz; choose another rate"
    )]
    Unusable {
        /// What comes in.
        layout: Layout,
        /// The rate asked for.
        to_hz: u32,
    },
    /// A block of another layout.
    #[error("expected blocks of {expected:?}, found {found:?}")]
    Block {
        /// The layout given at the start.
        expected: Layout,
        /// The block's.
        found: Layout,
    },
    /// More frames came out than were asked for in all.
    #[error("expected {expected} frames in all, found {found} handed out already")]
    Short {
        /// Frames asked for.
        expected: u64,
        /// Frames handed out.
        found: u64,
    },
    /// The filter could not be made.
    #[error("the resampler cannot be set up")]
    Setup {
        /// What rubato said.
        source: rubato::ResamplerConstructionError,
    },
    /// The filter failed.
    #[error("the resampler failed")]
    Run {
        /// What rubato said.
        source: rubato::ResampleError,
    },
    /// Buffers of the wrong size: a mistake in this file.
    #[error("the resampler's buffers do not fit")]
    Buffers,
}

impl From<ResampleError> for Error {
    fn from(error: ResampleError) -> Self {
        Self::new(ErrorKind::Options, error)
    }
}

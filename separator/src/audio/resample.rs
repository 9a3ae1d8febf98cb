//! Change of sample rate, block by block, with the delay removed.

use rubato::audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Indexing, Resampler as _, WindowFunction};

use super::{Audio, AudioStream, Layout, Speaker, Warning};
use crate::error::BoxedError;
use crate::{Error, ErrorKind, Result, SeparateError};

/// Smallest length of the anti-aliasing filter, in frames of the lower of the two rates. The longer
/// the filter, the closer to the Nyquist frequency its response stays flat.
const FILTER_FRAMES: u64 = 4096;

/// Converter of the sample rate of audio that is pushed through it.
///
/// The converter is a linear-phase FFT resampler ([`rubato::Fft`], squared Blackman-Harris window)
/// in float64. Its delay is removed to the sample: frame `n` of the output is heard at the time
/// `n / to_hz`, as in the input. The audio counts as silent before its beginning and after its end.
/// The output does not depend on how the input is divided into blocks. Where both rates are the
/// same, samples pass unchanged bit for bit.
pub struct Resampler {
    layout: Layout,
    to_hz: u32,
    filter: Option<Filter>,
    /// Number of frames returned so far.
    done_frames: u64,
}

/// Filter of a [`Resampler`] whose rates differ.
struct Filter {
    fft: Fft<f64>,
    /// Input samples that do not yet fill a chunk.
    pending: Vec<Vec<f64>>,
    /// Number of output frames of the filter's delay that are still to be dropped.
    delay_frames: usize,
    chunk_out: Vec<Vec<f64>>,
}

impl Resampler {
    /// Creates a resampler from the rate of `layout` to `to_hz`.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Options`] when one of the rates is 0 or there is no channel.
    pub fn new(layout: Layout, to_hz: u32) -> Result<Self> {
        if layout.channels == 0 || layout.rate_hz == 0 || to_hz == 0 {
            return Err(ResampleError::Unusable { layout, to_hz }.into());
        }

        let filter = (layout.rate_hz != to_hz)
            .then(|| Filter::new(layout, to_hz))
            .transpose()?;
        Ok(Self {
            layout,
            to_hz,
            filter,
            done_frames: 0,
        })
    }

    /// Returns the number of frames that `frames` frames at `from_hz` become at `to_hz`:
    /// `frames * to_hz / from_hz`, rounded to the nearest, halves up, and at least one unless
    /// `frames` is 0.
    pub fn output_frames(frames: u64, from_hz: u32, to_hz: u32) -> u64 {
        let (frames, from, to) = (
            u128::from(frames),
            u128::from(from_hz.max(1)),
            u128::from(to_hz),
        );
        let rounded = u64::try_from((2 * frames * to + from) / (2 * from)).unwrap_or(u64::MAX);
        rounded.max(u64::from(frames > 0))
    }

    /// Returns the layout of the input.
    pub fn input_layout(&self) -> Layout {
        self.layout
    }

    /// Returns the layout of the output.
    pub fn output_layout(&self) -> Layout {
        Layout {
            rate_hz: self.to_hz,
            ..self.layout
        }
    }

    /// Takes `block` and returns the frames that can be computed so far, possibly none.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Options`] when the block has another layout than the one given to
    /// [`Resampler::new`], and [`ErrorKind::Audio`] when a sample that has to be resampled is NaN
    /// or infinite.
    pub fn push(&mut self, block: Audio) -> Result<Audio> {
        if block.layout() != self.layout {
            return Err(ResampleError::Block {
                expected: self.layout,
                found: block.layout(),
            }
            .into());
        }

        let out = match &mut self.filter {
            None => block,
            // Refuse NaN and infinity: the filter would panic or spread them over its whole length.
            Some(_)
                if !block
                    .channels()
                    .iter()
                    .flatten()
                    .all(|sample| sample.is_finite()) =>
            {
                return Err(SeparateError::NotFinite.into());
            }
            Some(filter) => Audio::new(filter.push(block.channels())?, self.to_hz),
        };

        self.done_frames += out.frames() as u64;
        Ok(out)
    }

    /// Returns the remaining frames, so that exactly `total_frames` frames are returned in all.
    /// That number comes from [`Resampler::output_frames`], or is the length of a song that was
    /// resampled before and is now converted back.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Options`] when more than `total_frames` frames were returned already.
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
        if let Some(filter) = &mut self.filter {
            out = filter.flush(missing)?;
        }

        for channel in &mut out {
            channel.resize(missing, 0.0);
        }

        Ok(Audio::new(out, self.to_hz))
    }
}

impl Filter {
    fn new(layout: Layout, to_hz: u32) -> Result<Self> {
        let unusable = || ResampleError::Unusable { layout, to_hz };
        let (from, to) = (u64::from(layout.rate_hz), u64::from(to_hz));
        let gcd = greatest_common_divisor(from, to);

        // Use an even number of smallest blocks, so that the delay of half a block is a whole
        // number of frames on both sides.
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
        .map_err(|error| {
            Error::from(ResampleError::Setup {
                source: error.into(),
            })
        })?;

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

    /// Pushes silence until `frames` frames have been produced, and drops the frames beyond them.
    fn flush(&mut self, frames: usize) -> Result<Vec<Vec<f32>>> {
        let chunk_in = self.fft.input_frames_next();
        let mut out = vec![Vec::new(); self.pending.len()];

        // The pending input and the filter's delay fit into two chunks. A caller that asks for more
        // frames gets silence.
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

    /// Runs the filter over one chunk of the pending input, from frame `start` on, and appends the
    /// output to `out`.
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
            .map_err(|error| {
                Error::from(ResampleError::Run {
                    source: error.into(),
                })
            })?;

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

/// Stream at another sample rate.
pub struct Resampled<'a> {
    inner: Box<dyn AudioStream + 'a>,
    resampler: Option<Resampler>,
    layout: Layout,
    from_hz: u32,
    read_frames: u64,
}

impl<'a> Resampled<'a> {
    /// Wraps `inner` in a stream at `to_hz`. [`Resampler::output_frames`] gives its number of
    /// frames.
    ///
    /// # Errors
    /// Fails like [`Resampler::new`].
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

    /// Returns the number of frames read so far, at the rate of the inner stream.
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

/// Reason why audio could not be resampled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResampleError {
    /// The rates or channels are not usable.
    #[error("expected at least one channel and rates above 0 Hz, found {layout:?} to {to_hz} Hz")]
    Unusable {
        /// Layout of the input.
        layout: Layout,
        /// Rate asked for, in Hz.
        to_hz: u32,
    },
    /// A block has another layout than the input.
    #[error("expected blocks of {expected:?}, found {found:?}")]
    Block {
        /// Layout given to [`Resampler::new`].
        expected: Layout,
        /// Layout of the block.
        found: Layout,
    },
    /// More frames were returned than were asked for in all.
    #[error("expected {expected} frames in all, found {found} handed out already")]
    Short {
        /// Number of frames asked for.
        expected: u64,
        /// Number of frames returned.
        found: u64,
    },
    /// The filter could not be created.
    #[error("the resampler cannot be set up")]
    Setup {
        /// Error of rubato.
        source: BoxedError,
    },
    /// The filter failed.
    #[error("the resampler failed")]
    Run {
        /// Error of rubato.
        source: BoxedError,
    },
    /// The buffers have the wrong size: a defect in this file.
    #[error("the resampler's buffers do not fit")]
    Buffers,
}

impl From<ResampleError> for Error {
    fn from(error: ResampleError) -> Self {
        Self::new(ErrorKind::Options, error)
    }
}

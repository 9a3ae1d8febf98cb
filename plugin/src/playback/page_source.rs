//! The source of pages: makes pages at the session's rate out of stems at the clip's.

use std::io;

use rubato::audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use super::CHANNELS;
use super::geometry::Geometry;
use super::shared::DeckFault;
use super::stem_files::StemFiles;

/// A reader of pages, in any order.
pub(crate) struct PageSource {
    files: StemFiles,
    geometry: Geometry,
    resampler: Option<PageResampler>,
    /// One page of the clip, planar.
    clip_page: Vec<f32>,
}

/// The filter (rubato's FFT resampler, linear phase, in float64) over one page at a time.
///
/// The filter works block by block, a block being a page, and overlaps each into the next: after a
/// block of silence its output depends on the last two blocks alone. Its delay is half a block. So
/// page `n` is the second half of the output of block `n` and the first half of the output of block
/// `n + 1`, whatever was read before: pages read in any order are those of one pass.
struct PageResampler {
    fft: Fft<f64>,
    /// Page that the next block completes; `None` before the first block.
    next_page: Option<usize>,
    input: Vec<Vec<f64>>,
    output: Vec<Vec<f64>>,
    /// Second half of the previous block's output.
    half: Vec<Vec<f64>>,
}

impl PageSource {
    /// Creates a source for a session at `session_hz`.
    ///
    /// # Errors
    /// When there is no filter between the two rates.
    pub(crate) fn new(files: StemFiles, geometry: Geometry) -> Result<Self, DeckFault> {
        let resampler =
            (geometry.page_frames != geometry.step_frames).then(|| PageResampler::new(&geometry));
        let clip_page = vec![0.0; CHANNELS * geometry.step_frames as usize];
        Ok(Self {
            files,
            geometry,
            resampler: resampler.transpose()?,
            clip_page,
        })
    }

    /// Reads page `page` into planar channels.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn read_into(&mut self, page: usize, planar: &mut [f32]) -> io::Result<()> {
        let step = self.geometry.step_frames as usize;
        // Equal rates need no filter.
        let Some(resampler) = &mut self.resampler else {
            return self
                .files
                .read_into(page as i64 * step as i64, step, planar);
        };

        let mut block = |number: i64, resampler: &mut PageResampler| {
            self.files
                .read_into(number * step as i64, step, &mut self.clip_page)?;
            resampler.push(&self.clip_page).map_err(io::Error::other)
        };

        // After a jump, the filter is reset and fed with the two blocks that the next output
        // depends on.
        if resampler.next_page != Some(page) {
            resampler.fft.reset();
            for number in [page as i64 - 1, page as i64] {
                block(number, resampler)?;
            }
        }

        // The next page starts over if this block fails.
        resampler.next_page = None;
        block(page as i64 + 1, resampler)?;
        resampler.next_page = Some(page + 1);

        // The page is the second half of the previous output and the first half of the last one.
        let half = self.geometry.page_frames as usize / 2;
        for (channel, planar) in planar.chunks_exact_mut(2 * half).enumerate() {
            let samples = resampler.half[channel]
                .iter()
                .chain(&resampler.output[channel][..half]);
            for (to, &from) in planar.iter_mut().zip(samples) {
                *to = from as f32;
            }
        }

        Ok(())
    }
}

impl PageResampler {
    fn new(geometry: &Geometry) -> Result<Self, DeckFault> {
        let (step, page) = (geometry.step_frames as usize, geometry.page_frames as usize);

        // Pages have the ratio of the rates, so their lengths may stand for the rates.
        let fft = Fft::new_custom(
            step,
            page,
            step,
            1,
            CHANNELS,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .map_err(|_| DeckFault::Rates)?;

        if (
            fft.input_frames_next(),
            fft.output_frames_next(),
            fft.output_delay(),
        ) != (step, page, page / 2)
        {
            return Err(DeckFault::Rates);
        }
        let blank = |frames| vec![vec![0.0; frames]; CHANNELS];
        Ok(Self {
            fft,
            next_page: None,
            input: blank(step),
            output: blank(page),
            half: blank(page / 2),
        })
    }

    /// Processes one block and stores its output. The second half of the output before moves to
    /// `half`.
    fn push(&mut self, planar: &[f32]) -> Result<(), rubato::ResampleError> {
        let (step, page) = (self.input[0].len(), self.output[0].len());
        for (input, planar) in self.input.iter_mut().zip(planar.chunks_exact(step)) {
            for (to, &from) in input.iter_mut().zip(planar) {
                *to = f64::from(from);
            }
        }

        for (half, output) in self.half.iter_mut().zip(&self.output) {
            half.copy_from_slice(&output[page / 2..]);
        }

        // The sizes are those of the buffers, so this error cannot occur.
        let sizes = |_| rubato::ResampleError::InsufficientOutputBufferSize {
            expected: page,
            actual: 0,
        };
        let input = SequentialSliceOfVecs::new(&self.input, CHANNELS, step).map_err(sizes)?;
        let mut output =
            SequentialSliceOfVecs::new_mut(&mut self.output, CHANNELS, page).map_err(sizes)?;

        self.fft
            .process_into_buffer(&input, &mut output, None)
            .map(drop)
    }
}

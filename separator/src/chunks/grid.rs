//! Division of a song into chunks, exactly as in `demucs.apply.apply_model`.

/// Division of one pass over a song into chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkGrid {
    /// Beginning of the pass, in frames of the song. Negative for a shifted pass, which begins
    /// before the song.
    origin: i64,
    /// Number of frames from the beginning of the pass to the end of the song.
    length: u64,
    segment: usize,
    stride: usize,
}

/// Chunk of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// First frame of the segment that the model hears, in frames of the song. Frames outside the
    /// song are silent.
    pub(crate) window: i64,
    /// Number of frames at the beginning of the model's output that are left out.
    pub(crate) skip: usize,
    /// Number of output frames that are used: a whole segment, or fewer in the last chunk.
    pub(crate) frames: usize,
    /// Distance from this chunk's output to the next one's, in frames.
    pub(crate) stride: usize,
}

impl ChunkGrid {
    /// Divides a pass over `length` frames from `origin`, for a model with segments of `segment`
    /// frames. Neighbouring chunks share the fraction `overlap` of a segment (0 to less than 1).
    /// Returns `None` where the distance between neighbouring chunks would be 0.
    pub(crate) fn new(origin: i64, length: u64, segment: usize, overlap: f64) -> Option<Self> {
        let stride = ((1.0 - overlap) * segment as f64) as usize;
        (1..=segment).contains(&stride).then_some(Self {
            origin,
            length,
            segment,
            stride,
        })
    }

    /// Returns the beginning of the pass, in frames of the song.
    pub(crate) fn origin(&self) -> i64 {
        self.origin
    }

    /// Returns the number of chunks.
    pub(crate) fn chunks(&self) -> u64 {
        self.length.div_ceil(self.stride as u64)
    }

    /// Returns chunk number `index`, or `None` after the last one.
    ///
    /// A last chunk that is shorter than a segment is placed in the middle of the segment. The
    /// song's neighbouring frames fill both sides, where there are any (`TensorChunk.padded` and
    /// `center_trim`).
    pub(crate) fn chunk(&self, index: u64) -> Option<Chunk> {
        let offset = index * self.stride as u64;
        let rest = self.length.checked_sub(offset).filter(|&rest| rest > 0)?;
        let frames = self
            .segment
            .min(usize::try_from(rest).unwrap_or(usize::MAX));

        let skip = (self.segment - frames) / 2;
        let window = self.origin + offset as i64 - skip as i64;
        Some(Chunk {
            window,
            skip,
            frames,
            stride: self.stride.min(frames),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn demucs_own_figures() {
        // The official segment and overlap: chunks 257985 apart, the last one centred.
        let grid = ChunkGrid::new(0, 400_000, 343_980, 0.25).unwrap();
        assert_eq!(grid.chunks(), 2);
        assert_eq!(
            grid.chunk(0),
            Some(Chunk {
                window: 0,
                skip: 0,
                frames: 343_980,
                stride: 257_985
            })
        );

        let frames = 400_000 - 257_985;
        let skip = (343_980 - frames) / 2;
        let last = Chunk {
            window: 257_985 - skip as i64,
            skip,
            frames,
            stride: frames,
        };

        assert_eq!(grid.chunk(1), Some(last));
        assert_eq!(grid.chunk(2), None);
    }

    #[test]
    fn chunks_that_would_not_move_apart_are_refused() {
        let cases = [(100, 1.0), (100, 0.995), (100, -0.1), (0, 0.25)];
        each_case(cases, |(segment, overlap)| {
            assert_eq!(
                ChunkGrid::new(0, 1000, segment, overlap),
                None,
                "{segment} {overlap}"
            );
        });
    }

    proptest! {
        #[test]
        fn every_frame_is_covered_by_a_chunk_that_hears_it(
            length in 1_u64..5000, segment in 1_usize..700, overlap in 0.0..0.95_f64, origin in -300_i64..1,
        ) {
            let Some(grid) = ChunkGrid::new(origin, length, segment, overlap) else { return Ok(()) };

            let mut covered = vec![0; length as usize];
            let mut start = 0;
            for index in 0..grid.chunks() {
                let chunk = grid.chunk(index).unwrap();
                prop_assert_eq!(chunk.window + chunk.skip as i64, origin + start as i64);
                prop_assert!(chunk.skip + chunk.frames <= segment);
                covered[start..start + chunk.frames].iter_mut().for_each(|count| *count += 1);
                start += chunk.stride;
            }

            prop_assert!(grid.chunk(grid.chunks()).is_none());
            prop_assert!(covered.iter().all(|&count| count > 0));

            // The last chunk covers all frames after its stride.
            prop_assert!(start as u64 <= length);
        }
    }
}

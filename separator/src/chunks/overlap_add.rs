//! Joining of the outputs of overlapping chunks (`demucs.apply.apply_model`): weighted sum over sum
//! of weights.

use rayon::prelude::*;

use super::Chunk;

/// Sums of the frames to which later chunks still add.
pub(crate) struct OverlapAdd {
    /// Triangle over the segment: 1 in the middle, never 0.
    weight: Vec<f32>,
    /// Sums for each channel of each stem, from the first unfinished frame on.
    sums: Vec<Vec<f32>>,
    weights: Vec<f32>,
    total: Total,
}

/// Sum of weights of every frame that a chunk finished.
#[derive(Default)]
struct Total {
    weights: Vec<f32>,
    /// Number of frames and stride of the chunk.
    chunk: (usize, usize),
    /// Whether the chunk left the weights unchanged. The next chunk of the same size then finishes
    /// frames with the same sums.
    is_steady: bool,
}

impl OverlapAdd {
    /// Creates the sums for chunks of `segment` frames with `planes` channels in all.
    pub(crate) fn new(planes: usize, segment: usize) -> Self {
        let (weight, sums) = (triangle(segment), vec![Vec::new(); planes]);
        Self {
            weight,
            sums,
            weights: Vec::new(),
            total: Total::default(),
        }
    }

    /// Adds a chunk's output, one segment for each plane. Returns the frames to which no later
    /// chunk adds, put through `restore`: `chunk.stride` frames for each plane.
    pub(crate) fn add(
        &mut self,
        chunk: &Chunk,
        output: &[f32],
        restore: impl Fn(f32) -> f32 + Copy + Sync,
    ) -> Vec<Vec<f32>> {
        let weight = &self.weight[..chunk.frames];
        self.total.follow(chunk, &mut self.weights, weight);
        let total = &self.total.weights;
        let planes = self
            .sums
            .par_iter_mut()
            .zip(output.par_chunks(self.weight.len()));

        let out = planes.map(|(sum, plane)| {
            let heard = &plane[chunk.skip..chunk.skip + chunk.frames];
            finish(sum, weight, heard, total, restore)
        });
        out.collect()
    }
}

impl Total {
    /// Adds a chunk's `weight` to `weights` and removes the frames that the chunk finishes.
    fn follow(&mut self, chunk: &Chunk, weights: &mut Vec<f32>, weight: &[f32]) {
        let size = (chunk.frames, chunk.stride);
        if self.is_steady && self.chunk == size {
            return;
        }

        let before = weights.clone();
        *self = Self {
            weights: join(weights, weight, chunk.stride),
            chunk: size,
            is_steady: before == *weights,
        };
    }
}

/// Adds `values` to `sum`, which may be shorter. Removes and returns the first `count` values of
/// the result.
fn join(sum: &mut Vec<f32>, values: &[f32], count: usize) -> Vec<f32> {
    sum.resize(sum.len().max(values.len()), 0.0);
    sum.iter_mut()
        .zip(values)
        .for_each(|(sum, value)| *sum += value);
    sum.drain(..count).collect()
}

/// Joins one plane of a chunk. Returns the finished frames, one for each of `total`, divided by
/// their weights and restored. The rest of `heard` stays in `sum`, weighted. Every sample is read
/// and written only once, since planes are as large as the caches.
fn finish(
    sum: &mut Vec<f32>,
    weight: &[f32],
    heard: &[f32],
    total: &[f32],
    restore: impl Fn(f32) -> f32 + Copy,
) -> Vec<f32> {
    let (stride, begun) = (total.len(), sum.len().min(total.len()));
    let mut out = Vec::with_capacity(stride);

    // The compiler vectorises loops over slices that are cut to one length.
    let weighted = weight[..begun]
        .iter()
        .zip(&heard[..begun])
        .zip(&total[..begun]);
    out.extend(
        sum.iter()
            .zip(weighted)
            .map(|(sum, ((weight, heard), total))| restore((sum + weight * heard) / total)),
    );

    let weighted = weight[begun..stride]
        .iter()
        .zip(&heard[begun..stride])
        .zip(&total[begun..]);
    out.extend(weighted.map(|((weight, heard), total)| restore(weight * heard / total)));
    sum.drain(..begun);
    let weighted = weight[stride..]
        .iter()
        .zip(&heard[stride..])
        .map(|(weight, heard)| weight * heard);

    let shared = sum.len().min(heard.len() - stride);
    sum[..shared]
        .iter_mut()
        .zip(weighted.clone())
        .for_each(|(sum, more)| *sum += more);
    sum.extend(weighted.skip(shared));

    out
}

/// Returns 1, 2, ... up to the middle and down again, divided by the largest. For an odd length the
/// larger half comes second.
fn triangle(segment: usize) -> Vec<f32> {
    let half = segment / 2;
    let peak = (segment - half).max(1) as f32;
    let rising = (1..=half).map(|n| n as f32 / peak);
    rising
        .chain((1..=segment - half).rev().map(|n| n as f32 / peak))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ChunkGrid;
    use super::*;

    #[test]
    fn the_triangle_is_demucs_own() {
        assert_eq!(
            triangle(6),
            [1.0 / 3.0, 2.0 / 3.0, 1.0, 1.0, 2.0 / 3.0, 1.0 / 3.0]
        );
        assert_eq!(
            triangle(5),
            [1.0 / 3.0, 2.0 / 3.0, 1.0, 2.0 / 3.0, 1.0 / 3.0]
        );
    }

    proptest! {
        /// A model that returns its input reproduces the song, however it is divided.
        #[test]
        fn chunks_of_the_song_itself_join_to_the_song(
            length in 1_usize..3000, segment in 1_usize..500, overlap in 0.0..0.9_f64,
        ) {
            let Some(grid) = ChunkGrid::new(0, length as u64, segment, overlap) else { return Ok(()) };

            let song = |frame: i64| if (0..length as i64).contains(&frame) { (frame as f32 * 0.37).sin() } else { 0.0 };
            let mut joined = Vec::new();

            let mut overlap_add = OverlapAdd::new(1, segment);
            for index in 0..grid.chunks() {
                let chunk = grid.chunk(index).unwrap();
                let output: Vec<f32> = (0..segment).map(|i| song(chunk.window + i as i64)).collect();
                joined.extend(overlap_add.add(&chunk, &output, |sample| sample).remove(0));
            }

            prop_assert!(joined.len() <= length);
            for (frame, sample) in joined.iter().enumerate() {
                prop_assert!((sample - song(frame as i64)).abs() < 1e-5, "frame {frame}");
            }

            prop_assert_eq!(joined.len(), length);
        }
    }
}

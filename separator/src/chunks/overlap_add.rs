//! Joins the outputs of overlapping chunks (`demucs.apply.apply_model`): weighted sum over sum of
//! weights.

use rayon::prelude::*;

use super::Chunk;

/// What chunks have added to frames that later chunks add to as well.
pub(crate) struct OverlapAdd {
    /// Triangle over the segment: 1 in the middle, nowhere 0.
    weight: Vec<f32>,
    /// One sum for each channel of each stem, from the first frame that is not finished on.
    sums: Vec<Vec<f32>>,
    weights: Vec<f32>,
    total: Total,
}

/// The sum of weights of every frame that a chunk finished.
#[derive(Default)]
struct Total {
    weights: Vec<f32>,
    /// Frames and stride of the chunk.
    chunk: (usize, usize),
    /// Whether the chunk left the weights as it found them: the next one of the same size finishes
    /// frames of the same sums.
    is_steady: bool,
}

impl OverlapAdd {
    /// For chunks of `segment` frames of `planes` channels in all.
    pub(crate) fn new(planes: usize, segment: usize) -> Self {
        let (weight, sums) = (triangle(segment), vec![Vec::new(); planes]);
        Self {
            weight,
            sums,
            weights: Vec::new(),
            total: Total::default(),
        }
    }

    /// Adds a chunk's output, one segment for each plane, and hands out what no later chunk adds
    /// to, put through `restore`: `chunk.stride` frames a plane.
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
    /// Adds a chunk's `weight` to `weights` and takes out of them what it finishes.
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

/// Adds `values` to `sum`, which may be shorter, and takes the first `count` of the result out of
/// it.
fn join(sum: &mut Vec<f32>, values: &[f32], count: usize) -> Vec<f32> {
    sum.resize(sum.len().max(values.len()), 0.0);
    sum.iter_mut()
        .zip(values)
        .for_each(|(sum, value)| *sum += value);
    sum.drain(..count).collect()
}

/// One plane of a chunk: what is finished, one frame for each of `total`, over its weights and
/// restored; the rest of `heard` is kept in `sum`, weighted. Every sample is read once and written
/// once: planes are as large as the caches.
fn finish(
    sum: &mut Vec<f32>,
    weight: &[f32],
    heard: &[f32],
    total: &[f32],
    restore: impl Fn(f32) -> f32 + Copy,
) -> Vec<f32> {
    let (stride, begun) = (total.len(), sum.len().min(total.len()));
    let mut out = Vec::with_capacity(stride);

    // Slices cut to one length are what the compiler makes vector code of.
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

/// 1, 2, ... up to the middle and down again, over the largest. For an odd length the larger half
/// comes second.
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

    use super::super::Plan;
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
        /// A model that does nothing gives back the song, however it is cut.
        #[test]
        fn chunks_of_the_song_itself_join_to_the_song(
            length in 1_usize..3000, segment in 1_usize..500, overlap in 0.0..0.9_f64,
        ) {
            let Some(plan) = Plan::new(0, length as u64, segment, overlap) else { return Ok(()) };

            let song = |frame: i64| if (0..length as i64).contains(&frame) { (frame as f32 * 0.37).sin() } else { 0.0 };
            let mut joined = Vec::new();

            let mut overlap_add = OverlapAdd::new(1, segment);
            for index in 0..plan.chunks() {
                let chunk = plan.chunk(index).unwrap();
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

//! Lowering of the Fourier transforms: `spectrum.cu` and `synthesis.cu`.

use std::f64::consts::TAU;

use super::{FLOAT, Lowering, MOMENTS, Unsupported};
use crate::engine::cuda::kernel::{self, Kernel};
use crate::engine::cuda::parameters;
use crate::engine::cuda::pointer::{Pointer, Region};
use crate::model::program::{Statistics, Synthesis, Tensor};
use crate::model::{FFT_SIZE, inverse_envelope, window};

/// Tables of the Fourier transforms.
#[derive(Clone, Copy)]
pub(super) struct Tables {
    turns: Pointer,
    window: Pointer,
}

impl Lowering<'_> {
    fn tables(&mut self) -> Tables {
        let pool = &mut self.pool;
        *self.tables.get_or_insert_with(|| Tables {
            turns: pool.floats((0..FFT_SIZE).flat_map(|n| {
                let (sin, cos) = (TAU * n as f64 / FFT_SIZE as f64).sin_cos();
                [cos as f32, -sin as f32]
            })),
            window: pool.floats((0..FFT_SIZE).map(|n| window(n) as f32)),
        })
    }

    pub(super) fn spectrum(
        &mut self,
        output: Tensor,
        statistics: Statistics,
    ) -> Result<(), Unsupported> {
        assert_eq!(
            statistics,
            Statistics(0),
            "the spectrum's statistics come first"
        );
        let frames = self.shape(output).positions;
        let blocks = frames.div_ceil(kernel::SPECTRUM_FRAMES);
        let tables = self.tables();
        let parameters = parameters::Spectrum {
            mix: Pointer::new(Region::Mix, 0),
            turns: tables.turns,
            window: tables.window,
            spectrum: self.place_of(output, FLOAT),
            moments: self.reserve(self.batch * 2 * blocks * MOMENTS),
            statistics: self.statistics,
            counters: self.reserve(self.batch * FLOAT),
            length: self.program.segment_frames as i32,
            frames: frames as i32,
        };

        let shared = kernel::SPECTRUM_FRAMES as u32 * kernel::TRANSFORM_BYTES;
        self.launch(
            Kernel::Spectrum,
            [blocks, self.batch, 1],
            shared,
            parameters,
        );
        Ok(())
    }

    pub(super) fn synthesis(&mut self, s: &Synthesis) -> Result<(), Unsupported> {
        let frames = self.shape(s.spectra).positions;
        let tables = self.tables();

        // Each block transforms three frames more than it makes hops: there are so few blocks that
        // all run at once.
        let hops = frames + 2;
        let signals = self.program.stems * self.batch;
        let resident = kernel::SYNTHESIS_RESIDENT
            .min(self.limits.shared_of_all / (kernel::TRANSFORM_BYTES as usize + 1024));
        let of_signal = (resident * self.limits.multiprocessors / signals).clamp(1, hops);
        let run = hops.div_ceil(of_signal);

        let parameters = parameters::Synthesis {
            spectra: self.halves(s.spectra),
            waveforms: self.halves(s.waveforms),
            statistics: self.statistics,
            turns: tables.turns,
            window: tables.window,
            envelope: self
                .pool
                .floats(inverse_envelope(frames).data().iter().copied()),
            stems: Pointer::new(Region::Stems, 0),
            length: self.program.segment_frames as i32,
            frames: frames as i32,
            run: run as i32,
        };

        let grid = [hops.div_ceil(run), self.program.stems, self.batch];
        let shared = kernel::TRANSFORM_BYTES;
        self.launch(Kernel::Synthesis, grid, shared, parameters);
        Ok(())
    }
}

//! Attention, some queries of a head at a time.

use rayon::prelude::*;

use super::Interpreter;
use super::product::Packed;
use crate::model::program::{Attention, Channels};

/// Number of queries of a task.
const QUERIES: usize = 32;

impl Interpreter<'_> {
    pub(super) fn attention(&mut self, operation: &Attention) {
        let output = self.shape(operation.output);
        let width = output.channels / operation.heads;
        let tokens =
            |of: Channels| self.shape(of.tensor).sequences * self.shape(of.tensor).positions;
        let keys = tokens(operation.key);

        let mut y = vec![0.0; output.len()];
        for head in 0..operation.heads {
            let row = |of: Channels, token: usize| {
                let start = token * self.shape(of.tensor).channels + of.first + head * width;
                &self.data(of.tensor)[start..start + width]
            };

            let by_key = Packed::from_fn([keys, 1, width], |key, i| row(operation.key, key)[i]);
            let by_value = |i, key| row(operation.value, key)[i];
            let by_value = Packed::from_fn([width, 1, keys], by_value);

            let blocks = y.par_chunks_mut(QUERIES * output.channels).enumerate();
            blocks.for_each(|(block, to)| {
                let first = block * QUERIES;
                let rows = to.chunks_mut(output.channels);
                let queries: Vec<&[f32]> = (first..first + rows.len())
                    .map(|token| row(operation.query, token))
                    .collect();

                let mut scores = vec![0.0; queries.len() * keys];
                by_key.multiply_into(&queries, &mut scores);
                scores.chunks_mut(keys).for_each(softmax);

                let weights: Vec<&[f32]> = scores.chunks(keys).collect();
                let mut values = vec![0.0; queries.len() * width];
                by_value.multiply_into(&weights, &mut values);
                for (to, values) in rows.zip(values.chunks(width)) {
                    to[head * width..(head + 1) * width].copy_from_slice(values);
                }
            });
        }

        self.set(operation.output, y);
    }
}

fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|x| *x = (*x - largest).exp());
    let sum: f64 = scores.iter().map(|&x| f64::from(x)).sum();
    let factor = sum.recip() as f32;
    scores.iter_mut().for_each(|x| *x *= factor);
}

//! Tests of every kernel against its definition in float64, on every set of instructions that this
//! processor has, and for several numbers of threads.
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use std::f64::consts::TAU;

use sextet_cases::each_case;
use sextet_cpu::{
    Activation, Affine, Attention, Axis, Columns, Convolution, DConv, DConvLayer, Finish, Fourier,
    Frames, GroupedNorm, Isa, Product, Shape, Standardised, Statistics, Upsampling, embed,
    group_norm, layer_norm, standardise, statistics,
};

/// Largest relative L2 error.
const BOUND: f64 = 2e-6;
/// Largest error of a set of instructions, times that of another, where there are results enough
/// to say so.
const MOST_TIMES: f64 = 1.5;
const ENOUGH: usize = 500;
/// Error of rounding the result alone. Smaller ones count as this.
const ROUNDING: f64 = 6e-8;

/// Returns numbers between -1 and 1.
fn noise(length: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..length).map(next).collect()
}

fn shape(sequences: usize, positions: usize, channels: usize) -> Shape {
    Shape {
        sequences,
        positions,
        channels,
    }
}

/// Runs `compute` on every set of instructions and several numbers of threads, and compares its
/// results with `expected`, those of all numbers of threads with each other, and the errors of all
/// sets of instructions.
fn check(name: &str, expected: &[f64], compute: impl Fn(Isa) -> Vec<f32> + Sync) {
    let mut errors: Vec<(Isa, f64)> = Vec::new();
    for isa in Isa::all() {
        let results: Vec<Vec<f32>> = [1, 2, 5]
            .map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                pool.build().unwrap().install(|| compute(isa))
            })
            .into();
        for result in &results[1..] {
            let pairs = result.iter().zip(&results[0]);
            let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
            assert!(
                pairs.clone().all(same),
                "{name}, {isa}: threads change samples"
            );
        }

        assert_eq!(results[0].len(), expected.len(), "{name}");
        let pairs = results[0].iter().zip(expected);
        let distance: f64 = pairs.map(|(&a, b)| (f64::from(a) - b).powi(2)).sum();
        let energy: f64 = expected.iter().map(|x| x * x).sum();
        let error = (distance / energy).sqrt();
        println!("{name}, {isa}: {error:.1e}");
        assert!(error < BOUND, "{name}, {isa}: {error:e}");
        errors.push((isa, error.max(ROUNDING)));
    }

    for (isa, error) in &errors {
        let worse = errors.iter().find(|(_, other)| *error > MOST_TIMES * other);
        let enough = expected.len() >= ENOUGH;
        assert!(
            worse.is_none() || !enough,
            "{name}: {isa} {error:e}, {worse:?}"
        );
    }
}

fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp() * sum
}

fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2))
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn activate(activation: Activation, sums: &[f64]) -> Vec<f64> {
    let half = sums.len() / 2;
    match activation {
        Activation::None => sums.to_vec(),
        Activation::Gelu => sums.iter().map(|&x| gelu(x)).collect(),
        Activation::Relu => sums.iter().map(|x| x.max(0.0)).collect(),
        Activation::Glu => (0..half)
            .map(|i| sums[i] * logistic(sums[half + i]))
            .collect(),
    }
}

fn at(x: &[f32], shape: Shape, sequence: isize, position: isize, channel: usize) -> f64 {
    let inside = |i: isize, length: usize| usize::try_from(i).is_ok_and(|i| i < length);
    if !inside(sequence, shape.sequences) || !inside(position, shape.positions) {
        return 0.0;
    }
    let row = sequence as usize * shape.positions + position as usize;
    f64::from(x[row * shape.channels + channel])
}

#[test]
fn convolutions_are_their_definition() {
    use Activation::{Gelu, Glu, None, Relu};
    let kernel: Vec<[isize; 2]> = (0..8).map(|tap| [0, tap - 2]).collect();
    let high: Vec<[isize; 2]> = (0..8).map(|tap| [tap - 2, 0]).collect();
    let square: Vec<[isize; 2]> = (-1..2).flat_map(|s| (-1..2).map(move |p| [s, p])).collect();
    let cases = [
        (&[[0, 0]][..], [1, 1], shape(1, 1, 1), shape(1, 1, 1), None),
        (&[[0, 0]], [1, 1], shape(3, 7, 5), shape(3, 7, 11), Relu),
        (&[[0, 0]], [1, 1], shape(2, 50, 384), shape(2, 50, 96), Gelu),
        (&[[0, 0]], [1, 1], shape(1, 13, 700), shape(1, 13, 40), Glu),
        (&square, [1, 1], shape(5, 33, 12), shape(5, 33, 12), Glu),
        (&square, [1, 1], shape(4, 9, 48), shape(4, 9, 48), Glu),
        (&kernel, [1, 4], shape(1, 403, 2), shape(1, 101, 16), Gelu),
        (&high, [4, 1], shape(18, 6, 4), shape(5, 6, 24), None),
        (
            &[[0, -3], [0, 2]],
            [1, 1],
            shape(1, 4, 3),
            shape(1, 4, 3),
            None,
        ),
    ];
    for (number, (taps, strides, input, output, activation)) in cases.into_iter().enumerate() {
        let columns = output.channels * if activation == Glu { 2 } else { 1 };
        let x = noise(input.len(), 1);
        let scale = (taps.len() as f32 * input.channels as f32).sqrt().recip();
        let weight: Vec<f32> = noise(columns * taps.len() * input.channels, 2)
            .iter()
            .map(|w| 2.0 * w * scale)
            .collect();
        let bias = noise(columns, 3);
        let add = (number % 2 == 0).then(|| noise(output.len(), 4));
        let table = (number % 3 == 0).then(|| noise(output.sequences * output.channels, 5));

        let mut expected = Vec::new();
        for row in 0..output.rows() {
            let (s, p) = (row / output.positions, row % output.positions);
            let sum = |column: usize| {
                let mut sum = f64::from(bias[column]);
                for (tap, [tap_s, tap_p]) in taps.iter().enumerate() {
                    let (s, p) = ((s * strides[0]) as isize, (p * strides[1]) as isize);
                    for k in 0..input.channels {
                        let weight = weight[(column * taps.len() + tap) * input.channels + k];
                        sum += f64::from(weight) * at(&x, input, s + tap_s, p + tap_p, k);
                    }
                }
                sum
            };
            let sums: Vec<f64> = (0..columns).map(sum).collect();
            for (c, y) in activate(activation, &sums).into_iter().enumerate() {
                let add = add
                    .as_ref()
                    .map_or(0.0, |add| add[row * output.channels + c]);
                let table = table.as_ref().map_or(0.0, |t| t[s * output.channels + c]);
                expected.push(y + f64::from(add) + f64::from(table));
            }
        }

        check(&format!("convolution {number}"), &expected, |isa| {
            let of = Convolution {
                input,
                taps,
                strides,
                weight: &weight,
                bias: &bias,
                activation,
                table: table.as_deref(),
                output,
            };
            let mut y = vec![f32::NAN; output.len()];
            Product::convolution(isa, of).run(&x, add.as_deref(), &mut y);
            y
        });
    }
}

#[test]
fn upsamplings_are_their_definition() {
    let cases = [
        (Axis::Sequences, 2, shape(3, 7, 24), shape(12, 7, 12)),
        (Axis::Sequences, 2, shape(8, 40, 48), shape(32, 40, 24)),
        (Axis::Sequences, 0, shape(1, 5, 16), shape(8, 5, 16)),
        (Axis::Positions, 2, shape(1, 101, 24), shape(1, 403, 12)),
        (Axis::Positions, 2, shape(1, 4, 8), shape(1, 13, 3)),
        (Axis::Positions, 0, shape(2, 6, 8), shape(2, 28, 5)),
    ];
    for (number, (axis, cut, input, output)) in cases.into_iter().enumerate() {
        let x = noise(input.len(), 1);
        let weight = noise(output.channels * 8 * input.channels, 2);
        let bias = noise(output.channels, 3);
        let add = (number % 2 == 0).then(|| noise(output.len(), 4));
        let with_gelu = number % 3 != 1;

        let mut expected = Vec::new();
        for row in 0..output.rows() {
            let (s, p) = (row / output.positions, row % output.positions);
            for c in 0..output.channels {
                let along = if axis == Axis::Sequences { s } else { p };
                let mut sum = f64::from(bias[c]);
                for tap in 0..8 {
                    let place = (along + cut) as isize - tap as isize;
                    if place % 4 != 0 {
                        continue;
                    }
                    let (s, p) = match axis {
                        Axis::Sequences => (place / 4, p as isize),
                        Axis::Positions => (s as isize, place / 4),
                    };
                    for k in 0..input.channels {
                        let weight = weight[(c * 8 + tap) * input.channels + k];
                        sum += f64::from(weight) * at(&x, input, s, p, k);
                    }
                }
                let y = if with_gelu { gelu(sum) } else { sum };
                let add = add
                    .as_ref()
                    .map_or(0.0, |add| add[row * output.channels + c]);
                expected.push(y + f64::from(add));
            }
        }

        check(&format!("upsampling {number}"), &expected, |isa| {
            let of = Upsampling {
                input,
                axis,
                cut,
                weight: &weight,
                bias: &bias,
                gelu: with_gelu,
                output,
            };
            let mut y = vec![f32::NAN; output.len()];
            Product::upsampling(isa, of).run(&x, add.as_deref(), &mut y);
            y
        });
    }
}

#[test]
fn attention_is_its_definition() {
    let cases = [
        (1, 4, 1, 1),
        (2, 12, 33, 40),
        (4, 5, 200, 301),
        (8, 48, 97, 600),
    ];
    for (heads, width, queries, keys) in cases {
        let channels = heads * width;
        let q: Vec<f32> = noise(queries * channels, 1)
            .iter()
            .map(|x| 2.0 * x)
            .collect();
        let kv = noise(keys * 2 * channels, 2);
        let mut expected = vec![0.0; queries * channels];
        for head in 0..heads {
            let part = |x: &[f32], row: usize, stride: usize, first: usize| -> Vec<f64> {
                let at = row * stride + first + head * width;
                x[at..at + width].iter().map(|&x| f64::from(x)).collect()
            };
            for query in 0..queries {
                let of_query = part(&q, query, channels, 0);
                let score = |key| -> f64 {
                    let key = part(&kv, key, 2 * channels, 0);
                    of_query.iter().zip(&key).map(|(a, b)| a * b).sum()
                };
                let scores: Vec<f64> = (0..keys).map(score).collect();
                let largest = scores.iter().copied().fold(f64::MIN, f64::max);
                let weights: Vec<f64> = scores.iter().map(|x| (x - largest).exp()).collect();
                let sum: f64 = weights.iter().sum();
                for (key, weight) in weights.iter().enumerate() {
                    let value = part(&kv, key, 2 * channels, channels);
                    for (i, value) in value.iter().enumerate() {
                        expected[query * channels + head * width + i] += weight / sum * value;
                    }
                }
            }
        }

        let name = format!("attention of {queries} to {keys}, {heads} heads of {width}");
        check(&name, &expected, |isa| {
            let columns = |data, channels, first| Columns {
                data,
                channels,
                first,
            };
            let mut y = vec![f32::NAN; expected.len()];
            Attention::new(isa, heads, width).run(
                columns(&q, channels, 0),
                columns(&kv, 2 * channels, 0),
                columns(&kv, 2 * channels, channels),
                &mut y,
            );
            y
        });
    }
}

/// Normalises numbers in groups, given the group of each.
fn normalise(x: &mut [f64], group: impl Fn(usize) -> usize) {
    let groups = (0..x.len()).map(&group).max().map_or(0, |last| last + 1);
    for number in 0..groups {
        let places: Vec<usize> = (0..x.len()).filter(|&i| group(i) == number).collect();
        let count = places.len() as f64;
        let mean = places.iter().map(|&i| x[i]).sum::<f64>() / count;
        let variance = places.iter().map(|&i| (x[i] - mean).powi(2)).sum::<f64>() / count;
        for i in places {
            x[i] = (x[i] - mean) / (variance + 1e-5).sqrt();
        }
    }
}

#[test]
fn residual_branches_are_their_definition() {
    let cases = [
        (shape(1, 5, 8), 1),
        (shape(17, 20, 48), 6),
        (shape(20, 101, 12), 3),
        (shape(3, 200, 24), 9),
        (shape(1, 1000, 96), 12),
    ];
    for (of, hidden) in cases {
        let c = of.channels;
        let layer = |seed: u32| {
            let scaled = |length: usize, fan: usize, seed: u32| -> Vec<f32> {
                let factor = 2.0 / (fan as f32).sqrt();
                noise(length, seed).iter().map(|x| x * factor).collect()
            };
            (
                [scaled(3 * c * hidden, 3 * c, seed), noise(hidden, seed + 1)],
                [noise(hidden, seed + 2), noise(hidden, seed + 3)],
                [
                    scaled(2 * c * hidden, hidden, seed + 4),
                    noise(2 * c, seed + 5),
                ],
                [noise(2 * c, seed + 6), noise(2 * c, seed + 7)],
                noise(c, seed + 8),
            )
        };
        let layers = [layer(10), layer(20)];
        let x = noise(of.len(), 1);

        let mut expected: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        for (number, (conv1, norm1, conv2, norm2, scale)) in layers.iter().enumerate() {
            let dilation = 1isize << number;
            for sequence in expected.chunks_mut(of.positions * c) {
                let mut h = Vec::new();
                for p in 0..of.positions as isize {
                    for output in 0..hidden {
                        let mut sum = f64::from(conv1[1][output]);
                        for tap in 0..3 {
                            let place = p + (tap as isize - 1) * dilation;
                            if place < 0 || place >= of.positions as isize {
                                continue;
                            }
                            for k in 0..c {
                                let weight = conv1[0][(output * 3 + tap) * c + k];
                                sum += f64::from(weight) * sequence[place as usize * c + k];
                            }
                        }
                        h.push(sum);
                    }
                }
                normalise(&mut h, |_| 0);
                for (i, x) in h.iter_mut().enumerate() {
                    let [gain, shift] = [0, 1].map(|part: usize| norm1[part][i % hidden]);
                    *x = gelu(*x * f64::from(gain) + f64::from(shift));
                }

                let mut y = Vec::new();
                for row in h.chunks(hidden) {
                    for output in 0..2 * c {
                        let weights = &conv2[0][output * hidden..(output + 1) * hidden];
                        let products = row.iter().zip(weights).map(|(x, &w)| x * f64::from(w));
                        y.push(products.sum::<f64>() + f64::from(conv2[1][output]));
                    }
                }
                normalise(&mut y, |_| 0);
                for (x, y) in sequence.chunks_mut(c).zip(y.chunks_mut(2 * c)) {
                    for (channel, y) in y.iter_mut().enumerate() {
                        let [gain, shift] = [0, 1].map(|part: usize| norm2[part][channel]);
                        *y = *y * f64::from(gain) + f64::from(shift);
                    }
                    for channel in 0..c {
                        let gated = y[channel] * logistic(y[c + channel]);
                        x[channel] += f64::from(scale[channel]) * gated;
                    }
                }
            }
        }

        check(&format!("DConv {of:?}"), &expected, |isa| {
            fn both(pair: &[Vec<f32>; 2]) -> [&[f32]; 2] {
                [&pair[0], &pair[1]]
            }
            let layers: Vec<DConvLayer<'_>> = layers
                .iter()
                .enumerate()
                .map(|(number, (conv1, norm1, conv2, norm2, scale))| DConvLayer {
                    dilation: 1 << number,
                    conv1: both(conv1),
                    norm1: both(norm1),
                    conv2: both(conv2),
                    norm2: both(norm2),
                    scale,
                })
                .collect();
            let mut x = x.clone();
            DConv::new(isa, of, &layers).run(&mut x);
            x
        });
    }
}

#[test]
fn norms_are_their_definition() {
    let cases = [(1, 1), (7, 12), (100, 48), (70, 384)];
    each_case(cases, |(rows, channels)| {
        let row = |i: usize| i / channels;
        let x: Vec<f32> = noise(rows * channels, 1).iter().map(|x| x + 3.0).collect();
        let exact: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let (add, gain, shift) = (noise(x.len(), 2), noise(channels, 3), noise(channels, 4));
        let affine = Affine {
            gain: gain.clone(),
            shift: shift.clone(),
        };
        let finished = |mut x: Vec<f64>, group: &dyn Fn(usize) -> usize| {
            normalise(&mut x, group);
            for (i, x) in x.iter_mut().enumerate() {
                let (gain, shift) = (gain[i % channels], shift[i % channels]);
                *x = *x * f64::from(gain) + f64::from(shift) + f64::from(add[i]);
            }
            let mut normalised = x.clone();
            normalise(&mut normalised, row);
            [x, normalised].concat()
        };

        // Rows of one number have no variance, and their norm amplifies rounding without end.
        if channels > 1 {
            let mut expected = exact.clone();
            normalise(&mut expected, row);
            check(&format!("layer norm {channels}"), &expected, |isa| {
                let mut y = vec![f32::NAN; x.len()];
                layer_norm(isa, channels, &x, &mut y);
                y
            });
            let expected = finished(exact.clone(), &row);
            check(&format!("embedding {channels}"), &expected, |isa| {
                let mut y = vec![f32::NAN; 2 * x.len()];
                let (output, normalised) = y.split_at_mut(x.len());
                embed(isa, Some(&affine), &add, channels, &x, [output, normalised]);
                y
            });
            let expected = finished(exact, &|_| 0);
            check(&format!("group norm {channels}"), &expected, |isa| {
                let mut y = vec![f32::NAN; 2 * x.len()];
                let (output, normalised) = y.split_at_mut(x.len());
                group_norm(isa, &affine, &x, Some(&add), output, Some(normalised));
                y
            });
        }
    });
}

#[test]
fn norms_of_layers_are_their_definition() {
    use Activation::{Gelu, Glu, None};
    let cases = [
        (shape(3, 10, 8), [1, 2], shape(2, 6, 8), Some(2), Gelu),
        (shape(1, 50, 12), [0, 2], shape(1, 44, 12), Some(3), None),
        (shape(4, 9, 24), [0, 0], shape(4, 9, 12), Some(4), Glu),
        (shape(1, 9, 20), [0, 0], shape(1, 9, 20), Option::None, Gelu),
    ];
    for (number, (input, cut, output, groups, activation)) in cases.into_iter().enumerate() {
        let x = noise(input.len(), 1);
        let (gain, shift) = (noise(input.channels, 2), noise(input.channels, 3));
        let (add, table) = (
            noise(output.len(), 4),
            noise(output.sequences * output.channels, 5),
        );
        let mut normalised: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        if let Some(groups) = groups {
            let width = input.channels / groups;
            normalise(&mut normalised, |i| i % input.channels / width);
            for (i, x) in normalised.iter_mut().enumerate() {
                let channel = i % input.channels;
                *x = *x * f64::from(gain[channel]) + f64::from(shift[channel]);
            }
        }

        let mut expected = Vec::new();
        for row in 0..output.rows() {
            let (s, p) = (row / output.positions, row % output.positions);
            let from = (s + cut[0]) * input.positions + p + cut[1];
            let from = &normalised[from * input.channels..][..input.channels];
            for (c, y) in activate(activation, from).into_iter().enumerate() {
                let add = add[row * output.channels + c];
                expected.push(y + f64::from(add) + f64::from(table[s * output.channels + c]));
            }
        }

        check(&format!("norm of a layer {number}"), &expected, |isa| {
            let finish = Finish {
                isa,
                input,
                norm: groups.map(|groups| GroupedNorm {
                    groups,
                    affine: Affine {
                        gain: gain.clone(),
                        shift: shift.clone(),
                    },
                }),
                activation,
                cut,
                table: Some(table.clone()),
                output,
            };
            let mut y = vec![f32::NAN; output.len()];
            finish.run(&x, Some(&add), &mut y);
            y
        });
    }
}

#[test]
fn statistics_are_those_of_float64() {
    each_case([2, 100, 100_000], |length| {
        let x: Vec<f32> = noise(length, 1).iter().map(|x| 0.1 * x + 5.0).collect();
        let count = length as f64;
        let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        let squares: f64 = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum();
        let deviation = (squares / (count - 1.0)).sqrt();
        each_case(Isa::all(), |isa| {
            let found = statistics(isa, &x);
            assert!((found.mean - mean).abs() < 1e-12 * mean);
            assert!(
                (found.deviation - deviation).abs() < 1e-9 * deviation,
                "{found:?}"
            );
        });

        let expected: Vec<f64> = x
            .iter()
            .map(|&x| (f64::from(x) - mean) / (deviation + 1e-5))
            .collect();
        check("standardised", &expected, |isa| {
            let mut x = x.clone();
            let of = statistics(isa, &x);
            standardise(&mut x, of);
            x
        });
    });
}

/// Parameters of a small transform: eight points, hop of two.
const SIZE: usize = 8;
const HOP: usize = 2;
const MARGIN: usize = 3;

#[test]
fn fourier_transforms_are_their_definition() {
    for (segment, frames) in [(9, 5), (70, 35), (131, 66)] {
        let window: Vec<f64> = (0..SIZE).map(|n| 0.3 + 0.1 * n as f64).collect();
        let envelope = noise((frames + 4) * HOP, 9);
        let fourier = Fourier::new(&Frames {
            count: frames,
            hop: HOP,
            margin: MARGIN,
            window: &window,
            envelope: &envelope,
            segment,
        });
        let bins = SIZE / 2;
        let turn = |product: usize| (TAU * (product % SIZE) as f64 / SIZE as f64).sin_cos();

        let mix = noise(2 * segment, 1);
        let mut expected = Vec::new();
        for bin in 0..bins {
            for frame in 0..frames {
                for channel in 0..2 {
                    let (mut re, mut im) = (0.0, 0.0);
                    for (n, window) in window.iter().enumerate() {
                        let place = (frame * HOP + n).abs_diff(MARGIN);
                        let last = segment - 1;
                        let place = if place > last {
                            2 * last - place
                        } else {
                            place
                        };
                        let x = f64::from(mix[channel * segment + place]) * window;
                        let (sin, cos) = turn(bin * n);
                        re += x * cos;
                        im -= x * sin;
                    }
                    expected.extend([re, im]);
                }
            }
        }
        check("spectrum", &expected, |_| {
            let mut spectrum = vec![f32::NAN; expected.len()];
            fourier.spectrum(&mix, &mut spectrum);
            spectrum
        });

        let planes = 3;
        let spectra = noise(bins * frames * 2 * planes, 2);
        let waveforms = noise(segment * planes, 3);
        let of = |mean, deviation| Statistics { mean, deviation };
        let statistics = [of(0.125, 2.0), of(-0.5, 0.75)];
        let mut expected = Vec::new();
        for plane in 0..planes {
            for n in 0..segment {
                let place = n + MARGIN;
                let mut sum = 0.0;
                for frame in 0..frames {
                    let Some(inside) = place.checked_sub(frame * HOP).filter(|&i| i < SIZE) else {
                        continue;
                    };
                    for bin in 0..bins {
                        let at = (bin * frames + frame) * 2 * planes + 2 * plane;
                        let restored = |i: usize| f64::from(spectra[at + i]) * 2.0 + 0.125;
                        let (sin, cos) = turn(bin * inside);
                        let x = match bin {
                            0 => restored(0),
                            _ => 2.0 * (restored(0) * cos - restored(1) * sin),
                        };
                        sum += x * window[inside];
                    }
                }
                let waveform = f64::from(waveforms[n * planes + plane]) * 0.75 - 0.5;
                expected.push(sum * f64::from(envelope[place]) + waveform);
            }
        }
        check("synthesis", &expected, |_| {
            let mut signals = vec![f32::NAN; planes * segment];
            let standardised = Standardised {
                spectra: &spectra,
                spectra_statistics: statistics[0],
                waveforms: &waveforms,
                waveforms_statistics: statistics[1],
            };
            fourier.synthesise(standardised, planes, &mut signals);
            signals
        });
    }
}

#[test]
fn this_processor_has_its_instructions() {
    let names: Vec<&str> = Isa::all().iter().map(|isa| isa.name()).collect();
    println!("{}", names.join(", "));
    assert_eq!(Isa::best().name(), names[0]);
    assert_eq!(names.last(), Some(&"portable"));
    #[cfg(target_arch = "x86_64")]
    assert_eq!(names.contains(&"AVX2"), is_x86_feature_detected!("avx2"));
}

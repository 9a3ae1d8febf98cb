//! Weights and songs by formula, with exact arithmetic only, here and in `parity/make.py`, so that
//! none has to be stored.

use sextet_separator::audio::Audio;

/// Returns the weights of `draw` in `make.py`.
pub fn draw(name: &str, shape: &[usize], seed: u64) -> Vec<f32> {
    let fan_in: usize = shape[1..].iter().product();
    let value = |u: f64| match shape.len() {
        1 if name.ends_with("scale") => 0.3 + 0.4 * u,
        1 if name.ends_with("weight") => 0.7 + 0.6 * u,
        1 => 0.4 * u - 0.2,
        _ => (2.0 * u - 1.0) * (3.0 / (fan_in as f64).sqrt()),
    };

    splitmix(seed)
        .take(shape.iter().product())
        .map(|u| value(u) as f32)
        .collect()
}

/// Returns the weights of `draw` in `separator/tests/roformer/make.py`: gains near 1, the usual
/// frequencies of rotary embeddings, and matrices that keep the size of what goes through them.
pub fn draw_roformer(name: &str, shape: &[usize], seed: u64) -> Vec<f32> {
    let count: usize = shape.iter().product();
    if name.ends_with("freqs") {
        let frequency = |i| 10_000_f64.powf(-(i as f64) / count as f64) as f32;
        return (0..count).map(frequency).collect();
    }

    let fan_in: usize = shape[1..].iter().product();
    let value = |u: f64| match shape.len() {
        1 if name.ends_with("gamma") => 0.7 + 0.6 * u,
        1 => 0.4 * u - 0.2,
        _ => (2.0 * u - 1.0) * (1.7 / (fan_in as f64).sqrt()),
    };
    splitmix(seed)
        .take(count)
        .map(|u| value(u) as f32)
        .collect()
}

/// Returns the song of `song` in `make.py`.
pub fn song(frames: usize, seed: u64) -> Audio {
    let noise: Vec<f64> = splitmix(seed).take(2 * frames).collect();
    let side = |side: usize, gain: f64| {
        let sample = |n: usize| {
            let swell = (n % 7001) as f64 / 7001.0;
            let loud = if n % 30_011 < 21_000 { 1.0 } else { 0.0 };
            let saw = (n % 211) as f64 / 211.0 - 0.5;
            (0.5 * (2.0 * noise[side * frames + n] - 1.0) * swell * loud + gain * saw + 0.02) as f32
        };
        (0..frames).map(sample).collect()
    };

    Audio::new(vec![side(0, 0.3), side(1, -0.1)], 44_100)
}

/// Returns the SplitMix64 sequence, the upper 53 bits as numbers from 0 up to 1.
pub fn splitmix(seed: u64) -> impl Iterator<Item = f64> {
    (1_u64..).map(move |n| {
        let mut z = seed.wrapping_add(n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 11) as f64 / (1_u64 << 53) as f64
    })
}

//! Times the kernels alone, on the shapes of the official six-stem model: `kernels [THREADS]`.

use std::time::Instant;

use sextet_cpu::{Activation, Attention, Axis, Buffer, Columns, Convolution, DConv, DConvLayer};
use sextet_cpu::{Isa, Product, Shape, Upsampling};

/// Returns numbers between -0.5 and 0.5.
fn noise(length: usize) -> Buffer {
    let mut buffer = Buffer::zeros(length);
    let mut state = 1u32;
    for x in buffer.iter_mut() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *x = (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
    }
    buffer
}

/// Prints the best rate of a few runs.
fn time(isa: Isa, name: &str, products: u64, mut run: impl FnMut()) {
    let seconds = (0..5)
        .map(|_| {
            let begun = Instant::now();
            run();
            begun.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    let rate = 2.0 * products as f64 / seconds / 1e9;
    println!(
        "{isa:<10} {name:<36} {:8.2} ms {rate:8.1} GFLOP/s",
        seconds * 1e3
    );
}

fn convolution(
    isa: Isa,
    name: &str,
    shape: Shape,
    outputs: usize,
    context: isize,
    activation: Activation,
) {
    let around = -context..=context;
    let taps: Vec<[isize; 2]> = around
        .clone()
        .flat_map(|s| around.clone().map(move |p| [s, p]))
        .collect();
    let columns = outputs * if activation == Activation::Glu { 2 } else { 1 };
    let output = Shape {
        channels: outputs,
        ..shape
    };
    let product = Product::convolution(
        isa,
        Convolution {
            input: shape,
            taps: &taps,
            strides: [1, 1],
            weight: &noise(columns * taps.len() * shape.channels),
            bias: &noise(columns),
            activation,
            table: None,
            output,
        },
    );
    let (x, mut y) = (noise(shape.len()), Buffer::zeros(output.len()));
    time(isa, name, product.products(), || {
        product.run(&x, None, &mut y)
    });
}

fn dconv(isa: Isa, name: &str, shape: Shape) {
    let c = shape.channels;
    let h = c / 8;
    let [w1, b1, w2, b2, n1, n2] = [3 * c * h, h, 2 * c * h, 2 * c, h, 2 * c].map(noise);
    let layer = |dilation| DConvLayer {
        dilation,
        conv1: [&w1, &b1],
        norm1: [&n1, &n1],
        conv2: [&w2, &b2],
        norm2: [&n2, &n2],
        scale: &n2[..c],
    };
    let dconv = DConv::new(isa, shape, &[layer(1), layer(2)]);
    let mut x = noise(shape.len());
    time(isa, name, dconv.products(), || dconv.run(&mut x));
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let threads = std::env::args().nth(1).map_or(Ok(1), |n| n.parse())?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    let shape = |sequences, positions, channels| Shape {
        sequences,
        positions,
        channels,
    };
    pool.install(|| {
        for isa in Isa::all()
            .into_iter()
            .filter(|isa| isa.name() != "portable")
        {
            use Activation::{Gelu, Glu, None};
            convolution(isa, "384 to 384", shape(8, 336, 384), 384, 0, None);
            convolution(isa, "384 to 1536, GELU", shape(8, 336, 384), 1536, 0, Gelu);
            convolution(isa, "1536 to 384", shape(8, 336, 1536), 384, 0, None);
            convolution(isa, "3 x 3, 384, GLU", shape(8, 336, 384), 384, 1, Glu);
            convolution(isa, "3 x 3, 96, GLU", shape(128, 336, 96), 96, 1, Glu);
            convolution(isa, "3 x 3, 48, GLU", shape(512, 336, 48), 48, 1, Glu);
            convolution(isa, "48, GLU", shape(512, 336, 48), 48, 0, Glu);
            let (input, output) = (shape(128, 336, 96), shape(512, 336, 48));
            let product = Product::upsampling(
                isa,
                Upsampling {
                    input,
                    axis: Axis::Sequences,
                    cut: 2,
                    weight: &noise(48 * 8 * 96),
                    bias: &noise(48),
                    gelu: true,
                    output,
                },
            );
            let (x, mut y) = (noise(input.len()), Buffer::zeros(output.len()));
            time(isa, "upsampling 96 to 48", product.products(), || {
                product.run(&x, Option::None, &mut y)
            });
            dconv(isa, "DConv 48, frequency", shape(512, 336, 48));
            dconv(isa, "DConv 192, frequency", shape(32, 336, 192));
            dconv(isa, "DConv 48, time", shape(1, 85995, 48));
            dconv(isa, "DConv 384, time", shape(1, 1344, 384));

            let qkv = noise(2688 * 1152);
            let columns = |first| Columns {
                data: &qkv,
                channels: 1152,
                first,
            };
            let attention = Attention::new(isa, 8, 48);
            let mut y = Buffer::zeros(2688 * 384);
            let products = 2 * 2688 * 2688 * 384;
            time(isa, "attention, 2688 tokens", products, || {
                attention.run(columns(0), columns(384), columns(768), &mut y);
            });
        }
    });
    Ok(())
}

//! Float32 kernels for CPUs, as an engine for HTDemucs needs them: products with what follows them,
//! attention, residual branches, norms and Fourier transforms, on tensors [sequences, positions,
//! channels] with their channels innermost.
//!
//! It is made for `sextet-separator`, and nothing about its interface is promised to others.
//!
//! | file | contents |
//! |---|---|
//! | `isa.rs`, `simd/` | sets of instructions, chosen at run time, and their vectors |
//! | `operands.rs`, `tile.rs` | product of six rows with a panel of weights, in registers |
//! | `product/` | convolutions and transposed convolutions as products |
//! | `attention.rs` | attention with the softmax in blocks |
//! | `dconv.rs` | residual branches |
//! | `norm.rs` | norms of tokens, statistics |
//! | `finish.rs` | norms and activations of layers that have norms of their own |
//! | `fourier.rs` | short-time Fourier transform and its inverse |
//! | `math.rs` | exponential, logistic function, GELU |
//! | `buffer.rs` | aligned memory, and memory that threads share |
//!
//! Work is cut into blocks that depend on shapes alone and runs on the threads of the caller's
//! rayon pool, so the results are the same bit for bit whatever the number of threads. They differ
//! between sets of instructions by rounding.
//!
//! Kernels read and write by pointers. `unsafe` is needed there, and in `simd/` for the
//! instructions; what is public is safe and checks the sizes of all operands.

mod attention;
mod buffer;
mod dconv;
mod finish;
mod fourier;
mod isa;
mod math;
mod norm;
mod operands;
mod product;
mod shape;
mod simd;
mod tile;

pub use attention::{Attention, Columns};
pub use buffer::Buffer;
pub use dconv::{DConv, DConvLayer};
pub use finish::{Finish, GroupedNorm};
pub use fourier::{Fourier, Frames, Standardised};
pub use isa::Isa;
pub use norm::{Affine, Statistics, embed, group_norm, layer_norm, standardise, statistics};
pub use product::{Activation, Axis, Convolution, Product, Upsampling};
pub use shape::Shape;

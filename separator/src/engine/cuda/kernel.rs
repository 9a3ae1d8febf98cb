//! Kernels: their names, functions and sizes of blocks, as `separator/kernels/` has them. The test
//! in `sources.rs` reads the sources and compares.

/// Number of positions of a tile in the kernels of a DConv layer.
pub(super) const DCONV_TILE: usize = 112;
/// Number of threads of a block that has a warp for each 16 of them.
const DCONV_THREADS: u32 = 224;
/// Length of the sequences that `dconv_row.cu` takes, and the number of its warps.
pub(super) const ROW_FRAMES: usize = 336;
pub(super) const ROW_WARPS: usize = 7;
/// Numbers of channels that `dconv_row.cu` and `dconv_line.cu` are compiled for.
pub(super) const FUSED_CHANNELS: [usize; 4] = [24, 48, 96, 192];

/// Block of `dconv_line.cu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineBlock {
    pub(super) warps: usize,
    /// Number of positions that it computes, its halo among them.
    pub(super) computed: usize,
    /// Number of positions that are its own.
    pub(super) length: usize,
    /// Number of blocks that a multiprocessor of Hopper has registers for; others hold one.
    pub(super) resident: usize,
}

impl LineBlock {
    pub(super) fn of(channels: usize) -> Self {
        let (warps, tiles, resident) = match channels {
            ..=48 => (8, 6, 2),
            49..=96 => (8, 3, 2),
            _ => (11, 2, 1),
        };
        let computed = warps * tiles * 16;
        Self {
            warps,
            computed,
            length: computed - 16,
            resident,
        }
    }
}

/// Number of frames that a block of `spectrum.cu` transforms.
pub(super) const SPECTRUM_FRAMES: usize = 2;
/// Number of blocks of `synthesis.cu` that fit on a multiprocessor by their registers.
pub(super) const SYNTHESIS_RESIDENT: usize = 3;
/// Bytes of shared memory of a Fourier transform of 4096 points.
pub(super) const TRANSFORM_BYTES: u32 = 16 * 272 * 8;
/// Number of tokens of a block of `token_norm.cu`.
pub(super) const NORM_TOKENS: usize = 8;
/// Number of queries of a block of `attention.cu`.
pub(super) const ATTENTION_QUERIES: usize = 128;
/// Number of queries of a block of `attention_hopper.cu`, and of keys that it takes at a time.
pub(super) const ATTENTION_HOPPER_QUERIES: usize = 192;
pub(super) const ATTENTION_HOPPER_KEYS: usize = 64;
/// Number of stages of `attention_hopper.cu`.
pub(super) const ATTENTION_HOPPER_STAGES: usize = 4;
/// Number of rows of a block of `entry.cu`.
pub(super) const ENTRY_ROWS: usize = 128;
/// Number of rows of a tile of `convolution.cu` and `product.cu`.
pub(super) const PRODUCT_ROWS: usize = 128;
/// How much of K a stage of `convolution.cu` has, and how much one of `product.cu`.
pub(super) const CONVOLUTION_DEPTH: usize = 32;
pub(super) const PRODUCT_DEPTH: usize = 64;
/// Number of stages of `convolution.cu` and of `product.cu`.
pub(super) const CONVOLUTION_STAGES: usize = 3;
pub(super) const PRODUCT_STAGES: usize = 6;

/// A kernel with its definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kernel {
    Spectrum,
    Synthesis,
    EntrySpectrum,
    EntryWaveform,
    /// Product of matrices with a number of columns in a tile.
    Convolution(usize),
    /// The same for Hopper.
    Product(usize),
    /// Kernels of a DConv layer, for a number of blocks of eight hidden channels.
    Squeeze(usize),
    Hidden(usize),
    Expand(usize),
    /// Whole DConv of a sequence of the spectrogram, for a number of channels.
    Row(usize),
    /// Whole DConv of the time branch, for a number of channels.
    Line(usize),
    TokenNorm,
    /// Attention with a number of channels in each head.
    Attention(usize),
    /// The same for Hopper.
    AttentionHopper(usize),
}

impl Kernel {
    /// Returns the name in `kernels.txt`.
    pub(super) fn name(self) -> String {
        match self {
            Self::Spectrum => "spectrum".to_owned(),
            Self::Synthesis => "synthesis".to_owned(),
            Self::EntrySpectrum => "entry_spectrum".to_owned(),
            Self::EntryWaveform => "entry_waveform".to_owned(),
            Self::Convolution(columns) => format!("convolution_{columns}"),
            Self::Product(columns) => format!("product_{columns}"),
            Self::Squeeze(tiles) => format!("squeeze_{tiles}"),
            Self::Hidden(tiles) => format!("hidden_{tiles}"),
            Self::Expand(tiles) => format!("expand_{tiles}"),
            Self::Row(channels) => format!("dconv_row_{channels}"),
            Self::Line(channels) => format!("dconv_line_{channels}"),
            Self::TokenNorm => "token_norm".to_owned(),
            Self::Attention(width) => format!("attention_{width}"),
            Self::AttentionHopper(width) => format!("attention_hopper_{width}"),
        }
    }

    /// Returns the name of the function in its image.
    pub(super) fn function(self) -> &'static str {
        match self {
            Self::Spectrum => "spectrum",
            Self::Synthesis => "synthesis",
            Self::EntrySpectrum | Self::EntryWaveform => "entry",
            Self::Convolution(_) => "convolution",
            Self::Product(_) => "product",
            Self::Squeeze(_) => "dconv_squeeze",
            Self::Hidden(_) => "dconv_hidden",
            Self::Expand(_) => "dconv_expand",
            Self::Row(_) => "dconv_row",
            Self::Line(_) => "dconv_line",
            Self::TokenNorm => "token_norm",
            Self::Attention(_) | Self::AttentionHopper(_) => "attention",
        }
    }

    /// Returns the number of threads of a block.
    pub(super) fn threads(self) -> u32 {
        match self {
            Self::Spectrum | Self::AttentionHopper(_) => 512,
            Self::Product(_) => 384,
            Self::Synthesis | Self::TokenNorm => 256,
            Self::Squeeze(_) | Self::Expand(_) => 2 * DCONV_THREADS,
            Self::Hidden(_) | Self::Row(_) => DCONV_THREADS,
            Self::Line(channels) => LineBlock::of(channels).warps as u32 * 32,
            Self::EntrySpectrum
            | Self::EntryWaveform
            | Self::Convolution(_)
            | Self::Attention(_) => 128,
        }
    }
}

/// Returns how many steps of weights `dconv_squeeze.cu` and `dconv_expand.cu` have in shared
/// memory: stages times steps of a stage, as `dconv.cuh` has them.
pub(super) fn dconv_steps(hopper: bool) -> u32 {
    if hopper { 4 * 6 } else { 3 * 2 }
}

/// Returns how many keys `attention.cu` takes at a time for heads of `width` channels, and in how
/// many stages.
pub(super) fn attention_stages(width: usize) -> (usize, usize) {
    if width > 48 { (64, 3) } else { (32, 4) }
}

/// Returns the number of columns of a tile for a product with `columns` columns.
pub(super) fn columns_of_tile(columns: usize) -> usize {
    // The wide tile is faster for each column, unless half of the last one were empty.
    if columns.next_multiple_of(96) - columns < 48 {
        96
    } else {
        48
    }
}

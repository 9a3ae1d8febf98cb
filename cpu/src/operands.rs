//! Operands of a tile, the product of six rows with a panel of weights.

/// Number of rows of a tile. Six rows of two vectors take 12 of AVX2's 16 registers, six rows of
/// four vectors 24 of the 32 of AVX-512 and NEON, and six pointers fit into the others.
pub(crate) const ROWS: usize = 6;

/// Most products of a piece. Its weights stay in the first cache while all strips of a block pass
/// them, and long sums of float32 lose digits where sums of sums lose fewer.
const PIECE: usize = 256;

/// Part of the products of a row: some of the numbers at one of its places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Number of the place.
    pub(crate) tap: usize,
    /// First number there.
    pub(crate) first: usize,
    pub(crate) length: usize,
}

/// Runs that are summed in registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Number of products before the piece.
    pub(crate) start: usize,
    pub(crate) runs: Vec<Run>,
}

/// Returns the pieces of rows with `taps` places of `depth` numbers each.
pub(crate) fn pieces(taps: usize, depth: usize) -> Vec<Piece> {
    let parts = depth.div_ceil(PIECE).max(1);
    let mut pieces: Vec<Piece> = Vec::new();
    let (mut start, mut length) = (0, usize::MAX);
    for (tap, part) in (0..taps).flat_map(|tap| (0..parts).map(move |part| (tap, part))) {
        let first = depth * part / parts;
        let run = Run {
            tap,
            first,
            length: depth * (part + 1) / parts - first,
        };
        match pieces.last_mut() {
            Some(piece) if length + run.length <= PIECE => {
                piece.runs.push(run);
                length += run.length;
            }
            _ => {
                pieces.push(Piece {
                    start,
                    runs: vec![run],
                });
                length = run.length;
            }
        }
        start += run.length;
    }
    pieces
}

/// Operands of a tile: the numbers at places of six rows, and a panel.
#[derive(Clone, Copy)]
pub(crate) struct Operands<'a> {
    pub(crate) piece: &'a Piece,
    /// [taps, 6 rows]: each points to as many numbers as the runs read there.
    pub(crate) rows: *const *const f32,
    /// [numbers of all runs, vectors, lanes]
    pub(crate) panel: *const f32,
    /// [6 rows, vectors, lanes], `stride` numbers from row to row.
    pub(crate) sums: *mut f32,
    pub(crate) stride: usize,
    /// Whether the products are added to the sums.
    pub(crate) add: bool,
}

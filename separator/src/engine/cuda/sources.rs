//! Constants of the kernels' sources, which `kernel.rs` repeats, for the test that compares them.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use sextet_cases::Cases;

use super::kernel::{self, FUSED_CHANNELS, Kernel, LineBlock};
use super::parameters::MAX_TAPS;
use crate::model::FFT_SIZE;

/// List of the kernels that are compiled.
const LIST: &str = include_str!("../../../kernels/kernels.txt");

/// Kernel in the list.
pub(super) struct Listed {
    pub(super) name: &'static str,
    pub(super) source: &'static str,
    definitions: Vec<(&'static str, i64)>,
}

/// Returns the kernels in the list that are compiled for `target`.
pub(super) fn listed(target: &str) -> impl Iterator<Item = Listed> {
    let lines = LIST.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(move |line| {
        let mut words = line.split_whitespace();
        let (name, source) = (words.next()?, words.next()?);
        let mut definitions = Vec::new();
        let is_for_it = words.all(|word| match (word.split_once(':'), word.split_once('=')) {
            (Some(("only", only)), _) => only == target,
            (Some(("not", not)), _) => not != target,
            (_, Some((name, value))) => {
                definitions.push((name, value.parse().unwrap()));
                true
            }
            _ => panic!("'{word}' in '{line}'"),
        });
        is_for_it.then_some(Listed {
            name,
            source,
            definitions,
        })
    })
}

/// Source of a kernel, as one target and one line of the list see it.
struct Source {
    /// Value of `__CUDA_ARCH__`.
    arch: i64,
    has_hopper: bool,
    constants: HashMap<String, i64>,
    text: String,
}

impl Source {
    fn read(listed: &Listed, arch: i64, has_hopper: bool) -> Self {
        let definitions = listed.definitions.iter();
        let mut source = Self {
            arch,
            has_hopper,
            constants: definitions
                .map(|&(name, value)| (name.to_owned(), value))
                .collect(),
            text: String::new(),
        };
        source.include(listed.source);
        source
    }

    /// Reads a file: its conditions, the files that it includes, and its constants that are
    /// integers or truth values and belong to no struct or function.
    fn include(&mut self, file: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        // Whether each condition that the line is within holds.
        let mut holds: Vec<bool> = Vec::new();
        for line in text.lines() {
            let mut words = line.splitn(2, ' ');
            let (first, rest) = (words.next().unwrap(), words.next().unwrap_or("").trim());
            match first {
                "#ifdef" => holds.push(self.is_defined(rest)),
                "#ifndef" => holds.push(!self.is_defined(rest)),
                "#if" => holds.push(self.value(rest) != 0),
                "#else" => {
                    let last = holds.last_mut().unwrap();
                    *last = !*last;
                }
                "#endif" => drop(holds.pop().unwrap()),
                _ if holds.contains(&false) => {}
                "#include" if rest.starts_with('"') => self.include(rest.trim_matches('"')),
                "#define" => self.define(rest),
                "constexpr" => self.declare(rest),
                _ => {}
            }
            if !holds.contains(&false) {
                self.text.push_str(line);
                self.text.push('\n');
            }
        }
        assert!(holds.is_empty(), "{file}: a condition without an end");
    }

    fn is_defined(&self, name: &str) -> bool {
        match name {
            "__CUDA_ARCH_FEAT_SM90_ALL" => self.has_hopper,
            name => self.constants.contains_key(name),
        }
    }

    /// Takes the value of a definition that is a number.
    fn define(&mut self, definition: &str) {
        if let Some((name, value)) = definition.split_once(' ')
            && let Ok(value) = value.trim().parse()
        {
            self.constants.insert(name.to_owned(), value);
        }
    }

    /// Takes the values of `int A = 1, B = 2 * A;`.
    fn declare(&mut self, declaration: &str) {
        let kinds = ["int ", "bool "];
        let Some(names) = kinds.iter().find_map(|kind| declaration.strip_prefix(kind)) else {
            return;
        };
        let end = names.find(';');
        let end = end.unwrap_or_else(|| panic!("'{declaration}' has no end on its line"));

        for constant in names[..end].split(',') {
            let (name, value) = constant.split_once('=').unwrap();
            let value = self.value(value);
            self.constants.insert(name.trim().to_owned(), value);
        }
    }

    fn value(&self, text: &str) -> i64 {
        let mut expression = Expression { source: self, text };
        let value = expression.choice();
        assert_eq!(expression.text.trim(), "", "what is left of '{text}'");
        value
    }

    /// Returns the number of threads of a block, and of blocks that a multiprocessor holds if it
    /// is given.
    fn launch_bounds(&self) -> (i64, Option<i64>) {
        let (_, bounds) = self.text.split_once("__launch_bounds__(").unwrap();
        let bounds = bounds.split_once(')').unwrap().0;
        match bounds.split_once(',') {
            Some((threads, blocks)) => (self.value(threads), Some(self.value(blocks))),
            None => (self.value(bounds), None),
        }
    }
}

/// Rest of an expression of C++, without calls and assignments.
struct Expression<'a> {
    source: &'a Source,
    text: &'a str,
}

/// Operators with two operands, those that bind less tightly first. One that begins another comes
/// after it.
const OPERATORS: [&[&str]; 4] = [
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["+", "-"],
    &["*", "/", "%"],
];

impl Expression<'_> {
    fn take(&mut self, token: &str) -> bool {
        let rest = self.text.trim_start().strip_prefix(token);
        self.text = rest.unwrap_or(self.text);
        rest.is_some()
    }

    fn choice(&mut self) -> i64 {
        let condition = self.binary(0);
        if !self.take("?") {
            return condition;
        }

        let yes = self.choice();
        assert!(self.take(":"), "':' before '{}'", self.text);
        let no = self.choice();
        if condition != 0 { yes } else { no }
    }

    fn binary(&mut self, level: usize) -> i64 {
        let Some(operators) = OPERATORS.get(level) else {
            return self.operand();
        };

        let mut left = self.binary(level + 1);
        while let Some(operator) = operators.iter().find(|operator| self.take(operator)) {
            let right = self.binary(level + 1);
            left = match *operator {
                "==" => i64::from(left == right),
                "!=" => i64::from(left != right),
                "<=" => i64::from(left <= right),
                ">=" => i64::from(left >= right),
                "<" => i64::from(left < right),
                ">" => i64::from(left > right),
                "+" => left + right,
                "-" => left - right,
                "*" => left * right,
                "/" => left / right,
                _ => left % right,
            };
        }
        left
    }

    fn operand(&mut self) -> i64 {
        if self.take("-") {
            return -self.operand();
        }
        if self.take("(") {
            let value = self.choice();
            assert!(self.take(")"), "')' before '{}'", self.text);
            return value;
        }

        let text = self.text.trim_start();
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (word, rest) = text.split_at(end.unwrap_or(text.len()));
        self.text = rest;
        match word {
            "__CUDA_ARCH__" => self.source.arch,
            _ => number(word)
                .or_else(|| self.source.constants.get(word).copied())
                .unwrap_or_else(|| panic!("'{word}' before '{rest}' is not known")),
        }
    }
}

/// Parses a decimal or hexadecimal number.
fn number(word: &str) -> Option<i64> {
    match word.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

/// Returns all kernels.
fn kernels() -> Vec<Kernel> {
    let mut all = vec![
        Kernel::Spectrum,
        Kernel::Synthesis,
        Kernel::EntrySpectrum,
        Kernel::EntryWaveform,
        Kernel::TokenNorm,
    ];
    for columns in [48, 96] {
        all.extend([Kernel::Convolution(columns), Kernel::Product(columns)]);
    }
    for tiles in [1, 2, 3, 6] {
        all.extend([
            Kernel::Squeeze(tiles),
            Kernel::Hidden(tiles),
            Kernel::Expand(tiles),
        ]);
    }
    for channels in FUSED_CHANNELS {
        all.extend([Kernel::Row(channels), Kernel::Line(channels)]);
    }
    for width in [24, 48, 64] {
        all.extend([Kernel::Attention(width), Kernel::AttentionHopper(width)]);
    }
    all
}

/// Returns what the engine takes the constants of a kernel's source to be.
fn expected(kernel: Kernel, has_hopper: bool) -> Vec<(&'static str, usize)> {
    match kernel {
        Kernel::Spectrum => vec![
            ("FRAMES", kernel::SPECTRUM_FRAMES),
            ("POINTS", FFT_SIZE),
            ("TRANSFORM_PLACES", kernel::TRANSFORM_BYTES as usize / 8),
        ],
        Kernel::Synthesis => vec![
            ("POINTS", FFT_SIZE),
            ("TRANSFORM_PLACES", kernel::TRANSFORM_BYTES as usize / 8),
        ],
        Kernel::EntrySpectrum => vec![("BM", kernel::ENTRY_ROWS), ("CHANNELS", 4)],
        Kernel::EntryWaveform => vec![("BM", kernel::ENTRY_ROWS), ("CHANNELS", 2)],
        Kernel::Convolution(columns) => vec![
            ("BM", kernel::PRODUCT_ROWS),
            ("BN", columns),
            ("BK", kernel::CONVOLUTION_DEPTH),
            ("STAGES", kernel::CONVOLUTION_STAGES),
            ("MAX_TAPS", MAX_TAPS),
        ],
        Kernel::Product(columns) => vec![
            ("BM", kernel::PRODUCT_ROWS),
            ("BN", columns),
            ("BK", kernel::PRODUCT_DEPTH),
            ("STAGES", kernel::PRODUCT_STAGES),
            ("MAX_TAPS", MAX_TAPS),
        ],
        Kernel::Squeeze(tiles) | Kernel::Expand(tiles) => vec![
            ("TILE", kernel::DCONV_TILE),
            ("HIDDEN_TILES", tiles),
            (
                "STAGES * STAGE_STEPS",
                kernel::dconv_steps(has_hopper) as usize,
            ),
        ],
        Kernel::Hidden(tiles) => vec![("TILE", kernel::DCONV_TILE), ("HIDDEN_TILES", tiles)],
        Kernel::Row(channels) => vec![
            ("CHANNELS", channels),
            ("FRAMES", kernel::ROW_FRAMES),
            ("WARPS", kernel::ROW_WARPS),
        ],
        Kernel::Line(channels) => {
            let block = LineBlock::of(channels);
            vec![
                ("CHANNELS", channels),
                ("WARPS", block.warps),
                ("COMPUTED", block.computed),
                ("LENGTH", block.length),
            ]
        }
        Kernel::TokenNorm => vec![("WARPS", kernel::NORM_TOKENS)],
        Kernel::Attention(width) => {
            let (keys, stages) = kernel::attention_stages(width);
            vec![
                ("WIDTH", width),
                ("BM", kernel::ATTENTION_QUERIES),
                ("BN", keys),
                ("STAGES", stages),
            ]
        }
        Kernel::AttentionHopper(width) => vec![
            ("WIDTH", width),
            ("BM", kernel::ATTENTION_HOPPER_QUERIES),
            ("BN", kernel::ATTENTION_HOPPER_KEYS),
            ("STAGES", kernel::ATTENTION_HOPPER_STAGES),
        ],
    }
}

/// Returns the number of blocks that the engine takes a multiprocessor to hold.
fn expected_blocks(kernel: Kernel, has_hopper: bool) -> Option<usize> {
    match kernel {
        Kernel::Synthesis => Some(kernel::SYNTHESIS_RESIDENT),
        Kernel::Line(channels) if has_hopper => Some(LineBlock::of(channels).resident),
        Kernel::Line(_) => Some(1),
        _ => None,
    }
}

fn check(kernel: Kernel, listed: &Listed, arch: i64, has_hopper: bool) {
    let source = Source::read(listed, arch, has_hopper);
    for (expression, expected) in expected(kernel, has_hopper) {
        assert_eq!(source.value(expression), expected as i64, "{expression}");
    }

    let (threads, blocks) = source.launch_bounds();
    assert_eq!(threads, i64::from(kernel.threads()), "threads of a block");
    if let Some(expected) = expected_blocks(kernel, has_hopper) {
        assert_eq!(blocks, Some(expected as i64), "blocks of a multiprocessor");
    }

    let function = format!(" {}(const __grid_constant__ Parameters", kernel.function());
    assert!(source.text.contains(&function), "no function '{function}'");
}

#[test]
fn kernels_are_what_the_engine_takes_them_to_be() {
    let targets = [
        ("sm_80", 800, false),
        ("sm_86", 860, false),
        ("sm_89", 890, false),
        ("sm_90a", 900, true),
        ("sm_100", 1000, false),
        ("sm_120", 1200, false),
    ];

    let mut cases = Cases::default();
    for (target, arch, has_hopper) in targets {
        let mut tried = BTreeSet::new();
        for kernel in kernels() {
            let name = kernel.name();
            if let Some(listed) = listed(target).find(|listed| listed.name == name) {
                cases.run(format!("{name} for {target}"), || {
                    check(kernel, &listed, arch, has_hopper);
                });
                tried.insert(name);
            }
        }
        let all: BTreeSet<String> = listed(target)
            .map(|listed| listed.name.to_owned())
            .collect();
        assert_eq!(tried, all, "every kernel for {target} is tried");
    }
    cases.finish("kernels");
}

#[test]
fn expressions_have_the_values_of_cpp() {
    let source = Source {
        arch: 900,
        has_hopper: true,
        constants: HashMap::from([("A".to_owned(), 7), ("B".to_owned(), 48)]),
        text: String::new(),
    };

    let cases = [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3 - A", 2),
        ("(B + 15) / 16 * 16", 48),
        ("A % 4 == 3 ? 1 : 0", 1),
        ("B <= 48 ? 6 : B <= 96 ? 3 : 2", 6),
        ("2 * B <= 48 ? 6 : 2 * B <= 96 ? 3 : 2", 3),
        ("__CUDA_ARCH__ >= 1000", 0),
        ("10 - 3 - 2", 5),
        ("-0x40 + 1", -63),
    ];
    let mut tried = Cases::default();
    for (text, expected) in cases {
        tried.run(text, || assert_eq!(source.value(text), expected));
    }
    tried.finish("expressions");
}

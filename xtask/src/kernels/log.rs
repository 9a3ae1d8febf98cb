//! The compiler's log: the registers and spills of a kernel, and warnings.

/// Marks of lines that complain: NVRTC's and ptxas's warnings, and what ptxas calls information
/// although the kernel is slow.
const COMPLAINTS: [&str; 3] = ["warning #", "ptxas warning", "Potential Performance Loss"];

/// Facts of the log of one kernel. PTX has neither registers nor spills: they come with its
/// translation to machine code.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    /// Registers of a thread.
    pub(super) registers: usize,
    /// Bytes that a thread writes to memory and reads again for want of registers.
    pub(super) spill_bytes: usize,
    pub(super) warnings: Vec<String>,
}

impl Log {
    /// Parses the log that `--ptxas-options=-v` makes. Of several functions, the largest number of
    /// registers counts, and all spills.
    pub(super) fn parse(text: &str) -> Self {
        let mut log = Self::default();
        for line in text.lines().map(str::trim) {
            if COMPLAINTS.iter().any(|complaint| line.contains(complaint)) {
                log.warnings.push(line.to_owned());
            }
            if let Some(registers) = number_before(line, " registers") {
                log.registers = log.registers.max(registers);
            }
            for kind in [" bytes spill stores", " bytes spill loads"] {
                log.spill_bytes += number_before(line, kind).unwrap_or(0);
            }
        }
        log
    }
}

/// The number that stands before `unit` in `line`.
fn number_before(line: &str, unit: &str) -> Option<usize> {
    let before = &line[..line.find(unit)?];
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_gives_registers_spills_and_warnings() {
        let clean = "ptxas info    : 64 bytes gmem\n\
            ptxas info    : Compiling entry function 'convolution' for 'sm_90a'\n\
            ptxas info    : Function properties for convolution\n\
            ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n\
            ptxas info    : Used 148 registers, used 1 barriers, 1024 bytes smem\n\
            ptxas info    : Compile time = 9264.153 ms\n";
        let spills = "ptxas         .     88 bytes stack frame, 84 bytes spill stores, 96 bytes spill loads\n\
            ptxas info    : Used 32 registers, used 0 barriers\n\
            ptxas         .     8 bytes stack frame, 0 bytes spill stores, 4 bytes spill loads\n\
            ptxas info    : Used 24 registers, used 0 barriers\n";
        let unused = "a.cu(7): warning #177-D: variable \"x\" was declared but never referenced\n\
            \x20   int x;\n        ^\n\n\
            Remark: The warnings can be suppressed with \"-diag-suppress <warning-number>\"\n";
        let wgmma = "ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are \
            serialized due to insufficient register resources in function 'convolution'\n";
        let cases: [(&str, usize, usize, &[&str]); 6] = [
            ("", 0, 0, &[]),
            (clean, 148, 0, &[]),
            (spills, 32, 184, &[]),
            (unused, 0, 0, &["a.cu(7): warning #177-D"]),
            (
                "ptxas warning : Stack size cannot be determined\n",
                0,
                0,
                &["ptxas warning : Stack"],
            ),
            (wgmma, 0, 0, &["(C7510) Potential Performance Loss"]),
        ];

        for (text, registers, spill_bytes, warnings) in cases {
            let log = Log::parse(text);
            assert_eq!(log.registers, registers, "{text}");
            assert_eq!(log.spill_bytes, spill_bytes, "{text}");
            assert_eq!(log.warnings.len(), warnings.len(), "{log:?} for {text}");
            for (found, expected) in log.warnings.iter().zip(warnings) {
                assert!(found.contains(expected), "{found} for {text}");
            }
        }
    }
}

//! Compiled kernels, which are part of the program: machine code for the GPUs that were known when
//! it was built, and PTX, which the driver compiles for later ones.

use std::collections::HashMap;
use std::io::Read as _;

use flate2::read::DeflateDecoder;
use serde_json::Value;

use super::error::CudaError;
use crate::engine::gpu::sealed::name_of;

/// File that `cargo xtask kernels` makes from `separator/kernels/`: a line of JSON with the index,
/// then the images of each target, compressed together.
static FILE: &[u8] = include_bytes!("../../../kernels/kernels.bin");

/// Returns the version of the kernels: a hash of their file.
pub(super) fn version() -> String {
    name_of(FILE)
}

/// Images for one GPU, by the kernels' names.
#[derive(Debug)]
pub(super) struct Images {
    /// Target that they were compiled for, such as `sm_90a`.
    pub(super) target: String,
    images: HashMap<String, Vec<u8>>,
}

impl Images {
    /// Unpacks the images for a GPU of `capability`, or those of the target `asked`.
    pub(super) fn of(capability: (i32, i32), asked: Option<&str>) -> Result<Self, CudaError> {
        let damaged = |reason| CudaError::Damaged { reason };
        let end = FILE.iter().position(|&byte| byte == b'\n');
        let (index, data) = FILE.split_at(end.ok_or_else(|| damaged("no index"))? + 1);
        let index: Value = serde_json::from_slice(index).map_err(|_| damaged("bad index"))?;

        let targets = index["targets"].as_array().map_or(&[][..], Vec::as_slice);
        let names = targets
            .iter()
            .map(|target| target["name"].as_str().unwrap_or_default())
            .map(|name| {
                if asked.is_none_or(|asked| asked == name) {
                    name
                } else {
                    ""
                }
            });
        let chosen = choose(names, capability).ok_or(CudaError::NoImage { capability })?;
        let target = &targets[chosen.index];

        // Unpack them.
        let number = |value: &Value| {
            value
                .as_u64()
                .and_then(|number| usize::try_from(number).ok())
        };
        let packed = number(&target["offset"])
            .zip(number(&target["bytes"]))
            .and_then(|(offset, bytes)| data.get(offset..)?.get(..bytes))
            .ok_or_else(|| damaged("a target lies outside of the file"))?;
        let mut unpacked = Vec::new();
        DeflateDecoder::new(packed)
            .read_to_end(&mut unpacked)
            .map_err(|_| damaged("a target cannot be unpacked"))?;

        let mut rest = unpacked.as_slice();
        let mut images = HashMap::new();
        for kernel in target["kernels"].as_array().map_or(&[][..], Vec::as_slice) {
            let image = kernel[0]
                .as_str()
                .zip(number(&kernel[1]))
                .and_then(|(name, bytes)| Some((name, rest.split_at_checked(bytes)?)));
            let (name, (image, after)) = image.ok_or_else(|| damaged("a kernel is cut"))?;
            images.insert(name.to_owned(), image.to_vec());
            rest = after;
        }

        Ok(Self {
            target: chosen.name,
            images,
        })
    }

    /// Returns whether the images use Hopper's own instructions.
    pub(super) fn for_hopper(&self) -> bool {
        self.target == "sm_90a"
    }

    /// Returns the image of the kernel called `name`.
    pub(super) fn get(&self, name: &str) -> Result<&[u8], CudaError> {
        self.images
            .get(name)
            .map(Vec::as_slice)
            .ok_or(CudaError::Damaged {
                reason: "a kernel is missing",
            })
    }
}

struct Chosen {
    index: usize,
    name: String,
}

/// Chooses the target for a GPU of `capability`. Machine code runs on the same major version and
/// the same or a later minor one; `sm_90a` on 9.0 alone. PTX runs on its own version and all later
/// ones.
fn choose<'a>(names: impl Iterator<Item = &'a str>, capability: (i32, i32)) -> Option<Chosen> {
    let version = capability.0 * 10 + capability.1;
    let rank = |name: &str| -> Option<i32> {
        let (kind, rest) = name.split_once('_')?;
        let number: i32 = rest.trim_end_matches('a').parse().ok()?;
        let fits = match kind {
            "sm" if rest.ends_with('a') => number == version,
            "sm" => number / 10 == capability.0 && number <= version,
            _ => number <= version,
        };
        let is_machine_code = kind == "sm";
        fits.then_some(number + if is_machine_code { 1000 } else { 0 })
    };

    names
        .enumerate()
        .filter_map(|(index, name)| Some((rank(name)?, index, name)))
        .max_by_key(|(rank, _, _)| *rank)
        .map(|(_, index, name)| Chosen {
            index,
            name: name.to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn every_gpu_gets_the_newest_images_that_it_runs() {
        let targets = [
            "sm_80",
            "sm_86",
            "sm_89",
            "sm_90a",
            "sm_100",
            "sm_120",
            "compute_80",
        ];
        let cases = [
            ((7, 5), None),
            ((8, 0), Some("sm_80")),
            ((8, 6), Some("sm_86")),
            ((8, 7), Some("sm_86")),
            ((8, 9), Some("sm_89")),
            ((9, 0), Some("sm_90a")),
            ((10, 0), Some("sm_100")),
            ((10, 3), Some("sm_100")),
            ((11, 0), Some("compute_80")),
            ((12, 1), Some("sm_120")),
            ((13, 0), Some("compute_80")),
        ];

        each_case(cases, |(capability, expected)| {
            let chosen = choose(targets.into_iter(), capability);
            let name = chosen.map(|chosen| chosen.name);
            assert_eq!(name.as_deref(), expected, "{capability:?}");
        });
    }
}

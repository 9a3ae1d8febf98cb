//! Disk cache of plans and of the kernels that a GPU compiled from them.
//!
//! The cache is one folder with three files for each plan: `KEY.plan`, `KEY.GPU.kernels` and
//! `KEY.lock`. For every model and GPU there is also `KEY.float16`, the error of the model in
//! float16 there. An entry that is cut, changed or of another version is not an error: it reads as
//! absent and is written again. The lock keeps two processes from building the same plan at once.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;
use sextet_fs::FileLock;

use super::error::TensorRtError;
use super::target::Target;
use super::tf32::float32_is_exact;
use super::version::REQUIRED_VERSION;
use crate::engine::gpu::sealed::{self, Sealed, name_of};
use crate::engine::gpu::{Float16Record, Gpu};
use crate::model::{GRAPH_VERSION, Precision};
use crate::progress::{Listener, Preparing};
use crate::timings::timed;

/// Pause between two attempts to lock a plan.
const EVERY: Duration = Duration::from_millis(100);

/// Properties that distinguish one plan from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlanKey {
    /// SHA-256 of the checkpoint.
    pub(super) model: String,
    pub(super) precision: Precision,
    pub(super) batch: usize,
    /// Target architectures; empty for all.
    pub(super) targets: Vec<Target>,
    pub(super) workspace_bytes: Option<usize>,
}

impl PlanKey {
    /// Returns the header of the plan's file. It names everything that the plan depends on,
    /// including the versions of the graph and the library.
    fn header(&self) -> String {
        let precision = match self.precision {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
        };
        let targets: Vec<String> = self.targets.iter().map(Target::to_string).collect();
        json!({
            "kind": "plan", "model": self.model, "graph": GRAPH_VERSION, "precision": precision, "batch": self.batch,
            "tensorrt": REQUIRED_VERSION.to_string(), "targets": targets, "workspace_bytes": self.workspace_bytes,
            "tf32": !float32_is_exact(),
            "platform": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        })
        .to_string()
    }

    fn name(&self) -> String {
        name_of(self.header())
    }

    /// Returns the header of the kernels that a GPU compiled. It names the plan, the GPU and its
    /// driver.
    fn kernels_header(&self, gpu: &GpuKey) -> String {
        json!({ "kind": "kernels", "plan": self.name(), "gpu": gpu.name, "driver": gpu.driver })
            .to_string()
    }
}

/// Properties that compiled kernels depend on besides their plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GpuKey {
    pub(super) name: String,
    pub(super) driver: i32,
}

/// Returns the header of a model's float16 error. It names the conditions of the measurement.
fn float16_header(model: &str, gpu: &GpuKey) -> String {
    json!({
        "kind": "float16 error", "model": model, "graph": GRAPH_VERSION, "tensorrt": REQUIRED_VERSION.to_string(),
        "gpu": gpu.name, "driver": gpu.driver,
    })
    .to_string()
}

impl GpuKey {
    pub(super) fn of(gpu: &Gpu) -> Self {
        Self {
            name: gpu.name.clone(),
            driver: gpu.driver,
        }
    }
}

/// Folder of plans.
#[derive(Clone, Debug)]
pub struct PlanCache {
    folder: PathBuf,
    ahead: PlanReader,
}

/// Plan in the cache.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CacheEntry {
    /// Path of the plan's file.
    pub path: PathBuf,
    /// Total size of the plan and of the kernels compiled from it, in bytes.
    pub bytes: u64,
    /// Facts that the plan was made for, as the text of a JSON object: model (SHA-256 of the
    /// checkpoint), graph, precision, batch, tensorrt, targets and others. `None` for a damaged
    /// plan.
    pub made_for: Option<String>,
    /// Whether this build could use the plan.
    pub current: bool,
}

impl PlanCache {
    /// Creates a cache in `folder`, which need not exist.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            ahead: PlanReader::default(),
        }
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Begins to read a plan and its kernels on a thread of its own, before it is known which plan
    /// is needed. Reads ahead only if exactly one of `keys` is in the cache.
    pub(super) fn read_ahead(&self, keys: Vec<PlanKey>) {
        let cache = self.clone();
        self.ahead.begin(move || {
            let mut there = keys.iter().filter(|key| cache.has_plan(key));
            let (Some(key), None) = (there.next(), there.next()) else {
                return HashMap::new();
            };

            let name = format!("{}.", key.name());
            let own = cache
                .files()
                .unwrap_or_default()
                .into_iter()
                .filter(|path| file_name(path).starts_with(&name));

            let wanted = own.filter(|path| {
                path.extension()
                    .is_some_and(|end| end == "plan" || end == "kernels")
            });
            let read = |path: PathBuf| {
                Some((
                    path.clone(),
                    timed("read the plan ahead", || sealed::read(&path))?,
                ))
            };

            wanted.filter_map(read).collect()
        });
    }

    /// Returns the file `path`, which may have been read ahead.
    fn read(&self, path: &Path) -> Option<Sealed> {
        self.ahead.take(path).or_else(|| sealed::read(path))
    }

    pub(super) fn plan(&self, key: &PlanKey) -> Option<Sealed> {
        self.read(&self.plan_path(key))
            .filter(|plan| plan.header() == key.header())
    }

    /// Returns whether there is a file for `key` with the expected header. The rest of the file may
    /// still be damaged.
    pub(super) fn has_plan(&self, key: &PlanKey) -> bool {
        sealed::read_header(&self.plan_path(key)).is_some_and(|header| header == key.header())
    }

    pub(super) fn keep_plan(&self, key: &PlanKey, plan: &[u8]) -> Result<PathBuf, TensorRtError> {
        let path = self.plan_path(key);
        self.keep(&path, &key.header(), plan)?;
        Ok(path)
    }

    pub(super) fn kernels(&self, key: &PlanKey, gpu: &GpuKey) -> Option<Sealed> {
        let kernels = self.read(&self.kernels_path(key, gpu));
        kernels.filter(|kernels| kernels.header() == key.kernels_header(gpu))
    }

    /// Returns whether there is a file of kernels with the expected header. The rest of the file
    /// may still be damaged.
    pub(super) fn has_kernels(&self, key: &PlanKey, gpu: &GpuKey) -> bool {
        sealed::read_header(&self.kernels_path(key, gpu))
            .is_some_and(|header| header == key.kernels_header(gpu))
    }

    pub(super) fn keep_kernels(
        &self,
        key: &PlanKey,
        gpu: &GpuKey,
        kernels: &[u8],
    ) -> Result<(), TensorRtError> {
        self.keep(
            &self.kernels_path(key, gpu),
            &key.kernels_header(gpu),
            kernels,
        )
    }

    /// Returns the record of a model's error in float16 on a GPU.
    pub(super) fn float16_record(&self, model: &str, gpu: &GpuKey) -> Float16Record {
        Float16Record::new(&self.folder, float16_header(model, gpu))
    }

    fn keep(&self, path: &Path, header: &str, contents: &[u8]) -> Result<(), TensorRtError> {
        sealed::write(path, header, contents)
            .map_err(|source| self.failed("write the engine cache", path, source))
    }

    /// Waits until no other process builds this plan. Other processes wait until the returned lock
    /// is dropped.
    pub(super) fn lock(
        &self,
        key: &PlanKey,
        listener: &mut dyn Listener,
    ) -> Result<FileLock, TensorRtError> {
        let path = self.folder.join(format!("{}.lock", key.name()));
        let cancelled = || {
            listener.preparing(Preparing::Waiting);
            listener.cancelled()
        };

        FileLock::wait(&path, cancelled, EVERY)
            .map_err(|source| self.failed("lock the engine cache", &path, source))?
            .ok_or(TensorRtError::Cancelled)
    }

    /// Returns every plan in the folder, damaged ones included.
    ///
    /// # Errors
    /// Fails when the folder exists but cannot be read.
    pub fn entries(&self) -> Result<Vec<CacheEntry>, TensorRtError> {
        let mut entries = Vec::new();
        for path in self
            .files()?
            .into_iter()
            .filter(|path| path.extension().is_some_and(|end| end == "plan"))
        {
            let stem = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let header = sealed::read_header(&path).unwrap_or_default();
            let facts: serde_json::Value = serde_json::from_str(&header).unwrap_or_default();
            let current = facts["graph"] == GRAPH_VERSION
                && facts["tensorrt"] == REQUIRED_VERSION.to_string();
            let own = self
                .files()?
                .into_iter()
                .filter(|file| file_name(file).starts_with(&stem));
            let bytes = own
                .filter_map(|file| Some(fs::metadata(file).ok()?.len()))
                .sum();
            entries.push(CacheEntry {
                path,
                bytes,
                made_for: facts.is_object().then_some(header),
                current,
            });
        }

        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    /// Removes every file of the cache. Returns the number of bytes freed.
    ///
    /// # Errors
    /// Fails when a file cannot be removed. The files before it have been removed.
    pub fn clear(&self) -> Result<u64, TensorRtError> {
        let mut freed = 0;
        for path in self.files()? {
            freed += fs::metadata(&path).map_or(0, |metadata| metadata.len());
            fs::remove_file(&path)
                .map_err(|source| self.failed("remove from the engine cache", &path, source))?;
        }
        Ok(freed)
    }

    /// Returns the files of the cache, or none when the folder does not exist.
    fn files(&self) -> Result<Vec<PathBuf>, TensorRtError> {
        let listing = match fs::read_dir(&self.folder) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(self.failed("read the engine cache", &self.folder, source)),
        };

        let ours = |path: &PathBuf| {
            let name = file_name(path);
            let ends = [".plan", ".kernels", ".lock", ".float16"];
            ends.iter().any(|end| name.ends_with(end)) || sextet_fs::is_unfinished(name.as_ref())
        };

        Ok(listing
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(ours)
            .collect())
    }

    pub(super) fn plan_path(&self, key: &PlanKey) -> PathBuf {
        self.folder.join(format!("{}.plan", key.name()))
    }

    fn kernels_path(&self, key: &PlanKey, gpu: &GpuKey) -> PathBuf {
        self.folder.join(format!(
            "{}.{}.kernels",
            key.name(),
            name_of(key.kernels_header(gpu))
        ))
    }

    fn failed(&self, action: &'static str, path: &Path, source: io::Error) -> TensorRtError {
        TensorRtError::Cache {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

/// Files that are read before they are needed.
#[derive(Clone, Debug, Default)]
struct PlanReader(Arc<Mutex<Reading>>);

type Files = HashMap<PathBuf, Sealed>;

#[derive(Debug, Default)]
enum Reading {
    #[default]
    Nothing,
    UnderWay(JoinHandle<Files>),
    Done(Files),
}

impl PlanReader {
    fn begin(&self, read: impl FnOnce() -> Files + Send + 'static) {
        *self.lock() = Reading::UnderWay(std::thread::spawn(read));
    }

    /// Returns the file `path` if it was read ahead and not taken before. Waits for the end of the
    /// reading.
    fn take(&self, path: &Path) -> Option<Sealed> {
        let mut reading = self.lock();
        let mut files = match std::mem::take(&mut *reading) {
            Reading::Nothing => return None,
            // If reading ahead panicked, the file is read by the caller instead.
            Reading::UnderWay(thread) => thread.join().unwrap_or_default(),
            Reading::Done(files) => files,
        };

        let file = files.remove(path);
        *reading = Reading::Done(files);
        file
    }

    fn lock(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;
    use crate::Ignore;

    fn key(batch: usize) -> PlanKey {
        PlanKey {
            model: "abc".to_owned(),
            precision: Precision::F16,
            batch,
            targets: vec![],
            workspace_bytes: None,
        }
    }

    fn gpu(driver: i32) -> GpuKey {
        GpuKey {
            name: "GPU".to_owned(),
            driver,
        }
    }

    #[test]
    fn plans_and_kernels_are_found_under_what_they_were_made_for_only() {
        let folder = tempfile::tempdir().unwrap();
        let cache = PlanCache::new(folder.path().join("not yet"));
        let plan = |key: &PlanKey| cache.plan(key).map(|plan| plan.contents().to_vec());

        let kernels = |gpu: &GpuKey| {
            cache
                .kernels(&key(4), gpu)
                .map(|kernels| kernels.contents().to_vec())
        };

        assert_eq!(plan(&key(4)), None);
        assert_eq!(cache.entries().unwrap(), []);
        cache.keep_plan(&key(4), b"plan").unwrap();
        cache
            .keep_kernels(&key(4), &gpu(13_000), b"kernels")
            .unwrap();

        assert_eq!(plan(&key(4)).as_deref(), Some(&b"plan"[..]));
        assert_eq!(kernels(&gpu(13_000)).as_deref(), Some(&b"kernels"[..]));
        assert_eq!(plan(&key(8)), None);

        assert_eq!(
            plan(&PlanKey {
                precision: Precision::F32,
                ..key(4)
            }),
            None
        );

        assert_eq!(
            plan(&PlanKey {
                targets: Target::all(),
                ..key(4)
            }),
            None
        );

        assert_eq!(kernels(&gpu(13_010)), None);
        let [entry] = <[_; 1]>::try_from(cache.entries().unwrap()).unwrap();

        assert!(entry.current && entry.bytes > 11, "{entry:?}");
        let facts: serde_json::Value = serde_json::from_str(&entry.made_for.unwrap()).unwrap();
        assert_eq!(facts["batch"], 4);
    }

    #[test]
    fn what_is_read_ahead_is_what_is_there_and_nothing_is_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = || PlanCache::new(folder.path());
        let keys = || {
            vec![
                key(4),
                PlanKey {
                    targets: Target::all(),
                    ..key(4)
                },
            ]
        };

        let found = |cache: &PlanCache| {
            let plans = keys()
                .iter()
                .map(|key| cache.plan(key).map(|plan| plan.contents().to_vec()))
                .collect::<Vec<_>>();
            (
                plans,
                cache
                    .kernels(&key(4), &gpu(1))
                    .map(|kernels| kernels.contents().to_vec()),
            )
        };

        let ahead = |then: &dyn Fn()| {
            let cache = cache();
            cache.read_ahead(keys());
            // The thread has read all its files once any file was taken.
            assert!(cache.ahead.take(Path::new("nothing")).is_none());
            then();
            found(&cache)
        };

        assert_eq!(ahead(&|| ()), (vec![None, None], None), "there is nothing");
        cache().keep_plan(&key(4), b"plan").unwrap();
        cache().keep_kernels(&key(4), &gpu(1), b"kernels").unwrap();
        let both = (
            vec![Some(b"plan".to_vec()), None],
            Some(b"kernels".to_vec()),
        );

        assert_eq!(ahead(&|| ()), both);
        let path = cache().plan_path(&key(4));
        let whole = fs::read(&path).unwrap();

        assert_eq!(
            ahead(&|| fs::remove_file(&path).unwrap()),
            both,
            "it was read before it went"
        );

        fs::write(&path, &whole[1..]).unwrap();
        assert_eq!(
            ahead(&|| fs::write(&path, &whole).unwrap()),
            both,
            "what was damaged is read again"
        );

        cache().keep_plan(&keys()[1], b"another").unwrap();
        assert_eq!(
            ahead(&|| fs::remove_file(&path).unwrap()).0,
            [None, Some(b"another".to_vec())],
            "not guessed"
        );
    }

    #[test]
    fn a_damaged_or_foreign_entry_is_absent_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let cache = PlanCache::new(folder.path());
        let path = cache.keep_plan(&key(1), b"plan").unwrap();
        fs::write(&path, b"SEXTET1\nshort").unwrap();
        assert!(cache.plan(&key(1)).is_none());
        sealed::write(&path, &key(2).header(), b"of another batch").unwrap();
        assert!(cache.plan(&key(1)).is_none());
        cache.keep_plan(&key(1), b"again").unwrap();
        assert_eq!(cache.plan(&key(1)).unwrap().contents(), b"again");
    }

    #[test]
    fn the_error_in_float16_is_kept_for_each_model() {
        let folder = tempfile::tempdir().unwrap();
        let cache = PlanCache::new(folder.path());
        assert_eq!(cache.float16_record("abc", &gpu(1)).error(), None);

        each_case([("abc", 1.25e-3), ("def", 2e-4)], |(model, error)| {
            cache.float16_record(model, &gpu(1)).keep(error).unwrap();
            assert_eq!(cache.float16_record(model, &gpu(1)).error(), Some(error));
        });

        assert_eq!(cache.float16_record("abc", &gpu(1)).error(), Some(1.25e-3));
        assert_eq!(
            cache.float16_record("abc", &gpu(2)).error(),
            None,
            "another driver"
        );
        assert_eq!(cache.entries().unwrap(), [], "it is no engine");
        let name = name_of(float16_header("abc", &gpu(1)));
        let path = folder.path().join(format!("{name}.float16"));

        let mut bytes = fs::read(&path).unwrap();
        bytes[20] ^= 1;
        fs::write(&path, bytes).unwrap();

        assert_eq!(
            cache.float16_record("abc", &gpu(1)).error(),
            None,
            "damaged"
        );
    }

    #[test]
    fn clearing_removes_the_caches_own_files_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let cache = PlanCache::new(folder.path());
        cache.keep_plan(&key(1), b"plan").unwrap();
        drop(cache.lock(&key(1), &mut Ignore).unwrap());
        cache.float16_record("abc", &gpu(1)).keep(1e-3).unwrap();

        fs::write(folder.path().join("notes.txt"), b"mine").unwrap();

        // Files that a process leaves behind when it is killed while it writes.
        fs::write(folder.path().join(".sextet-aB12cD.part"), b"half").unwrap();

        assert!(cache.clear().unwrap() > 4);
        assert_eq!(cache.entries().unwrap(), []);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_second_waits_for_the_lock_and_can_be_cancelled() {
        struct Impatient(u32);
        impl Listener for Impatient {
            fn preparing(&mut self, step: Preparing) {
                assert_eq!(step, Preparing::Waiting);
                self.0 += 1;
            }
            fn cancelled(&self) -> bool {
                self.0 >= 2
            }
        }

        let folder = tempfile::tempdir().unwrap();
        let cache = PlanCache::new(folder.path());
        let held = cache.lock(&key(1), &mut Ignore).unwrap();

        assert!(matches!(
            cache.lock(&key(1), &mut Impatient(0)),
            Err(TensorRtError::Cancelled)
        ));
        drop(held);
        cache.lock(&key(1), &mut Impatient(0)).unwrap();
    }
}

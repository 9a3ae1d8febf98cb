//! Separation of a clip: its stems come from the cache, or are computed and stored there.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use sextet_fs::FileLock;
use sextet_protocol::Fingerprint;
use sextet_protocol::cache::{MANIFEST_FORMAT, Manifest, Recipe, StemFile};
use sextet_protocol::worker::{
    EngineName, JobId, Prepare, Reply, Separate, SeparationOptions, Stage, Sum, Waiting,
};
use sextet_separator::audio::Warning;
use sextet_separator::timings::timed;
use sextet_separator::{
    DecodeOptions, Listener, Mono, Options, PIPELINE_VERSION, Part, Progress, Separator, Stem,
    Work, engine_class,
};

use super::clip::{DecodedClip, Throttled};
use super::context::JobContext;
use super::job::Job;
use super::loaded::{Loaded, engine_arg};
use super::ready::Ready;
use super::sink::CacheSink;
use crate::engine;
use crate::engine::work_of_song;
use crate::fault::{Fault, Kind, Report};
use crate::models::short_name;
use crate::progress::SongProgress;
use crate::stdio;

/// Pause between two checks of the engine that is being prepared.
const EVERY: Duration = Duration::from_millis(20);
/// Pause between two attempts to lock the engine against other processes.
const LOCK_EVERY: Duration = Duration::from_millis(50);

/// Way to prepare the GPU in advance.
const BEFOREHAND: &str = "preparing this model does that ahead";

/// Most passes that can be asked for, as on the command line.
const MOST_SHIFTS: u32 = 100;

/// Separates one clip after the other, and keeps the model and engine, which are costly to load.
pub(super) struct JobRunner {
    context: JobContext,
    threads: Option<NonZeroUsize>,
    loaded: Option<Loaded>,
    preparation: Option<Preparation>,
}

/// The facts of a job that are known before the engine is needed.
struct ClipTask<'a> {
    request: &'a Separate,
    job: &'a Job,
    clip: DecodedClip,
    recipe: Recipe,
    key: Fingerprint,
}

impl JobRunner {
    pub(super) fn new(context: JobContext, threads: Option<NonZeroUsize>) -> Self {
        Self {
            context,
            threads,
            loaded: None,
            preparation: None,
        }
    }

    /// Frees the model and its engine, except one that is still being prepared.
    pub(super) fn unload(&mut self) {
        if !self.is_making_ready() {
            self.preparation = None;
        }
        self.loaded = None;
    }

    /// Finds or computes the stems that `request` asks for.
    ///
    /// # Errors
    /// The reason why there are no stems; nothing of them is left.
    pub(super) fn run(&mut self, request: &Separate, job: &Job) -> Result<()> {
        check(&request.options)?;

        // A panic drops the model.
        let mut loaded = match self.meanwhile(request)? {
            Some(on_cpu) => on_cpu,
            None => {
                self.wait(job)?;
                self.take_loaded(&request.model, request.engine, job)?
            }
        };

        // Separate, and do it again on the CPU if the GPU fails.
        let mut done = self.run_with(&mut loaded, request, job);
        if let Err(error) = &done
            && let Some((on_cpu, message)) = loaded.on_cpu_after(&Report::of(error))?
        {
            job.tell(&Reply::Warning {
                job: job.id(),
                message,
            });
            loaded = on_cpu;
            done = self.run_with(&mut loaded, request, job);
        }

        if !is_spoilt(&done) {
            self.loaded = Some(loaded);
        }

        done
    }

    /// Loads the model that `request` names and starts its engine, so that the next clip need not
    /// wait. This happens on another thread: an engine that must be built does not delay a clip
    /// that the CPU would finish sooner.
    pub(super) fn prepare(&mut self, request: &Prepare, job: &Arc<Job>) {
        let mut loaded = None;
        job.run(|| {
            self.wait(job)?;
            let mut found = self.take_loaded(&request.model, request.engine, job)?;
            found.reconsider(self.threads, None)?;
            loaded = Some(found);
            Ok(())
        });

        match loaded {
            Some(loaded) if !job.is_over() => {
                self.preparation = Some(Preparation::begin(
                    loaded,
                    request.clone(),
                    job.clone(),
                    self.threads,
                ));
            }
            loaded => {
                self.loaded = loaded;
                job.release_engine();
            }
        }
    }

    /// Whether an engine is still being prepared on the other thread.
    fn is_making_ready(&self) -> bool {
        self.preparation
            .as_ref()
            .is_some_and(|preparation| !preparation.thread.is_finished())
    }

    /// Waits until the engine that is being prepared is ready.
    ///
    /// # Errors
    /// When the job is cancelled.
    fn wait(&mut self, job: &Job) -> Result<()> {
        while self.is_making_ready() {
            job.check()?;
            sleep(EVERY);
        }
        if let Some(preparation) = self.preparation.take() {
            // An engine that could not be started is started anew.
            self.loaded = preparation.thread.join().ok().flatten();
        }
        Ok(())
    }

    /// Returns the model that `request` names for the CPU, if an engine is being prepared, the CPU
    /// would finish the clip before that engine, and the front end does not insist on the GPU.
    fn meanwhile(&self, request: &Separate) -> Result<Option<Loaded>> {
        let Some(preparation) = self.preparation.as_ref().filter(|_| self.is_making_ready()) else {
            return Ok(None);
        };

        let expected = engine_class(&engine::options(engine_arg(request.engine), self.threads)?)?;
        let mut loaded = Loaded::open(&request.model, request.engine, expected)?;
        if request.engine == EngineName::Cpu && preparation.engine != EngineName::Cpu {
            return Ok(Some(loaded));
        }

        let options = options(&request.options, &loaded.stems);

        // An error of a clip that cannot be read is reported in its turn.
        let Some(work) = work_of_song(&request.song, &options, loaded.segment_frames) else {
            return Ok(None);
        };

        let begun = if preparation.model == request.model {
            preparation.since.elapsed()
        } else {
            Duration::ZERO
        };

        Ok(loaded.weigh(self.threads, work, begun)?.then_some(loaded))
    }

    fn run_with(&self, loaded: &mut Loaded, request: &Separate, job: &Job) -> Result<()> {
        let task = self.task(request, job, loaded)?;
        if self.finish_from_cache(&task)? {
            return Ok(());
        }

        let mut waited = false;
        let Some(_lock) = self.lock_engine(job, || waited = true)? else {
            return Ok(());
        };
        // The process that had the lock before may have made the very same stems.
        if waited && self.finish_from_cache(&task)? {
            return Ok(());
        }

        self.separate(task, loaded)
            .map_err(|error| self.explained(error))
    }

    /// Returns the model `named`, loaded or kept from the job before.
    fn take_loaded(&mut self, named: &str, asked: EngineName, job: &Job) -> Result<Loaded> {
        let tell = || job.tell_loading(format!("loading {}", short_name(Path::new(named))));
        let loaded = self.loaded.take().filter(|loaded| loaded.is(named, asked));
        if loaded.is_none() {
            tell();
        }

        // The first inspection of a GPU takes a moment.
        let expected = engine_class(&engine::options(engine_arg(asked), self.threads)?)?;
        if let Some(loaded) = loaded {
            if loaded.expected == expected {
                return Ok(loaded);
            }
            tell();
        }

        Loaded::open(named, asked, expected)
    }

    fn task<'a>(
        &self,
        request: &'a Separate,
        job: &'a Job,
        loaded: &Loaded,
    ) -> Result<ClipTask<'a>> {
        let engine = engine_class(&engine::options(engine_arg(request.engine), self.threads)?)?;
        let decode = DecodeOptions::of(&options(&request.options, &loaded.stems));
        let clip = timed("read and hash the clip", || {
            DecodedClip::read(&request.song, decode, job)
        })?;

        let recipe = Recipe {
            audio: clip.audio,
            model_hash: loaded.hash.clone(),
            engine: engine.to_string(),
            pipeline: PIPELINE_VERSION,
            options: request.options,
        };

        let key = recipe.key();
        Ok(ClipTask {
            request,
            job,
            clip,
            recipe,
            key,
        })
    }

    /// Whether the stems are in the cache. If so, the job is done.
    fn finish_from_cache(&self, task: &ClipTask) -> Result<bool> {
        let job = task.job;
        let mut tell = |message| {
            job.tell(&Reply::Warning {
                job: job.id(),
                message,
            })
        };

        let Some(_entry) = self
            .context
            .cache
            .find(&task.key, &|| job.is_over(), &mut tell)?
        else {
            return Ok(false);
        };

        let (id, key, seconds) = (job.id(), task.key, job.seconds());
        job.end(|| {
            Ok(Reply::Done {
                job: id,
                key,
                cached: true,
                seconds,
            })
        })?;

        Ok(true)
    }

    /// Waits for other processes, and calls `waiting` once if it has to. Returns `None` when the
    /// job is over before it has the lock.
    ///
    /// Only one process separates at a time: several at once would run out of memory, and none
    /// would be quick.
    fn lock_engine(&self, job: &Job, waiting: impl FnOnce()) -> Result<Option<FileLock>> {
        let mut waiting = Some(waiting);
        let cancelled = || {
            if let Some(waiting) = waiting.take() {
                waiting();
                job.tell(&Reply::Queued {
                    job: job.id(),
                    reason: Waiting::OtherProcess,
                });
            }
            job.is_over()
        };

        FileLock::wait(&self.context.folders.engine_lock(), cancelled, LOCK_EVERY)
            .with_context(|| self.context.cache.cannot_write())
    }

    fn separate(&self, mut task: ClipTask, loaded: &mut Loaded) -> Result<()> {
        let (job, cache) = (task.job, &self.context.cache);

        // Begin an entry, which a cancellation deletes.
        let making = cache.begin()?;
        job.attach(making.scratch());
        let stems = loaded.stems.clone();

        // Choose and start the engine.
        let work = task.work(loaded.segment_frames, &stems);
        loaded.reconsider(self.threads, Some(work))?;

        if !loaded.is_chosen() {
            loaded.weigh(self.threads, work, Duration::ZERO)?;
        }

        let separator = start(loaded, &task.request.model, self.threads, job)?;
        if let Some(class) = separator
            .engine_class()
            .map(|class| class.to_string())
            .filter(|class| *class != task.recipe.engine)
        {
            // The expected engine did not start. Stems of another engine have a key of their own.
            task.recipe.engine = class;
            task.key = task.recipe.key();
            if self.finish_from_cache(&task)? {
                return Ok(());
            }
        }

        let engine = separator.engine_name();
        job.tell(&Reply::Started {
            job: job.id(),
            key: task.key,
            model: task.request.model.clone(),
            engine: engine.clone(),
            note: engine::note(separator, BEFOREHAND),
            stems: stems.clone(),
        });

        // Separate into the entry.
        let mut sink = CacheSink::new(cache, &making, &stems);
        let mut listener = JobListener {
            job,
            progress: Throttled::new(job),
            seconds: task.clip.seconds(),
            since: None,
        };

        let options = options(&task.request.options, &stems);
        separator.separate_decoded(&task.clip.song, &options, &mut sink, &mut listener)?;
        let layout = sink
            .outputs
            .as_ref()
            .map(|outputs| (outputs.layout.channels, outputs.frames));

        // Complete the files, publish the entry and evict old ones.
        job.tell(&storing(job.id(), stems.len()));
        let files = timed("finish the files", || sink.finish())?;

        let manifest = task.manifest(engine, files, layout.unwrap_or_default());
        job.end(|| {
            timed("publish", || making.publish(&task.key, &manifest))?;
            if let Err(error) = cache.make_room(0, Some(&task.key)) {
                stdio::err(&format!("older stems were not removed: {error:#}"));
            }

            Ok(Reply::Done {
                job: job.id(),
                key: task.key,
                cached: false,
                seconds: job.seconds(),
            })
        })
    }

    /// Sets the remedy of the error of a cache that cannot be written to, whichever library
    /// reported it.
    fn explained(&self, error: anyhow::Error) -> anyhow::Error {
        let report = Report::of(&error);
        if report.kind != Kind::Output {
            return error;
        }
        Fault::new(Kind::Output, report.message)
            .remedy(self.context.cache.remedy())
            .into()
    }
}

/// An engine that is being started on another thread, which returns it when it is ready.
struct Preparation {
    model: String,
    engine: EngineName,
    since: Instant,
    thread: JoinHandle<Option<Loaded>>,
}

impl Preparation {
    /// Begins to start the engine of `loaded`. `job` ends when it is ready.
    fn begin(
        mut loaded: Loaded,
        request: Prepare,
        job: Arc<Job>,
        threads: Option<NonZeroUsize>,
    ) -> Self {
        let (model, engine) = (request.model.clone(), request.engine);
        let work = move || {
            // This takes no lock: a later separation would wait behind it and could not tell the
            // reason. Two processes that want the same engine built exclude each other in the
            // separator's plan cache.
            job.run(|| {
                let separator = start(&mut loaded, &request.model, threads, &job)?;
                let (engine, note) = (separator.engine_name(), separator.engine_note());
                job.end(|| {
                    Ok(Reply::Prepared {
                        job: job.id(),
                        engine,
                        note,
                    })
                })
            });

            job.release_engine();
            (!loaded.is_lost()).then_some(loaded)
        };

        Self {
            model,
            engine,
            since: Instant::now(),
            thread: spawn(work),
        }
    }
}

/// Returns the model `named` on its engine, which is started if needed.
fn start<'l>(
    loaded: &'l mut Loaded,
    named: &str,
    threads: Option<NonZeroUsize>,
    job: &Job,
) -> Result<&'l mut Separator> {
    if !loaded.is_started() {
        job.tell_loading(format!(
            "starting the engine for {}",
            short_name(Path::new(named))
        ));
    }
    loaded.separator(threads, &mut Ready::new(job))
}

impl ClipTask<'_> {
    /// Returns the amount of work for a model that takes `segment_frames` at a time.
    fn work(&self, segment_frames: usize, stems: &[Stem]) -> Work {
        let length = Duration::from_secs_f64(self.clip.seconds());
        Work::of_song(
            length,
            &options(&self.request.options, stems),
            segment_frames,
        )
    }

    fn manifest(
        &self,
        engine: String,
        stems: Vec<StemFile>,
        (channels, frames): (usize, u64),
    ) -> Manifest {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Manifest {
            format: MANIFEST_FORMAT,
            sextet: env!("CARGO_PKG_VERSION").to_owned(),
            created_s: now.as_secs(),
            song: self.clip.name().to_owned(),
            model: self.request.model.clone(),
            engine,
            recipe: self.recipe.clone(),
            rate_hz: self.clip.rate_hz(),
            channels: channels as u32,
            frames,
            stems,
        }
    }
}

/// Whether the engine failed and must be started anew next time. After a cancellation, or a failure
/// to store the stems, it is fine.
fn is_spoilt(done: &Result<()>) -> bool {
    let kind = done.as_ref().err().map(|error| Report::of(error).kind);
    matches!(kind, Some(Kind::Engine | Kind::Internal))
}

fn check(options: &SeparationOptions) -> Result<()> {
    if !(0.0..1.0).contains(&options.overlap) {
        let message = format!("an overlap of {} cannot be used", options.overlap);
        return Err(Fault::new(Kind::Usage, message)
            .remedy("ask for 0 up to, but not including, 1, such as 0.25")
            .into());
    }

    if options.shifts > MOST_SHIFTS {
        let message = format!("{} shifts are more than {MOST_SHIFTS}", options.shifts);
        return Err(Fault::new(Kind::Usage, message)
            .remedy("ask for fewer: 1 to 5 are usual")
            .into());
    }

    Ok(())
}

/// Returns options for every stem by itself, in stereo, at the clip's own rate.
fn options(asked: &SeparationOptions, stems: &[Stem]) -> Options {
    Options::new()
        .parts(stems.iter().copied().map(Part::stem).collect())
        .overlap(asked.overlap)
        .shifts(asked.shifts)
        .sum(match asked.sum {
            Sum::Exact => sextet_separator::Sum::Exact,
            Sum::Model => sextet_separator::Sum::Model,
        })
        .rate_hz(None)
        .mono(Mono::Stereo)
        .single_chunk(false)
}

/// Returns the reply for the stage in which all samples are written and the files are completed.
fn storing(id: JobId, stems: usize) -> Reply {
    let total = stems as u64;
    Reply::Progress {
        job: id,
        stage: Stage::Storing,
        done: 0,
        total,
        speed: None,
        seconds_left: None,
    }
}

/// Listener that passes the separator's progress to the front end.
struct JobListener<'a> {
    job: &'a Job,
    progress: Throttled<'a>,
    /// Length of the clip in seconds.
    seconds: f64,
    since: Option<Instant>,
}

impl Listener for JobListener<'_> {
    fn progress(&mut self, progress: Progress) {
        let Progress::Separating {
            chunks_done,
            chunks_total,
        } = progress
        else {
            return;
        };

        let since = *self.since.get_or_insert_with(Instant::now);
        let progress = SongProgress::separating(
            chunks_done,
            chunks_total,
            since.elapsed().as_secs_f64(),
            Some(self.seconds),
        );

        let SongProgress::Separating { speed, left_s, .. } = progress else {
            return;
        };

        self.progress
            .tell(Stage::Separating, chunks_done, chunks_total, speed, left_s);
    }

    fn warning(&mut self, warning: &Warning) {
        self.job.tell(&Reply::Warning {
            job: self.job.id(),
            message: warning.to_string(),
        });
    }

    fn cancelled(&self) -> bool {
        self.job.is_over()
    }
}

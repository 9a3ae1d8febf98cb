//! `sextet worker`: the engine process of the plugin. Requests come on standard input, replies go
//! to standard output, as JSON lines; docs/worker.md describes them.
//!
//! There are three kinds of threads. This one reads requests, so that a cancellation is received at
//! any time. One has the engine, does job after job with it and keeps it loaded. Every job that
//! needs no engine has a thread of its own.

mod clip;
mod context;
mod fetching;
mod host;
mod import;
mod job;
mod loaded;
mod machine;
mod outbox;
mod ready;
mod render;
mod separation;
mod sink;
mod welcome;

use std::collections::HashMap;
use std::io::{BufReader, IsTerminal as _, stdin};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, Result};
use sextet_protocol::worker::{JobId, Lines, PROTOCOL, Prepare, Reply, Request, Separate, Waiting};
use sextet_protocol::{ErrorKind, Folders};

use crate::args::WorkerArgs;
use crate::cache::StemCache;
use crate::engine;
use crate::fault::{Fault, Kind};
use crate::stdio;
use crate::unfinished::Unfinished;
use context::JobContext;
use job::Job;
use outbox::Outbox;
use separation::JobRunner;

/// Time that an unused engine stays loaded: it takes as much memory as a browser.
const KEPT_LOADED: Duration = Duration::from_secs(120);

/// Serves the front end at standard input until it leaves; returns the exit code.
///
/// # Errors
/// When this user has no folder for a cache.
pub(crate) fn run(args: &WorkerArgs, unfinished: &Unfinished) -> Result<u8> {
    if stdin().is_terminal() {
        stdio::err(
            "sextet worker is for programs: it waits for JSON lines (docs/worker.md); end it with Ctrl-D",
        );
    }

    engine::name_gpu(args.gpu);
    let outbox = Outbox::to_stdout(unfinished);
    host::lower_priority();
    host::exit_with_parent(unfinished);
    let folders = Folders::of_user().context(Fault::new(
        Kind::Output,
        "there is no place for the stem cache",
    ))?;

    // Delete the leftovers of dead processes.
    let cache = StemCache::new(folders.clone(), unfinished);
    if let Err(error) = cache.sweep() {
        stdio::err(&format!("the stem cache was not swept: {error:#}"));
    }

    let context = JobContext {
        folders,
        cache,
        unfinished: unfinished.clone(),
        outbox,
    };

    let mut worker = Worker::new(context, args.threads);
    let code = worker.listen();
    worker.leave();

    Ok(code)
}

/// Receives requests and starts jobs.
struct Worker {
    context: JobContext,
    greeted: bool,
    jobs: HashMap<JobId, Arc<Job>>,
    /// Tasks for the thread that has the engine.
    tasks: Sender<EngineTask>,
}

/// A task for the thread that has the engine.
enum EngineTask {
    Separate(Separate, Arc<Job>),
    Prepare(Prepare, Arc<Job>),
}

impl Worker {
    fn new(context: JobContext, threads: Option<NonZeroUsize>) -> Self {
        let (tasks, waiting) = channel();
        let runner = JobRunner::new(context.clone(), threads);
        std::thread::spawn(move || serve(runner, &waiting));
        Self {
            context,
            greeted: false,
            jobs: HashMap::new(),
            tasks,
        }
    }

    /// Handles requests until there are no more, and returns the exit code.
    fn listen(&mut self) -> u8 {
        let mut lines = Lines::new(BufReader::new(stdin()));
        while let Some(request) = lines.next::<Request>() {
            match request {
                Ok(Request::Shutdown) => break,
                Ok(Request::Hello { protocol, client }) => {
                    stdio::err(&format!("serving {client}"));
                    if protocol != PROTOCOL {
                        self.context
                            .outbox
                            .send(&welcome::refusal(protocol, &client));
                        return Kind::Usage.exit_code();
                    }
                    self.greeted = true;
                    self.context.outbox.send(&welcome::welcome());
                }
                Ok(_) if !self.greeted => {
                    self.reject("no job is done before `hello`", "say hello first")
                }
                Ok(request) => self.handle(request),
                Err(error) if error.kind() == ErrorKind::Message => {
                    self.reject(
                        &error.to_string(),
                        "send the requests of docs/worker.md, one a line",
                    );
                }
                Err(_) => break,
            }
        }

        0
    }

    fn handle(&mut self, request: Request) {
        match request {
            Request::Separate(separate) => {
                self.on_engine(separate.job, |job| EngineTask::Separate(separate, job))
            }
            Request::Prepare(prepare) => {
                self.on_engine(prepare.job, |job| EngineTask::Prepare(prepare, job))
            }
            Request::Import { job, song } => {
                self.on_own_thread(job, move |context, job| import::run(context, job, &song))
            }
            Request::Render(render) => {
                self.on_own_thread(render.job, move |context, job| {
                    render::run(context, job, &render)
                });
            }
            Request::Cancel { job } => {
                if let Some(job) = self.jobs.get(&job) {
                    job.cancel();
                }
            }
            Request::Inspect { job } => self.on_own_thread(job, |_, job| machine::inspect(job)),
            Request::Check { job, model } => {
                self.on_own_thread(job, move |_, job| machine::check(job, &model))
            }
            Request::Offer { job, model } => {
                self.on_own_thread(job, move |_, job| fetching::offer(job, &model))
            }
            Request::Fetch { job, model } => {
                self.on_own_thread(job, move |_, job| fetching::fetch(job, &model))
            }
            Request::SetUpGpu { job, from } => {
                self.on_own_thread(job, move |_, job| {
                    fetching::set_up_gpu(job, from.as_deref())
                });
            }
            // Both were handled before.
            Request::Hello { .. } | Request::Shutdown => {}
        }
    }

    /// Queues a job for the thread that has the engine.
    fn on_engine(&mut self, id: JobId, task: impl FnOnce(Arc<Job>) -> EngineTask) {
        let Some(job) = self.begin(id) else { return };

        let earlier = self
            .jobs
            .values()
            .any(|other| other.id() != job.id() && other.holds_engine());
        job.hold_engine();

        if earlier {
            job.tell(&Reply::Queued {
                job: job.id(),
                reason: Waiting::EarlierJob,
            });
        }

        // The receiving thread ends only with this process.
        let _ = self.tasks.send(task(job));
    }

    /// Runs a job that needs no engine on a thread of its own.
    fn on_own_thread(
        &mut self,
        id: JobId,
        work: impl FnOnce(&JobContext, &Job) -> Result<()> + Send + 'static,
    ) {
        let Some(job) = self.begin(id) else { return };
        let context = self.context.clone();
        std::thread::spawn(move || job.run(|| work(&context, &job)));
    }

    /// Creates a job, unless an unfinished one has that number.
    fn begin(&mut self, id: JobId) -> Option<Arc<Job>> {
        self.jobs
            .retain(|_, job| !job.is_over() || job.holds_engine());
        if self.jobs.get(&id).is_some_and(|job| !job.is_over()) {
            self.reject(
                &format!("job {} is still going", id.0),
                "give every job a number of its own",
            );
            return None;
        }

        let job = Arc::new(Job::new(id, self.context.outbox.clone()));
        self.jobs.insert(id, job.clone());
        Some(job)
    }

    fn reject(&self, message: &str, remedy: &str) {
        self.context.outbox.send(&Reply::Error {
            message: message.to_owned(),
            remedy: remedy.to_owned(),
        });
    }

    /// Cancels all jobs and deletes their unfinished results. An engine that is computing is left
    /// to the end of the process.
    fn leave(&self) {
        self.jobs.values().for_each(|job| job.cancel());
        self.context.unfinished.close();
        self.context.outbox.flush();
    }
}

/// Does the tasks that need the engine, one after the other.
fn serve(mut runner: JobRunner, waiting: &Receiver<EngineTask>) {
    loop {
        match waiting.recv_timeout(KEPT_LOADED) {
            Ok(EngineTask::Separate(separate, job)) => {
                job.run(|| runner.run(&separate, &job));
                crate::timings::report();
                job.release_engine();
            }
            Ok(EngineTask::Prepare(prepare, job)) => {
                runner.prepare(&prepare, &job);
            }
            Err(RecvTimeoutError::Timeout) => runner.unload(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

//! Tests of the choice of the engine.

use sextet_cases::each_case;

use super::*;
use crate::Error;
use crate::progress::Ignore;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_gpu_is_taken_unless_the_cpu_is_done_before_it_could_begin() {
    let sooner = |on_cpu: u32, until_ready: u32| {
        Some(Reason::Sooner(Sooner {
            on_cpu: on_cpu * SECOND,
            until_ready: until_ready * SECOND,
        }))
    };

    let missing = Some(Reason::NoGpu("no driver".to_owned()));
    type Case<'a> = (std::result::Result<u32, &'a str>, u32, u32, Option<Reason>);
    let cases: [Case; 12] = [
        (Err("no driver"), 0, 3, missing.clone()),
        (Err("no driver"), 0, 3000, missing),
        (Ok(0), 0, 0, None),
        (Ok(0), 0, 3000, None),
        (Ok(37), 0, 3, sooner(3, 37)),
        (Ok(37), 0, 37, sooner(37, 37)),
        (Ok(37), 0, 38, None),
        (Ok(37), 0, 3000, None),
        (Ok(37), 30, 3, sooner(3, 7)),
        (Ok(37), 35, 3, None),
        (Ok(37), 37, 0, None),
        (Ok(37), 60, 3, None),
    ];

    each_case(&cases, |(until_ready, begun, on_cpu, expected)| {
        let ready = until_ready.map(|s| s * SECOND).map_err(str::to_owned);
        let found = choose(ready, *begun * SECOND, |_| *on_cpu * SECOND);
        assert_eq!(
            &found, expected,
            "{until_ready:?} for {begun} s, and {on_cpu} s on the CPU"
        );
    });

    println!("{} cases tried", cases.len());
}

/// GPU engine that is there in name only: it fails to open, or opens and fails to start.
struct Failing {
    choice: EngineChoice,
    opens: bool,
    why: fn() -> Error,
}

impl GpuEngine for Failing {
    fn choice(&self) -> EngineChoice {
        self.choice
    }

    fn name(&self) -> &'static str {
        "failing"
    }

    fn class(&self, _: &EngineOptions) -> EngineClass {
        EngineClass::TensorRtF16
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn probe(&self, _: &EngineOptions) -> Result<()> {
        Err((self.why)())
    }

    fn begin(&self, _: &EngineOptions) {}

    fn settle(&self) {}

    fn open(&self, _: &Network, _: &EngineOptions) -> Result<Arc<dyn OpenedGpu>> {
        if self.opens {
            Ok(Arc::new(FailingGpu(self.why)))
        } else {
            Err((self.why)())
        }
    }
}

#[derive(Debug)]
struct FailingGpu(fn() -> Error);

impl OpenedGpu for FailingGpu {
    fn name(&self) -> String {
        "a failing GPU".to_owned()
    }

    fn until_ready(&self, _: &[&Network], _: &EngineOptions) -> Duration {
        Duration::ZERO
    }

    fn start(
        &self,
        _: &Network,
        _: &EngineOptions,
        _: &mut dyn Listener,
    ) -> Result<Box<dyn Engine>> {
        Err((self.0)())
    }
}

fn old_driver() -> Error {
    let said = "the NVIDIA driver supports CUDA 12.4; TensorRT needs 13.0 or newer";
    Error::new(ErrorKind::Engine, said)
}

fn old_gpu() -> Error {
    let said = "the GPU (A) has compute capability 6.0; TensorRT needs 7.5 (Turing) or newer";
    Error::new(ErrorKind::Engine, said)
}

/// A note was once cut at its first semicolon, and the reason with it.
#[test]
fn the_note_of_a_fallback_holds_the_whole_cause() {
    let model = Model::bundled().unwrap();
    each_case([old_driver, old_gpu], |why| {
        each_case([false, true], |opens| {
            let engine = Failing {
                choice: EngineChoice::TensorRt,
                opens,
                why,
            };
            let all: [&dyn GpuEngine; 1] = [&engine];

            let options = EngineOptions::default();
            let (songs, begun) = (&mut std::iter::empty(), Duration::ZERO);
            let mut backend = Backend::weigh_among(&all, &model, options, songs, begun);
            assert_eq!(backend.is_cpu(), !opens);

            let network = model.networks_of().next().unwrap().clone();
            let started = start_among(&all, network, &mut backend, &mut Ignore).unwrap();
            assert!(started.engine.class().is_cpu());
            assert_eq!(started.note, Some(why().to_string()), "opens: {opens}");
        });
    });
}

#[test]
fn an_open_choice_goes_on_to_the_next_engine_and_tells_of_all() {
    let failing = |choice, why| Failing {
        choice,
        opens: false,
        why,
    };
    let (first, second, third) = (
        failing(EngineChoice::Cuda, old_driver),
        failing(EngineChoice::TensorRt, old_gpu),
        failing(EngineChoice::Cpu, old_driver),
    );
    let all: [&dyn GpuEngine; 3] = [&first, &second, &third];

    let mut tried = Vec::new();
    let found = first_of(allowed(&all, EngineChoice::Auto), |engine| {
        tried.push(engine.choice());
        engine.probe(&EngineOptions::default())
    });
    assert_eq!(tried, all.map(|engine| engine.choice()));
    let said = format!("{}; {}", old_driver(), old_gpu());
    assert_eq!(found.unwrap_err().note(), Some(said), "each reason once");

    let named = allowed(&all, EngineChoice::TensorRt).count();
    assert_eq!(named, 1, "a choice that is not open tries one engine");
}

/// Engine that works, on whatever is left of the GPU.
struct Working;

impl GpuEngine for Working {
    fn choice(&self) -> EngineChoice {
        EngineChoice::TensorRt
    }

    fn name(&self) -> &'static str {
        "working"
    }

    fn class(&self, _: &EngineOptions) -> EngineClass {
        EngineClass::TensorRtF16
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn probe(&self, _: &EngineOptions) -> Result<()> {
        Ok(())
    }

    fn begin(&self, _: &EngineOptions) {}

    fn settle(&self) {}

    fn open(&self, _: &Network, _: &EngineOptions) -> Result<Arc<dyn OpenedGpu>> {
        Ok(Arc::new(WorkingGpu))
    }
}

#[derive(Debug)]
struct WorkingGpu;

impl OpenedGpu for WorkingGpu {
    fn name(&self) -> String {
        "a working GPU".to_owned()
    }

    fn until_ready(&self, _: &[&Network], _: &EngineOptions) -> Duration {
        Duration::ZERO
    }

    fn start(
        &self,
        network: &Network,
        _: &EngineOptions,
        _: &mut dyn Listener,
    ) -> Result<Box<dyn Engine>> {
        Ok(Box::new(Cpu::new(
            network.clone(),
            None,
            &Default::default(),
        )?))
    }
}

fn no_kernel() -> Error {
    Error::new(ErrorKind::Engine, "there is no CUDA kernel for it")
}

/// A model without kernels may still run on the GPU, and what was passed over is told.
#[test]
fn the_next_engine_takes_over_where_the_first_does_not_open_or_start() {
    let model = Model::bundled().unwrap();
    each_case([false, true], |opens| {
        let first = Failing {
            choice: EngineChoice::Cuda,
            opens,
            why: no_kernel,
        };
        let all: [&dyn GpuEngine; 2] = [&first, &Working];

        let options = EngineOptions::default();
        let (songs, begun) = (&mut std::iter::empty(), Duration::ZERO);
        let mut backend = Backend::weigh_among(&all, &model, options, songs, begun);
        assert!(!backend.is_cpu());
        let network = model.networks_of().next().unwrap().clone();
        let started = start_among(&all, network, &mut backend, &mut Ignore).unwrap();
        assert_eq!(started.note, Some(no_kernel().to_string()), "{opens}");
    });
}

#[test]
fn the_engines_are_tried_in_the_order_of_their_speed() {
    let order: Vec<EngineChoice> = GPU_ENGINES.iter().map(|e| e.choice()).collect();
    assert_eq!(order, [EngineChoice::Cuda, EngineChoice::TensorRt]);
    for engine in GPU_ENGINES {
        let of_class = engine.class(&EngineOptions::default());
        assert!(!of_class.is_cpu(), "{of_class}");
    }
}

#[test]
fn songs_are_asked_for_until_it_is_known_which_is_the_sooner() {
    let products = 20_000_000_000;
    let song = || [Work { segments: 30 }].into_iter();

    let one = time_on_cpu(&[products], 2, &mut song(), Duration::MAX);
    assert_eq!(
        time_on_cpu(&[products; 2], 2, &mut song(), Duration::MAX),
        2 * one,
        "a bag"
    );

    let mut asked = 0;
    let mut endless = std::iter::repeat_with(|| {
        asked += 1;
        Work { segments: 30 }
    });

    let time = time_on_cpu(&[products], 2, &mut endless, 10 * one);
    assert!(time > 10 * one && asked == 11, "{time:?} for {asked} songs");
}

#[test]
fn a_choice_that_is_not_open_is_not_weighed() {
    let model = Model::bundled().unwrap();
    let cases = [
        EngineChoice::Cpu,
        EngineChoice::Cuda,
        EngineChoice::TensorRt,
    ];
    each_case(cases, |engine| {
        let options = EngineOptions {
            engine,
            ..EngineOptions::default()
        };
        let mut songs = std::iter::once_with(|| -> Work { panic!("nobody needs to know") });

        let backend = Backend::weigh(&model, options.clone(), &mut songs, Duration::ZERO);
        assert_eq!(
            (backend.reason, backend.options),
            (None, options),
            "{engine:?}"
        );
    });
}

#[test]
fn work_is_counted_in_segments() {
    let plain = Options::default();
    let cases = [
        (0.1, plain.clone(), 1),
        (7.8, plain.clone(), 2),
        (36.0, plain.clone(), 7),
        (
            36.0,
            Options {
                overlap: 0.0,
                ..plain.clone()
            },
            5,
        ),
        (
            36.0,
            Options {
                shifts: 3,
                ..plain.clone()
            },
            21,
        ),
        (
            36.0,
            Options {
                shifts: 1,
                ..plain.clone()
            },
            7,
        ),
        (
            3600.0,
            Options {
                single_chunk: true,
                ..plain
            },
            1,
        ),
    ];

    each_case(cases, |(seconds, options, segments)| {
        let found = Work::of_song(Duration::from_secs_f64(seconds), &options, 343_980);
        assert_eq!(found.segments, segments, "{seconds} s with {options:?}");
    });
}

#[test]
fn the_cpu_goes_on_after_a_gpu_that_nobody_insisted_on_and_nobody_after_the_cpu() {
    use EngineChoice::{Auto, Cpu, Cuda, TensorRt};
    let cases = [
        (Auto, false, Successor::Cpu),
        (Auto, true, Successor::Nobody),
        (Cuda, false, Successor::Nobody),
        (TensorRt, false, Successor::Nobody),
        (Cpu, true, Successor::Nobody),
    ];

    each_case(cases, |(asked, on_cpu, expected)| {
        assert_eq!(
            successor(asked, on_cpu),
            expected,
            "{asked:?}, on the CPU: {on_cpu}"
        );
    });
}

#[test]
fn what_is_said_names_both_times() {
    let sooner = Sooner {
        on_cpu: Duration::from_millis(2_100),
        until_ready: 37 * SECOND,
    };
    let said = "the CPU needs some 3 s, and making the GPU ready for this model some 37 s, once";
    assert_eq!(Reason::Sooner(sooner).to_string(), said);
}

//! A process that is fed through a pipe.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use crate::audio::FfmpegFault;
use crate::audio::child::Living;

/// Number of blocks that wait for ffmpeg.
const BLOCKS_AHEAD: usize = 4;
/// Pause between two looks at a pipe that is full.
const PAUSE: Duration = Duration::from_millis(1);

/// Process that reads from a pipe. It is ended and reaped when dropped.
pub(super) struct Feed {
    /// `None` once the process has ended.
    child: Option<Living>,
    blocks: SyncSender<Vec<u8>>,
    patience: Duration,
}

impl Feed {
    pub(super) fn start(mut command: Command, patience: Duration) -> Result<Self, FfmpegFault> {
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let (child, mut pipe) =
            Living::start(command, |child| child.stdin.take()).map_err(FfmpegFault::NotStarted)?;
        let (blocks, received) = sync_channel::<Vec<u8>>(BLOCKS_AHEAD);

        // The pipe is closed when the sender is dropped, or when the process closes it.
        std::thread::spawn(move || {
            while let Ok(block) = received.recv() {
                if pipe.write_all(&block).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child: Some(child),
            blocks,
            patience,
        })
    }

    pub(super) fn send(&mut self, mut block: Vec<u8>) -> Result<(), FfmpegFault> {
        let since = Instant::now();
        loop {
            match self.blocks.try_send(block) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => {
                    let ended = self.child.take().map(|child| child.finish(self.patience));
                    return Err(match ended {
                        Some(Err(fault)) => fault,
                        _ => FfmpegFault::NoFile,
                    });
                }
                Err(TrySendError::Full(_)) if since.elapsed() > self.patience => {
                    return Err(FfmpegFault::Stalled {
                        waited: self.patience,
                    });
                }
                Err(TrySendError::Full(back)) => block = back,
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Ends the input and waits for the process. Whatever it says is a failure: it is told to speak
    /// of errors only.
    pub(super) fn finish(self) -> Result<(), FfmpegFault> {
        let Self {
            child,
            blocks,
            patience,
        } = self;
        drop(blocks);
        match child.map(|child| child.finish(patience)) {
            Some(Ok(said)) if said.is_empty() => Ok(()),
            Some(Ok(said)) => Err(FfmpegFault::Said { said }),
            Some(Err(fault)) => Err(fault),
            None => Err(FfmpegFault::NoFile),
        }
    }
}

//! Signals that stop a long command: SIGINT (Ctrl-C), SIGTERM (a supervisor) and SIGHUP (a closed
//! terminal). All commands handle them in the same way, except that `serve` reloads its files at
//! SIGHUP, as a daemon does.

use std::{fs, pin::Pin};

use futures_util::FutureExt;
use tokio::signal::unix::{SignalKind, signal};

use super::output::Failure;

/// Completes at the first SIGINT, SIGTERM or SIGHUP. The handlers are installed when this returns.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()> + Send + use<>, Failure> {
    let stop = stop_signal_of_serve()?;
    let ignores_hang_up = is_ignored(SignalKind::hangup());
    let mut hang_up = (!ignores_hang_up).then(|| signal(SignalKind::hangup())).transpose()?;
    Ok(async move {
        let hang_up = async {
            match &mut hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop => {}
            _ = hang_up => {}
        }
    })
}

/// Completes at the first SIGINT or SIGTERM.
pub(super) fn stop_signal_of_serve() -> Result<impl Future<Output = ()> + Send + use<>, Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// True when the parent process made this process ignore a signal, as `nohup` does with SIGHUP. A
/// handler would override that.
fn is_ignored(signal: SignalKind) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (signal.as_raw_value() - 1) & 1 == 1
}

/// A request to stop a long command after its current step.
pub(super) struct Stop {
    signal: Pin<Box<dyn Future<Output = ()> + Send>>,
    was_requested: bool,
}

impl Stop {
    /// Installs the signal handlers.
    pub(super) fn listen() -> Result<Self, Failure> {
        Ok(Self { signal: Box::pin(stop_signal()?), was_requested: false })
    }

    /// Waits until a stop is requested.
    pub(super) async fn requested(&mut self) {
        if !self.was_requested {
            self.signal.as_mut().await;
            self.was_requested = true;
        }
    }

    /// True when a stop was requested.
    pub(super) fn is_requested(&mut self) -> bool {
        self.requested().now_or_never().is_some()
    }
}

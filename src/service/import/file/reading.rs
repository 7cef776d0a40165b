//! Reads the entries of an import on a thread of its own, so that a blocked pipe does not delay a
//! stop.

use std::{
    ops::ControlFlow,
    sync::{Arc, atomic::Ordering},
    thread,
};

use tokio::sync::mpsc;

use super::{
    entry::Entry,
    error::InputError,
    format::Format,
    input::{Input, Source},
    repeated::Repeated,
};

/// The maximum number of entries that are read ahead. The reader and the import wake each other once for
/// so many entries, not for each one.
const ENTRIES_AHEAD: usize = 256;

/// What the thread reads.
pub(crate) enum Reading {
    /// An entry, with the number of bytes of the source that were read.
    Entry(Entry, u64),
    /// The end of the input.
    End,
}

/// The entries that are read ahead.
pub(crate) struct Entries {
    receiver: mpsc::Receiver<Result<Reading, InputError>>,
    /// Received, but not returned yet; the next one is the last.
    received: Vec<Result<Reading, InputError>>,
}

impl Entries {
    /// Reads the entries behind number `after`. The thread ends when this value is dropped.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn read_ahead(
        format: Arc<Format>,
        input: Input,
        after: u64,
        repeated: Repeated,
    ) -> Result<Self, InputError> {
        let (sender, receiver) = mpsc::channel(ENTRIES_AHEAD);
        let read = move || {
            let position = input.position();
            let mut pass_on = |mut entry: Entry| {
                if entry.number <= after {
                    return ControlFlow::Continue(());
                }
                repeated.mark(&mut entry);
                let reading = Reading::Entry(entry, position.load(Ordering::Relaxed));
                match sender.blocking_send(Ok(reading)) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            };
            let end = format.read(input, &mut pass_on).map(|()| Reading::End);
            // Sending fails only after the import has ended.
            let _ = sender.blocking_send(end);
        };
        thread::Builder::new().name("import-reader".to_owned()).spawn(read)?;
        Ok(Self { receiver, received: Vec::new() })
    }

    /// The next entry, or the end of the input. It is cancel-safe.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub(crate) async fn next(&mut self) -> Result<Reading, InputError> {
        // Without the end of the input, the thread was interrupted: nothing more may be concluded.
        let interrupted = || InputError::new("reading the input failed unexpectedly; see the log");
        if self.received.is_empty() {
            self.receiver.recv_many(&mut self.received, ENTRIES_AHEAD).await;
            self.received.reverse();
        }
        self.received.pop().ok_or_else(interrupted)?
    }
}

/// Reads a whole file before anything is imported from it, so that a file that is truncated, damaged
/// or of another format or encoding changes nothing. Other sources can be read only once, and an
/// archive is authenticated while it is read.
///
/// Returns the entries of a file that have one login name. None is known of other sources.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn check(format: &Format, source: &Source) -> Result<Repeated, InputError> {
    let mut repeated = Repeated::default();
    let is_read_again = match source {
        Source::File(path) => path.is_file(),
        Source::Memory(..) => true,
        Source::Stdin => false,
    };
    if is_read_again {
        let input = Input::open_text(source)?;
        format.read(input, &mut |entry| {
            repeated.note(&entry);
            ControlFlow::Continue(())
        })?;
    }
    Ok(repeated)
}

/// [`check`] on a thread of its own.
///
/// # Errors
/// When the file cannot be read.
pub(crate) async fn check_whole(
    format: &Arc<Format>,
    source: &Source,
) -> Result<Repeated, InputError> {
    let (format, source) = (Arc::clone(format), source.clone());
    let check = move || check(&format, &source);
    let failed = |_| InputError::new("reading the input failed unexpectedly; see the log");
    tokio::task::spawn_blocking(check).await.map_err(failed)?
}

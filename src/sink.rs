//! Writing that never holds anybody up: lines go through a bounded queue to a thread of their own.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// The way to one stream. A line that the queue or the stream cannot take is lost, and counted.
#[derive(Clone, Debug)]
pub struct Sink {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

impl Sink {
    /// Starts the thread, which ends when the last clone is gone. At most `capacity` lines wait.
    ///
    /// # Errors
    ///
    /// The thread cannot be started.
    pub fn start(name: &str, capacity: usize, mut stream: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, lines) = sync_channel(capacity);
        let lost = Arc::<AtomicU64>::default();
        let unwritten = Arc::clone(&lost);
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || write_all(&lines, &mut stream, &unwritten))?;
        Ok(Self { queue, lost })
    }

    /// Queues one line, line break included. Never waits.
    pub fn line(&self, line: Vec<u8>) {
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines lost so far.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until all that was queued has been written, or the deadline is over.
    pub fn flush(&self, deadline: Duration) {
        let (done, wait) = sync_channel(1);
        match self.queue.try_send(Message::Flush(done)) {
            Ok(()) => _ = wait.recv_timeout(deadline),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}

fn write_all(lines: &Receiver<Message>, stream: &mut impl Write, lost: &AtomicU64) {
    while let Ok(message) = lines.recv() {
        match message {
            Message::Line(line) => {
                if stream.write_all(&line).and_then(|()| stream.flush()).is_err() {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
            }
            Message::Flush(done) => _ = done.try_send(()),
        }
    }
}

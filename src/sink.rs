//! Writing that never delays its caller: lines gather in bounded memory, and a separate thread writes them out.

pub mod object;

use prometheus_client::metrics::counter::Counter;
use std::cell::Cell;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long lines gather, so that many share one write and one waking of the thread.
const GATHER: Duration = Duration::from_millis(10);
/// The memory that the thread keeps between two writes, or twice the size of the last write if that is more: a busy
/// server would ask for the same memory again and again.
const KEPT: usize = 64 * 1024;

/// The memory that a thread keeps for writing lines.
const LINE_KEPT: usize = 4 * 1024;

thread_local! {
    static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The entrance to one stream. A line that finds no room, or that the stream refuses, is lost and counted; the stream
/// reports the loss as soon as it takes something again.
#[derive(Clone, Debug)]
pub struct Sink(Arc<Entrance>);

/// Closes the queue when the last entrance is gone.
#[derive(Debug)]
struct Entrance(Arc<Queue>);

struct Queue {
    waiting: Mutex<Waiting>,
    /// There is something to write, or nothing to wait for.
    filled: Condvar,
    /// A batch has been dealt with.
    settled: Condvar,
    /// In bytes.
    capacity: usize,
    lost: Counter,
}

#[derive(Default)]
struct Waiting {
    text: Vec<u8>,
    /// Lines that were taken so far, and those of them that were written or lost.
    taken: u64,
    dealt_with: u64,
    /// Lines are written at once, without gathering.
    hurried: bool,
    closed: bool,
}

impl Sink {
    /// Starts the thread, which ends when the last clone is gone. At most `capacity` bytes wait. `lost` counts lines,
    /// and `notice` makes the line that reports a number of lost ones.
    ///
    /// # Errors
    ///
    /// The thread cannot be started.
    pub fn start(
        name: &str,
        capacity: usize,
        lost: Counter,
        stream: impl Write + Send + 'static,
        notice: impl Fn(u64) -> Vec<u8> + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue {
            waiting: Mutex::default(),
            filled: Condvar::new(),
            settled: Condvar::new(),
            capacity,
            lost,
        });
        let entrance = Entrance(Arc::clone(&queue));
        let write = move || write_batches(&queue, stream, notice);
        std::thread::Builder::new().name(name.to_owned()).spawn(write)?;
        Ok(Self(Arc::new(entrance)))
    }

    /// Queues the line that `write` puts into its empty buffer, as [`line`](Self::line) does.
    pub fn write(&self, write: impl FnOnce(&mut Vec<u8>)) {
        // Taken out while it is in use, as `write` may itself log. A thread that is ending has no buffer to give.
        let mut line = LINE.try_with(Cell::take).unwrap_or_default();
        write(&mut line);
        self.line(&line);
        line.clear();
        line.shrink_to(LINE_KEPT);
        _ = LINE.try_with(|kept| kept.set(line));
    }

    /// Queues one line, line break included. Never waits for the stream.
    pub fn line(&self, line: &[u8]) {
        let queue = &self.0.0;
        let mut waiting = queue.lock();
        if waiting.text.len() + line.len() > queue.capacity {
            drop(waiting);
            queue.lost.inc();
            return;
        }
        let was_empty = waiting.text.is_empty();
        waiting.text.extend_from_slice(line);
        waiting.taken += 1;
        drop(waiting);
        if was_empty {
            queue.filled.notify_one();
        }
    }

    /// Lines lost so far.
    pub fn lost(&self) -> u64 {
        self.0.0.lost.get()
    }

    /// Waits until all queued lines have been written or lost, or the deadline is over.
    pub fn flush(&self, deadline: Duration) {
        let queue = &self.0.0;
        let until = Instant::now() + deadline;
        let mut waiting = queue.lock();
        let wanted = waiting.taken;
        while waiting.dealt_with < wanted {
            waiting.hurried = true;
            queue.filled.notify_one();
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            waiting = queue.settled.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.filled.notify_one();
    }
}

impl Queue {
    /// The next lines, put into `batch`; `None` when there will be no more.
    fn next(&self, batch: &mut Vec<u8>) -> Option<Taken> {
        let mut waiting = self.lock();
        while waiting.text.is_empty() {
            if waiting.closed {
                return None;
            }
            waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let gathering = |waiting: &mut Waiting| !waiting.hurried && !waiting.closed;
        let gathered = self.filled.wait_timeout_while(waiting, GATHER, gathering);
        let mut waiting = gathered.unwrap_or_else(PoisonError::into_inner).0;
        waiting.hurried = false;
        std::mem::swap(batch, &mut waiting.text);
        Some(Taken { lines: waiting.taken, lost: self.lost.get() })
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // No code that holds the lock can leave it half changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The numbers of lines taken and lost up to here.
struct Taken {
    lines: u64,
    lost: u64,
}

fn write_batches(queue: &Queue, stream: impl Write, notice: impl Fn(u64) -> Vec<u8>) {
    let mut output = Output { stream, is_mid_line: false };
    let mut batch = Vec::new();
    let mut told = 0;
    while let Some(Taken { lines: taken, lost }) = queue.next(&mut batch) {
        let unwritten = batch.get(output.write(&batch)..).unwrap_or_default();
        queue.lost.inc_by(lines(unwritten));
        // Lines that found no room would have come behind these.
        if lost > told && unwritten.is_empty() {
            let notice = notice(lost - told);
            if output.write(&notice) == notice.len() {
                told = lost;
            }
        }
        let kept = KEPT.max(2 * batch.len());
        batch.clear();
        batch.shrink_to(kept);
        queue.lock().dealt_with = taken;
        queue.settled.notify_all();
    }
}

struct Output<Stream> {
    stream: Stream,
    /// The stream took a part of a line and no more.
    is_mid_line: bool,
}

impl<Stream: Write> Output<Stream> {
    /// Writes lines, and returns how many of their bytes the stream took. First ends a line that was cut off before.
    fn write(&mut self, text: &[u8]) -> usize {
        if self.is_mid_line && self.push(b"\n") == 0 {
            return 0;
        }
        self.is_mid_line = false;
        let written = self.push(text);
        self.is_mid_line = text.get(..written).and_then(<[u8]>::last).is_some_and(|last| *last != b'\n');
        written
    }

    fn push(&mut self, text: &[u8]) -> usize {
        let mut written = 0;
        while let Some(rest) = text.get(written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(more) if more > 0 => written += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Another user of the stream made it non-blocking, so a stalled reader is no failure.
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(GATHER),
                Ok(_) | Err(_) => return written,
            }
        }
        if self.stream.flush().is_ok() { written } else { 0 }
    }
}

fn lines(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queue(..)")
    }
}

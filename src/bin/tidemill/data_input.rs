//! Standard input as data for queries.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Bytes read at once, and pieces that may wait.
const PIECE: usize = 256 << 10;
const PIECES: usize = 4;

/// How soon an interrupt is seen while no byte comes.
const LOOK: Duration = Duration::from_millis(50);

/// Standard input, read by a thread of its own: whoever waits for a byte can be interrupted.
pub(crate) struct DataInput {
    interrupted: fn() -> bool,
    pieces: Option<Receiver<io::Result<Vec<u8>>>>,
    piece: Vec<u8>,
    taken: usize,
}

impl DataInput {
    /// Nothing is read before it is asked for.
    pub(crate) fn new(interrupted: fn() -> bool) -> Self {
        DataInput {
            interrupted,
            pieces: None,
            piece: Vec::new(),
            taken: 0,
        }
    }

    fn next_piece(&mut self) -> io::Result<Vec<u8>> {
        let pieces = self.pieces.get_or_insert_with(|| {
            let (sender, receiver) = sync_channel(PIECES);
            std::thread::spawn(move || read_all(&sender));
            receiver
        });
        loop {
            if (self.interrupted)() {
                return Err(io::Error::other("interrupted"));
            }
            match pieces.recv_timeout(LOOK) {
                Ok(piece) => return piece,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(Vec::new()),
            }
        }
    }
}

/// Sends what comes, until there is no more or nobody wants it.
fn read_all(to: &SyncSender<io::Result<Vec<u8>>>) {
    let mut input = io::stdin().lock();
    loop {
        let mut piece = vec![0; PIECE];
        let piece = match input.read(&mut piece) {
            Ok(0) => return,
            Ok(count) => {
                piece.truncate(count);
                Ok(piece)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = piece.is_err();
        if to.send(piece).is_err() || failed {
            return;
        }
    }
}

impl Read for DataInput {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.piece.len() {
            self.piece = self.next_piece()?;
            self.taken = 0;
        }
        let count = into.len().min(self.piece.len() - self.taken);
        into[..count].copy_from_slice(&self.piece[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

/// Standard input that was read as a script, or that a shell reads.
pub(crate) struct TakenInput;

impl Read for TakenInput {
    fn read(&mut self, _into: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other(
            "it holds the script, or is the shell's, so it cannot be data as well; give the script as an argument, with -c or with -f",
        ))
    }
}

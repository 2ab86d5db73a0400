//! Where lines come from: a file, plain or compressed, or a pipe. Read by a thread of its own, because reading a pipe
//! can wait for ever; its queue is bounded, so it reads no further ahead than the journal takes.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Chain, Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::cli::code;
use crate::cli::failure::Failure;

/// A longer line is taken for something else than a transaction; the entries of a line have limits of their own.
const LINE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Lines read ahead: enough to keep the journal busy.
const LINES_AHEAD_MAX: usize = 256;
/// How gzip data begins.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A line with its number from 1; blank ones are left out.
pub(super) type Numbered = (u64, Result<String, Unreadable>);

/// Why a line cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("it is not UTF-8 text")]
    NotText,
    #[error("it has more than {LINE_BYTES_MAX} bytes")]
    TooLong,
    #[error("it cannot be read: {0}")]
    Io(std::io::Error),
}

type Reading = Box<dyn Read + Send>;

/// An input that is open.
pub(super) struct Source {
    /// Its name in messages.
    pub(super) name: String,
    /// Makes the keys of lines without one.
    pub(super) run_id: String,
    /// Whether nobody gave the run id and nobody could make it again.
    pub(super) run_id_is_new: bool,
    /// Whether it can be read once only.
    pub(super) is_stream: bool,
    /// How many lines it has, where that is known.
    pub(super) lines: Option<u64>,
    reading: Reading,
}

impl Source {
    /// Opens a file, or standard input for `-`. A file is read through once before, for its hash and its lines.
    pub(super) fn open(path: &Path, run_id: Option<String>) -> anyhow::Result<Self> {
        let unreadable =
            |error: std::io::Error| Failure::because(code::INPUT, format!("read {}", path.display()), error);
        let name = path.display().to_string();
        if path == Path::new("-") {
            return Ok(Self::stream("standard input".to_owned(), run_id, Box::new(std::io::stdin())));
        }
        let file = File::open(path).map_err(unreadable)?;
        if !file.metadata().map_err(unreadable)?.is_file() {
            return Ok(Self::stream(name, run_id, Box::new(file)));
        }
        let (hash, lines) = survey(file).map_err(unreadable)?;
        let reading = Box::new(File::open(path).map_err(unreadable)?);
        let run_id = run_id.unwrap_or(hash);
        Ok(Self { name, run_id, run_id_is_new: false, is_stream: false, lines: Some(lines), reading })
    }

    fn stream(name: String, run_id: Option<String>, reading: Reading) -> Self {
        let run_id_is_new = run_id.is_none();
        let run_id = run_id.unwrap_or_else(|| Uuid::now_v7().to_string());
        Self { name, run_id, run_id_is_new, is_stream: true, lines: None, reading }
    }

    /// Starts reading. The queue ends with the input, or after the first line that cannot be had.
    pub(super) fn lines(self) -> mpsc::Receiver<Numbered> {
        let (sender, receiver) = mpsc::channel(LINES_AHEAD_MAX);
        let reading = self.reading;
        // Not a task of the runtime, which would wait for it at its end: nobody may ever write to the pipe again.
        std::thread::spawn(move || read(reading, &sender));
        receiver
    }
}

/// The SHA-256 of a file as it stands, and the number of its lines, uncompressed.
fn survey(file: File) -> std::io::Result<(String, u64)> {
    let mut hashing = Hashing { inner: file, hash: Sha256::new() };
    let mut lines = 0;
    {
        let mut text = BufReader::new(uncompressed(&mut hashing)?);
        let mut open_line = false;
        loop {
            let bytes = text.fill_buf()?;
            let Some(last) = bytes.last() else { break };
            open_line = *last != b'\n';
            let ended = bytes.iter().filter(|byte| **byte == b'\n').count();
            lines += u64::try_from(ended).unwrap_or(u64::MAX);
            let read = bytes.len();
            text.consume(read);
        }
        lines += u64::from(open_line);
    }
    // What may follow the compressed data belongs to the file all the same.
    std::io::copy(&mut hashing, &mut std::io::sink())?;
    let hash = hashing.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((hash, lines))
}

struct Hashing {
    inner: File,
    hash: Sha256,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

/// Either of two ways to read.
enum Text<R: Read> {
    Plain(Chain<Cursor<Vec<u8>>, R>),
    Gzip(Box<MultiGzDecoder<Chain<Cursor<Vec<u8>>, R>>>),
}

impl<R: Read> Read for Text<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(plain) => plain.read(buffer),
            Self::Gzip(gzip) => gzip.read(buffer),
        }
    }
}

/// Looks at the first bytes, not at the name: standard input has none.
fn uncompressed<R: Read>(mut inner: R) -> std::io::Result<Text<R>> {
    let mut head = Vec::with_capacity(GZIP_MAGIC.len());
    let most = u64::try_from(GZIP_MAGIC.len()).unwrap_or(u64::MAX);
    inner.by_ref().take(most).read_to_end(&mut head)?;
    let gzip = head == GZIP_MAGIC;
    let whole = Cursor::new(head).chain(inner);
    Ok(if gzip { Text::Gzip(Box::new(MultiGzDecoder::new(whole))) } else { Text::Plain(whole) })
}

fn read(reading: Reading, sender: &mpsc::Sender<Numbered>) {
    let mut text = match uncompressed(reading) {
        Ok(text) => BufReader::new(text),
        Err(error) => return drop(sender.blocking_send((1, Err(Unreadable::Io(error))))),
    };
    for number in 1.. {
        let line = match next_line(&mut text) {
            None => return,
            Some(Ok(line)) if line.trim().is_empty() => continue,
            Some(line) => line,
        };
        let ended = line.is_err();
        // Nobody listens any more once a line was bad.
        if sender.blocking_send((number, line)).is_err() || ended {
            return;
        }
    }
}

fn next_line(text: &mut BufReader<Text<Reading>>) -> Option<Result<String, Unreadable>> {
    let mut line = Vec::new();
    if let Err(error) = text.by_ref().take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line) {
        return Some(Err(Unreadable::Io(error)));
    }
    if line.is_empty() {
        return None;
    }
    if u64::try_from(line.len()).unwrap_or(u64::MAX) > LINE_BYTES_MAX {
        return Some(Err(Unreadable::TooLong));
    }
    Some(String::from_utf8(line).map_err(|_| Unreadable::NotText))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn all(source: Source) -> Vec<(u64, String)> {
        let mut lines = source.lines();
        let mut all = Vec::new();
        while let Some((number, line)) = lines.blocking_recv() {
            all.push((
                number,
                line.map_or_else(|error| error.to_string(), |line| line.trim_end().to_owned()),
            ));
        }
        all
    }

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn lines_keep_their_numbers_over_blank_ones() {
        let file = file(b"one\n\n  \ntwo");
        let source = Source::open(file.path(), None).unwrap();
        assert_eq!(source.lines, Some(4));
        assert_eq!(all(source), [(1, "one".to_owned()), (4, "two".to_owned())]);
    }

    #[test]
    fn a_compressed_file_reads_like_a_plain_one() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"one\ntwo\n").unwrap();
        let file = file(&gzip.finish().unwrap());
        let source = Source::open(file.path(), None).unwrap();
        assert_eq!((source.lines, source.run_id.len()), (Some(2), 64));
        assert_eq!(all(source), [(1, "one".to_owned()), (2, "two".to_owned())]);
    }

    #[test]
    fn the_run_id_of_a_file_is_the_hash_of_its_bytes() {
        let source = Source::open(file(b"abc").path(), None).unwrap();
        assert_eq!(source.run_id, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let given = Source::open(file(b"abc").path(), Some("mine".to_owned())).unwrap();
        assert_eq!(given.run_id, "mine");
    }

    #[test]
    fn what_is_no_text_ends_the_reading_at_its_line() {
        let source = Source::open(file(b"one\n\xff\ntwo\n").path(), None).unwrap();
        assert_eq!(all(source), [(1, "one".to_owned()), (2, "it is not UTF-8 text".to_owned())]);
    }

    #[test]
    fn a_file_that_is_cut_short_is_refused_before_anything_of_it_is_used() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"one\ntwo\n").unwrap();
        let mut bytes = gzip.finish().unwrap();
        bytes.truncate(bytes.len() - 6);
        assert!(Source::open(file(&bytes).path(), None).is_err());
    }
}

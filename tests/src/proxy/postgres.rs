//! PostgreSQL's messages cut out of a byte stream.
//!
//! Only boundaries and the few fields needed here are read.

use std::collections::HashMap;

use super::frames::{Frame, Meaning, Reader, Wire, commits};

/// Codes that a client may send in place of a protocol version, before its first real message.
const ENCRYPTION_REQUESTS: [u32; 2] = [80_877_103, 80_877_104];

/// The length field counts itself.
const LENGTH_BYTES: usize = 4;

pub(crate) const POSTGRES: Wire =
    Wire { client: || Box::new(Client::default()), server: || Box::new(Server) };

/// A client's messages. It starts with some that have no type.
#[derive(Debug, Default)]
struct Client {
    typed: bool,
    commits: Commits,
}

impl Reader for Client {
    fn next(&mut self, read: &mut Vec<u8>) -> Option<Frame> {
        let bytes = cut(read, self.typed)?;
        let meaning = if self.typed {
            match self.commits.is_commit(bytes[0], &bytes[1 + LENGTH_BYTES..]) {
                true => Meaning::Commit,
                false => Meaning::Other,
            }
        } else if number_at(&bytes, LENGTH_BYTES).is_some_and(|code| ENCRYPTION_REQUESTS.contains(&code)) {
            Meaning::AsksForEncryption
        } else {
            self.typed = true;
            Meaning::Other
        };
        Some(Frame { bytes, meaning })
    }
}

/// A server's messages all have a type (the one byte that answers a request for encryption is never
/// provoked: the proxy answers such requests itself).
#[derive(Debug)]
struct Server;

impl Reader for Server {
    fn next(&mut self, read: &mut Vec<u8>) -> Option<Frame> {
        let bytes = cut(read, true)?;
        // CommandComplete or ErrorResponse.
        let meaning = if matches!(bytes[0], b'C' | b'E') { Meaning::CommandEnded } else { Meaning::Other };
        Some(Frame { bytes, meaning })
    }
}

/// The next message, if all of it is there.
fn cut(read: &mut Vec<u8>, typed: bool) -> Option<Vec<u8>> {
    let length = usize::try_from(number_at(read, usize::from(typed))?).ok()?;
    // A length too small to be one would make no progress; take what the length field itself covers.
    let total = length.max(LENGTH_BYTES) + usize::from(typed);
    (read.len() >= total).then(|| read.drain(..total).collect())
}

/// Follows what a client prepares, to know when it executes a COMMIT.
#[derive(Debug, Default)]
struct Commits {
    statements: HashMap<Vec<u8>, bool>,
    portals: HashMap<Vec<u8>, bool>,
}

impl Commits {
    /// Whether this message makes the server commit.
    fn is_commit(&mut self, kind: u8, body: &[u8]) -> bool {
        let mut fields = body.split(|byte| *byte == 0);
        let mut field = || fields.next().unwrap_or_default();
        match kind {
            b'Q' => commits(field()),
            b'P' => {
                let (name, text) = (field().to_vec(), field());
                self.statements.insert(name, commits(text) || commits_itself(text));
                false
            }
            b'B' => {
                let (portal, statement) = (field().to_vec(), field());
                let commit = self.statements.get(statement).copied().unwrap_or(false);
                self.portals.insert(portal, commit);
                false
            }
            b'E' => self.portals.get(field()).copied().unwrap_or(false),
            _ => false,
        }
    }
}

/// Whether a statement is the one that appends with no database transaction around it: its execution is its commit.
fn commits_itself(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("INSERT INTO daybook.journal") && text.contains("nextval(")
}

fn number_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(field.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + LENGTH_BYTES).unwrap();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    fn kinds(reader: &mut dyn Reader, stream: &[u8]) -> Vec<(u8, Meaning)> {
        let (mut read, mut kinds) = (Vec::new(), Vec::new());
        for byte in stream {
            read.push(*byte);
            kinds.extend(reader.next(&mut read).map(|frame| (frame.bytes[0], frame.meaning)));
        }
        kinds
    }

    #[test]
    fn messages_are_cut_out_wherever_the_reads_end() {
        let stream = [message(b'Q', b"BEGIN\0"), message(b'S', b""), message(b'Q', b"COMMIT\0")].concat();
        let mut client = Client { typed: true, ..Client::default() };
        let expected = [(b'Q', Meaning::Other), (b'S', Meaning::Other), (b'Q', Meaning::Commit)];
        assert_eq!(kinds(&mut client, &stream), expected);
        let stream = [message(b'T', b"COMMIT\0"), message(b'C', b"COMMIT\0")].concat();
        assert_eq!(kinds(&mut Server, &stream), [(b'T', Meaning::Other), (b'C', Meaning::CommandEnded)]);
    }

    #[test]
    fn types_begin_after_the_start_up_message() {
        let stream =
            [&[0, 0, 0, 8, 4, 210, 22, 47], &[0, 0, 0, 9, 0, 3, 0, 0, 0][..], &message(b'p', b"secret\0")];
        let meanings = kinds(&mut Client::default(), &stream.concat());
        assert_eq!(meanings, [(0, Meaning::AsksForEncryption), (0, Meaning::Other), (b'p', Meaning::Other)]);
    }

    #[test]
    fn a_commit_is_known_as_a_query_and_when_executed() {
        let mut commits = Commits::default();
        assert!(commits.is_commit(b'Q', b"  commit ;\0"));
        assert!(commits.is_commit(b'Q', b"END\0"));
        assert!(!commits.is_commit(b'Q', b"INSERT INTO t VALUES ('COMMIT')\0"));
        assert!(!commits.is_commit(b'P', b"s1\0COMMIT\0\0\0"));
        assert!(!commits.is_commit(b'B', b"p1\0s1\0\0\0\0\0\0\0"));
        assert!(commits.is_commit(b'E', b"p1\0\0\0\0\0"));
        assert!(!commits.is_commit(b'E', b"\0\0\0\0\0"));
        let append =
            b"s2\0WITH t AS (SELECT nextval('n')), w AS (INSERT INTO daybook.journal (a) SELECT 1) SELECT 1\0\0\0";
        assert!(!commits.is_commit(b'P', append));
        assert!(!commits.is_commit(b'B', b"\0s2\0\0\0\0\0\0\0"));
        assert!(commits.is_commit(b'E', b"\0\0\0\0\0"));
    }
}

//! PostgreSQL's messages cut out of a byte stream, and which of a client's messages carry a COMMIT.
//!
//! Only boundaries and the few fields needed here are read.

use std::collections::HashMap;

/// Codes that a client may send in place of a protocol version, before its first real message.
const ENCRYPTION_REQUESTS: [u32; 2] = [80_877_103, 80_877_104];

/// The length field counts itself.
const LENGTH_BYTES: usize = 4;

/// One message, whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    bytes: Vec<u8>,
    /// Messages before the start-up message have no type byte.
    typed: bool,
}

impl Frame {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether a client asks for TLS or GSSAPI, to be answered by one byte.
    pub(super) fn asks_for_encryption(&self) -> bool {
        !self.typed
            && number_at(&self.bytes, LENGTH_BYTES).is_some_and(|code| ENCRYPTION_REQUESTS.contains(&code))
    }

    /// Whether a server says by this how a command ended: CommandComplete or ErrorResponse.
    pub(super) fn ends_a_command(&self) -> bool {
        matches!(self.kind(), b'C' | b'E')
    }

    fn kind(&self) -> u8 {
        if self.typed { self.bytes[0] } else { 0 }
    }

    fn body(&self) -> &[u8] {
        &self.bytes[LENGTH_BYTES + usize::from(self.typed)..]
    }
}

/// Cuts a stream into messages.
#[derive(Debug)]
pub(super) struct Frames {
    buffer: Vec<u8>,
    typed: bool,
}

impl Frames {
    /// A client starts with messages that have no type.
    pub(super) fn of_client() -> Self {
        Self { buffer: Vec::new(), typed: false }
    }

    /// A server's messages all have a type (the one byte that answers a request for encryption is never
    /// provoked: the proxy answers such requests itself).
    pub(super) fn of_server() -> Self {
        Self { buffer: Vec::new(), typed: true }
    }

    /// Where what was read is appended.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// The next message, if all of it is there.
    pub(super) fn next(&mut self) -> Option<Frame> {
        let typed = self.typed;
        let length = usize::try_from(number_at(&self.buffer, usize::from(typed))?).ok()?;
        // A length too small to be one would make no progress; take what the length field itself covers.
        let total = length.max(LENGTH_BYTES) + usize::from(typed);
        if self.buffer.len() < total {
            return None;
        }
        let frame = Frame { bytes: self.buffer.drain(..total).collect(), typed };
        self.typed = typed || !frame.asks_for_encryption();
        Some(frame)
    }
}

/// Follows what a client prepares, to know when it executes a COMMIT.
#[derive(Debug, Default)]
pub(super) struct Commits {
    statements: HashMap<Vec<u8>, bool>,
    portals: HashMap<Vec<u8>, bool>,
}

impl Commits {
    /// Whether this message makes the server commit.
    pub(super) fn is_commit(&mut self, frame: &Frame) -> bool {
        let mut fields = frame.body().split(|byte| *byte == 0);
        let mut field = || fields.next().unwrap_or_default();
        match frame.kind() {
            b'Q' => commits(field()),
            b'P' => {
                let (name, text) = (field().to_vec(), field());
                self.statements.insert(name, commits(text));
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

/// Whether a statement's first word is COMMIT or its synonym END.
fn commits(statement: &[u8]) -> bool {
    let text = String::from_utf8_lossy(statement);
    let word = text.split(|c: char| c.is_whitespace() || c == ';').find(|word| !word.is_empty());
    word.is_some_and(|word| word.eq_ignore_ascii_case("commit") || word.eq_ignore_ascii_case("end"))
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

    fn started() -> Frames {
        Frames { buffer: Vec::new(), typed: true }
    }

    #[test]
    fn messages_are_cut_out_wherever_the_reads_end() {
        let stream = [message(b'Q', b"BEGIN\0"), message(b'S', b""), message(b'Q', b"COMMIT\0")].concat();
        let mut frames = started();
        let mut kinds = Vec::new();
        for byte in stream {
            frames.buffer().push(byte);
            kinds.extend(frames.next().map(|frame| frame.kind()));
        }
        assert_eq!(kinds, b"QSQ");
    }

    #[test]
    fn types_begin_after_the_start_up_message() {
        let mut frames = Frames::of_client();
        frames.buffer().extend([0, 0, 0, 8, 4, 210, 22, 47]);
        assert!(frames.next().unwrap().asks_for_encryption());
        frames.buffer().extend([0, 0, 0, 9, 0, 3, 0, 0, 0]);
        assert!(!frames.next().unwrap().asks_for_encryption());
        frames.buffer().extend(message(b'p', b"secret\0"));
        assert_eq!(frames.next().unwrap().kind(), b'p');
    }

    #[test]
    fn a_commit_is_known_as_a_query_and_when_executed() {
        let mut commits = Commits::default();
        let mut is_commit = |kind, body: &[u8]| {
            let mut frames = started();
            frames.buffer().extend(message(kind, body));
            commits.is_commit(&frames.next().unwrap())
        };
        assert!(is_commit(b'Q', b"  commit ;\0"));
        assert!(is_commit(b'Q', b"END\0"));
        assert!(!is_commit(b'Q', b"INSERT INTO t VALUES ('COMMIT')\0"));
        assert!(!is_commit(b'P', b"s1\0COMMIT\0\0\0"));
        assert!(!is_commit(b'B', b"p1\0s1\0\0\0\0\0\0\0"));
        assert!(is_commit(b'E', b"p1\0\0\0\0\0"));
        assert!(!is_commit(b'E', b"\0\0\0\0\0"));
    }
}

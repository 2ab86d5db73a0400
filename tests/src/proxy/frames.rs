//! What a proxy has to know of a protocol: where its messages end, and which of them carry a COMMIT or its answer.

/// What a message means to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A client's: the server shall commit.
    Commit,
    /// A client's: it asks for encryption, to be answered by one byte.
    AsksForEncryption,
    /// A server's: so a command ended.
    CommandEnded,
    Other,
}

/// One message, whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) bytes: Vec<u8>,
    pub(super) meaning: Meaning,
}

/// Cuts what one side sends into messages.
pub(super) trait Reader: Send {
    /// Takes the next message out of what was read, if all of it is there.
    fn next(&mut self, read: &mut Vec<u8>) -> Option<Frame>;
}

/// A protocol: how either side is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire {
    pub(super) client: fn() -> Box<dyn Reader>,
    pub(super) server: fn() -> Box<dyn Reader>,
}

/// Whether one of the statements of a text is a COMMIT, or its synonym END in PostgreSQL.
pub(super) fn commits(text: &[u8]) -> bool {
    String::from_utf8_lossy(text).split(';').any(|statement| {
        let word = statement.split_whitespace().next();
        word.is_some_and(|word| word.eq_ignore_ascii_case("commit") || word.eq_ignore_ascii_case("end"))
    })
}

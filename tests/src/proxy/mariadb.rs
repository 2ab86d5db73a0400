//! MariaDB's packets cut out of a byte stream.
//!
//! A packet is three bytes of length, a sequence number and a payload; a command begins a sequence.

use super::frames::{Frame, Meaning, Reader, Wire, commits};

pub(crate) const MARIADB: Wire = Wire { client: || Box::new(Client), server: || Box::new(Server) };

/// Before each payload: its length and its number in the sequence.
const HEADER_BYTES: usize = 4;

/// A command: a statement as text.
const COM_QUERY: u8 = 0x03;
/// Answers: it is done; it failed.
const OK: u8 = 0x00;
const ERR: u8 = 0xff;
/// The bit in a status that says that another answer to the same command follows.
const MORE_RESULTS: u16 = 0x0008;

/// A client's packets. COMMIT is known where it comes as text, as the driver always sends it.
#[derive(Debug)]
struct Client;

impl Reader for Client {
    fn next(&mut self, read: &mut Vec<u8>) -> Option<Frame> {
        let bytes = cut(read)?;
        let meaning = match bytes.get(3..) {
            Some([0, COM_QUERY, text @ ..]) if commits(text) => Meaning::Commit,
            _ => Meaning::Other,
        };
        Some(Frame { bytes, meaning })
    }
}

/// A server's packets. Read only while the answer to a COMMIT is awaited, which has no rows.
#[derive(Debug)]
struct Server;

impl Reader for Server {
    fn next(&mut self, read: &mut Vec<u8>) -> Option<Frame> {
        let bytes = cut(read)?;
        let meaning = match &bytes[HEADER_BYTES..] {
            [ERR, ..] => Meaning::CommandEnded,
            [OK, rest @ ..] if status(rest).is_some_and(|status| status & MORE_RESULTS == 0) => {
                Meaning::CommandEnded
            }
            _ => Meaning::Other,
        };
        Some(Frame { bytes, meaning })
    }
}

/// The status behind the two counts of an OK.
fn status(body: &[u8]) -> Option<u16> {
    let after = body.get(count_bytes(body)?..)?;
    let after = after.get(count_bytes(after)?..)?;
    Some(u16::from_le_bytes([*after.first()?, *after.get(1)?]))
}

/// How long a number is that says by its first byte how long it is.
fn count_bytes(body: &[u8]) -> Option<usize> {
    Some(match body.first()? {
        0xfc => 3,
        0xfd => 4,
        0xfe => 9,
        _ => 1,
    })
}

fn cut(read: &mut Vec<u8>) -> Option<Vec<u8>> {
    let [a, b, c, _] = read.get(..HEADER_BYTES)? else { return None };
    let total = HEADER_BYTES + usize::try_from(u32::from_le_bytes([*a, *b, *c, 0])).ok()?;
    (read.len() >= total).then(|| read.drain(..total).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(nr: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
        [&length[..3], &[nr], payload].concat()
    }

    fn meanings(reader: &mut dyn Reader, stream: &[u8]) -> Vec<Meaning> {
        let (mut read, mut meanings) = (Vec::new(), Vec::new());
        for byte in stream {
            read.push(*byte);
            meanings.extend(reader.next(&mut read).map(|frame| frame.meaning));
        }
        meanings
    }

    #[test]
    fn a_commit_is_known_alone_and_behind_other_statements() {
        let query = |text: &[u8]| packet(0, &[&[COM_QUERY], text].concat());
        let stream = [
            query(b"ROLLBACK; START TRANSACTION"),
            query(b"COMMIT"),
            query(b"UPDATE t SET a = 'x'; commit"),
            query(b"INSERT INTO t VALUES ('COMMIT')"),
            // The second half of a large statement is none.
            packet(1, b"\x03COMMIT"),
        ];
        let expected = [Meaning::Other, Meaning::Commit, Meaning::Commit, Meaning::Other, Meaning::Other];
        assert_eq!(meanings(&mut Client, &stream.concat()), expected);
    }

    #[test]
    fn the_last_answer_of_a_command_ends_it() {
        let ok = |affected: &[u8], status: u8| packet(1, &[&[OK], affected, &[0, status, 0, 0, 0]].concat());
        let stream = [ok(&[1], 8), ok(&[0xfc, 1, 2], 0x0a), ok(&[0xfc, 1, 2], 2), packet(1, b"\xff\x15\x04")];
        let expected = [Meaning::Other, Meaning::Other, Meaning::CommandEnded, Meaning::CommandEnded];
        assert_eq!(meanings(&mut Server, &stream.concat()), expected);
    }
}

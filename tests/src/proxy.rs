//! Stands between a client and a database server and cuts the connection at the moment of a commit, or lets it hang.
//!
//! It reads the boundaries of the protocol's messages, so it knows when a COMMIT passes, as a simple query or
//! prepared, and what the server says to it. It never changes a message. TLS is refused, since it could not be
//! read. Each side is relayed in turn, so a pipeline of megabytes both ways would get stuck here.

mod frames;
mod mariadb;
mod postgres;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use self::frames::{Meaning, Reader};
use crate::servers::Server;
use crate::tether;

pub(crate) use self::frames::Wire;
pub(crate) use self::mariadb::MARIADB;
pub(crate) use self::postgres::POSTGRES;

/// Where a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The COMMIT never reaches the server, which rolls back.
    BeforeCommit,
    /// The server has carried the COMMIT out; not one byte of its answer reaches the client.
    ReplyLost,
    /// As [`Cut::ReplyLost`], but the first bytes of the answer arrive.
    ReplyHalved,
}

/// A socket through which clients reach a server, until it is cut.
#[derive(Debug)]
pub struct Proxy {
    home: TempDir,
    control: Arc<Control>,
    accepting: AbortHandle,
}

/// What the test wants, and what it can know.
#[derive(Debug)]
struct Control {
    /// The next cut, and how many COMMITs pass before it.
    plan: Mutex<Option<(Cut, usize)>>,
    open: watch::Sender<bool>,
    frozen: watch::Sender<bool>,
    commits: watch::Sender<u64>,
    cuts: watch::Sender<u64>,
}

impl Proxy {
    /// Listens in front of `server`, on the runtime of the caller.
    ///
    /// # Panics
    /// Outside a runtime, or when the socket cannot be made.
    pub fn start(server: &Server) -> Self {
        let home = tether::directory("daybook-px-");
        let (wire, socket_file) = server.wire();
        let listener = UnixListener::bind(home.path().join(socket_file)).expect("listen on a socket");
        let control = Arc::new(Control {
            plan: Mutex::new(None),
            open: watch::Sender::new(true),
            frozen: watch::Sender::new(false),
            commits: watch::Sender::new(0),
            cuts: watch::Sender::new(0),
        });
        let accepting = accept(listener, server.socket_file(), wire, Arc::clone(&control));
        let accepting = tokio::spawn(accepting).abort_handle();
        Self { home, control, accepting }
    }

    /// The URL of a database of the server, through this proxy.
    pub fn url(&self, server: &Server, database: &str) -> String {
        server.url_through(&self.home, database)
    }

    /// Has the connection of a COMMIT cut, once: of the next one after `passing` others, whoever sends it.
    pub fn cut_at_commit(&self, cut: Cut, passing: usize) {
        *self.control.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some((cut, passing));
    }

    /// Waits until `count` cuts have been made in all. After a lost reply the transaction is committed by then.
    ///
    /// # Panics
    /// Never while this proxy lives.
    pub async fn cuts_made(&self, count: u64) {
        let mut cuts = self.control.cuts.subscribe();
        cuts.wait_for(|made| *made >= count).await.expect("the sender lives as long as the proxy");
    }

    /// COMMITs seen so far, cut ones included.
    pub fn commits_seen(&self) -> u64 {
        *self.control.commits.borrow()
    }

    /// Cuts all connections and refuses new ones until [`open`](Self::open): the server seems to be gone.
    pub fn close(&self) {
        self.control.open.send_replace(false);
    }

    /// Lets new connections through again.
    pub fn open(&self) {
        self.control.open.send_replace(true);
    }

    /// Forwards nothing until [`thaw`](Self::thaw), and still takes and keeps connections: the server seems to hang.
    pub fn freeze(&self) {
        self.control.frozen.send_replace(true);
    }

    /// Goes on with what each side has sent meanwhile.
    pub fn thaw(&self) {
        self.control.frozen.send_replace(false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The accepting task owns the connections: they end with it.
        self.accepting.abort();
    }
}

impl Control {
    /// Takes note of a COMMIT; says whether it is the one to cut.
    fn on_commit(&self) -> Option<Cut> {
        self.commits.send_modify(|commits| *commits += 1);
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        match plan.as_mut() {
            Some((cut, 0)) => {
                let cut = *cut;
                *plan = None;
                Some(cut)
            }
            Some((_, passing)) => {
                *passing -= 1;
                None
            }
            None => None,
        }
    }

    fn on_cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

/// Resolves when the test closes the proxy.
async fn closed(open: &mut watch::Receiver<bool>) {
    // An error means that the proxy is gone, and this connection's task with it.
    let _ = open.wait_for(|open| !open).await;
}

async fn accept(listener: UnixListener, server: PathBuf, wire: Wire, control: Arc<Control>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if *control.open.borrow() {
            let relay = Relay::connect(client, server.clone(), wire, Arc::clone(&control));
            connections.spawn(relay);
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Whether a connection goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    End,
}

/// What one side has sent and the other has not got yet.
struct From {
    read: Vec<u8>,
    reader: Box<dyn Reader>,
}

/// One connection, both ways.
struct Relay {
    client: UnixStream,
    server: UnixStream,
    from_client: From,
    from_server: From,
    /// Set between a COMMIT whose answer is to be lost and that answer.
    awaited: Option<Cut>,
    control: Arc<Control>,
}

impl Relay {
    async fn connect(client: UnixStream, server: PathBuf, wire: Wire, control: Arc<Control>) {
        // A server that is down shows to the client as a connection that closes, as through any proxy.
        let Ok(server) = UnixStream::connect(server).await else { return };
        let relay = Self {
            client,
            server,
            from_client: From { read: Vec::new(), reader: (wire.client)() },
            from_server: From { read: Vec::new(), reader: (wire.server)() },
            awaited: None,
            control,
        };
        // An I/O error is the end of one side; dropping the relay is the end of both.
        let _ = relay.run().await;
    }

    async fn run(mut self) -> io::Result<()> {
        let mut open = self.control.open.subscribe();
        let mut frozen = self.control.frozen.subscribe();
        loop {
            let flows = !*frozen.borrow_and_update();
            let flow = tokio::select! {
                // First, so that nothing that is sent after a freeze comes through.
                biased;
                changed = frozen.changed() => if changed.is_ok() { Flow::On } else { Flow::End },
                () = closed(&mut open) => Flow::End,
                read = self.client.read_buf(&mut self.from_client.read), if flows => {
                    if read? == 0 { Flow::End } else { self.forward_client().await? }
                }
                read = self.server.read_buf(&mut self.from_server.read), if flows => {
                    if read? == 0 { Flow::End } else { self.forward_server().await? }
                }
            };
            if flow == Flow::End {
                return Ok(());
            }
        }
    }

    async fn forward_client(&mut self) -> io::Result<Flow> {
        while let Some(frame) = self.from_client.reader.next(&mut self.from_client.read) {
            if frame.meaning == Meaning::AsksForEncryption {
                self.client.write_all(b"N").await?;
                continue;
            }
            if frame.meaning == Meaning::Commit {
                match self.control.on_commit() {
                    Some(Cut::BeforeCommit) => {
                        self.control.on_cut();
                        return Ok(Flow::End);
                    }
                    cut => self.awaited = self.awaited.or(cut),
                }
            }
            self.server.write_all(&frame.bytes).await?;
        }
        Ok(Flow::On)
    }

    async fn forward_server(&mut self) -> io::Result<Flow> {
        while let Some(frame) = self.from_server.reader.next(&mut self.from_server.read) {
            let Some(cut) = self.awaited else {
                self.client.write_all(&frame.bytes).await?;
                continue;
            };
            if frame.meaning == Meaning::CommandEnded {
                if cut == Cut::ReplyHalved {
                    self.client.write_all(&frame.bytes[..frame.bytes.len() / 2]).await?;
                }
                self.control.on_cut();
                return Ok(Flow::End);
            }
        }
        Ok(Flow::On)
    }
}

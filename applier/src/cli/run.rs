//! `daybook run`: the service, until it is asked to end.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use journal_core::model::SiteName;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Session;
use super::code;
use super::failure::{Exit, Failure};
use super::group::{Group, machine};
use super::logging::Form;
use crate::service::Service;

/// Post and receive at the sites of the group until told to end
///
/// SIGINT or SIGTERM ends it: it finishes what is under way, gives its leases back and exits with 0. Logs go to standard error. Standard output gets one line, `daybook: serving a, b`, once the service runs; with `--http`, the line before it tells the address.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only these sites; by default all of the configuration
    #[arg(long = "site", value_name = "SITE")]
    sites: Vec<SiteName>,
    /// Answer readiness checks of load balancers at this address, such as 127.0.0.1:8420; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
    /// The form of the log
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub(super) log: Form,
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let group = Group::load(&session.config)?;
    let sites = group.chosen(&args.sites)?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let shutdown = CancellationToken::new();
    let names: Vec<&str> = sites.iter().map(SiteName::as_str).collect();
    let serving = format!("daybook: serving {}", names.join(", "));
    let http = args.http.or(group.config.http);
    let mut service = Service::new(Arc::new(group.config), sites, instance());
    let mut answering = None;
    if let Some(address) = http {
        let listener = listen(address).await?;
        answering = Some(listener.local_addr().context("listen for readiness checks")?);
        service = service.answering_at(listener);
    }
    let mut service = tokio::spawn(service.run(shutdown.clone()));
    if let Some(address) = answering {
        session.output.line(&format!("daybook: answering at http://{address}"))?;
    }
    session.output.line(&serving)?;
    let mut asked = false;
    loop {
        tokio::select! {
            _ = interrupt.recv(), if !asked => {}
            _ = terminate.recv(), if !asked => {}
            ended = &mut service => {
                ended.context("run the service")?;
                return if asked { Ok(()) } else { Err(stopped()) };
            }
        }
        tracing::info!("ending");
        asked = true;
        shutdown.cancel();
    }
}

/// A port that is taken is told at once: a balancer that gets no answer would take all sites for lost.
async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::because(code::NO_LISTENER, format!("listen for readiness checks at {address}"), error)
    })
}

fn stopped() -> anyhow::Error {
    let message = "the service ended by itself; its log says why";
    Failure::error(Exit::Failure, code::SERVICE_STOPPED, message)
}

/// A name for this process in leases, which no other process ever has.
fn instance() -> String {
    let machine = machine().unwrap_or_else(|| "machine".to_owned());
    format!("{machine}/{}/{}", std::process::id(), uuid::Uuid::now_v7().simple())
}

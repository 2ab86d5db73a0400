//! The readiness route: `GET /ready?site=S&version=V` for load balancers. Answers from the last looks at the databases,
//! so that no number of checks becomes a load, and a database that hangs never makes a check hang. Changes nothing.

mod lookout;
mod route;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::lookout::Lookouts;
use self::route::{Answer, answer};
use crate::config::Config;

/// Connections at once: a balancer's checks of a few sites and versions need a handful. More wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// How long a client may take for the head of its request, also the next one on an open connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// After an accept that failed, mostly for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Answers until shutdown; then lets go of all connections at once, since no answer takes longer than a moment.
pub(super) async fn run(listener: TcpListener, config: Arc<Config>, shutdown: CancellationToken) {
    let mut tasks = JoinSet::new();
    let lookouts = Arc::new(Lookouts::start(&config, &shutdown, &mut tasks));
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // Never closed, so there is always a permit to come.
        let Ok(permit) = permits.clone().acquire_owned().await else { break };
        // No database call is cut short here: looks are the lookouts' own, and end by themselves.
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let lookouts = lookouts.clone();
                connections.spawn(async move {
                    converse(stream, &lookouts).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a readiness check");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    connections.shutdown().await;
    while tasks.join_next().await.is_some() {}
}

async fn converse(stream: TcpStream, lookouts: &Lookouts) {
    let service = service_fn(|request: Request<Incoming>| async move {
        Ok::<_, Infallible>(reply(answer(request.method(), request.uri(), lookouts).await))
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a readiness check broke off");
    }
}

fn reply(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

//! Connections of clients, so many at once, each with a limit on how long a request's head may take.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::Api;
use crate::config::HttpConfig;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Client(pub IpAddr);

/// How long is waited when no connection can be taken, for want of file descriptors say.
const AGAIN: Duration = Duration::from_millis(100);

/// Serves clients for as long as the runtime is there.
pub async fn serve(listener: TcpListener, api: Api, limits: HttpConfig) {
    let router = api.router(&limits);
    let connections = Arc::new(Semaphore::new(limits.connections_max));
    loop {
        let Ok(room) = connections.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, address)) => {
                let router = router.clone().layer(Extension(Client(address.ip())));
                let head = limits.timeout();
                tokio::spawn(async move {
                    answer(stream, router, head).await;
                    drop(room);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection is not taken");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, router: Router, head: Duration) {
    // Answers are small, and should not wait for each other.
    let _ = stream.set_nodelay(true);
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(head);
    let service = TowerToHyperService::new(router);
    let served = server.serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection has ended");
    }
}

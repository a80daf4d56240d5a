//! `stitchboxd serve` and `stitchboxd worker`: from a configuration to a running program.

use crate::config::Config;
use crate::data_folder::{DataFolder, Held};
use crate::failure::Failure;
use crate::lifecycle::Lifecycle;
use crate::listen::{Serving, serve_connections};
use crate::tls::Tls;
use crate::wire::House;
use crate::{machine, observe, operation, socket, wire, workers};
use axum::Router;
use axum::routing::options;
use std::io::Write;
use std::net::SocketAddr;
use stitchbox_blob::BlobStore;
use stitchbox_domain::Domain;
use stitchbox_domain::federation::Backoff;
use stitchbox_runner::{run_moved, run_outbox, run_refreshes, run_sweeper, run_triggers};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Serves until told to end.
pub async fn serve(config: &Config, data: &DataFolder, listen: Option<SocketAddr>) -> Result<(), Failure> {
    let _serving = data.serve()?;
    wire::prepare_tls();
    let tls = Tls::open(&config.server)?;
    machine::raise_open_files();
    let address = listen.unwrap_or(config.server.listen);
    // Before anything is made: a taken address is the commonest mistake.
    let listener = TcpListener::bind(address).await.map_err(|source| Failure::Listen { address, source })?;
    let address = listener.local_addr().map_err(|source| Failure::Listen { address, source })?;
    let House { domain, blobs } = wire::open(config, data).await?;
    let _writing = write_blobs(data, &blobs)?;
    // Signals are heard from here on: whoever reads the line `listening` may send one at once.
    let mut life = Lifecycle::new(config.server.drain.0)?;
    if let Some(password) = domain.first_start().await? {
        eprintln!(
            "first start: the account \"admin\" is made, an ordinary account with a space of its own; the installation is \
             administered with this program on this machine (`stitchboxd --help`). Its password, shown once and kept nowhere:"
        );
        eprintln!("admin password: {password}");
    }
    domain.ready().await?;

    let metrics = operation::install_metrics()?;
    life.start("upkeep of metrics", operation::keep_metrics(metrics.clone(), domain.clone(), life.stop()));
    let operation = operation::router(domain.clone(), blobs, metrics, life.stop());
    let router = front_ends(&domain, &life).merge(operation).layer(axum::middleware::from_fn(observe::observe));
    life.start("socket for administration", socket::serve(socket::open(data)?, domain.clone(), life.stop()));
    life.start("trigger", run_triggers(domain.clone(), life.stop()));
    life.start("refresher", run_refreshes(domain.clone(), life.stop()));
    life.start("sweeper", run_sweeper(domain.clone(), life.stop()));
    federate(&mut life, config, &domain).await?;
    workers::start(&mut life, &domain, data, &config.jobs, config.jobs.workers);
    let mut serving = Serving::new(&config.server.trusted_proxies);
    let mut scheme = "http";
    if let Some(tls) = tls {
        serving.tls = Some(tls.acceptor()?);
        scheme = "https";
        let told = signal(SignalKind::hangup()).map_err(Failure::other("cannot wait for SIGHUP"))?;
        life.start("upkeep of the certificate", tls.keep_current(told, life.stop()));
    }
    life.start("listener", serve_connections(listener, router, serving, life.stop()));

    tracing::info!(%address, data = %data.path().display(), workers = config.jobs.workers, "serving");
    // A closed standard output is no reason to end.
    let _ = writeln!(std::io::stdout(), "listening {scheme}://{address}").and_then(|()| std::io::stdout().flush());
    life.wait().await
}

/// Computes runs until told to end. `serve` may run beside it, or on another machine with the same stores.
pub async fn work(config: &Config, data: &DataFolder) -> Result<(), Failure> {
    let House { domain, blobs } = wire::open(config, data).await?;
    let _writing = write_blobs(data, &blobs)?;
    let mut life = Lifecycle::new(config.server.drain.0)?;
    // Zero says that `serve` has none; whoever starts this process wants one.
    let count = config.jobs.workers.max(1);
    workers::start(&mut life, &domain, data, &config.jobs, count);
    tracing::info!(workers = count, data = %data.path().display(), "waiting for runs");
    life.wait().await
}

/// What this site says to others, if it is part of a federation.
async fn federate(life: &mut Lifecycle, config: &Config, domain: &Domain) -> Result<(), Failure> {
    if domain.federation().is_none() {
        return Ok(());
    }
    // Made at the first start, which takes a moment; whoever calls then finds them.
    domain.site_keys().await?;
    if !wire::is_elsewhere(config) {
        domain.release_outgoing().await?;
    }
    life.start("outbox", run_outbox(domain.clone(), workers::unique_name(0), Backoff::default(), life.stop()));
    life.start("word to peers", run_moved(domain.clone(), life.stop()));
    Ok(())
}

fn write_blobs(data: &DataFolder, blobs: &BlobStore) -> Result<Held, Failure> {
    data.write_blobs(|| {
        let removed = blobs.sweep_staging()?;
        if removed > 0 {
            tracing::info!(removed, "half-written files of an earlier life are cleared away");
        }
        Ok(())
    })
}

fn front_ends(domain: &Domain, life: &Lifecycle) -> Router {
    Router::new()
        .merge(stitchbox_dav::router(domain.clone()))
        .merge(stitchbox_ocs::router(domain.clone(), life.stop()))
        .merge(stitchbox_api::router(domain.clone(), life.stop()))
        .merge(stitchbox_ocm::router(domain.clone()))
        .merge(stitchbox_web::router())
        .route("/", options(|| async { stitchbox_dav::server_options() }))
        .fallback(|| async { (http::StatusCode::NOT_FOUND, "there is nothing at this address\n") })
}

//! From settings to a running server: ports first, then the state, then the services.

use std::fmt::Display;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use prometheus_client::registry::Registry;
use steadfast_engine::{Engine, NamespaceRecord, Namespaces, is_projection_current};
use steadfast_protocol::enums::NamespaceState;
use steadfast_server::{Listeners, Pages, Parts, STEADFAST_VERSION, Server, Ui, shown_address};
use steadfast_store::{MemoryStore, Store};
use steadfast_store_local::LocalStore;
use steadfast_visibility::VisibilityStore;
use steadfast_visibility_sqlite::SqliteVisibility;
use steadfast_web::Listed;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use crate::logs;
use crate::options::Settings;
use crate::threads;

/// How long closed runs are kept in the namespaces that are made at start.
const RETENTION_NS: i64 = 24 * 3600 * 1_000_000_000;

/// Runs a server until it is told to stop. The error is one line for people.
pub(crate) fn server(settings: Settings) -> Result<(), String> {
    let exposed = [settings.ip, settings.ui_ip]
        .into_iter()
        .find(|ip| !ip.is_loopback());
    if let Some(ip) = exposed
        && !settings.reachable
    {
        return Err(format!(
            "{ip} can be reached from other machines, and nobody is asked who they are: add --insecure if that is meant"
        ));
    }
    if settings.printed {
        // Nobody is left to be told if standard error is closed.
        let _ = writeln!(io::stderr(), "{settings:#?}");
    }
    logs::start(settings.log_level, settings.log_format);
    for flag in &settings.without_effect {
        tracing::warn!("{flag} has no effect");
    }
    let ports = Ports::bind(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads::serving()?)
        .enable_all()
        .build()
        .map_err(said("the threads cannot be started"))?;
    runtime.block_on(async {
        let parts = build(&settings)?;
        let stop = stop_signal().map_err(said("signals cannot be received"))?;
        let listeners = ports
            .listen(&settings, parts.engine.projected())
            .map_err(said("the ports cannot be used"))?;
        ports.announce(&settings);
        let engine = parts.engine.clone();
        let served = Server::new(parts).serve(listeners, stop).await;
        // Blocks until all that is queued is written; nobody else is left to be served.
        engine.stop();
        served.map_err(said("the server failed"))
    })
}

/// Opens the state and makes what serves it. To be called within the runtime.
fn build(settings: &Settings) -> Result<Parts, String> {
    let store: Arc<dyn Store> = match &settings.data_dir {
        None => Arc::new(MemoryStore::new()),
        Some(directory) => Arc::new(open(directory)?),
    };
    let projection = settings
        .data_dir
        .as_ref()
        .map(|directory| directory.join("visibility.sqlite"));
    let namespaces = Namespaces::open(store.clone(), Uuid::new_v4().to_string())
        .map_err(said("the namespaces cannot be read"))?;
    let visibility = open_visibility(projection.as_deref(), &*store, &namespaces)?;
    let visibility: Arc<dyn VisibilityStore> = Arc::new(visibility);
    prepare(&namespaces, settings)?;
    let namespaces = Arc::new(namespaces);
    let limits = settings.limits.clone();
    let engine = Engine::start(store, visibility.clone(), namespaces.clone(), limits)
        .map_err(said("the executions cannot be read"))?;
    Ok(Parts {
        engine,
        namespaces,
        visibility,
        registry: Registry::default(),
    })
}

fn open(directory: &Path) -> Result<LocalStore, String> {
    LocalStore::open(directory, Default::default()).map_err(|error| {
        format!(
            "the data directory {} cannot be used: {error}",
            directory.display()
        )
    })
}

/// Opens the visibility store, and empties it where it has lost some of what it had; the engine fills it then.
fn open_visibility(
    path: Option<&Path>,
    store: &dyn Store,
    namespaces: &Namespaces,
) -> Result<SqliteVisibility, String> {
    let unusable = said("the visibility store cannot be opened");
    let visibility = SqliteVisibility::open(path).map_err(&unusable)?.store;
    // Without a marker it is new, or was not filled to the end.
    let Some(marker) = visibility.marker().map_err(&unusable)? else {
        return Ok(visibility);
    };
    let is_current = is_projection_current(store, namespaces, &marker)
        .map_err(said("the state of the visibility store cannot be read"))?;
    if is_current {
        return Ok(visibility);
    }
    tracing::warn!("the visibility store is behind the primary store; it is filled anew");
    visibility.emptied().map_err(&unusable)
}

/// Makes the namespaces and search attributes that are asked for and missing.
fn prepare(namespaces: &Namespaces, settings: &Settings) -> Result<(), String> {
    for name in &settings.namespaces {
        let failed = said_of("the namespace", name);
        if namespaces.by_name(name).is_none() {
            namespaces
                .create(NamespaceRecord {
                    id: Uuid::new_v4().to_string(),
                    name: name.clone(),
                    state: NamespaceState::Registered as i32,
                    retention_ns: RETENTION_NS,
                    ..NamespaceRecord::default()
                })
                .map_err(&failed)?;
        }
        namespaces
            .update(name, |record| {
                for (attribute, value_type) in &settings.search_attributes {
                    record
                        .search_attributes
                        .entry(attribute.clone())
                        .or_insert(value_type.to_protocol() as i32);
                }
                Ok(())
            })
            .map_err(&failed)?;
    }
    Ok(())
}

/// The ports of the server, taken before anything is opened.
struct Ports {
    grpc: TcpListener,
    ui: Option<TcpListener>,
    metrics: Option<TcpListener>,
}

impl Ports {
    fn bind(settings: &Settings) -> Result<Self, String> {
        let optional = |ip: IpAddr, port: Option<u16>| port.map(|port| bind(ip, port)).transpose();
        Ok(Self {
            grpc: bind(settings.ip, settings.port)?,
            ui: optional(settings.ui_ip, settings.ui_port)?,
            metrics: optional(settings.ip, settings.metrics_port)?,
        })
    }

    /// The same ports for the runtime, which must be entered.
    fn listen(&self, settings: &Settings, listed: Listed) -> io::Result<Listeners> {
        let listen = |port: &TcpListener| {
            port.set_nonblocking(true)?;
            tokio::net::TcpListener::from_std(port.try_clone()?)
        };
        Ok(Listeners {
            grpc: listen(&self.grpc)?,
            ui: match &self.ui {
                Some(port) => Some(Ui {
                    listener: listen(port)?,
                    pages: self.pages(settings, listed),
                }),
                None => None,
            },
            metrics: self.metrics.as_ref().map(listen).transpose()?,
        })
    }

    /// The web UI.
    fn pages(&self, settings: &Settings, listed: Listed) -> Pages {
        let options = steadfast_web::Options {
            base_path: settings.ui_public_path.clone(),
            codec: settings.ui_codec.clone(),
            grpc_address: at(&self.grpc),
            version: STEADFAST_VERSION.to_owned(),
        };
        Box::new(|door| steadfast_web::router(door, listed, options))
    }

    /// Says where the server is.
    fn announce(&self, settings: &Settings) {
        let state = match &settings.data_dir {
            Some(directory) => directory.display().to_string(),
            None => "in memory, gone when the server stops".to_owned(),
        };
        let mut text = format!(
            "Steadfast {STEADFAST_VERSION}\n  gRPC:     {}\n",
            at(&self.grpc)
        );
        if let Some(ui) = &self.ui {
            text += &format!("  UI:       http://{}{}\n", at(ui), settings.ui_public_path);
        }
        if let Some(metrics) = &self.metrics {
            text += &format!("  Metrics:  http://{}/metrics\n", at(metrics));
        }
        text += &format!("  State:    {state}\n");
        // The server does its work whether or not anyone reads this.
        let _ = io::stdout().write_all(text.as_bytes());
    }
}

fn at(port: &TcpListener) -> String {
    port.local_addr()
        .map_or_else(|_| "unknown".to_owned(), shown_address)
}

fn bind(ip: IpAddr, port: u16) -> Result<TcpListener, String> {
    let address = SocketAddr::new(ip, port);
    TcpListener::bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => format!("port {port} of {ip} is in use by another process"),
        _ => format!("{address} cannot be listened on: {error}"),
    })
}

/// Completes at SIGTERM or SIGINT.
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn said<E: Display>(what: &str) -> impl Fn(E) -> String {
    move |error| format!("{what}: {error}")
}

fn said_of<E: Display>(what: &str, name: &str) -> impl Fn(E) -> String {
    move |error| format!("{what} {name} cannot be prepared: {error}")
}

//! A PostgreSQL server, of one's own or not.

use super::blocking::wait_for;
use super::programs::{self, Programs};
use super::proxy::Proxy;
use super::schema::Schema;
use super::supervisor::Supervisor;
use super::{not_run, port};
use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio_postgres::config::Host;
use tokio_postgres::{Config, NoTls};

/// How long a server that was started may take to answer. Recovery after a crash is part of that.
const UNTIL_READY: Duration = Duration::from_secs(60);

/// How long one that is said to be there may.
const UNTIL_REACHED: Duration = Duration::from_secs(10);

/// The pause between two attempts to connect to a server that is starting.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(20);

/// How many ports are tried: another process may take one between the moment when it was free and the server's start.
const PORTS_TRIED: usize = 5;

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopMode {
    /// Transactions are rolled back, connections told and closed, and everything is written.
    Fast,
    /// All its processes quit at once, as in a crash: its next start recovers from the log.
    Immediate,
}

/// A server with a superuser `postgres`, who needs no password, and a database of the same name; or the one of
/// [`URL`](super::URL). One's own has the settings of a new cluster: what it acknowledges is on the disk.
///
/// It listens to a port of the loopback address, which stays the same when it is started again, and to a socket in
/// [`Server::folder`].
pub(crate) struct Server {
    config: Config,
    /// `None` for a server that was there before.
    own: Option<Mutex<Supervisor>>,
    is_private: bool,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address())
            .field("is_private", &self.is_private)
            .finish()
    }
}

impl Server {
    /// A server that nobody shares, for a test that stops it. It is gone when this is dropped, and when the process ends,
    /// however that does. `None` after having said that the test is not run.
    ///
    /// # Panics
    /// When the programs are not there and must be, and when the server doesn't start.
    #[track_caller]
    pub(crate) fn private() -> Option<Self> {
        let Some(programs) = Programs::find() else {
            not_run(&format!("it stops its server, and {}", programs::NOT_FOUND));
            return None;
        };
        Some(Self { is_private: true, ..Self::start_new(&programs) })
    }

    #[track_caller]
    pub(super) fn start_new(programs: &Programs) -> Self {
        let mut supervisor =
            Supervisor::new(programs).unwrap_or_else(|error| panic!("no PostgreSQL: {error}"));
        let mut start = || {
            let port = port::free();
            supervisor.order(&format!("start {port}")).map(|()| port)
        };
        let started = (1..PORTS_TRIED).find_map(|_| start().ok()).map_or_else(start, Ok);
        let port = started.unwrap_or_else(|error| panic!("PostgreSQL does not start: {error}"));
        let mut config = Config::new();
        config.user("postgres").dbname("postgres").host("127.0.0.1").port(port);
        let server = Self { config, own: Some(Mutex::new(supervisor)), is_private: false };
        server.wait_until_ready(UNTIL_READY);
        server
    }

    #[track_caller]
    pub(super) fn of_url(url: &str) -> Self {
        let config: Config = url.parse().unwrap_or_else(|error| panic!("{}: {error}", super::URL));
        let server = Self { config, own: None, is_private: false };
        server.wait_until_ready(UNTIL_REACHED);
        server
    }

    /// How to connect, as `tokio_postgres::Config` reads it.
    pub(crate) fn url(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(folder)) => folder.to_string_lossy().into_owned(),
            None => "127.0.0.1".to_owned(),
        };
        self.url_of(&host, self.port())
    }

    /// The same by way of another address, such as that of a [`Proxy`].
    pub(crate) fn url_at(&self, address: SocketAddr) -> String {
        self.url_of(&address.ip().to_string(), address.port())
    }

    fn url_of(&self, host: &str, port: u16) -> String {
        let port = port.to_string();
        let password =
            self.config.get_password().map(|password| String::from_utf8_lossy(password).into_owned());
        let pairs = [
            ("host", Some(host)),
            ("port", Some(port.as_str())),
            ("user", self.config.get_user()),
            ("password", password.as_deref()),
            ("dbname", self.config.get_dbname()),
        ];
        let quoted = |text: &str| text.replace('\\', r"\\").replace('\'', r"\'");
        let pairs = pairs.into_iter().filter_map(|(key, value)| Some(format!("{key}='{}'", quoted(value?))));
        pairs.collect::<Vec<_>>().join(" ")
    }

    fn port(&self) -> u16 {
        self.config.get_ports().first().copied().unwrap_or(5432)
    }

    /// Where it listens.
    ///
    /// # Panics
    /// When it is the one of [`URL`](super::URL) and that gives no address of TCP.
    pub(crate) fn address(&self) -> SocketAddr {
        let host = match (self.config.get_hostaddrs().first(), self.config.get_hosts().first()) {
            (Some(ip), _) => return SocketAddr::new(*ip, self.port()),
            (None, Some(Host::Tcp(host))) => host.as_str(),
            (None, _) => panic!("a proxy needs a server that listens to TCP; {} has a socket", super::URL),
        };
        let mut addresses =
            (host, self.port()).to_socket_addrs().unwrap_or_else(|error| panic!("{host}: {error}"));
        // Loopback has two addresses, and a server may listen to one of them.
        let is_v4 = |address: &SocketAddr| matches!(address.ip(), IpAddr::V4(_));
        let first = addresses.next();
        first.filter(is_v4).or_else(|| addresses.find(is_v4)).or(first).expect("a host has an address")
    }

    /// A new proxy before it: connect with `server.url_at(proxy.address())`.
    pub(crate) fn proxy(&self) -> Proxy {
        Proxy::new(self.address())
    }

    /// The name of a schema that nobody has. It is not made here, and dropped when the value is.
    pub(crate) fn fresh_schema(&self) -> Schema {
        Schema::new(self.url())
    }

    /// Where one's own server keeps its data, its socket and its log.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        Some(lock(self.own.as_ref()?).folder().to_owned())
    }

    /// Stops it, and returns when it is stopped.
    ///
    /// # Panics
    /// When it is shared, not running, or doesn't stop within a minute.
    #[track_caller]
    pub(crate) fn stop(&self, mode: StopMode) {
        let signal = match mode {
            StopMode::Fast => "INT",
            StopMode::Immediate => "QUIT",
        };
        self.private_supervisor().order(&format!("stop {signal}")).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Starts it again, and returns when it takes connections.
    ///
    /// # Panics
    /// When it is shared, running, or doesn't start within a minute.
    #[track_caller]
    pub(crate) fn start(&self) {
        let order = format!("start {}", self.port());
        self.private_supervisor().order(&order).unwrap_or_else(|error| panic!("{error}"));
        self.wait_until_ready(UNTIL_READY);
    }

    /// Stops it and starts it again.
    #[track_caller]
    pub(crate) fn restart(&self, mode: StopMode) {
        self.stop(mode);
        self.start();
    }

    #[track_caller]
    fn private_supervisor(&self) -> MutexGuard<'_, Supervisor> {
        match &self.own {
            Some(supervisor) if self.is_private => lock(supervisor),
            _ => panic!("the server is shared: who stops one uses Server::private()"),
        }
    }

    /// Until somebody could connect.
    #[track_caller]
    fn wait_until_ready(&self, at_most: Duration) {
        let deadline = Instant::now() + at_most;
        let error = wait_for(async {
            loop {
                let Err(error) = self.config.connect(NoTls).await else { return None };
                if Instant::now() > deadline {
                    return Some(error);
                }
                tokio::time::sleep(BETWEEN_ATTEMPTS).await;
            }
        });
        if let Some(error) = error {
            panic!("PostgreSQL takes no connections: {error:?}");
        }
    }
}

fn lock(supervisor: &Mutex<Supervisor>) -> MutexGuard<'_, Supervisor> {
    supervisor.lock().unwrap_or_else(PoisonError::into_inner)
}

//! A network that fails as planned, between a client and a PostgreSQL server.

use super::port::{listen, loopback};
use super::wire::{COPY_IN_RESPONSE, Conversation, Course, Message, Messages};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;
use std::{fmt, future, io, thread};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How long an order may take. None waits for anybody outside of the process.
const AT_MOST: Duration = Duration::from_secs(30);

/// Forwards connections to a server until it is told otherwise. It runs on a thread of its own, and what it is told is done
/// when the call returns. When it is dropped, its connections are cut.
///
/// It declines encryption, and answers to nobody but clients of PostgreSQL.
pub(crate) struct Proxy {
    address: SocketAddr,
    orders: Option<mpsc::UnboundedSender<(Order, std::sync::mpsc::Sender<()>)>>,
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy)]
enum Order {
    Cut,
    Refuse,
    Block,
    Heal,
}

/// What is to be lost: a request, or the answer to one.
///
/// ```ignore
/// proxy.set(Trap::answer().to("COMMIT"));            // of the next request that runs a statement with this text
/// proxy.set(Trap::request().after(3).hanging());     // the fourth from now; the connection stays open
/// ```
#[derive(Debug, Clone)]
pub(crate) struct Trap {
    lost: Lost,
    text: String,
    after: usize,
    hangs: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lost {
    Request,
    Answer,
}

impl Trap {
    /// Loses a request: nothing of it gets to the server, and the connection is cut.
    pub(crate) fn request() -> Self {
        Self { lost: Lost::Request, text: String::new(), after: 0, hangs: false }
    }

    /// Loses an answer: the server has got the request and has answered it to the end, and the connection is cut before
    /// anything of the answer gets to the client.
    pub(crate) fn answer() -> Self {
        Self { lost: Lost::Answer, ..Self::request() }
    }

    /// Only requests count that run a statement with this text in it, prepared or not. (To prepare one is not to run it.)
    pub(crate) fn to(self, text: &str) -> Self {
        Self { text: text.to_owned(), ..self }
    }

    /// So many requests are let through before, of any connection.
    pub(crate) fn after(self, requests: usize) -> Self {
        Self { after: requests, ..self }
    }

    /// The connection is not cut, but silent from then on.
    pub(crate) fn hanging(self) -> Self {
        Self { hangs: true, ..self }
    }
}

struct Shared {
    target: SocketAddr,
    trap: Mutex<Option<Trap>>,
    sprung: AtomicUsize,
    connections: AtomicUsize,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("address", &self.address).field("target", &self.shared.target).finish()
    }
}

impl Proxy {
    /// One that forwards to this address, from a port of the loopback address that stays the same.
    pub(crate) fn new(target: SocketAddr) -> Self {
        let listener = listen();
        let address = listener.local_addr().expect("a listener has an address");
        let (orders, received) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            target,
            trap: Mutex::default(),
            sprung: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
        });
        let run = {
            let shared = Arc::clone(&shared);
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.expect("the system has a selector for tokio");
                runtime.block_on(run(listener, address, &shared, received)).expect("the proxy works");
            }
        };
        let thread = thread::Builder::new().name(format!("proxy {}", address.port())).spawn(run);
        let thread = Some(thread.expect("the system has a thread for a proxy"));
        Self { address, orders: Some(orders), shared, thread }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections are open through it.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Cuts all connections that there are, as when a machine on the way is switched off; new ones can be made.
    pub(crate) fn cut(&self) {
        self.order(Order::Cut);
    }

    /// Refuses new connections from now on; those that there are stay.
    pub(crate) fn refuse(&self) {
        self.order(Order::Refuse);
    }

    /// Forwards nothing from now on: new connections can be made, and are silent as the old ones. What is sent meanwhile
    /// arrives after [`Proxy::heal`].
    pub(crate) fn block(&self) {
        self.order(Order::Block);
    }

    /// Ends [`Proxy::refuse`] and [`Proxy::block`], and takes away a trap that has not sprung.
    pub(crate) fn heal(&self) {
        *self.shared.trap() = None;
        self.order(Order::Heal);
    }

    /// Sets a trap, in place of one that has not sprung. It springs once.
    pub(crate) fn set(&self, trap: Trap) {
        *self.shared.trap() = Some(trap);
    }

    /// The next request is done, and its client doesn't learn it: [`Trap::answer`].
    pub(crate) fn swallow_next_answer(&self) {
        self.set(Trap::answer());
    }

    /// The next request never arrives: [`Trap::request`].
    pub(crate) fn swallow_next_request(&self) {
        self.set(Trap::request());
    }

    /// How many traps have sprung.
    pub(crate) fn sprung(&self) -> usize {
        self.shared.sprung.load(Ordering::SeqCst)
    }

    fn order(&self, order: Order) {
        let (done, is_done) = std::sync::mpsc::channel();
        let orders = self.orders.as_ref().expect("there is a sender until it is dropped");
        assert!(orders.send((order, done)).is_ok(), "the proxy's thread has ended");
        is_done.recv_timeout(AT_MOST).unwrap_or_else(|error| panic!("{order:?} is not done: {error}"));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

impl Shared {
    fn trap(&self) -> MutexGuard<'_, Option<Trap>> {
        self.trap.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The trap that a request has run into, if it has.
    fn springs(&self, runs: &[String]) -> Option<Trap> {
        let mut place = self.trap();
        let trap = place.as_mut()?;
        if !trap.text.is_empty() && !runs.iter().any(|text| text.contains(&trap.text)) {
            return None;
        }
        if trap.after > 0 {
            trap.after -= 1;
            return None;
        }
        self.sprung.fetch_add(1, Ordering::SeqCst);
        place.take()
    }
}

/// The proxy's thread, until nobody has the sender of the orders any more.
async fn run(
    listener: std::net::TcpListener,
    address: SocketAddr,
    shared: &Arc<Shared>,
    mut orders: mpsc::UnboundedReceiver<(Order, std::sync::mpsc::Sender<()>)>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut listener = Some(TcpListener::from_std(listener)?);
    let blocked = watch::Sender::new(false);
    let mut links = Links::default();
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => {
                let Some((order, done)) = order else { break };
                match order {
                    Order::Cut => {
                        links.take_waiting(listener.as_ref());
                        links.cut().await;
                    }
                    Order::Refuse => listener = None,
                    Order::Block => drop(blocked.send_replace(true)),
                    Order::Heal => {
                        if listener.is_none() {
                            listener = Some(TcpListener::bind(loopback(address.port())).await?);
                        }
                        blocked.send_replace(false);
                    }
                }
                let _ = done.send(());
            }
            client = accept(listener.as_ref()) => {
                // A client may be gone before it was taken.
                if let Ok(client) = client {
                    links.add(client, Arc::clone(shared), blocked.subscribe());
                }
            }
            _ = links.ended() => {}
        }
    }
    links.cut().await;
    Ok(())
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(client, _)| client),
        None => future::pending().await,
    }
}

/// The connections, each of which is a task.
struct Links {
    tasks: JoinSet<()>,
    /// Changed when all that there are are to be cut.
    cut: watch::Sender<()>,
}

impl Default for Links {
    fn default() -> Self {
        Self { tasks: JoinSet::new(), cut: watch::Sender::new(()) }
    }
}

impl Links {
    fn add(&mut self, client: TcpStream, shared: Arc<Shared>, blocked: watch::Receiver<bool>) {
        let mut cut = self.cut.subscribe();
        self.tasks.spawn(async move {
            shared.connections.fetch_add(1, Ordering::SeqCst);
            link(client, &shared, blocked, &mut cut).await;
            shared.connections.fetch_sub(1, Ordering::SeqCst);
        });
    }

    /// Whoever is connected by the system already, and was not taken yet, is cut too.
    fn take_waiting(&mut self, listener: Option<&TcpListener>) {
        let Some(listener) = listener else { return };
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Ok((client, _))) = listener.poll_accept(&mut context) {
            let _ = client.set_zero_linger();
        }
    }

    async fn cut(&mut self) {
        self.cut.send_replace(());
        let ends = async { while self.tasks.join_next().await.is_some() {} };
        tokio::time::timeout(AT_MOST, ends).await.expect("a connection is cut without waiting for anybody");
    }

    /// When one has ended, if there are any.
    async fn ended(&mut self) {
        if self.tasks.join_next().await.is_none() {
            future::pending().await
        }
    }
}

/// Why a connection has ended.
enum End {
    /// One side has closed it.
    Closed,
    Cut,
}

async fn link(
    mut client: TcpStream,
    shared: &Shared,
    mut blocked: watch::Receiver<bool>,
    cut: &mut watch::Receiver<()>,
) {
    let forward = async {
        // Who is blocked does not get as far as the server.
        if blocked.wait_for(|blocked| !blocked).await.is_err() {
            return (None, End::Closed);
        }
        let Ok(mut server) = TcpStream::connect(shared.target).await else { return (None, End::Cut) };
        let nodelay = client.set_nodelay(true).and(server.set_nodelay(true));
        let conversation = Mutex::new(Conversation::default());
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let to_client = tokio::sync::Mutex::new(to_client);
        let requests = requests(from_client, to_server, &to_client, &conversation, shared, blocked.clone());
        let answers = answers(from_server, &to_client, &conversation, blocked.clone());
        let end = tokio::select! {
            end = requests => end,
            end = answers => end,
        };
        (Some(server), nodelay.and(end).unwrap_or(End::Closed))
    };
    let (server, end) = tokio::select! {
        biased;
        _ = cut.changed() => (None, End::Cut),
        ended = forward => ended,
    };
    if matches!(end, End::Cut) {
        let _ = client.set_zero_linger();
        let _ = server.map(|server| server.set_zero_linger());
    }
}

/// Forwards what the client says.
async fn requests(
    mut client: ReadHalf<'_>,
    mut server: WriteHalf<'_>,
    to_client: &tokio::sync::Mutex<WriteHalf<'_>>,
    conversation: &Mutex<Conversation>,
    shared: &Shared,
    mut blocked: watch::Receiver<bool>,
) -> io::Result<End> {
    let mut messages = Messages::of_client();
    // The request so far: it is lost whole, or not.
    let mut request = Vec::new();
    while let Some(message) = next(&mut client, &mut messages).await? {
        let _ = blocked.wait_for(|blocked| !blocked).await;
        if message.asks_for_encryption() {
            to_client.lock().await.write_all(b"N").await?;
            continue;
        }
        let ended = lock(conversation).sent(&message);
        if let Some(runs) = ended {
            let trap = shared.springs(&runs);
            match trap {
                Some(Trap { lost: Lost::Request, hangs: true, .. }) => return future::pending().await,
                Some(Trap { lost: Lost::Request, .. }) => return Ok(End::Cut),
                Some(Trap { lost: Lost::Answer, hangs, .. }) => {
                    lock(conversation).forwarded(&message, Course::AnswerLost { hangs });
                }
                None => lock(conversation).forwarded(&message, Course::Usual),
            }
        }
        // Parts of a request: Parse, Bind, Describe, Execute, Close.
        let is_part = matches!(message.kind, b'P' | b'B' | b'D' | b'E' | b'C');
        request.extend(message.bytes);
        if !is_part {
            server.write_all(&request).await?;
            request.clear();
        }
    }
    Ok(End::Closed)
}

/// Forwards what the server says.
async fn answers(
    mut server: ReadHalf<'_>,
    client: &tokio::sync::Mutex<WriteHalf<'_>>,
    conversation: &Mutex<Conversation>,
    mut blocked: watch::Receiver<bool>,
) -> io::Result<End> {
    let mut messages = Messages::of_server();
    // Of the answer that is kept from the client.
    let mut kept = Vec::new();
    while let Some(message) = next(&mut server, &mut messages).await? {
        let _ = blocked.wait_for(|blocked| !blocked).await;
        let (course, is_end) = {
            let mut conversation = lock(conversation);
            (conversation.course(), conversation.answered(&message))
        };
        match course {
            Course::Usual => client.lock().await.write_all(&message.bytes).await?,
            Course::AnswerLost { hangs: false } if is_end => return Ok(End::Cut),
            Course::AnswerLost { hangs: true } if is_end => return future::pending().await,
            Course::AnswerLost { .. } => {
                kept.extend(message.bytes);
                // Without this one, the client would not send the data that the server waits for.
                if message.kind == COPY_IN_RESPONSE {
                    client.lock().await.write_all(&std::mem::take(&mut kept)).await?;
                }
            }
        }
    }
    Ok(End::Closed)
}

/// The next message; `None` when the other side has closed.
async fn next(from: &mut ReadHalf<'_>, messages: &mut Messages) -> io::Result<Option<Message>> {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        if let Some(message) = messages.pop() {
            return Ok(Some(message));
        }
        match from.read(&mut bytes).await? {
            0 => return Ok(None),
            length => messages.push(&bytes[..length]),
        }
    }
}

fn lock(conversation: &Mutex<Conversation>) -> MutexGuard<'_, Conversation> {
    conversation.lock().unwrap_or_else(PoisonError::into_inner)
}

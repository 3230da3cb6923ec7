//! A Kubernetes API server for tests, on loopback, over the simulated cluster.
//!
//! Real `kubectl` and `helm` work against it: discovery, the verbs with all
//! forms of patch, dry runs, list and watch, a few subresources. There is no
//! authentication and no TLS. It is a front end of [`Cluster`] and knows no
//! rule of Kubernetes itself.
//!
//! ```text
//! connection -> http.rs (one request, one answer) -> state.rs (the world, its
//! watchers) -> lkh::sandbox::cluster
//! ```

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on must fail")]

mod asked;
mod discovery;
mod http;
mod openapi;
mod protobuf;
mod state;
mod table;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use lkh::sandbox::cluster::Cluster;
use lkh::sandbox::world::World;
use tokio::sync::oneshot;

pub use state::Seen;
use state::State;

/// How often the cluster looks at the clock.
const TICK: std::time::Duration = std::time::Duration::from_millis(200);

/// A running API server; it stops when it is dropped.
#[derive(Debug)]
pub struct KubeServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl KubeServer {
    /// Starts a server with a new cluster, which has no nodes, on a free port.
    pub fn start() -> Self {
        Self::start_on(0)
    }

    /// Starts one on a given port; 0 is any free one.
    pub fn start_on(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("no port on loopback");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let address = listener.local_addr().expect("an address");
        let mut world = World::new(jiff::Timestamp::now());
        Cluster::open(&mut world);
        let state = Arc::new(Mutex::new(State::new(world)));
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(http::serve(listener, served, stopped));
        });
        Self { address, state, stop: Some(stop), thread: Some(thread) }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its address, for example `http://127.0.0.1:34567`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Writes a kubeconfig for it.
    pub fn kubeconfig(&self, path: &Path) -> std::io::Result<()> {
        std::fs::write(path, self.kubeconfig_text())
    }

    /// The text of a kubeconfig for it.
    pub fn kubeconfig_text(&self) -> String {
        let url = self.url();
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters:\n- name: test\n  cluster: {{server: \"{url}\"}}\n\
             contexts:\n- name: test\n  context: {{cluster: test, user: test}}\n\
             users:\n- name: test\n  user: {{}}\n"
        )
    }

    /// Acts on the cluster, at the present time; the controllers catch up and
    /// watchers hear of it before this returns.
    pub fn with<T>(&self, act: impl FnOnce(&mut Cluster) -> T) -> T {
        self.state().act(act)
    }

    /// All requests so far, in order.
    pub fn requests(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// How many requests so far would change something: no reads, no dry runs,
    /// no access reviews.
    pub fn mutations(&self) -> usize {
        self.state().seen.iter().filter(|seen| seen.mutates()).count()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.state().seen.clear();
    }

    /// Answers the next so many requests with this HTTP status instead of
    /// doing them.
    pub fn fail_next(&self, count: usize, status: u16) {
        self.state().failures = (count, status);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no request panicked")
    }
}

impl Drop for KubeServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

//! Runs the tests' Kubernetes API server by hand, for trying `kubectl` and
//! `helm` against it.
//!
//! ```text
//! cargo run --example kube_server -- --port 8080 --nodes 2 --kubeconfig /tmp/kubeconfig
//! ```

use std::path::PathBuf;

use clap::Parser;
use kube::KubeServer;

#[path = "../tests/support/kube/mod.rs"]
mod kube;

/// A Kubernetes API server over a simulated cluster, on loopback.
#[derive(Debug, Parser)]
struct Args {
    /// The port; 0 is any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// How many nodes the cluster has at first (2 CPUs, 8 GiB each).
    #[arg(long, default_value_t = 0)]
    nodes: usize,
    /// Where to write a kubeconfig.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
}

fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let server = KubeServer::start_on(args.port);
    server.with(|cluster| {
        for n in 1..=args.nodes {
            cluster.add_node(&format!("node-{n}"), "2", "8Gi");
        }
    });
    if let Some(path) = &args.kubeconfig {
        server.kubeconfig(path)?;
    }
    anstream::println!("{}", server.url());
    loop {
        std::thread::park();
    }
}

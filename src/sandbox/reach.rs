//! Whether `helm` and `kubectl` reach the simulated control plane, and what
//! they say when they do not.
//!
//! This module must not answer any request itself.

use serde_json::Value;

use super::cluster::Cluster;
use super::world::World;

/// Set to `true`, or to a `HOST:PORT`, while the control plane refuses
/// connections.
pub const UNREACHABLE: &str = "k8s/unreachable";

/// The server that a refused connection names when nothing else is said.
const SERVER: &str = "127.0.0.1:6443";

/// The server that the tools try when there is no cluster at all.
const NO_SERVER: &str = "localhost:8080";

/// A control plane that cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable {
    server: String,
    scheme: &'static str,
}

impl Unreachable {
    /// What `kubectl` prints.
    pub fn kubectl(&self) -> String {
        format!(
            "The connection to the server {} was refused - did you specify the right host or port?",
            self.server
        )
    }

    /// What `helm` prints after `Error: `.
    pub fn helm(&self) -> String {
        let address = self.server.replace("localhost", "127.0.0.1");
        format!(
            "kubernetes cluster unreachable: Get \"{}://{}/version\": dial tcp {address}: connect: connection refused",
            self.scheme, self.server
        )
    }
}

/// Opens the world's cluster as a tool does that connects to it.
///
/// # Errors
///
/// The world has no cluster, or says that it does not answer.
pub fn connect(world: &mut World) -> Result<Cluster<'_>, Unreachable> {
    check(world)?;
    Ok(Cluster::open(world))
}

/// Whether a connection would succeed.
///
/// # Errors
///
/// As [`connect`].
pub fn check(world: &World) -> Result<(), Unreachable> {
    match world.get(UNREACHABLE) {
        Some(Value::String(server)) if !server.is_empty() => {
            Err(Unreachable { server: server.clone(), scheme: "https" })
        }
        Some(Value::Bool(true)) => Err(Unreachable { server: SERVER.to_owned(), scheme: "https" }),
        _ if !Cluster::exists(world) => {
            Err(Unreachable { server: NO_SERVER.to_owned(), scheme: "http" })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_refused_connection_names_the_server() {
        let mut world = World::new(Timestamp::UNIX_EPOCH);
        assert_eq!(
            check(&world).unwrap_err().kubectl(),
            "The connection to the server localhost:8080 was refused - did you specify the right host or port?"
        );
        assert_eq!(
            check(&world).unwrap_err().helm(),
            "kubernetes cluster unreachable: Get \"http://localhost:8080/version\": dial tcp 127.0.0.1:8080: connect: connection refused"
        );
        let _ = Cluster::open(&mut world);
        assert!(connect(&mut world).is_ok());
        world.put(UNREACHABLE, Value::from(true));
        assert_eq!(
            check(&world).unwrap_err().helm(),
            "kubernetes cluster unreachable: Get \"https://127.0.0.1:6443/version\": dial tcp 127.0.0.1:6443: connect: connection refused"
        );
        world.put(UNREACHABLE, Value::from("10.0.0.1:443"));
        assert!(check(&world).unwrap_err().kubectl().contains(" 10.0.0.1:443 "));
    }
}

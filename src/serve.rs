//! This machine's devices for programs on others.

use std::net::TcpListener;

pub use burn::tensor::server::ServeError;
use burn::tensor::{
    Device,
    server::{RemoteServer, TokenAuthorizer, WebSocketTransport},
};

/// Computes for other machines, which name these devices `remote:HOST:PORT` and `remote:HOST:PORT/1`, until the process
/// is told to stop (Ctrl+C, `SIGTERM`).
///
/// The devices must belong to one backend: several cards, or one processor. Clients without `token` are turned away; an
/// empty one admits everybody, programs of other users of this machine too. Nothing is encrypted, so listen where only a trusted network reaches: whoever is
/// let in may use the devices' time and memory.
///
/// # Errors
/// [`ServeError`] when the devices are not of one backend or the network fails.
pub fn serve(devices: Vec<Device>, listener: TcpListener, token: &[u8]) -> Result<(), ServeError> {
    let server = RemoteServer::new(devices);
    let server = match TokenAuthorizer::new(token) {
        Ok(authorizer) => server.with_authorizer(authorizer),
        Err(_empty) => server,
    };
    server.serve(WebSocketTransport::from_listener(listener))
}

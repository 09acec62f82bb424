//! Listening sockets.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use super::settings::ListenAddress;
use super::stream::ByteStream;
use crate::error::Error;
use crate::http::Peer;
use crate::sys;

pub(super) struct BoundListener {
    socket: ListeningSocket,
    /// The file of a Unix socket, which is removed with the listener.
    file: Option<PathBuf>,
}

enum ListeningSocket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl BoundListener {
    pub(super) async fn bind(field: &str, address: &ListenAddress) -> Result<Self, Error> {
        match address {
            ListenAddress::Tcp(address) => {
                let socket = TcpListener::bind(address).await;
                let socket = socket.map_err(|error| refused(field, &address.to_string(), &error))?;
                Ok(Self { socket: ListeningSocket::Tcp(socket), file: None })
            }
            #[cfg(unix)]
            ListenAddress::Unix(path) => {
                remove_stale(path).await.map_err(|error| refused(field, &path.display().to_string(), &error))?;
                let socket = sys::listen_privately(path).and_then(|socket| {
                    socket.set_nonblocking(true)?;
                    UnixListener::from_std(socket)
                });
                let socket = socket.map_err(|error| refused(field, &path.display().to_string(), &error))?;
                Ok(Self { socket: ListeningSocket::Unix(socket), file: Some(path.clone()) })
            }
            #[cfg(not(unix))]
            ListenAddress::Unix(_) => {
                Err(Error::validation_failed(field, "is a Unix socket, which this system lacks", "name an address"))
            }
        }
    }

    pub(super) fn shown(&self, scheme: &str) -> String {
        match (&self.socket, &self.file) {
            (_, Some(file)) => format!("unix:{}", file.display()),
            (ListeningSocket::Tcp(socket), None) => {
                socket.local_addr().map_or_else(|_| scheme.to_owned(), |address| format!("{scheme}://{address}"))
            }
            #[cfg(unix)]
            (ListeningSocket::Unix(_), None) => "unix:".to_owned(),
        }
    }

    pub(super) async fn accept(&self) -> io::Result<(Box<dyn ByteStream>, Peer)> {
        match &self.socket {
            ListeningSocket::Tcp(socket) => {
                let (stream, address) = socket.accept().await?;
                // Answers are written whole; without this the last part of one could wait for an acknowledgement.
                stream.set_nodelay(true)?;
                Ok((Box::new(stream), address.ip().into()))
            }
            #[cfg(unix)]
            ListeningSocket::Unix(socket) => {
                let (stream, _) = socket.accept().await?;
                Ok((Box::new(stream), Peer::Unix))
            }
        }
    }
}

impl Drop for BoundListener {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // The next server removes a file that stays.
            let _ = std::fs::remove_file(file);
        }
    }
}

/// Removes the socket of a server that has ended without doing so. Any other file stays: a wrong path may name the database, or
/// the pipe of another program.
#[cfg(unix)]
async fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if sys::is_socket(&found) => {}
        Ok(_) => return Err(ErrorKind::AlreadyExists.into()),
        // The attempt to listen tells the reason.
        Err(_) => return Ok(()),
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

fn refused(field: &str, address: &str, error: &io::Error) -> Error {
    let fix = match error.kind() {
        ErrorKind::AddrInUse => "end the program that listens there, or name another place",
        ErrorKind::AlreadyExists => "name a path where no file is",
        ErrorKind::PermissionDenied => "name a port from 1024 on, or a folder that this user may write",
        _ => "name an address of this machine, or a folder that is there",
    };
    Error::validation_failed(field, format!("cannot be used: {address}: {}", sys::reason(error)), fix)
}

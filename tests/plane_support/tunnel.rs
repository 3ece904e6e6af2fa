//! A way to a TCP server that can be cut and mended.

use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Forwards connections from a port of the loopback interface, or of another; closed at first.
pub struct Tunnel {
    /// Its address, the same however often it is cut.
    pub address: SocketAddr,
    backend: String,
    task: Option<JoinHandle<()>>,
}

impl Tunnel {
    /// A tunnel to `backend` (`host:port`).
    pub async fn new(backend: &str) -> Self {
        Self::on(IpAddr::from([127, 0, 0, 1]), backend).await
    }

    /// The same at another address of this host.
    pub async fn on(ip: IpAddr, backend: &str) -> Self {
        let address = TcpListener::bind((ip, 0)).await.unwrap().local_addr().unwrap();
        Self { address, backend: backend.to_owned(), task: None }
    }

    /// Lets connections through.
    pub async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let backend = self.backend.clone();
        self.task = Some(tokio::spawn(async move {
            // Dropped with the task, and all connections with it.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((mut here, _)) = listener.accept().await {
                let backend = backend.clone();
                connections.spawn(async move {
                    let Ok(mut there) = TcpStream::connect(backend).await else { return };
                    // Broken at once when cut, with nothing sent again: where that one packet is lost, the other end is left half open.
                    here.set_zero_linger().unwrap();
                    // Either side may break off at any time: that is what the tunnel is for.
                    let _ = tokio::io::copy_bidirectional(&mut here, &mut there).await;
                });
            }
        }));
    }

    /// Breaks all connections and refuses new ones.
    pub async fn cut(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            // Ends with a cancellation, which is what was asked for.
            let _ = task.await;
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

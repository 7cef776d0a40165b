//! A TCP proxy between the service and PostgreSQL that injects faults of a network.

use std::{
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
};

use crate::{
    packet_loss::{drop_arriving, drop_nothing},
    random::Random,
};

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Healthy,
    /// Delays each message, in both directions, by a time of its own up to this one.
    Latency(Duration),
    /// Drops one packet in ten before TCP sees it: requests to the proxy, and answers of the server.
    Loss,
    /// Drops every packet of the service before TCP sees it, also those of new connections.
    Cut,
    /// Swallows everything on connections that are open; new ones work.
    HalfOpen,
    /// Swallows everything. Connections are accepted and get no answer.
    Silence,
}

/// How many of a hundred packets [`Wire::Loss`] drops.
const LOST_PERCENT: u32 = 10;

#[derive(Debug, Clone, Copy)]
struct State {
    wire: Wire,
    /// Connections with a lower number are half-open.
    swallowed_below: u64,
    /// Connections with a lower number are reset.
    reset_below: u64,
    /// The number of the next connection.
    next: u64,
}

/// The proxy; it runs until the runtime ends.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: Arc<watch::Sender<State>>,
}

impl Proxy {
    /// Forwards to this address.
    pub(crate) async fn start(database: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let state = State { wire: Wire::Healthy, swallowed_below: 0, reset_below: 0, next: 0 };
        let state = Arc::new(watch::Sender::new(state));
        tokio::spawn(accept(listener, database, Arc::clone(&state)));
        Self { address, state }
    }

    /// Sets what the network does.
    pub(crate) fn set(&self, wire: Wire) {
        self.state.send_modify(|state| {
            state.wire = wire;
            if wire == Wire::HalfOpen || wire == Wire::Silence {
                state.swallowed_below = state.next;
            }
        });
    }

    /// Heals the network. Connections whose packets were swallowed are reset, because both sides have
    /// lost their place in the stream.
    pub(crate) fn heal(&self) {
        self.state.send_modify(|state| {
            if state.wire == Wire::Silence {
                state.swallowed_below = state.next;
            }
            state.wire = Wire::Healthy;
            state.reset_below = state.swallowed_below;
        });
    }

    /// Resets every open connection.
    pub(crate) fn reset(&self) {
        self.state.send_modify(|state| state.reset_below = state.next);
    }
}

async fn accept(listener: TcpListener, database: SocketAddr, state: Arc<watch::Sender<State>>) {
    let mut changes = state.subscribe();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = changes.changed() => {
                let is_cut = changes.borrow_and_update().wire == Wire::Cut;
                if is_cut { drop_arriving(&listener, 100) } else { drop_nothing(&listener) }
                continue;
            }
        };
        let (client, _) = accepted.expect("a connection");
        let mut number = 0;
        state.send_modify(|state| {
            number = state.next;
            state.next += 1;
        });
        tokio::spawn(forward_both(client, database, number, state.subscribe()));
    }
}

/// A message of the server or the client is at most this long; longer ones are forwarded in parts.
const BUFFER: usize = 64 * 1024;

async fn forward_both(
    client: TcpStream,
    database: SocketAddr,
    number: u64,
    mut state: watch::Receiver<State>,
) {
    // A connection is closed with a reset, as by a firewall or a crashed host.
    let _ = client.set_zero_linger();
    let _ = client.set_nodelay(true);
    let Ok(server) = TcpStream::connect(database).await else { return };
    let _ = server.set_zero_linger();
    let _ = server.set_nodelay(true);
    let duplicate = |stream: &TcpStream| stream.as_fd().try_clone_to_owned().expect("a descriptor");
    let sockets = (duplicate(&client), duplicate(&server));
    let ((client_read, client_write), (server_read, server_write)) =
        (client.into_split(), server.into_split());
    let (requests, answers, losses) = (state.clone(), state.clone(), state.clone());
    tokio::select! {
        () = lose_packets(sockets, losses) => {}
        () = forward(client_read, server_write, number, requests) => {}
        () = forward(server_read, client_write, number, answers) => {}
        _ = state.wait_for(|state| state.reset_below > number) => {}
    }
}

/// Drops packets on the sockets to the service and to the server as the state demands.
async fn lose_packets((client, server): (OwnedFd, OwnedFd), mut state: watch::Receiver<State>) {
    loop {
        let wire = state.borrow_and_update().wire;
        let (of_client, of_server) = match wire {
            Wire::Loss => (LOST_PERCENT, LOST_PERCENT),
            Wire::Cut => (100, 0),
            Wire::Healthy | Wire::Latency(_) | Wire::HalfOpen | Wire::Silence => (0, 0),
        };
        for (socket, percent) in [(&client, of_client), (&server, of_server)] {
            if percent > 0 { drop_arriving(socket, percent) } else { drop_nothing(socket) }
        }
        if state.changed().await.is_err() {
            return;
        }
    }
}

async fn forward(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    number: u64,
    state: watch::Receiver<State>,
) {
    let mut buffer = vec![0; BUFFER];
    let mut random = Random::new(number);
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let current = *state.borrow();
        let is_swallowed = current.swallowed_below > number || current.wire == Wire::Silence;
        match current.wire {
            _ if is_swallowed => continue,
            Wire::Latency(most) => tokio::time::sleep(random.milliseconds(0, millis(most))).await,
            Wire::Healthy | Wire::Loss | Wire::Cut | Wire::HalfOpen | Wire::Silence => {}
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    if state.borrow().swallowed_below > number {
        // The other side learns nothing of the end of a half-open connection until it is reset.
        std::future::pending::<()>().await;
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).expect("a short time")
}

//! `[upstream]`: the app that Wharf stands in front of.

use std::net::IpAddr;

use wharf_wire::endpoint::{Endpoint, Host};

use super::{
    checked::{Listener, Server, Timeouts, UpstreamConfig},
    raw::Table,
};

const ENDPOINT_HINT: &str = "write where the app listens: `http://127.0.0.1:3000`";

/// Reads `[upstream]`.
pub(super) fn read(table: &mut Table<'_>, server: &Server) -> Option<UpstreamConfig> {
    let endpoint = table.required("endpoint", ENDPOINT_HINT);
    let endpoint = endpoint.and_then(|entry| entry.parsed(ENDPOINT_HINT, Endpoint::parse));
    if endpoint.as_ref().is_some_and(|endpoint| is_own_door(endpoint, server)) {
        table.problem(
            "endpoint",
            "is one of Wharf's own doors: a request would go round for ever",
            ENDPOINT_HINT,
        );
    }
    let (timeouts, tunnel_idle_timeout) = table.section("timeouts", |table| {
        let timeouts = Timeouts {
            connect: table.seconds("connect_seconds", 5, 1..=300),
            first_byte: table.seconds("first_byte_seconds", 300, 1..=86_400),
            stall: table.seconds("stall_seconds", 300, 1..=86_400),
        };
        (timeouts, table.seconds("tunnel_idle_seconds", 3600, 1..=86_400))
    });
    Some(UpstreamConfig { endpoint: endpoint?, timeouts, tunnel_idle_timeout })
}

/// Whether a connection to `endpoint` comes back here, as far as that can be seen.
fn is_own_door(endpoint: &Endpoint, server: &Server) -> bool {
    let port = endpoint.port().unwrap_or(endpoint.scheme().default_port());
    let doors = [Some(&server.api), server.s3.as_ref(), Some(&server.admin)];
    doors.into_iter().flatten().any(|door| door.listen.port() == port && is_host_of(endpoint.host(), door))
}

fn is_host_of(host: &Host, door: &Listener) -> bool {
    let own = door.listen.ip().to_canonical();
    let is_local = |address: &IpAddr| address.is_loopback() || address.is_unspecified();
    match host {
        Host::Address(address) => *address == own || own.is_unspecified() && is_local(address),
        Host::Name(name) => name == "localhost" && is_local(&own),
    }
}

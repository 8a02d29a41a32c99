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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Environment, from_toml_text};

    const KEY: &str = "[[keys]]\nid = \"0123456789abcdef\"\nallow = []\n";

    fn read(upstream: &str) -> Result<UpstreamConfig, Vec<String>> {
        read_behind("127.0.0.1:8080", upstream)
    }

    fn read_behind(listen: &str, upstream: &str) -> Result<UpstreamConfig, Vec<String>> {
        let text = format!("{KEY}[server]\napi_listen = \"{listen}\"\n[upstream]\n{upstream}");
        match from_toml_text(&text, &Environment::default()) {
            Ok(config) => Ok(config.upstream.unwrap()),
            Err(error) => Err(error.0.into_iter().map(|problem| problem.path).collect()),
        }
    }

    #[test]
    fn an_endpoint_is_enough() {
        let config = read("endpoint = \"http://127.0.0.1:3000/\"").unwrap();
        assert_eq!(config.endpoint.origin(), "http://127.0.0.1:3000");
        assert_eq!(config.timeouts.connect, Duration::from_secs(5));
        assert_eq!(config.tunnel_idle_timeout, Duration::from_hours(1));
        assert_eq!(
            read("endpoint = \"https://app.internal\"").unwrap().endpoint.origin(),
            "https://app.internal"
        );
    }

    #[test]
    fn what_is_no_app_is_refused() {
        for upstream in ["", "endpoint = \"127.0.0.1:3000\"", "endpoint = \"http://a.example/path\""] {
            assert_eq!(read(upstream).unwrap_err(), ["upstream.endpoint"], "{upstream}");
        }
        let late = "endpoint = \"http://a.example\"\ntimeouts = { stall_seconds = 0 }";
        assert_eq!(read(late).unwrap_err(), ["upstream.timeouts.stall_seconds"]);
    }

    #[test]
    fn wharf_is_not_its_own_app() {
        for (listen, endpoint, is_own) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080", true),
            ("127.0.0.1:8080", "http://localhost:8080", true),
            ("127.0.0.1:8080", "http://127.0.0.1:9090", true),
            ("0.0.0.0:8080", "http://127.0.0.1:8080", true),
            ("[::]:80", "http://localhost", true),
            ("127.0.0.1:8080", "http://127.0.0.1:8081", false),
            ("0.0.0.0:8080", "http://192.0.2.1:8080", false),
            ("127.0.0.1:8080", "http://app.internal:8080", false),
        ] {
            let read = read_behind(listen, &format!("endpoint = \"{endpoint}\""));
            assert_eq!(read.is_err(), is_own, "{endpoint} behind {listen}");
        }
    }
}

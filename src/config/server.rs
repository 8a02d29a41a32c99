//! `[server]`: doors, limits, drain.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    slice,
};

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

use crate::seal::Sealer;

use super::{
    checked::{Listener, Server, ServerLimits},
    raw::{Entry, Table},
    secret, tls,
};

const MEBIBYTE: u64 = 1024 * 1024;
const ADDRESS_HINT: &str = "write an address and a port: `127.0.0.1:8080`, `0.0.0.0:8080`, `[::]:8080`";
const PROXY_HINT: &str = "write a network or an address: `10.0.0.0/8`, `192.0.2.7`, `fd00::/8`";
const SEALING_KEY_HINT: &str = "make one with `openssl rand -base64 32`";

/// Reads `[server]`.
pub(super) fn read(table: &mut Table<'_>) -> Server {
    let server = Server {
        s3: s3_door(table),
        api: Listener { listen: listen(table, "api_listen", 8080), tls: table.table("api_tls", tls::read) },
        admin: Listener {
            listen: listen(table, "admin_listen", 9090),
            tls: table.table("admin_tls", tls::read),
        },
        trusted_proxies: table.list("trusted_proxies", |entry| entry.parsed(PROXY_HINT, proxy)),
        data_directory: {
            let directory = table.text("data_directory");
            table.document().resolve(directory.as_deref().unwrap_or("wharf-data"))
        },
        sealing_keys: sealing_keys(table),
        limits: table.section("limits", limits),
        drain_timeout: table.seconds("drain_timeout_seconds", 30, 0..=3600),
    };
    refuse_shared_addresses(table, &server);
    server
}

/// There is none unless it is asked for: without keys nobody could use it.
fn s3_door(table: &mut Table<'_>) -> Option<Listener> {
    let (is_open, has_tls) = (table.has("s3_listen"), table.has("s3_tls"));
    let listen = table.parsed("s3_listen", ADDRESS_HINT, str::parse);
    let tls = table.table("s3_tls", tls::read);
    if has_tls && !is_open {
        table.problem("s3_tls", "is for a door that is not open", "write `s3_listen` as well");
    }
    Some(Listener { listen: listen?, tls })
}

fn refuse_shared_addresses(table: &Table<'_>, server: &Server) {
    let mut seen: Vec<(&str, SocketAddr)> = vec![("api_listen", server.api.listen)];
    let others = [("admin_listen", Some(&server.admin)), ("s3_listen", server.s3.as_ref())];
    for (key, listener) in others {
        let Some(listener) = listener else { continue };
        let same = seen.iter().find(|(_, listen)| *listen == listener.listen && listen.port() != 0);
        if let Some((other, _)) = same {
            let message = format!("is the address of `{other}`");
            table.problem(key, message, "give each door its own port");
        }
        seen.push((key, listener.listen));
    }
}

fn listen(table: &mut Table<'_>, key: &'static str, port: u16) -> SocketAddr {
    let default = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    table.parsed(key, ADDRESS_HINT, str::parse).unwrap_or(default)
}

/// A network, or one address.
fn proxy(text: &str) -> Result<IpNet, &'static str> {
    let address = || text.parse().map(|address: IpAddr| IpNet::from(address));
    let network: IpNet = text.parse().or_else(|_| address()).map_err(|_| "is no network")?;
    match network.prefix_len() {
        0 => Err(
            "is everyone: whoever connects could then choose the client address that is limited and logged",
        ),
        _ => Ok(network.trunc()),
    }
}

fn limits(table: &mut Table<'_>) -> ServerLimits {
    ServerLimits {
        connections_max: table.count("connections_max", 4096, 1..=1_000_000),
        connections_per_ip_max: table.count("connections_per_ip_max", 1024, 1..=1_000_000),
        requests_in_flight_max: table.count("requests_in_flight_max", 1024, 1..=1_000_000),
        header_bytes_max: table.count("header_bytes_max", 32 * 1024, 8192..=MEBIBYTE),
        headers_max: table.count("headers_max", 100, 16..=1000),
        body_bytes_max: table.count("body_bytes_max", MEBIBYTE, 1024..=64 * MEBIBYTE),
        documents_bytes_max: table.count(
            "documents_bytes_max",
            64 * MEBIBYTE,
            4 * MEBIBYTE..=4096 * MEBIBYTE,
        ),
        header_timeout: table.seconds("header_timeout_seconds", 10, 1..=300),
        idle_timeout: table.seconds("idle_timeout_seconds", 60, 1..=3600),
        body_timeout: table.seconds("body_timeout_seconds", 30, 1..=3600),
        body_bytes_per_second_min: table.number("body_bytes_per_second_min", 1024, 0..=MEBIBYTE),
        write_timeout: table.seconds("write_timeout_seconds", 30, 1..=3600),
        reply_bytes_per_second_min: table.number("reply_bytes_per_second_min", 1024, 0..=64 * MEBIBYTE),
        streams_per_connection_max: table.number_u32("streams_per_connection_max", 128, 1..=10_000),
    }
}

/// A list of keys, or a file with one on each line.
fn sealing_keys(table: &mut Table<'_>) -> Vec<SecretString> {
    let file = table.entry("sealing_keys_file");
    if file.is_some() && table.has("sealing_keys") {
        table.problem("sealing_keys_file", "`sealing_keys` is given as well", "leave one of the two out");
    }
    let inline = table.list("sealing_keys", |entry| entry.parsed(SEALING_KEY_HINT, sealing_key));
    file.and_then(sealing_keys_of_file).unwrap_or(inline)
}

fn sealing_keys_of_file(file: Entry<'_>) -> Option<Vec<SecretString>> {
    let (document, path) = (file.document(), file.path().to_owned());
    let text = secret::from_file(file)?;
    let lines = text.expose_secret().lines().map(str::trim).filter(|line| !line.is_empty());
    let keys: Result<Vec<_>, _> = lines.map(sealing_key).collect();
    let several =
        |message: String| document.problem(&path, format!("has a line that {message}"), SEALING_KEY_HINT);
    keys.map_err(several).ok()
}

/// Whoever seals is who knows what a key looks like.
fn sealing_key(text: &str) -> Result<SecretString, String> {
    let key = SecretString::from(text);
    Sealer::new(slice::from_ref(&key)).map(|_| key)
}

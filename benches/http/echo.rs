//! The measure: hyper with nothing on it, answering with the JSON that it was sent, or with one that it was given.

use std::{convert::Infallible, net::SocketAddr, process::ExitCode};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Serves on a free loopback port, whose address is the first line printed, until the process is killed. Every request
/// is read whole; the reply is its body, unless `answer` is given.
pub(crate) fn serve(answer: Option<&Bytes>) -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    runtime.block_on(async {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let Ok(listener) = TcpListener::bind(loopback).await else { return ExitCode::FAILURE };
        let Ok(address) = listener.local_addr() else { return ExitCode::FAILURE };
        println!("{address}");
        while let Ok((stream, _)) = listener.accept().await {
            if stream.set_nodelay(true).is_err() {
                continue;
            }
            let answer = answer.cloned();
            let service = service_fn(move |request| reply(request, answer.clone()));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
        ExitCode::SUCCESS
    })
}

#[expect(clippy::disallowed_methods, reason = "the body is bounded on the line itself")]
async fn reply(
    request: Request<Incoming>,
    answer: Option<Bytes>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = match Limited::new(request.into_body(), 64 * 1024).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let mut response = Response::new(Full::new(answer.unwrap_or(body)));
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    Ok(response)
}

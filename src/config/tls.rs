//! `{ certificate_file = "…", private_key_file = "…" }`: read and paired here, so that a bad certificate is found by
//! `wharf check`, not by the first client.

use std::path::PathBuf;

use rustls::{
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

use super::{
    checked::TlsFiles,
    raw::{Document, Table},
};

const CERTIFICATE_HINT: &str =
    "name a PEM file with the certificate chain, the server's own certificate first";
const PRIVATE_KEY_HINT: &str = "name a PEM file with the certificate's private key, unencrypted";

/// Reads one door's TLS files.
pub(super) fn read(table: &mut Table<'_>) -> Option<TlsFiles> {
    let document = table.document();
    let certificate = table.required("certificate_file", CERTIFICATE_HINT);
    let private_key = table.required("private_key_file", PRIVATE_KEY_HINT);
    let chain = certificate.and_then(|entry| entry.parsed(CERTIFICATE_HINT, |path| chain(document, path)));
    let key = private_key.and_then(|entry| entry.parsed(PRIVATE_KEY_HINT, |path| key(document, path)));
    let ((certificate_file, chain), (private_key_file, key)) = chain.zip(key)?;
    if let Err(error) = pair(chain, key) {
        table.problem(
            "private_key_file",
            format!("does not go with the certificate: {error}"),
            PRIVATE_KEY_HINT,
        );
    }
    Some(TlsFiles { certificate_file, private_key_file })
}

fn chain(document: &Document<'_>, path: &str) -> Result<(PathBuf, Vec<CertificateDer<'static>>), String> {
    let path = document.resolve(path);
    let pem = document.read_file(&path).map_err(|error| error.to_string())?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err("holds no certificate".to_owned()),
        Ok(chain) => Ok((path, chain)),
        Err(_) => Err("is no well-formed PEM file".to_owned()),
    }
}

fn key(document: &Document<'_>, path: &str) -> Result<(PathBuf, PrivateKeyDer<'static>), String> {
    let path = document.resolve(path);
    let pem = document.read_file(&path).map_err(|error| error.to_string())?;
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(key) => Ok((path, key)),
        Err(_) => Err("holds no private key".to_owned()),
    }
}

fn pair(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<(), rustls::Error> {
    let provider: CryptoProvider = ring::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map(drop)
}

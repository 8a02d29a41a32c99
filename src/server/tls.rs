//! Certificates from files. A reload swaps them for connections to come; those that are open keep theirs.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};
use thiserror::Error;

use crate::config::checked::TlsFiles;

/// Why the files do not make a TLS server. It names the file, never what is in it.
#[derive(Debug, Error)]
pub enum TlsError {
    /// Not there, not readable or not PEM.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// PEM, but no certificate in it.
    #[error("{}: no certificate in it", .0.display())]
    Empty(PathBuf),
    /// The key does not fit the certificate, or is of an unknown kind.
    #[error("{}: {source}", path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// What a TLS door shows its clients.
#[derive(Debug)]
pub struct Certificates {
    current: ArcSwap<ServerConfig>,
}

impl Certificates {
    /// Reads `files`.
    pub fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self { current: ArcSwap::new(load(files)?) })
    }

    /// Puts those of `other` in force for connections to come.
    pub fn replace(&self, other: &Self) {
        self.current.store(other.current.load_full());
    }

    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }
}

fn load(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let in_file = |path: &PathBuf| {
        let path = path.clone();
        move |source| TlsError::File { path, source }
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(in_file(&files.certificate_file))?;
    if chain.is_empty() {
        return Err(TlsError::Empty(files.certificate_file.clone()));
    }
    let key =
        PrivateKeyDer::from_pem_file(&files.private_key_file).map_err(in_file(&files.private_key_file))?;
    server_config(chain, key)
        .map_err(|source| TlsError::Unusable { path: files.certificate_file.clone(), source })
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

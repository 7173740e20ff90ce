//! Whom HTTPS trusts, the same for every client that is not AWS's own: whom the operating system trusts, so that a company's
//! authority works for all of them or for none.

use ureq::tls::{RootCerts, TlsConfig};

/// The settings for an agent.
pub(in crate::outside) fn trusted() -> TlsConfig {
    TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build()
}

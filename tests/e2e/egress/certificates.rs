//! Servers that are not who they should be. None of them gets a request.

use molecule_runtime::wit::Sent;
use molecule_runtime::{CertificateFault, FetchError, TlsFault};
use molecule_tests::certificates::{self, Authority};
use molecule_tests::scripted::{Reply, Scripted};
use tokio_rustls::rustls::ServerConfig;

use super::Agent;
use super::outside::Outside;

const URL: &str = "https://api.example.com/";

/// A server, and an agent that trusts this authority.
async fn world(config: ServerConfig, trusted: &Authority) -> (Scripted, Agent) {
    let server = Scripted::tls_as(config, |_| Reply::json(200, "{}")).await;
    let outside = Outside::of(&server).trust(trusted.pem());
    let agent = Agent::new(&["https://api.example.com/**"], &outside);
    (server, agent)
}

#[tokio::test]
async fn a_server_that_somebody_trusted_vouches_for_is_talked_to() {
    let authority = Authority::new();
    let (server, agent) = world(authority.server(), &authority).await;
    assert_eq!(agent.get(URL).await.unwrap().status(), 200);
    assert_eq!(server.received()[0].header("host"), Some("api.example.com"));
}

#[tokio::test]
async fn a_certificate_can_be_wrong_in_six_ways_and_each_is_told() {
    let authority = Authority::new();
    for (config, expected) in [
        (authority.server_with(certificates::valid_in(2020..2021)), CertificateFault::Expired),
        (authority.server_with(certificates::valid_in(2090..2091)), CertificateFault::NotYetValid),
        (authority.server_with(certificates::params("evil.example.com")), CertificateFault::WrongName),
        (Authority::new().server(), CertificateFault::UnknownIssuer),
        (certificates::self_signed(), CertificateFault::UnknownIssuer),
        (authority.as_server(), CertificateFault::AuthorityAsServer),
    ] {
        let (server, agent) = world(config, &authority).await;
        let error = agent.get(URL).await.unwrap_err();
        let FetchError::Tls { fault: TlsFault::Certificate(fault), .. } = &error else { panic!("{error:?}") };
        assert_eq!((fault, error.sent()), (&expected, Sent::No), "{error}");
        assert_eq!(server.received(), []);
    }
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_whose_certificate_is_wrong() {
    let server = Scripted::start([]).await;
    let agent = Agent::new(&["https://api.example.com/**"], &Outside::of(&server));
    let error = agent.get(URL).await.unwrap_err();
    assert!(matches!(error, FetchError::Tls { fault: TlsFault::NotTls, .. }), "{error:?}");
    assert_eq!((error.sent(), server.received()), (Sent::No, vec![]));
}

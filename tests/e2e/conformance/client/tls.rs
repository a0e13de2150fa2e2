//! Encrypted, not encrypted, and the one taken for the other.

use std::process::Command;

use molecule_host::platform::{Client, InvalidTransport, Network, PlatformFault, TransportSettings};
use molecule_protocol::Delivery;
use molecule_tests::scripted::{Received, Reply, Scripted};

use super::{client, credentials, hasty, identity};

fn trusting(certificate: &str) -> TransportSettings {
    TransportSettings { extra_roots: Some(certificate.as_bytes().to_vec()), ..TransportSettings::default() }
}

#[tokio::test]
async fn a_server_whose_certificate_is_trusted_is_talked_to_over_tls() {
    let server = Scripted::tls([Reply::json(200, r#"{"status":"ok"}"#)]).await;
    let network = hasty(Network::new(&trusting(server.certificate.as_ref().unwrap())).unwrap());
    Client::new(&network, identity(&server.url()), credentials()).health().await.unwrap();
    assert_eq!(server.received()[0].target, "/health");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_or_of_another_host_gets_no_request() {
    let server = Scripted::tls([]).await;
    let by_address = server.url().replace("localhost", "127.0.0.1");
    let network = hasty(Network::new(&trusting(server.certificate.as_ref().unwrap())).unwrap());
    let of_another_host = Client::new(&network, identity(&by_address), credentials());
    for client in [client(&server), of_another_host] {
        let error = client.notify(&Default::default()).await.unwrap_err();
        assert!(matches!(error.fault, PlatformFault::Tls(_)), "{error}");
        assert!(error.to_string().contains("certificate is refused"), "{error}");
        assert_eq!((error.attempts, error.delivery()), (1, Delivery::No));
    }
    assert_eq!(server.received(), []);
}

#[tokio::test]
async fn the_wrong_scheme_is_named_and_so_is_the_right_one() {
    let plain = Scripted::answering(|_| Reply::json(200, "{}")).await;
    let network = hasty(Network::new(&TransportSettings::default()).unwrap());
    let encrypted = Client::new(&network, identity(&plain.url().replace("http:", "https:")), credentials());
    let error = encrypted.health().await.unwrap_err();
    assert!(matches!(error.fault, PlatformFault::Tls(_)), "{error:?}");
    assert!(error.to_string().contains("use http:// in --platform-url"), "{error}");
    assert_eq!((error.attempts, plain.received()), (1, vec![]));

    let tls = Scripted::tls([]).await;
    let go = Reply::typed(400, "text/plain", "Client sent an HTTP request to an HTTPS server.\n");
    let go = Scripted::answering(move |_| go.clone()).await;
    for url in [tls.url().replace("https:", "http:"), go.url()] {
        let error = Client::new(&network, identity(&url), credentials()).health().await.unwrap_err();
        assert!(matches!(error.fault, PlatformFault::HttpToHttps), "{error:?}");
        assert!(error.to_string().ends_with("use https:// in --platform-url"), "{error}");
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_when_they_are_given() {
    for wrong in ["", "not a certificate", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
        let error = Network::new(&trusting(wrong)).unwrap_err();
        assert!(matches!(error, InvalidTransport::ExtraRoots(_)), "{wrong:?}: {error}");
    }
    let proxy =
        TransportSettings { proxy: Some("http://user:hunter2@[".into()), ..TransportSettings::default() };
    let error = Network::new(&proxy).unwrap_err();
    assert_eq!(error, InvalidTransport::Proxy);
    assert!(!error.to_string().contains("hunter2"));
}

#[tokio::test]
async fn a_proxy_that_is_set_is_used() {
    let proxy = Scripted::answering(|_| Reply::json(200, r#"{"status":"ok"}"#)).await;
    let through = TransportSettings { proxy: Some(proxy.url()), ..TransportSettings::default() };
    let network = hasty(Network::new(&through).unwrap());
    Client::new(&network, identity("http://platform.invalid"), credentials()).health().await.unwrap();
    assert_eq!(proxy.received()[0].target, "http://platform.invalid/health");
}

/// Tells this test program, started once more, which platform to ask.
const PLATFORM: &str = "MOLECULE_TEST_PLATFORM";

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_does_not_choose_a_proxy_for_requests_that_carry_a_token() {
    if let Ok(platform) = std::env::var(PLATFORM) {
        let network = hasty(Network::new(&TransportSettings::default()).unwrap());
        return Client::new(&network, identity(&platform), credentials()).health().await.unwrap();
    }
    let health = |_: &Received| Reply::json(200, r#"{"status":"ok"}"#);
    let (platform, proxy) = (Scripted::answering(health).await, Scripted::answering(health).await);
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args([
            "--exact",
            "conformance::client::tls::the_environment_does_not_choose_a_proxy_for_requests_that_carry_a_token",
        ])
        .env(PLATFORM, platform.url())
        .env_remove("NO_PROXY")
        .env_remove("no_proxy");
    for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
        child.env(variable, proxy.url());
    }
    let child = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert_eq!((platform.received().len(), proxy.connections()), (1, 0));
}

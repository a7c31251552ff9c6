//! Sockets on the loopback; what needs a namespace is in the integration tests.

use super::*;

#[test]
fn masks() {
    for (len, want) in [
        (0, "0.0.0.0"),
        (8, "255.0.0.0"),
        (24, "255.255.255.0"),
        (32, "255.255.255.255"),
        (99, "255.255.255.255"),
    ] {
        assert_eq!(netmask(len).to_string(), want);
    }
}

#[test]
fn the_loopback_is_read_and_listened_on() {
    let net = NetThread::enter(None).expect("no namespace to enter");
    let lo = net.interface("lo").expect("lo has an address");
    assert_eq!(
        (lo.address, lo.prefix_len, lo.mac),
        (Ipv4Addr::LOCALHOST, 8, None)
    );
    let listener = net
        .tcp_listen("lo", SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))
        .expect("a free port");
    std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("reachable");
    net.udp("lo", SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))
        .expect("a free port");
}

#[test]
fn errors_say_what_to_do() {
    for bad in ["", "..", "a/b", "a\0b"] {
        assert!(matches!(
            NetThread::enter(Some(bad)),
            Err(NetError::NamespaceName(_))
        ));
    }
    let missing = NetThread::enter(Some("nsboot-none-such"))
        .err()
        .expect("not there");
    assert!(missing.to_string().contains("ip netns add"), "{missing}");
    let net = NetThread::enter(None).expect("no namespace to enter");
    let missing = net.interface("none0").expect_err("not there");
    assert!(missing.to_string().contains("ip link"), "{missing}");
}

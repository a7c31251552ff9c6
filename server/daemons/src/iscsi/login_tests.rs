//! Logins as initiators send them, beside what they are told; CHAP; and mutations.

use super::*;
use crate::iscsi::{
    chap::CHALLENGE_LEN,
    testing::{Dice, export},
};

const SECRET: &str = "secretsecret12";

struct Book {
    chap: bool,
}

impl Directory for Book {
    fn lookup(&self, target: &str, initiator: &str) -> Result<Export, Refusal> {
        let mut export = export(8);
        export.chap = self.chap.then(|| Chap {
            username: "user123".into(),
            secret: SECRET.into(),
        });
        match (target == export.target, initiator) {
            (false, _) => Err(Refusal::NoSuchTarget),
            (_, "iqn.stranger") => Err(Refusal::NotAllowed),
            _ => Ok(export),
        }
    }

    fn challenge(&self) -> Option<Challenge> {
        Some(Challenge {
            id: 96,
            bytes: [0xed; CHALLENGE_LEN],
        })
    }
}

fn header(current: Stage, next: Option<Stage>) -> LoginHeader {
    LoginHeader {
        transit: next.is_some(),
        more: false,
        current: Some(current),
        next: next.or(Some(Stage::Security)),
        version_min: 0,
        isid: [0x80, 0, 0, 0, 0, 1],
        tsih: 0,
        cid: 1,
    }
}

fn text(pairs: &[&str]) -> Vec<u8> {
    pairs
        .iter()
        .flat_map(|p| [p.as_bytes(), b"\0"].concat())
        .collect()
}

fn shown(response: &Response) -> String {
    String::from_utf8_lossy(&response.text).replace('\0', "\n")
}

const NAMES: &[&str] = &[
    "InitiatorName=iqn.2026-11.org.test:client",
    "TargetName=iqn.2026-11.test:a",
    "SessionType=Normal",
];

/// The offers of iPXE 1.0.0+git-20190125, captured.
const IPXE_OPERATIONAL: &[&str] = &[
    "HeaderDigest=None",
    "DataDigest=None",
    "MaxConnections=1",
    "InitialR2T=Yes",
    "ImmediateData=No",
    "MaxRecvDataSegmentLength=8192",
    "MaxBurstLength=262144",
    "FirstBurstLength=65536",
    "DefaultTime2Wait=0",
    "DefaultTime2Retain=0",
    "MaxOutstandingR2T=1",
    "DataPDUInOrder=Yes",
    "DataSequenceInOrder=Yes",
    "ErrorRecoveryLevel=0",
];

#[test]
fn ipxe_logs_in_with_chap() {
    let book = Book { chap: true };
    let mut login = Login::default();
    let to_operational = header(Stage::Security, Some(Stage::Operational));

    let names = [NAMES, &["AuthMethod=CHAP,None"]].concat();
    let r = login.on_request(&to_operational, &text(&names), &book);
    assert!(!r.transit && r.status == Status::SUCCESS);
    assert_eq!(shown(&r), "TargetPortalGroupTag=1\nAuthMethod=CHAP\n");

    let r = login.on_request(&to_operational, &text(&["CHAP_A=5"]), &book);
    assert!(!r.transit);
    let challenge = text::hex(&[0xed; CHALLENGE_LEN]);
    assert_eq!(
        shown(&r),
        format!("CHAP_A=5\nCHAP_I=96\nCHAP_C={challenge}\n")
    );

    let answer = chap::digest(96, SECRET.as_bytes(), &[0xed; CHALLENGE_LEN]);
    let proof = format!("CHAP_R={}", text::hex(&answer));
    let r = login.on_request(&to_operational, &text(&["CHAP_N=user123", &proof]), &book);
    assert_eq!(
        (r.transit, r.next, shown(&r).as_str()),
        (true, Some(Stage::Operational), "")
    );

    let last = header(Stage::Operational, Some(Stage::FullFeature));
    let r = login.on_request(&last, &text(IPXE_OPERATIONAL), &book);
    assert!(r.is_final());
    // What is declared is not answered; ours is declared at the end.
    let mut expected = IPXE_OPERATIONAL.to_vec();
    expected.retain(|k| !k.starts_with("MaxRecv"));
    expected.push("MaxRecvDataSegmentLength=262144");
    assert_eq!(shown(&r), expected.join("\n") + "\n");
    let params = login.finish().params;
    assert!(params.initial_r2t && !params.immediate_data);
    assert_eq!((params.their_segment, params.max_burst), (8192, 262_144));
}

/// The offers of open-iscsi 2.1 with its default settings.
#[test]
fn open_iscsi_logs_in_without_chap() {
    let book = Book { chap: false };
    let mut login = Login::default();
    let names = [&["InitiatorAlias=box"], NAMES, &["AuthMethod=None"]].concat();
    let first = header(Stage::Security, Some(Stage::Operational));
    let r = login.on_request(&first, &text(&names), &book);
    assert!(r.transit);
    assert_eq!(shown(&r), "TargetPortalGroupTag=1\nAuthMethod=None\n");
    let offers = [
        "HeaderDigest=None",
        "DataDigest=None",
        "DefaultTime2Wait=2",
        "DefaultTime2Retain=0",
        "IFMarker=No",
        "OFMarker=No",
        "ErrorRecoveryLevel=0",
        "InitialR2T=No",
        "ImmediateData=Yes",
        "MaxBurstLength=16776192",
        "FirstBurstLength=262144",
        "MaxOutstandingR2T=1",
        "MaxConnections=1",
        "DataPDUInOrder=Yes",
        "DataSequenceInOrder=Yes",
        "MaxRecvDataSegmentLength=262144",
    ];
    let last = header(Stage::Operational, Some(Stage::FullFeature));
    let r = login.on_request(&last, &text(&offers), &book);
    assert!(r.is_final());
    let expected = "HeaderDigest=None\nDataDigest=None\nDefaultTime2Wait=2\nDefaultTime2Retain=0\n\
        IFMarker=No\nOFMarker=No\nErrorRecoveryLevel=0\nInitialR2T=No\nImmediateData=Yes\n\
        MaxBurstLength=1048576\nFirstBurstLength=262144\nMaxOutstandingR2T=1\nMaxConnections=1\n\
        DataPDUInOrder=Yes\nDataSequenceInOrder=Yes\nMaxRecvDataSegmentLength=262144\n";
    assert_eq!(shown(&r), expected);
}

#[test]
fn keys_may_span_requests_and_unknown_ones_are_not_understood() {
    let book = Book { chap: false };
    let mut login = Login::default();
    let all = [
        NAMES,
        &["AuthMethod=None", "X-com.example.Odd=1", "MaxBurstLength=1"],
    ]
    .concat();
    let all = text(&all);
    let (a, b) = all.split_at(60);
    let mut part = header(Stage::Security, None);
    part.more = true;
    let r = login.on_request(&part, a, &book);
    assert_eq!(
        (r.status, r.transit, r.text.len()),
        (Status::SUCCESS, false, 0)
    );
    let r = login.on_request(&header(Stage::Security, Some(Stage::FullFeature)), b, &book);
    assert!(r.is_final(), "{r:?}");
    let expected = "TargetPortalGroupTag=1\nAuthMethod=None\n\
        X-com.example.Odd=NotUnderstood\nMaxBurstLength=Reject\n";
    assert_eq!(shown(&r), expected);
}

/// Each wrong login, and the status that tells of it.
#[test]
fn bad_logins_are_refused_with_the_right_status() {
    let first = header(Stage::Security, Some(Stage::Operational));
    let alone = |chap: bool, h: LoginHeader, pairs: &[&str]| {
        Login::default()
            .on_request(&h, &text(pairs), &Book { chap })
            .status
    };
    let with = |extra: &[&'static str]| [NAMES, extra].concat();
    let none = with(&["AuthMethod=None"]);
    assert_eq!(
        alone(true, first, &none),
        Status::AUTH_FAILED,
        "CHAP not offered"
    );
    let skip = header(Stage::Operational, Some(Stage::FullFeature));
    assert_eq!(
        alone(true, skip, NAMES),
        Status::AUTH_FAILED,
        "security left out"
    );
    assert_eq!(alone(false, skip, NAMES), Status::SUCCESS);
    assert_eq!(alone(false, first, &[]), Status::MISSING_PARAMETER);
    assert_eq!(
        alone(false, first, &["InitiatorName=iqn.i"]),
        Status::MISSING_PARAMETER
    );
    let unknown = ["InitiatorName=iqn.i", "TargetName=iqn.none"];
    assert_eq!(alone(false, first, &unknown), Status::NOT_FOUND);
    let stranger = [
        "InitiatorName=iqn.stranger",
        "TargetName=iqn.2026-11.test:a",
    ];
    assert_eq!(alone(false, first, &stranger), Status::FORBIDDEN);
    let odd = with(&["SessionType=Odd"]);
    let odd: Vec<&str> = odd
        .into_iter()
        .filter(|k| *k != "SessionType=Normal")
        .collect();
    assert_eq!(alone(false, first, &odd), Status::BAD_SESSION_TYPE);
    assert_eq!(
        alone(false, first, &["no equals sign"]),
        Status::INITIATOR_ERROR
    );
    let bad = |change: fn(&mut LoginHeader)| {
        let mut h = first;
        change(&mut h);
        alone(false, h, NAMES)
    };
    assert_eq!(bad(|h| h.version_min = 1), Status::UNSUPPORTED_VERSION);
    assert_eq!(bad(|h| h.tsih = 9), Status::NO_SUCH_SESSION);
    assert_eq!(bad(|h| h.current = None), Status::INITIATOR_ERROR);
    assert_eq!(
        bad(|h| h.next = Some(Stage::Security)),
        Status::INITIATOR_ERROR
    );
    assert_eq!(bad(|h| h.more = true), Status::INITIATOR_ERROR);
    assert_eq!(
        bad(|h| h.current = Some(Stage::FullFeature)),
        Status::INITIATOR_ERROR
    );
}

/// A login up to the challenge, and then this answer.
fn answered(pairs: &[&str]) -> Status {
    let book = Book { chap: true };
    let mut login = Login::default();
    let h = header(Stage::Security, Some(Stage::Operational));
    let names = [NAMES, &["AuthMethod=CHAP"]].concat();
    login.on_request(&h, &text(&names), &book);
    login.on_request(&h, &text(&["CHAP_A=5"]), &book);
    login.on_request(&h, &text(pairs), &book).status
}

#[test]
fn chap_lets_only_the_secret_in() {
    let proof = |secret: &str| {
        let digest = chap::digest(96, secret.as_bytes(), &[0xed; CHALLENGE_LEN]);
        format!("CHAP_R={}", text::hex(&digest))
    };
    let (good, wrong) = (proof(SECRET), proof("another secret"));
    let reflected = format!("CHAP_C={}", text::hex(&[0xed; CHALLENGE_LEN]));
    assert_eq!(answered(&["CHAP_N=user123", &good]), Status::SUCCESS);
    assert_eq!(answered(&["CHAP_N=user123", &wrong]), Status::AUTH_FAILED);
    assert_eq!(answered(&["CHAP_N=someone", &good]), Status::AUTH_FAILED);
    assert_eq!(answered(&["CHAP_N=user123"]), Status::MISSING_PARAMETER);
    let back = ["CHAP_N=user123", &good, "CHAP_I=96", &reflected];
    assert_eq!(answered(&back), Status::AUTH_FAILED, "reflected");
    assert_eq!(
        answered(&["CHAP_A=5"]),
        Status::AUTH_FAILED,
        "a second challenge"
    );
    assert_eq!(answered(&["CHAP_A=7"]), Status::AUTH_FAILED, "SHA-1 only");
}

#[test]
fn two_hundred_thousand_mutations_of_a_login() {
    let mut dice = Dice::new(2);
    let seed = text(
        &[
            NAMES,
            &[
                "AuthMethod=CHAP,None",
                "CHAP_A=5",
                "CHAP_N=u",
                "CHAP_R=0x00",
            ],
            IPXE_OPERATIONAL,
        ]
        .concat(),
    );
    let stages = [Stage::Security, Stage::Operational, Stage::FullFeature];
    let mut login = Login::default();
    for round in 0..200_000u32 {
        // Four requests a login; each third login needs a secret that dice don't find.
        let chap = (round / 4).is_multiple_of(3);
        if round.is_multiple_of(4) {
            login = Login::default();
        }
        let mut data = seed.clone();
        dice.mutate(&mut data);
        let mut h = header(stages[dice.below(3)], Some(stages[dice.below(3)]));
        h.more = dice.below(4) == 0;
        h.transit = dice.below(2) == 0;
        let response = login.on_request(&h, &data, &Book { chap });
        assert!(response.text.len() <= 8192);
        assert!(!(chap && response.is_final()), "let in without CHAP");
    }
}

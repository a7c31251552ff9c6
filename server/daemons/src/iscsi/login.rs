//! The login phase (RFC 7143 sections 6.2 to 6.4, 7, 11.12 and 11.13), without sockets or clock:
//! login requests in, login responses out.

use super::{
    chap::{self, ALGORITHM_MD5, Challenge},
    params::Params,
    text::{self, Answer, MAX_TEXT},
    wire::{LoginHeader, Stage},
};
use engine::export::{Chap, Export, Refusal};

/// What the login asks the rest of the server.
pub trait Directory {
    /// The export of that name, if this initiator may use it.
    fn lookup(&self, target: &str, initiator: &str) -> Result<Export, Refusal>;
    /// A fresh challenge from the system's random source; None when that source fails.
    fn challenge(&self) -> Option<Challenge>;
}

/// Status class and detail of a login response (RFC 7143 section 11.13.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status(pub u8, pub u8);

impl Status {
    pub const SUCCESS: Status = Status(0, 0);
    pub const INITIATOR_ERROR: Status = Status(2, 0);
    pub const AUTH_FAILED: Status = Status(2, 1);
    pub const FORBIDDEN: Status = Status(2, 2);
    pub const NOT_FOUND: Status = Status(2, 3);
    pub const UNSUPPORTED_VERSION: Status = Status(2, 5);
    pub const MISSING_PARAMETER: Status = Status(2, 7);
    pub const BAD_SESSION_TYPE: Status = Status(2, 9);
    pub const NO_SUCH_SESSION: Status = Status(2, 10);
    pub const UNAVAILABLE: Status = Status(3, 1);

    /// The status that tells an initiator of a refusal.
    pub fn of(refusal: Refusal) -> Status {
        match refusal {
            Refusal::NoSuchTarget | Refusal::NoSuchName => Status::NOT_FOUND,
            Refusal::NotAllowed | Refusal::Stranger | Refusal::NotYours => Status::FORBIDDEN,
            Refusal::AuthFailed => Status::AUTH_FAILED,
            Refusal::Protocol => Status::INITIATOR_ERROR,
            Refusal::Busy | Refusal::Crowded => Status::UNAVAILABLE,
        }
    }

    fn refusal(self) -> Refusal {
        match self {
            Status::NOT_FOUND => Refusal::NoSuchTarget,
            Status::FORBIDDEN => Refusal::NotAllowed,
            Status::AUTH_FAILED => Refusal::AuthFailed,
            Status::UNAVAILABLE => Refusal::Busy,
            _ => Refusal::Protocol,
        }
    }
}

/// One response. The caller adds tags and sequence numbers.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    pub status: Status,
    pub transit: bool,
    pub current: Stage,
    pub next: Option<Stage>,
    pub text: Vec<u8>,
}

impl Response {
    /// Whether the full feature phase has begun with it.
    pub fn is_final(&self) -> bool {
        self.status == Status::SUCCESS && self.transit && self.next == Some(Stage::FullFeature)
    }

    /// Why the login ended, if it did.
    pub fn refusal(&self) -> Option<Refusal> {
        (self.status != Status::SUCCESS).then(|| self.status.refusal())
    }
}

enum Auth {
    /// Nothing was agreed yet.
    Open,
    /// CHAP was chosen; the algorithm is awaited.
    Chosen,
    /// The challenge is out; name and response are awaited.
    Challenged(Challenge),
    Passed,
}

/// One login from its first request to the full feature phase.
pub struct Login {
    stage: Stage,
    started: bool,
    collected: Vec<u8>,
    auth: Auth,
    params: Params,
    isid: [u8; 6],
    initiator: String,
    target: Option<String>,
    discovery: bool,
    export: Option<Export>,
    chap: Option<Chap>,
}

/// What a finished login has brought.
pub struct Outcome {
    pub params: Params,
    pub isid: [u8; 6],
    pub initiator: String,
    /// None for a discovery session.
    pub export: Option<Export>,
}

type Step<T> = Result<T, Status>;

impl Default for Login {
    fn default() -> Self {
        Login {
            stage: Stage::Security,
            started: false,
            collected: Vec::new(),
            auth: Auth::Open,
            params: Params::default(),
            isid: [0; 6],
            initiator: String::new(),
            target: None,
            discovery: false,
            export: None,
            chap: None,
        }
    }
}

impl Login {
    /// The initiator name so far, empty before the first request.
    pub fn initiator(&self) -> &str {
        &self.initiator
    }

    /// The target name so far.
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// Answers one request. After a response with a status other than success the connection is to be
    /// closed.
    pub fn on_request(&mut self, h: &LoginHeader, data: &[u8], dir: &dyn Directory) -> Response {
        let current = h.current.unwrap_or(Stage::Security);
        self.step(h, data, dir).unwrap_or_else(|status| Response {
            status,
            transit: false,
            current,
            next: None,
            text: Vec::new(),
        })
    }

    fn step(&mut self, h: &LoginHeader, data: &[u8], dir: &dyn Directory) -> Step<Response> {
        let current = self.check_header(h)?;
        if self.collected.len() + data.len() > MAX_TEXT {
            return Err(Status::INITIATOR_ERROR);
        }
        self.collected.extend_from_slice(data);
        if h.more {
            // An empty response asks for the rest (section 7.2, the C bit).
            return Ok(self.response(false, None, Answer::default()));
        }
        let collected = std::mem::take(&mut self.collected);
        let pairs = text::parse(&collected).map_err(|_| Status::INITIATOR_ERROR)?;
        let mut answer = Answer::default();
        if !self.started {
            self.first_request(h, &pairs, dir, &mut answer)?;
        }
        match current {
            Stage::Security => self.security(&pairs, dir, &mut answer)?,
            _ => {
                if !self.authenticated() {
                    return Err(Status::AUTH_FAILED);
                }
                self.operational(&pairs, &mut answer)?;
            }
        }
        let transit = h.transit && (current != Stage::Security || self.authenticated());
        let next = h.next.filter(|_| transit);
        let response = self.response(transit, next, answer);
        if let Some(next) = next {
            self.stage = next;
            if next == Stage::FullFeature {
                self.params.settle();
            }
        }
        Ok(response)
    }

    fn check_header(&mut self, h: &LoginHeader) -> Step<Stage> {
        if h.version_min != 0 {
            return Err(Status::UNSUPPORTED_VERSION);
        }
        let current = h.current.ok_or(Status::INITIATOR_ERROR)?;
        if !self.started && self.collected.is_empty() {
            // One connection per session: a session can only be new (TSIH 0).
            if h.tsih != 0 {
                return Err(Status::NO_SUCH_SESSION);
            }
            self.isid = h.isid;
            self.stage = current;
        }
        let forward = match (h.transit, h.next) {
            (true, Some(next)) => next.order() > current.order(),
            (true, None) => false,
            (false, _) => true,
        };
        let sound = current == self.stage && current != Stage::FullFeature;
        // C and T exclude each other (section 11.12.2).
        if !sound || !forward || (h.more && h.transit) || h.isid != self.isid {
            return Err(Status::INITIATOR_ERROR);
        }
        Ok(current)
    }

    /// The names, which must come with the first request (section 6.2.1).
    fn first_request(
        &mut self,
        h: &LoginHeader,
        pairs: &[(&str, &str)],
        dir: &dyn Directory,
        answer: &mut Answer,
    ) -> Step<()> {
        let find = |key: &str| pairs.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
        let initiator = find("InitiatorName").filter(|n| !n.is_empty() && n.len() <= 223);
        self.initiator = initiator.ok_or(Status::MISSING_PARAMETER)?.to_string();
        self.discovery = match find("SessionType") {
            None | Some("Normal") => false,
            Some("Discovery") => true,
            Some(_) => return Err(Status::BAD_SESSION_TYPE),
        };
        if !self.discovery {
            let target = find("TargetName").ok_or(Status::MISSING_PARAMETER)?;
            self.target = Some(target.to_string());
            let export = dir.lookup(target, &self.initiator);
            let export = export.map_err(Status::of)?;
            self.chap = export.chap.clone();
            self.export = Some(export);
            // The portal group must be in the first response (section 13.9).
            answer.put("TargetPortalGroupTag", 1);
        }
        self.isid = h.isid;
        self.started = true;
        Ok(())
    }

    fn authenticated(&self) -> bool {
        self.chap.is_none() || matches!(self.auth, Auth::Passed)
    }

    fn response(&self, transit: bool, next: Option<Stage>, answer: Answer) -> Response {
        Response {
            status: Status::SUCCESS,
            transit,
            current: self.stage,
            next,
            text: answer.into_bytes(),
        }
    }

    fn security(
        &mut self,
        pairs: &[(&str, &str)],
        dir: &dyn Directory,
        answer: &mut Answer,
    ) -> Step<()> {
        let find = |key: &str| pairs.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
        for (key, value) in pairs {
            match *key {
                "AuthMethod" => self.auth_method(value, answer)?,
                "CHAP_A" | "CHAP_N" | "CHAP_R" | "CHAP_I" | "CHAP_C" => {}
                _ => self.common(key, value, answer)?,
            }
        }
        if let Some(offered) = find("CHAP_A") {
            let knows_md5 = offered.split(',').any(|a| a == ALGORITHM_MD5);
            if !matches!(self.auth, Auth::Chosen) || !knows_md5 {
                return Err(Status::AUTH_FAILED);
            }
            let challenge = dir.challenge().ok_or(Status::UNAVAILABLE)?;
            answer.put("CHAP_A", ALGORITHM_MD5);
            answer.put("CHAP_I", challenge.id);
            answer.put("CHAP_C", text::hex(&challenge.bytes));
            self.auth = Auth::Challenged(challenge);
        }
        if let Some(name) = find("CHAP_N") {
            let response = find("CHAP_R").ok_or(Status::MISSING_PARAMETER)?;
            // A challenge to us: we hold no secret to answer with, and a reflected one (our own
            // challenge sent back to have it answered, section 9.2.1) is an attack.
            if find("CHAP_C").is_some() || find("CHAP_I").is_some() {
                return Err(Status::AUTH_FAILED);
            }
            self.check_response(name, response)?;
        }
        Ok(())
    }

    fn auth_method(&mut self, offered: &str, answer: &mut Answer) -> Step<()> {
        let offers = |method: &str| offered.split(',').any(|m| m == method);
        if self.chap.is_some() {
            if !offers("CHAP") || !matches!(self.auth, Auth::Open) {
                return Err(Status::AUTH_FAILED);
            }
            answer.put("AuthMethod", "CHAP");
            self.auth = Auth::Chosen;
        } else {
            if !offers("None") {
                return Err(Status::AUTH_FAILED);
            }
            answer.put("AuthMethod", "None");
        }
        Ok(())
    }

    fn check_response(&mut self, name: &str, response: &str) -> Step<()> {
        // Taken out: a challenge is good for one answer.
        let auth = std::mem::replace(&mut self.auth, Auth::Open);
        let (Auth::Challenged(challenge), Some(chap)) = (auth, &self.chap) else {
            return Err(Status::AUTH_FAILED);
        };
        if !chap::verify(chap, &challenge, name, response) {
            return Err(Status::AUTH_FAILED);
        }
        self.auth = Auth::Passed;
        Ok(())
    }

    fn operational(&mut self, pairs: &[(&str, &str)], answer: &mut Answer) -> Step<()> {
        for (key, value) in pairs {
            match *key {
                "AuthMethod" => answer.put(key, "Reject"),
                _ => self.common(key, value, answer)?,
            }
        }
        self.params.declare_ours(answer);
        Ok(())
    }

    /// Keys that may come in either stage.
    fn common(&mut self, key: &str, value: &str, answer: &mut Answer) -> Step<()> {
        match key {
            "InitiatorName" if value != self.initiator => return Err(Status::INITIATOR_ERROR),
            "TargetName" if Some(value) != self.target.as_deref() && !self.discovery => {
                return Err(Status::INITIATOR_ERROR);
            }
            "InitiatorName" | "TargetName" | "SessionType" | "InitiatorAlias" => {}
            // An answer to something that we did not ask: nothing to add.
            _ if matches!(value, "NotUnderstood" | "Irrelevant") => {}
            "SendTargets" => answer.put(key, "Reject"),
            _ => {
                if !self.params.negotiate(key, value, answer) {
                    answer.put(key, "NotUnderstood");
                }
            }
        }
        Ok(())
    }

    /// The outcome, once a response was final.
    pub fn finish(self) -> Outcome {
        Outcome {
            params: self.params,
            isid: self.isid,
            initiator: self.initiator,
            export: self.export,
        }
    }
}

impl Stage {
    fn order(self) -> u8 {
        match self {
            Stage::Security => 0,
            Stage::Operational => 1,
            Stage::FullFeature => 2,
        }
    }
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;

//! Text requests in the full feature phase, above all SendTargets (RFC 7143 sections 4.3, 11.10 and
//! appendix C).

use super::{
    frame::Outbox,
    reply::Reply,
    session::Session,
    text::{self, Answer, MAX_TEXT},
    wire::NO_TAG,
};
use std::io::{self, Write};

/// What this initiator may see, and where.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// Target names, only those that it may log in to.
    pub names: Vec<String>,
    /// The name of the target that this session is on; None in a discovery session.
    pub own: Option<String>,
    /// Address and port that the initiator has reached us at, as `ADDRESS:PORT`.
    pub portal: String,
}

/// A text exchange that goes over several PDUs.
#[derive(Debug, Default)]
pub struct Pending {
    ttt: u32,
    /// Text of the initiator, while its C bit is set.
    asked: Vec<u8>,
    /// What is left of our answer.
    answer: Vec<u8>,
}

impl Session {
    pub(super) fn text<W: Write>(
        &mut self,
        itt: u32,
        last: bool,
        more: bool,
        ttt: u32,
        data: &[u8],
        out: &mut Outbox<W>,
    ) -> io::Result<()> {
        let mut exchange = match self.pending_text.take() {
            Some(pending) if ttt != NO_TAG && pending.ttt == ttt => pending,
            _ => Pending::default(),
        };
        if exchange.answer.is_empty() {
            if exchange.asked.len() + data.len() > MAX_TEXT {
                return self.reply(Reply::Reject { reason: 0x04 }, &[], out);
            }
            exchange.asked.extend_from_slice(data);
            if !more {
                let asked = std::mem::take(&mut exchange.asked);
                match text::parse(&asked) {
                    Ok(pairs) => exchange.answer = self.answer(&pairs),
                    Err(_) => return self.reply(Reply::Reject { reason: 0x04 }, &[], out),
                }
            }
        }
        let segment = (self.params.their_segment as usize).min(exchange.answer.len());
        let rest = exchange.answer.split_off(segment);
        let part = std::mem::replace(&mut exchange.answer, rest);
        let done = exchange.answer.is_empty() && !more;
        // A final answer may only follow a final request (section 11.11.1).
        let tag = if done && last { NO_TAG } else { self.tag() };
        let reply = Reply::Text {
            last: done && last,
            more: !exchange.answer.is_empty(),
            itt,
            ttt: tag,
        };
        if tag != NO_TAG {
            exchange.ttt = tag;
            self.pending_text = Some(exchange);
        }
        self.reply(reply, &part, out)
    }

    fn answer(&mut self, pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut answer = Answer::default();
        for (key, value) in pairs {
            match *key {
                "SendTargets" => self.send_targets(value, &mut answer),
                "MaxRecvDataSegmentLength" => {
                    self.params.negotiate(key, value, &mut answer);
                }
                // Everything else is settled at login.
                "InitiatorAlias" => {}
                _ => answer.put(key, "NotUnderstood"),
            }
        }
        answer.into_bytes()
    }

    fn send_targets(&self, which: &str, answer: &mut Answer) {
        let targets = &self.targets;
        let own = targets.own.as_deref();
        let chosen = |name: &str| match (which, own) {
            // All targets are told in a discovery session only.
            ("All", None) => true,
            ("All", Some(_)) => false,
            ("", own) => own == Some(name),
            (asked, own) => asked == name && own.is_none_or(|own| own == asked),
        };
        if which == "All" && own.is_some() {
            answer.put("SendTargets", "Reject");
        }
        for name in targets.names.iter().filter(|n| chosen(n)) {
            answer.put("TargetName", name);
            answer.put("TargetAddress", format_args!("{},1", targets.portal));
        }
    }
}

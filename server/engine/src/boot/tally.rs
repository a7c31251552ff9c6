//! Counts the ends of boots and writes them to the log, each once.

use crate::counters::{BootCounters, BootResult, hop_name};
use std::time::Duration;
use types::{BootState, BootView, Hop, HopView, Timestamp};

/// A boot was in state `before` and is now as `boot` says. Counts it when that ended it.
pub(super) fn count(counters: &BootCounters, before: BootState, boot: &BootView) {
    if boot.state == before {
        return;
    }
    let hop = boot.current().map_or(Hop::Link, |h| h.hop);
    let result = match boot.state {
        BootState::Booting => return,
        BootState::Ready => BootResult::Ready,
        BootState::Stopped => BootResult::Stopped,
        BootState::Superseded => BootResult::Superseded,
        BootState::HandedOver => BootResult::HandedOver,
    };
    counters.ended(result, hop).add(1);
    let took = boot
        .ended_at
        .map_or(0.0, |end| boot.started_at.seconds_to(end));
    if result == BootResult::Ready {
        counters.duration.observe(seconds(took));
        for hop in &boot.hops {
            if let HopView {
                started_at: Some(from),
                finished_at: Some(to),
                ..
            } = hop
            {
                counters.phase(hop.hop).observe(between(*from, *to));
            }
        }
    }
    tracing::info!(
        event = "boot.ended",
        boot_id = %boot.id,
        mac = %boot.mac,
        result = result.name(),
        phase = hop_name(hop),
        duration_ms = (took * 1000.0) as u64,
        cause = boot.cause.as_ref().map(|c| c.code.as_str()),
        "a boot ended"
    );
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    seconds(from.seconds_to(to))
}

/// The clock may have been set back meanwhile.
fn seconds(n: f64) -> Duration {
    Duration::try_from_secs_f64(n).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::{Firmware, Signal, timeline::Timeline};
    use types::{MacAddr, ReadyFacts};

    #[test]
    fn each_end_counts_once_with_its_hop_and_times() {
        let counters = BootCounters::default();
        let at = |s: i64| Timestamp(s * 1_000_000);
        let firmware = Firmware::Ipxe;
        let mut boot = Timeline::begin(MacAddr([2, 0, 0, 0, 0, 1]), None, at(0));
        let mut step = |s, signal| {
            let before = boot.view.state;
            boot.apply(at(s), signal);
            count(&counters, before, &boot.view);
        };
        let address = "10.0.0.9".parse().unwrap();
        step(0, Signal::Discover { firmware });
        step(2, Signal::Ack { address, firmware });
        step(3, Signal::Script);
        let facts = || Box::new(ReadyFacts::default());
        step(20, Signal::Ready { facts: facts() });
        step(30, Signal::Ready { facts: facts() });
        assert_eq!(counters.ended(BootResult::Ready, Hop::Login).get(), 1);
        assert!((counters.duration.sum_seconds() - 20.0).abs() < 1e-6);
        assert!((counters.phase(Hop::Dhcp).sum_seconds() - 2.0).abs() < 1e-6);

        let mut boot = Timeline::begin(MacAddr([2, 0, 0, 0, 0, 2]), None, at(0));
        boot.apply(at(0), Signal::Discover { firmware });
        assert!(boot.check_stalled(at(100_000)));
        count(&counters, BootState::Booting, &boot.view);
        assert_eq!(counters.ended(BootResult::Stopped, Hop::Dhcp).get(), 1);
        let all: u64 = BootResult::ALL
            .into_iter()
            .flat_map(|r| Hop::ALL.map(|h| counters.ended(r, h).get()))
            .sum();
        assert_eq!(all, 2, "and nothing else");
    }
}

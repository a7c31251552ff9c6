//! Sets of addresses as ranges: what may be given, without what may not.

use types::AddressRange;

/// Ranges of addresses in order; between two of them lies at least one address of neither.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Spans(Vec<(u32, u32)>);

impl Spans {
    /// All addresses of `ranges`, but none of `without`. Ranges may overlap; one upside down is empty.
    pub fn of(ranges: &[AddressRange], without: &[AddressRange]) -> Spans {
        let (ranges, without) = (joined(ranges), joined(without));
        let mut spans = Vec::with_capacity(ranges.len() + without.len());
        for (first, last) in ranges {
            // Wider than an address, so that it can pass the last of all.
            let mut from = u64::from(first);
            for &(hole, end) in &without {
                if end < first || hole > last {
                    continue;
                }
                if u64::from(hole) > from {
                    spans.push((from as u32, hole - 1));
                }
                from = u64::from(end) + 1;
            }
            if from <= u64::from(last) {
                spans.push((from as u32, last));
            }
        }
        Spans(spans)
    }

    /// Whether an address is among them: a few comparisons, whatever their size.
    pub fn contains(&self, address: u32) -> bool {
        let after = self.0.partition_point(|&(_, last)| last < address);
        self.0
            .get(after)
            .is_some_and(|&(first, _)| first <= address)
    }

    /// The first of them that is not below `from`.
    pub fn next(&self, from: u64) -> Option<u32> {
        let after = self.0.partition_point(|&(_, last)| u64::from(last) < from);
        let &(first, _) = self.0.get(after)?;
        u32::try_from(from.max(first.into())).ok()
    }

    /// How many they are.
    pub fn size(&self) -> u32 {
        let sizes = self.0.iter().map(|&(first, last)| last - first);
        sizes.fold(0, |all, n| all.saturating_add(n).saturating_add(1))
    }
}

/// In order, and those that touch or overlap as one.
fn joined(ranges: &[AddressRange]) -> Vec<(u32, u32)> {
    let bits = ranges.iter().map(|r| (r.first.to_bits(), r.last.to_bits()));
    let mut bits: Vec<_> = bits.filter(|(first, last)| first <= last).collect();
    bits.sort_unstable();
    let mut joined: Vec<(u32, u32)> = Vec::with_capacity(bits.len());
    for (first, last) in bits {
        match joined.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => joined.push((first, last)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn ranges(of: &[(u32, u32)]) -> Vec<AddressRange> {
        let range = |&(first, last)| AddressRange {
            first: Ipv4Addr::from_bits(first),
            last: Ipv4Addr::from_bits(last),
        };
        of.iter().map(range).collect()
    }

    #[test]
    fn holes_are_cut_out_wherever_they_lie() {
        for (of, without, left) in [
            (&[(10, 19)][..], &[][..], &[(10, 19)][..]),
            (&[(10, 19)], &[(10, 10), (19, 19)], &[(11, 18)]),
            (
                &[(10, 19)],
                &[(12, 13), (15, 15)],
                &[(10, 11), (14, 14), (16, 19)],
            ),
            (&[(10, 19)], &[(0, 9), (20, 30)], &[(10, 19)]),
            (&[(10, 19)], &[(0, 30)], &[]),
            (&[(10, 19), (20, 29)], &[], &[(10, 29)]),
            (
                &[(30, 39), (10, 19), (15, 22)],
                &[(18, 33)],
                &[(10, 17), (34, 39)],
            ),
            (&[(19, 10)], &[], &[]),
            (
                &[(0, u32::MAX)],
                &[(0, 0), (u32::MAX, u32::MAX)],
                &[(1, u32::MAX - 1)],
            ),
        ] {
            let spans = Spans::of(&ranges(of), &ranges(without));
            assert_eq!(spans.0, left, "{of:?} without {without:?}");
            let size: u32 = left.iter().map(|(a, b)| b - a + 1).sum();
            assert_eq!(spans.size(), size);
        }
    }

    #[test]
    fn the_next_one_skips_holes() {
        let spans = Spans::of(&ranges(&[(10, 12), (20, 20)]), &ranges(&[(11, 11)]));
        let mut all = Vec::new();
        let mut from = 0;
        while let Some(address) = spans.next(from) {
            all.push(address);
            from = u64::from(address) + 1;
        }
        assert_eq!(all, [10, 12, 20]);
        for address in 0..30 {
            assert_eq!(spans.contains(address), all.contains(&address), "{address}");
        }
        let all = Spans::of(&ranges(&[(0, u32::MAX)]), &[]);
        assert_eq!((all.size(), all.next(1 << 32)), (u32::MAX, None));
    }
}

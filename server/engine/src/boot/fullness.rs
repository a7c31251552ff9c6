//! How full the overlays are: limits are put on them, and pages and log are told before one is full.

use super::{Boots, disks::Disks};
use std::{collections::HashMap, time::Duration};
use store::ClientRecord;
use types::{DiskId, Fill};

/// Between two looks. A guest that writes 100 MB a second fills half a gigabyte meanwhile.
const LOOK: Duration = Duration::from_secs(5);

/// What was seen of one overlay.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    bytes: u64,
    fill: Fill,
}

/// What the last look saw.
#[derive(Default)]
pub(super) struct Fullness(HashMap<DiskId, Seen>);

impl Fullness {
    /// What a disk's overlay is at now. Whether pages are to be told, and the fill when it is another than before.
    fn see(&mut self, disk: DiskId, now: Seen) -> (bool, Option<Fill>) {
        let Some(old) = self.0.get(&disk).copied() else {
            self.0.insert(disk, now);
            // A start of the server tells of what is full, too.
            return (false, (now.fill != Fill::Room).then_some(now.fill));
        };
        // 200 computers that write a little would tell every page of it every time.
        let step = (old.bytes / 100).max(1 << 20);
        let tell = old.fill != now.fill || old.bytes.abs_diff(now.bytes) >= step;
        if tell {
            self.0.insert(disk, now);
        }
        (tell, (old.fill != now.fill).then_some(now.fill))
    }
}

impl Boots {
    /// Looks at the overlays until `stop`.
    pub async fn watch_overlays(&self, stop: impl Future<Output = ()>) {
        let mut seen = Fullness::default();
        let mut due = tokio::time::interval(LOOK);
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = stop.as_mut() => return,
                _ = due.tick() => self.inner.disks.look(&mut seen),
            }
        }
    }
}

impl Disks {
    /// Puts the limit of a client on the overlay of a disk of it. What is above it already stays.
    pub(super) fn limit(&self, client: &ClientRecord, disk: DiskId) -> Option<u64> {
        let limit = self.clients.overlay_limit(client, disk);
        self.storage.set_quota(disk, limit);
        limit
    }

    /// One look at all of them: also a setting, a superclient or a quota that was changed holds from now on.
    pub(super) fn look(&self, seen: &mut Fullness) {
        let clients = self.clients.records();
        seen.0
            .retain(|disk, _| self.clients.get(disk.client).is_some());
        for client in clients {
            let told = client
                .disks()
                .filter(|disk| self.look_at(&client, *disk, seen));
            if told.count() > 0 {
                self.clients.touch(client.mac);
            }
        }
    }

    /// Whether pages are to be told.
    fn look_at(&self, client: &ClientRecord, disk: DiskId, seen: &mut Fullness) -> bool {
        let limit = self.limit(client, disk);
        let bytes = self.storage.overlay_bytes(disk);
        let fill = Fill::of(bytes, limit);
        let (tell, changed) = seen.see(disk, Seen { bytes, fill });
        let limit = limit.unwrap_or(0);
        let image = disk.data.and_then(|id| self.images.get(id));
        let name = match image {
            None => client.name.clone(),
            Some(image) => format!("{} (data disk {})", client.name, image.name),
        };
        match changed {
            None => {}
            Some(Fill::Room) => tracing::info!(client = %name, "its disk has room again"),
            Some(Fill::Nearly) => tracing::warn!(
                client = %name, bytes, limit,
                "its disk is nearly full: raise its quota, or discard its changes when it is off"
            ),
            Some(Fill::Full) => tracing::warn!(
                client = %name, bytes, limit,
                "its disk is full and refuses what is new: raise its quota, or discard its changes when it is off"
            ),
        }
        tell
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::ClientId;

    #[test]
    fn each_step_is_told_once_and_growth_to_pages_alone() {
        let id = ClientId(uuid::Uuid::from_u128(1)).into();
        let mut seen = Fullness::default();
        let limit = Some(100 << 20);
        let mut at = |mib: u64| {
            let bytes = mib << 20;
            let fill = Fill::of(bytes, limit);
            seen.see(id, Seen { bytes, fill })
        };
        assert_eq!(at(0), (false, None));
        assert_eq!(at(50), (true, None));
        assert_eq!(at(50), (false, None));
        assert_eq!(at(80), (true, Some(Fill::Nearly)));
        assert_eq!(at(81), (true, None));
        assert_eq!(at(100), (true, Some(Fill::Full)));
        assert_eq!(at(10), (true, Some(Fill::Room)));
    }

    #[test]
    fn what_is_full_when_the_server_starts_is_told() {
        let id = ClientId(uuid::Uuid::from_u128(1)).into();
        let full = Seen {
            bytes: 8192,
            fill: Fill::of(8192, Some(8192)),
        };
        assert_eq!(Fullness::default().see(id, full), (false, Some(Fill::Full)));
    }
}

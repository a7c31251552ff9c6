//! How full the file system of the data folder is, and when it will be full. It is looked at in a task
//! of its own: whoever asks gets the newest look and waits for no file system.

mod forecast;
mod measure;

use crate::{Error, EventBus, Result, Settings, blocking::blocking, now};
use measure::{Measured, measure};
use std::{
    path::{Path, PathBuf},
    pin::pin,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use store::{Read, StorageSampleRecord, Store};
use tokio::time::MissedTickBehavior;
use types::{Event, StorageView, Timestamp};

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(10);
/// How long looks are kept, hours.
const KEPT: u64 = 60 * 24;
const HOUR_MICROS: i64 = 3_600_000_000;

/// Space in the data folder. Cheap to clone.
#[derive(Clone)]
pub struct Capacity {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    events: EventBus,
    settings: Settings,
    data_dir: PathBuf,
    newest: RwLock<StorageView>,
}

impl Capacity {
    /// Looks for the first time.
    ///
    /// # Errors
    /// When database or file system can't be read.
    pub(crate) fn open(
        store: Arc<Store>,
        events: EventBus,
        settings: Settings,
        data_dir: &Path,
    ) -> Result<Capacity> {
        let looks = store.read(|tx| tx.list_readable::<StorageSampleRecord>(None))?;
        let found = measure(data_dir).map_err(failed())?;
        let least = settings.with(|v| v.warn_free_percent);
        let newest = RwLock::new(view(&found, &looks, least, now()));
        Ok(Capacity {
            inner: Arc::new(Inner {
                store,
                events,
                settings,
                data_dir: data_dir.into(),
                newest,
            }),
        })
    }

    /// As of the newest look.
    pub fn view(&self) -> StorageView {
        *self.newest()
    }

    /// Looks again and again, until `stop`.
    pub async fn watch(&self, stop: impl Future<Output = ()> + Send) {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = pin!(stop);
        let (mut was_low, mut had_failed) = (false, false);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = &mut stop => return,
            }
            let here = self.clone();
            match blocking(move || here.look()).await {
                Ok(view) => {
                    tell_low(&view, &mut was_low);
                    had_failed = false;
                }
                // Once, not each time: what is shown says how old it is.
                Err(error) if !had_failed => {
                    tracing::warn!(%error, "could not look how full the data folder is");
                    had_failed = true;
                }
                Err(_) => {}
            }
        }
    }

    /// One look: remembered each hour, and told when it differs from the one before.
    fn look(&self) -> Result<StorageView> {
        let inner = &self.inner;
        let (at, found) = (now(), measure(&inner.data_dir).map_err(failed())?);
        let looks = inner.remember(at, &found)?;
        let least = inner.settings.with(|v| v.warn_free_percent);
        let new = view(&found, &looks, least, at);
        let mut newest = inner.newest.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *newest, new);
        drop(newest);
        let differs = StorageView {
            measured_at: new.measured_at,
            ..old
        } != new;
        if differs {
            inner.events.publish(Event::StorageChanged { storage: new });
        }
        Ok(new)
    }

    fn newest(&self) -> std::sync::RwLockReadGuard<'_, StorageView> {
        let newest = self.inner.newest.read();
        newest.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The looks that are kept, with this one if none of its hour is.
    fn remember(&self, at: Timestamp, found: &Measured) -> Result<Vec<StorageSampleRecord>> {
        let mut looks = self
            .store
            .read(|tx| tx.list_readable::<StorageSampleRecord>(None))?;
        let hour = u64::try_from(at.0 / HOUR_MICROS).unwrap_or(0);
        if looks.iter().any(|look| look.hour == hour) {
            return Ok(looks);
        }
        let new = StorageSampleRecord {
            hour,
            total_bytes: found.total,
            free_bytes: found.free,
        };
        let oldest = hour.saturating_sub(KEPT);
        let gone: Vec<u64> = looks
            .iter()
            .map(|l| l.hour)
            .filter(|h| *h < oldest)
            .collect();
        looks.retain(|look| look.hour >= oldest);
        looks.push(new);
        self.store.write_wait(move |tx| {
            gone.iter()
                .for_each(|hour| tx.remove::<StorageSampleRecord>(hour));
            tx.put(&new)?;
            Ok::<_, Error>(())
        })?;
        Ok(looks)
    }
}

fn failed() -> impl FnOnce(std::io::Error) -> Error {
    Error::io("looking how full the file system of the data folder is")
}

fn view(
    found: &Measured,
    looks: &[StorageSampleRecord],
    warn_free_percent: u8,
    measured_at: Timestamp,
) -> StorageView {
    let ours = found.images + found.versions + found.overlays + found.loaders + found.database;
    let mut view = StorageView {
        measured_at,
        total_bytes: found.total,
        free_bytes: found.free,
        images_bytes: found.images,
        versions_bytes: found.versions,
        overlays_bytes: found.overlays,
        loaders_bytes: found.loaders,
        database_bytes: found.database,
        other_bytes: found.used.saturating_sub(ours),
        forecast: forecast::forecast(looks, found.free),
        warn_free_percent,
        is_low: false,
    };
    view.is_low = view.free_percent() < warn_free_percent;
    view
}

/// Tells the log when it begins and when it is over.
fn tell_low(view: &StorageView, was_low: &mut bool) {
    let (free, percent) = (view.free_bytes, view.free_percent());
    match (view.is_low, *was_low) {
        (true, false) => tracing::warn!(
            event = "storage.low",
            free_bytes = free,
            "only {percent} % of the file system of the data folder is free; remove versions or overlays that nobody \
             needs, or make it larger"
        ),
        (false, true) => tracing::info!(
            event = "storage.enough",
            free_bytes = free,
            "{percent} % of the file system of the data folder is free again"
        ),
        _ => {}
    }
    *was_low = view.is_low;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, EngineConfig};
    use types::{Forecast, Topics};

    fn engine(dir: &tempfile::TempDir) -> Engine {
        Engine::open(EngineConfig {
            data_dir: dir.path().into(),
            ..EngineConfig::default()
        })
        .unwrap()
    }

    fn found(free: u64) -> Measured {
        Measured {
            total: 1000,
            free,
            used: 1000 - free,
            overlays: 10,
            ..Measured::default()
        }
    }

    #[test]
    fn it_warns_below_what_is_set_and_names_what_takes_the_rest() {
        let of = |free, least| view(&found(free), &[], least, Timestamp(0));
        assert!(of(99, 10).is_low && !of(100, 10).is_low && !of(0, 0).is_low);
        assert_eq!(
            (of(99, 10).free_percent(), of(99, 10).other_bytes),
            (9, 891)
        );
        assert_eq!(of(99, 10).forecast, Forecast::Unknown);
        let empty = view(&Measured::default(), &[], 10, Timestamp(0));
        assert_eq!(empty.free_percent(), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_look_an_hour_is_kept_for_so_long() {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine(&dir);
        let inner = &engine.capacity().inner;
        let at = |hour: i64| Timestamp(hour * HOUR_MICROS + 5);
        for hour in [490_000, 490_000, 490_001, 490_002] {
            inner.remember(at(hour), &found(500)).unwrap();
        }
        let later = 490_001 + i64::try_from(KEPT).unwrap();
        let kept = inner.remember(at(later), &found(400)).unwrap();
        let hours: Vec<_> = kept.iter().map(|l| l.hour).collect();
        assert_eq!(hours, [490_001, 490_002, 490_001 + KEPT]);
        let again = inner.remember(at(later), &found(300)).unwrap();
        assert_eq!(again, kept, "as stored, and once an hour");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_changes_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine(&dir);
        let topics: Topics = "storage".parse().unwrap();
        let mut reader = engine.events().subscribe(topics);
        let before = engine.capacity().view();
        std::fs::write(dir.path().join("overlays/x.1.data"), vec![7; 1 << 20]).unwrap();
        std::fs::File::open(dir.path().join("overlays/x.1.data"))
            .unwrap()
            .sync_all()
            .unwrap();
        let after = engine.capacity().look().unwrap();
        assert!(
            after.overlays_bytes >= before.overlays_bytes + (1 << 20),
            "{after:?}"
        );
        assert_eq!(engine.capacity().view(), after);
        let crate::Next::Changes(changes) = reader.next().await else {
            panic!("lost")
        };
        let told = changes.iter().map(|c| c.event()).next_back();
        assert_eq!(told, Some(&Event::StorageChanged { storage: after }));
    }
}

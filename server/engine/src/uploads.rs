//! Files that come in pieces, over as many connections as it takes. Each upload is a task that owns its
//! import: a connection that breaks costs what was on its way, and nothing that was taken. They live in
//! memory, so a restart of the server ends them.

use crate::{
    Area, By, Engine, Error, Result,
    door::Import,
    images::{NewImport, parse_sha256},
    now,
};
use bytes::Bytes;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use types::{CreateUploadParams, Timestamp, UploadId, UploadState, UploadView};
use uuid::Uuid;

/// How long an upload waits for its next bytes, and is known after its end.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Uploads that are known at a time: each may hold the memory of a decoder.
const MOST: usize = 32;
/// Pieces that wait for the disk.
const AHEAD: usize = 2;

/// The next bytes of a file, and where they go.
struct Piece {
    offset: u64,
    bytes: Bytes,
    taken: oneshot::Sender<Result<()>>,
}

/// What is known of an upload outside of its task.
struct Upload {
    pieces: mpsc::Sender<Piece>,
    view: watch::Receiver<UploadView>,
}

/// All uploads. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Uploads {
    all: Arc<Mutex<All>>,
}

#[derive(Default)]
struct All {
    known: HashMap<UploadId, Arc<Upload>>,
    /// Places of those that are being begun.
    reserved: usize,
}

/// A place among [`MOST`] for an upload that is being begun.
struct Place {
    uploads: Uploads,
    /// Once it is there.
    begun: Option<(UploadId, Arc<Upload>)>,
}

/// A request that brings bytes of an upload. Dropping it keeps what was taken.
pub struct Sending {
    upload: Arc<Upload>,
    offset: u64,
}

impl Uploads {
    /// Begins an upload, and with it its image and its job.
    ///
    /// # Errors
    /// As [`crate::Operator::begin_import`]; [`Error::Unavailable`] when there are too many.
    pub(crate) async fn begin(
        &self,
        engine: &Engine,
        by: &By,
        params: CreateUploadParams,
    ) -> Result<UploadView> {
        let sha256 = params.sha256.as_deref().map(parse_sha256).transpose()?;
        let mut place = self.reserve()?;
        let new = NewImport {
            sha256,
            ..NewImport::new(&params.name, Some(params.size_bytes))
        };
        let import = Import::begin(engine, by, new).await?;
        let (image_id, job_id) = import.ids().ok_or_else(over)?;
        let id = UploadId(Uuid::now_v7());
        let view = UploadView {
            id,
            name: params.name,
            state: UploadState::Receiving,
            size_bytes: params.size_bytes,
            offset_bytes: 0,
            expires_at: later(),
            image_id,
            job_id,
            problem: None,
        };
        let (pieces, queue) = mpsc::channel(AHEAD);
        let (tell, told) = watch::channel(view.clone());
        let upload = Arc::new(Upload { pieces, view: told });
        place.begun = Some((id, upload));
        drop(place);
        let uploads = self.clone();
        tokio::spawn(async move {
            receive(import, queue, &tell).await;
            tokio::time::sleep(PATIENCE).await;
            uploads.lock().known.remove(&id);
        });
        Ok(view)
    }

    /// How far it is.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for one that is over for long.
    pub(crate) fn get(&self, id: &str) -> Result<UploadView> {
        Ok(self.require(id)?.view.borrow().clone())
    }

    /// Goes on with it at `offset`.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when it is over, or is not at that offset.
    pub(crate) fn send(&self, id: &str, offset: u64) -> Result<Sending> {
        let upload = self.require(id)?;
        let view = upload.view.borrow().clone();
        if view.state != UploadState::Receiving {
            return Err(over());
        }
        if view.offset_bytes != offset {
            return Err(elsewhere(view.offset_bytes));
        }
        Ok(Sending { upload, offset })
    }

    /// Forgets an upload whose job is cancelled or over.
    pub(crate) async fn forget(&self, id: UploadId) {
        let upload = self.lock().known.remove(&id);
        if let Some(upload) = upload {
            let mut view = upload.view.clone();
            // An error means that the task is gone, which is over, too.
            let _ = view.wait_for(|view| view.state.is_over()).await;
        }
    }

    /// Makes room first: one that is over is known for convenience only.
    fn reserve(&self) -> Result<Place> {
        let mut all = self.lock();
        if all.known.len() + all.reserved >= MOST {
            all.known
                .retain(|_, upload| !upload.view.borrow().state.is_over());
        }
        if all.known.len() + all.reserved >= MOST {
            return Err(Error::unavailable(
                Area::Upload,
                format!("there are {MOST} uploads already"),
                "Wait until some are over, or cancel some.",
            ));
        }
        all.reserved += 1;
        Ok(Place {
            uploads: self.clone(),
            begun: None,
        })
    }

    fn require(&self, id: &str) -> Result<Arc<Upload>> {
        let known = id
            .parse()
            .ok()
            .and_then(|id| self.lock().known.get(&id).cloned());
        known.ok_or_else(|| Error::not_found(Area::Upload, id))
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place is given back, or goes over to the upload, in one step.
impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.uploads.lock();
        all.reserved -= 1;
        all.known.extend(self.begun.take());
    }
}

impl Sending {
    /// Hands the next bytes over; they are taken when this returns.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another request went on with the upload, or it is over; what is wrong with
    /// the file, and then the upload has failed.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let len = bytes.len() as u64;
        let (taken, answer) = oneshot::channel();
        let piece = Piece {
            offset: self.offset,
            bytes,
            taken,
        };
        let sent = self.upload.pieces.send(piece).await;
        sent.map_err(|_| over())?;
        answer.await.map_err(|_| over())??;
        self.offset += len;
        Ok(())
    }

    /// How far the upload is, or that it failed. Waits for the image when all of the file is there.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the server stops.
    pub async fn end(self) -> Result<UploadView> {
        let mut view = self.upload.view.clone();
        let waits = |view: &UploadView| view.state != UploadState::Converting;
        let view = view.wait_for(waits).await.map_err(|_| over())?;
        Ok(view.clone())
    }
}

/// Takes the pieces in until the file is whole, and makes the image.
async fn receive(
    mut import: Import,
    mut queue: mpsc::Receiver<Piece>,
    tell: &watch::Sender<UploadView>,
) {
    let size = tell.borrow().size_bytes;
    let mut end = Instant::now() + PATIENCE;
    while import.received() < size {
        let piece = tokio::select! {
            piece = queue.recv() => piece,
            why = import.cancelled() => return failed(tell, &why),
            () = tokio::time::sleep_until(end) => None,
        };
        let Some(piece) = piece else {
            let late = format!("nothing of it came for {} minutes", PATIENCE.as_secs() / 60);
            let why = Error::conflict(Area::Upload, late, "Begin the upload again.");
            return failed(tell, &import.fail(why).await);
        };
        if piece.offset != import.received() {
            // Whoever sent it may be gone.
            let _ = piece.taken.send(Err(elsewhere(import.received())));
            continue;
        }
        if let Err(why) = import.write(piece.bytes).await {
            failed(tell, &why);
            let _ = piece.taken.send(Err(why));
            return;
        }
        end = Instant::now() + PATIENCE;
        tell.send_modify(|view| {
            view.offset_bytes = import.received();
            view.expires_at = later();
            if view.offset_bytes == size {
                view.state = UploadState::Converting;
            }
        });
        let _ = piece.taken.send(Ok(()));
    }
    // Whoever still sends gets to know that it is over.
    drop(queue);
    match import.finish().await {
        Ok(_) => tell.send_modify(|view| {
            view.state = UploadState::Ready;
            view.expires_at = later();
        }),
        Err(why) => failed(tell, &why),
    }
}

fn failed(tell: &watch::Sender<UploadView>, why: &Error) {
    tell.send_modify(|view| {
        view.state = UploadState::Failed;
        view.expires_at = later();
        view.problem = Some(why.problem());
    });
}

fn later() -> Timestamp {
    Timestamp(now().0 + PATIENCE.as_micros() as i64)
}

fn over() -> Error {
    Error::conflict(
        Area::Upload,
        "this upload is over",
        "Look what became of it; begin another one if it failed.",
    )
}

fn elsewhere(offset: u64) -> Error {
    Error::conflict(
        Area::Upload,
        format!("the upload is at {offset}"),
        format!("Go on with the file's bytes from {offset}."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EngineConfig;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_more_than_there_are_places_for_begin_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(EngineConfig {
            data_dir: dir.path().into(),
            ..EngineConfig::default()
        })
        .unwrap();
        let begin = |name: String| {
            let engine = engine.clone();
            let params = CreateUploadParams {
                name,
                size_bytes: 512,
                sha256: None,
            };
            tokio::spawn(async move {
                let by = By::system("test");
                engine.uploads().begin(&engine, &by, params).await
            })
        };
        let all: Vec<_> = (0..MOST + 8).map(|n| begin(format!("i{n}"))).collect();
        let mut begun = Vec::new();
        for upload in all {
            match upload.await.unwrap() {
                Ok(upload) => begun.push(upload.id),
                Err(why) => assert!(matches!(why, Error::Unavailable { .. }), "{why}"),
            }
        }
        assert_eq!(begun.len(), MOST);
        // A place comes back: of one that is forgotten, and of one that can't be begun.
        let job = engine.uploads().get(&begun[0].to_string()).unwrap().job_id;
        engine
            .jobs()
            .cancel(&By::system("test"), job)
            .await
            .unwrap();
        engine.uploads().forget(begun[0]).await;
        let bad = begin("no name".into()).await.unwrap();
        assert!(matches!(bad, Err(Error::Invalid { .. })));
        begin("another".into()).await.unwrap().unwrap();
        let full = begin("more".into()).await.unwrap();
        assert!(matches!(full, Err(Error::Unavailable { .. })));
    }
}

//! Files that come in as images, in each form: those that `qemu-img` makes become the same disk, and bad
//! ones are refused by name and leave nothing.

mod bad;
mod craft;
mod good;

use engine::{Engine, EngineConfig, Error, images::NewImport};
use std::path::Path;
use types::ImageView;

/// An engine on a folder of its own.
struct Stage {
    dir: tempfile::TempDir,
    engine: Engine,
}

impl Stage {
    fn new() -> Stage {
        let dir = tempfile::tempdir().expect("a folder");
        let engine = Engine::open(EngineConfig {
            data_dir: dir.path().to_path_buf(),
            admin_password: Some("correct horse".into()),
            ..EngineConfig::default()
        });
        Stage {
            dir,
            engine: engine.expect("an engine"),
        }
    }

    /// Imports a file in pieces of an odd length.
    async fn import(&self, new: NewImport, file: &[u8]) -> Result<ImageView, Error> {
        let mut import = self.engine.as_itself("test").begin_import(new).await?;
        for piece in file.chunks(700_001) {
            import.write(piece.to_vec().into()).await?;
        }
        import.finish().await
    }

    /// What is in the folder of the images.
    fn files(&self) -> Vec<String> {
        names(&self.dir.path().join("images"))
    }

    fn images(&self) -> Vec<ImageView> {
        self.engine.images().list()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries
        .map(|e| {
            e.expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

//! What `nsboot login` keeps: tokens per server, in a file that only its owner may read. Never
//! passwords.

use super::CliError;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    env,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::PathBuf,
    time::SystemTime,
};
use types::{Timestamp, TokenView};

/// A token that ends sooner is swapped first: the request itself takes time, and clocks differ.
const SPARE_SECONDS: i64 = 30;

/// A sign-in at one server.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SignIn {
    pub username: String,
    pub access_token: String,
    pub refresh_token: String,
    /// When the access token runs out.
    pub expires_at: Timestamp,
}

impl SignIn {
    /// As the server just gave it.
    pub fn new(username: String, tokens: TokenView) -> SignIn {
        SignIn {
            username,
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
            expires_at: now().plus_seconds(i64::from(tokens.expires_in_seconds)),
        }
    }

    /// Whether the access token will do for a request.
    pub fn is_fresh(&self) -> bool {
        now().plus_seconds(SPARE_SECONDS) < self.expires_at
    }
}

/// Whole milliseconds, as the file keeps them.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp(since.map_or(0, |d| d.as_millis() as i64 * 1000))
}

/// The file; its tokens by the server's address.
pub struct Credentials {
    folder: PathBuf,
}

type Book = BTreeMap<String, SignIn>;

impl Credentials {
    /// `$XDG_CONFIG_HOME/nsboot`, else `~/.config/nsboot`; None for whom has neither.
    pub fn open() -> Option<Credentials> {
        let absolute = |name| {
            env::var_os(name)
                .map(PathBuf::from)
                .filter(|p| p.is_absolute())
        };
        let config =
            absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
        Some(Credentials {
            folder: config?.join("nsboot"),
        })
    }

    /// The sign-in at a server.
    ///
    /// # Errors
    /// When the file is there and can't be read.
    pub fn of(&self, base: &str) -> Result<Option<SignIn>, CliError> {
        Ok(self.read()?.remove(base))
    }

    /// Keeps a sign-in, in place of an older one.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn put(&self, base: &str, sign_in: SignIn) -> Result<(), CliError> {
        let mut book = self.read()?;
        book.insert(base.into(), sign_in);
        self.write(&book)
    }

    /// Forgets a sign-in.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn forget(&self, base: &str) -> Result<(), CliError> {
        let mut book = self.read()?;
        match book.remove(base) {
            Some(_) => self.write(&book),
            None => Ok(()),
        }
    }

    /// Keeps other commands from changing the file until the lock is dropped.
    ///
    /// # Errors
    /// When the folder can't be written.
    pub fn lock(&self) -> Result<File, CliError> {
        let take = || {
            self.make_folder()?;
            let path = self.folder.join("credentials.lock");
            let file = private().create(true).truncate(false).open(path)?;
            file.lock()?;
            Ok(file)
        };
        take().map_err(|e| self.failed("could not write", e))
    }

    fn file(&self) -> PathBuf {
        self.folder.join("credentials.json")
    }

    fn read(&self) -> Result<Book, CliError> {
        match fs::read(self.file()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Book::new()),
            Err(e) => Err(self.failed("could not read", e)),
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|e| self.failed("could not understand", io::Error::other(e))),
        }
    }

    /// Beside the old one and then over it, so that a full disk or a crash costs no sign-in.
    fn write(&self, book: &Book) -> Result<(), CliError> {
        let write = || {
            self.make_folder()?;
            let new = self
                .folder
                .join(format!("credentials.{}", std::process::id()));
            let mut file = private().create(true).truncate(true).open(&new)?;
            file.write_all(&serde_json::to_vec_pretty(book)?)?;
            file.sync_all()?;
            fs::rename(&new, self.file())
        };
        write().map_err(|e| self.failed("could not write", e))
    }

    fn make_folder(&self) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
    }

    fn failed(&self, what: &str, why: io::Error) -> CliError {
        CliError::Local {
            what: format!("{what} {}", self.file().display()),
            why: why.to_string(),
            code: "NSB-CLI-010",
            hint: "Look at that file, or remove it and sign in again.",
        }
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn sign_in(name: &str, seconds: u32) -> SignIn {
        let tokens = TokenView {
            access_token: "a".into(),
            refresh_token: "r".into(),
            expires_in_seconds: seconds,
        };
        SignIn::new(name.into(), tokens)
    }

    #[test]
    fn each_server_has_its_own_sign_in_and_nobody_else_reads_them() {
        let dir = tempfile::tempdir().expect("temp dir");
        let kept = Credentials {
            folder: dir.path().join("deep/nsboot"),
        };
        assert_eq!(kept.of("http://a").expect("read"), None);
        let (a, b) = (sign_in("ada", 900), sign_in("ben", 900));
        kept.put("http://a", a).expect("written");
        kept.put("http://b", b.clone()).expect("written");
        let mode = fs::metadata(kept.file())
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        kept.forget("http://a").expect("written");
        assert_eq!(kept.of("http://a").expect("read"), None);
        assert_eq!(kept.of("http://b").expect("read"), Some(b));
        fs::write(kept.file(), "nonsense").expect("written");
        assert!(kept.of("http://b").is_err(), "told, not lost");
    }

    #[test]
    fn a_token_about_to_run_out_is_not_used() {
        assert!(sign_in("ada", 900).is_fresh());
        assert!(!sign_in("ada", 20).is_fresh());
        assert!(!sign_in("ada", 0).is_fresh());
    }
}

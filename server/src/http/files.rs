//! Files of the boot plane on their way out: whole or one range of it, with their exact length.

use super::problem::{ApiError, ApiResult};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use engine::loaders::LoaderFile;
use futures_util::stream;
use http::{HeaderMap, Method, StatusCode, header};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    time::UNIX_EPOCH,
};
use tokio::task::spawn_blocking;
use types::Problem;

/// A piece of a file on its way out, bytes. Two of them are in memory for each request.
const PIECE: u64 = 512 << 10;

/// Called once the last byte of a file was handed to the connection.
pub type Done = Box<dyn FnOnce() + Send>;

/// The answer to a request for that file, with its first piece read. `begun` is told when the file is
/// fetched from its beginning, and makes what is called at its end. Call it where waiting for a disk
/// is allowed, inside a tokio runtime.
///
/// # Errors
/// When the file can't be read.
pub fn answer(
    found: LoaderFile,
    headers: &HeaderMap,
    method: &Method,
    begun: impl FnOnce(&LoaderFile) -> Done,
) -> ApiResult<Response> {
    let changed = found
        .modified
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_micros());
    let etag = format!("\"{:x}-{changed:x}\"", found.len);
    // RFC 9110 section 13.1.5: with another tag the range no longer means what was asked.
    let range_holds = headers
        .get(header::IF_RANGE)
        .is_none_or(|tag| tag.as_bytes() == etag.as_bytes());
    let range = headers
        .get(header::RANGE)
        // RFC 9110 section 14.2: a range is defined for GET alone.
        .filter(|_| range_holds && *method == Method::GET)
        .and_then(|r| r.to_str().ok());
    let (status, start, len) = match range.map_or(Range::Whole, |r| Range::parse(r, found.len)) {
        Range::Whole => (StatusCode::OK, 0, found.len),
        Range::Part { start, end } => (StatusCode::PARTIAL_CONTENT, start, end - start),
        Range::Unsatisfiable => {
            let total = format!("bytes */{}", found.len);
            return Ok((
                StatusCode::RANGE_NOT_SATISFIABLE,
                [(header::CONTENT_RANGE, total)],
            )
                .into_response());
        }
    };
    let mut response = Response::builder()
        .status(status)
        .header(header::CONTENT_LENGTH, len)
        .header(header::CONTENT_TYPE, media_type(&found.name))
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, etag);
    if status == StatusCode::PARTIAL_CONTENT {
        response = response.header(
            header::CONTENT_RANGE,
            format!("bytes {start}-{}/{}", start + len - 1, found.len),
        );
    }
    let body = match *method == Method::HEAD {
        true => Body::empty(),
        false => {
            let done = (start == 0).then(|| begun(&found));
            let done = done.filter(|_| len == found.len);
            body(found.file, start, len, done).map_err(|e| failed("could not be read", &e))?
        }
    };
    response
        .body(body)
        .map_err(|e| failed("could not be answered with", &io::Error::other(e)))
}

fn body(mut file: File, start: u64, len: u64, done: Option<Done>) -> io::Result<Body> {
    if start > 0 {
        file.seek(SeekFrom::Start(start))?;
    }
    let mut rest = Rest {
        file,
        left: len,
        done,
    };
    let first = rest.next_piece()?;
    Ok(match rest.left {
        0 => Body::from(first),
        _ => Body::from_stream(pieces(first, rest)),
    })
}

/// What of a file is still to be read, from where it stands.
struct Rest {
    file: File,
    left: u64,
    done: Option<Done>,
}

impl Rest {
    fn next_piece(&mut self) -> io::Result<Bytes> {
        let want = self.left.min(PIECE);
        let mut piece = Vec::with_capacity(want as usize);
        let got = (&self.file).take(want).read_to_end(&mut piece)? as u64;
        if got < want {
            // Its length was promised: the connection has to break, or the peer takes the half for all.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= want;
        if let Some(done) = self.done.take_if(|_| self.left == 0) {
            done();
        }
        Ok(piece.into())
    }
}

/// The pieces one after the other; while one leaves, the next is read.
fn pieces(first: Bytes, rest: Rest) -> impl stream::Stream<Item = io::Result<Bytes>> + Send {
    let read = |mut rest: Rest| {
        spawn_blocking(move || {
            let piece = rest.next_piece()?;
            Ok::<_, io::Error>((piece, rest))
        })
    };
    let ahead = read(rest);
    stream::try_unfold(
        (Some(first), Some(ahead)),
        move |(first, ahead)| async move {
            if let Some(first) = first {
                return Ok(Some((first, (None, ahead))));
            }
            let Some(ahead) = ahead else {
                return Ok(None);
            };
            let (piece, rest) = ahead.await.map_err(io::Error::other)??;
            let next = (rest.left > 0).then(|| read(rest));
            Ok(Some((piece, (None, next))))
        },
    )
}

fn failed(how: &str, e: &io::Error) -> ApiError {
    ApiError::from(
        Problem::new(
            500,
            "NSB-LOADER-021",
            format!("The file {how}"),
            "Look at the server's log.",
        )
        .detail(e.to_string()),
    )
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("efi") => "application/efi",
        Some("iso") => "application/vnd.efi-iso",
        Some("img") => "application/vnd.efi-img",
        Some("ipxe") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// What a `Range` header asks of a file (RFC 9110 section 14.1.2). Several ranges at once, other
/// units and malformed ones are answered with the whole file, as the RFC allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Range {
    Whole,
    /// From `start` up to, without, `end`.
    Part {
        start: u64,
        end: u64,
    },
    Unsatisfiable,
}

impl Range {
    fn parse(text: &str, len: u64) -> Range {
        let Some((first, last)) = text
            .trim()
            .strip_prefix("bytes=")
            .and_then(|r| r.split_once('-'))
        else {
            return Range::Whole;
        };
        let number = |s: &str| {
            if s.bytes().all(|b| b.is_ascii_digit()) {
                s.parse::<u64>().ok()
            } else {
                None
            }
        };
        match (first.trim(), last.trim()) {
            ("", n) => match number(n) {
                Some(0) => Range::Unsatisfiable,
                Some(_) if len == 0 => Range::Unsatisfiable,
                Some(n) => Range::Part {
                    start: len.saturating_sub(n),
                    end: len,
                },
                None => Range::Whole,
            },
            (a, b) => match (number(a), number(b)) {
                (Some(a), None) if b.is_empty() && a < len => Range::Part { start: a, end: len },
                (Some(a), None) if b.is_empty() && a >= len => Range::Unsatisfiable,
                (Some(a), Some(b)) if a > b => Range::Whole,
                (Some(a), Some(_)) if a >= len => Range::Unsatisfiable,
                (Some(a), Some(b)) => Range::Part {
                    start: a,
                    end: b.saturating_add(1).min(len),
                },
                _ => Range::Whole,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Range::{self, Part, Unsatisfiable, Whole};

    #[test]
    fn ranges_of_a_file_of_a_thousand_bytes() {
        for (text, want) in [
            ("bytes=0-99", Part { start: 0, end: 100 }),
            (
                "bytes=900-",
                Part {
                    start: 900,
                    end: 1000,
                },
            ),
            (
                "bytes=-10",
                Part {
                    start: 990,
                    end: 1000,
                },
            ),
            (
                "bytes=-5000",
                Part {
                    start: 0,
                    end: 1000,
                },
            ),
            (
                "bytes=0-99999",
                Part {
                    start: 0,
                    end: 1000,
                },
            ),
            (
                "bytes=999-999",
                Part {
                    start: 999,
                    end: 1000,
                },
            ),
            (
                "bytes=0-18446744073709551615",
                Part {
                    start: 0,
                    end: 1000,
                },
            ),
            ("bytes=1000-", Unsatisfiable),
            ("bytes=5000-6000", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=20-10", Whole),
            ("bytes=0-1,5-6", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=99999999999999999999-", Whole),
            ("items=0-1", Whole),
            ("", Whole),
        ] {
            assert_eq!(Range::parse(text, 1000), want, "{text}");
        }
        assert_eq!(Range::parse("bytes=0-0", 0), Unsatisfiable);
        assert_eq!(Range::parse("bytes=-1", 0), Unsatisfiable);
    }
}

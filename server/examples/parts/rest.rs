//! A caller of the REST API: one connection that stays open, blocking, so that a caller is a thread
//! and its moment to send is as exact as the kernel's sleep. Only answers with a length.

use serde_json::{Value, json};
use std::{
    error::Error,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

pub type Fault = Box<dyn Error + Send + Sync>;

/// An answer that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(60);

/// One connection, signed in.
pub struct Caller {
    stream: BufReader<TcpStream>,
    /// The heads that all requests share.
    heads: String,
}

/// Signs in as `admin`; gives the access token.
pub fn sign_in(at: SocketAddr, password: &str) -> Result<String, Fault> {
    let who = json!({"username": "admin", "password": password});
    let mut caller = Caller::connect(at, "")?;
    let answer = caller.done("POST", "/api/v1/auth/login", Some(&who))?;
    let token = answer["access_token"].as_str().ok_or("no token")?;
    Ok(token.to_string())
}

impl Caller {
    /// An empty token is a stranger's.
    pub fn connect(at: SocketAddr, token: &str) -> Result<Caller, Fault> {
        let stream = TcpStream::connect(at)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let bearer = match token {
            "" => String::new(),
            token => format!("authorization: Bearer {token}\r\n"),
        };
        Ok(Caller {
            stream: BufReader::new(stream),
            heads: format!("host: {at}\r\n{bearer}content-type: application/json\r\n"),
        })
    }

    /// The status and body of the answer, whatever it is.
    pub fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Vec<u8>), Fault> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{}content-length: {}\r\n\r\n{body}",
            self.heads,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let first = self.line()?;
        let status = first.split(' ').nth(1).ok_or("no status")?.parse()?;
        let mut length = None;
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse()?);
            }
        }
        let length: usize = length.ok_or("an answer without a length")?;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status, body))
    }

    /// The JSON of an answer that has to be a good one.
    pub fn done(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Fault> {
        let (status, answer) = self.ask(method, path, body)?;
        if !(200..300).contains(&status) {
            let text = String::from_utf8_lossy(&answer);
            return Err(format!("{method} {path}: {status} {text}").into());
        }
        Ok(serde_json::from_slice(&answer)?)
    }

    fn line(&mut self) -> Result<String, Fault> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err("the server closed the connection".into()),
            _ => Ok(line.trim_end().to_string()),
        }
    }
}

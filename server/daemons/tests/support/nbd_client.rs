//! An NBD client made of bare bytes.

use crate::support::{PATIENCE, Server};
use daemons::nbd::wire::{Command, Request, answer, option};
use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
};

/// A client that sends what it is told to, right or wrong.
pub struct Client {
    pub stream: TcpStream,
}

impl Client {
    /// After the flags were exchanged.
    pub fn connect(server: &Server) -> Client {
        Client::from(server, Ipv4Addr::LOCALHOST)
    }

    /// From another of this box's addresses.
    pub fn from(server: &Server, source: Ipv4Addr) -> Client {
        let kind = socket2::Type::STREAM;
        let socket = socket2::Socket::new(socket2::Domain::IPV4, kind, None).unwrap();
        socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
        socket.connect(&server.address.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client { stream };
        assert_eq!(&client.take(18), b"NBDMAGICIHAVEOPT\0\x03");
        client.send(&3u32.to_be_bytes());
        client
    }

    /// As [`Client::connect`], with pc-1's disk open.
    pub fn open(server: &Server) -> Client {
        let mut client = Client::connect(server);
        client.go("pc-1").unwrap();
        client
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub fn take(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Whether the server has closed the connection: an end or a reset.
    pub fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0]) {
            Ok(n) => n == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Sends an option; its answers up to the last one.
    pub fn option(&mut self, number: u32, data: &[u8]) -> Vec<(u32, Vec<u8>)> {
        self.send(b"IHAVEOPT");
        self.send(&number.to_be_bytes());
        self.send(&(data.len() as u32).to_be_bytes());
        self.send(data);
        let mut all = Vec::new();
        loop {
            let head = self.take(20);
            let field = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap());
            assert_eq!(field(8), number);
            all.push((field(12), self.take(field(16) as usize)));
            if field(12) == answer::ACK || field(12) >= 1 << 31 {
                return all;
            }
        }
    }

    /// Opens an export; the error's number and text when it is refused.
    pub fn go(&mut self, name: &str) -> Result<(), (u32, String)> {
        let mut data = (name.len() as u32).to_be_bytes().to_vec();
        data.extend(name.as_bytes());
        data.extend([0, 0]);
        match self.option(option::GO, &data).pop() {
            Some((answer::ACK, _)) => Ok(()),
            Some((kind, text)) => Err((kind, String::from_utf8(text).unwrap())),
            None => unreachable!("there is always a last answer"),
        }
    }

    pub fn request(&mut self, command: Command, flags: u16, offset: u64, len: u32) {
        let request = Request {
            flags,
            command,
            cookie: 7,
            offset,
            len,
        };
        self.send(&request.encode());
    }

    /// The error of a simple reply.
    pub fn simple(&mut self) -> u32 {
        let head = self.take(16);
        assert_eq!(head[..4], [0x67, 0x44, 0x66, 0x98]);
        assert_eq!(head[8..], 7u64.to_be_bytes());
        u32::from_be_bytes(head[4..8].try_into().unwrap())
    }

    /// The chunks of a structured reply: kind and payload.
    pub fn chunks(&mut self) -> Vec<(u16, Vec<u8>)> {
        let mut all = Vec::new();
        loop {
            let head = self.take(20);
            assert_eq!(head[..4], [0x66, 0x8e, 0x33, 0xef]);
            assert_eq!(head[8..16], 7u64.to_be_bytes());
            let len = u32::from_be_bytes(head[16..].try_into().unwrap());
            let kind = u16::from_be_bytes([head[6], head[7]]);
            all.push((kind, self.take(len as usize)));
            if head[5] & 1 != 0 {
                return all;
            }
        }
    }

    /// Writes and waits for the answer's error.
    pub fn write(&mut self, flags: u16, offset: u64, data: &[u8]) -> u32 {
        self.request(Command::Write, flags, offset, data.len() as u32);
        self.send(data);
        self.simple()
    }

    /// Reads by a simple reply.
    pub fn read(&mut self, offset: u64, len: u32) -> Vec<u8> {
        self.request(Command::Read, 0, offset, len);
        assert_eq!(self.simple(), 0);
        self.take(len as usize)
    }
}

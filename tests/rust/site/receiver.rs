//! A receiver of webhooks: a server of HTTP on this machine that answers as a test says, and remembers what came.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use super::until;

/// A message that came.
#[derive(Debug, Clone)]
pub struct Received {
    pub id: String,
    pub timestamp: String,
    pub signature: String,
    pub text: String,
    pub body: Value,
}

impl Received {
    pub fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }
}

/// The answer to a message.
pub enum Answer {
    Status(u16),
    /// A status with further lines of the head.
    Head(u16, &'static str),
    /// Never one.
    Silence,
}

pub struct Receiver {
    pub url: String,
    messages: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// Starts one that answers by the message and the number of those before it.
    pub fn new(answer: impl Fn(&Received, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    pub fn at(listener: TcpListener, answer: impl Fn(&Received, usize) -> Answer + Send + Sync + 'static) -> Self {
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        let messages = Arc::<Mutex<Vec<Received>>>::default();
        let (all, answer) = (Arc::clone(&messages), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (all, answer, stream) = (Arc::clone(&all), Arc::clone(&answer), stream.unwrap());
                thread::spawn(move || serve(stream, &all, &*answer));
            }
        });
        Self { url, messages }
    }

    pub fn received(&self) -> Vec<Received> {
        self.messages.lock().unwrap().clone()
    }

    /// The messages, once there are so many.
    pub fn wait_for(&self, number: usize) -> Vec<Received> {
        until("messages arrive", || self.received().len() >= number);
        self.received()
    }

    /// The ids of all messages, once there are so many.
    pub fn wait_for_ids(&self, number: usize) -> BTreeSet<String> {
        let ids = || -> BTreeSet<String> { self.received().into_iter().map(|it| it.id).collect() };
        until("messages arrive", || ids().len() >= number);
        ids()
    }
}

fn serve(stream: TcpStream, all: &Mutex<Vec<Received>>, answer: &(dyn Fn(&Received, usize) -> Answer + Send + Sync)) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut line, mut head) = (String::new(), Vec::new());
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) && !line.trim().is_empty() {
        head.push(std::mem::take(&mut line));
    }
    let header = |name: &str| {
        let line = head.iter().find_map(|line| line.split_once(':').filter(|(it, _)| it.eq_ignore_ascii_case(name)));
        line.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let mut body = vec![0; header("content-length").parse().unwrap_or_default()];
    // A sender that is killed sends half a message.
    if head.is_empty() || reader.read_exact(&mut body).is_err() {
        return;
    }
    assert!(head[0].starts_with("POST /hooks HTTP/1.1") && header("content-type") == "application/json", "{head:?}");
    let text = String::from_utf8(body).unwrap();
    let message = Received {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body: serde_json::from_str(&text).unwrap(),
        text,
    };
    let number = {
        let mut all = all.lock().unwrap();
        all.push(message.clone());
        all.len() - 1
    };
    let (status, more) = match answer(&message, number) {
        Answer::Status(status) => (status, ""),
        Answer::Head(status, more) => (status, more),
        // Until the sender hangs up.
        Answer::Silence => {
            let _ = reader.read(&mut [0]);
            return;
        }
    };
    let mut stream = stream;
    let _ = stream.write_all(format!("HTTP/1.1 {status} X\r\n{more}content-length: 0\r\n\r\n").as_bytes());
}

//! Requests at a steady rate, over connections that are kept alive.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const CONNECTIONS: u32 = 16;

pub fn request(key: &str, body: &str) -> String {
    format!(
        "POST /verify HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The nanoseconds of each request. One that begins late, because the one before it took too long, counts from when it was due.
pub fn send(port: u16, rate: f64, seconds: f64, request: &str) -> Vec<u64> {
    let pause = Duration::from_secs_f64(f64::from(CONNECTIONS) / rate);
    let ends = Instant::now() + Duration::from_secs_f64(seconds);
    std::thread::scope(|scope| {
        let connections: Vec<_> = (0..CONNECTIONS)
            .map(|number| scope.spawn(move || connection(port, pause, pause * number / CONNECTIONS, ends, request)))
            .collect();
        connections.into_iter().flat_map(|it| it.join().unwrap()).collect()
    })
}

fn connection(port: u16, pause: Duration, first: Duration, ends: Instant, request: &str) -> Vec<u64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut spent, mut answer) = (Vec::new(), Vec::new());
    let mut due = Instant::now() + first;
    while due < ends {
        let early = due.saturating_duration_since(Instant::now());
        std::thread::sleep(early);
        // The sleep may last longer than asked for, which is no fault of the server.
        let begun = if early.is_zero() { due } else { Instant::now() };
        stream.write_all(request.as_bytes()).unwrap();
        read(&mut stream, &mut answer);
        spent.push(u64::try_from(begun.elapsed().as_nanos()).unwrap());
        due += pause;
    }
    spent
}

/// Reads one response to its end.
fn read(stream: &mut TcpStream, answer: &mut Vec<u8>) {
    answer.clear();
    loop {
        let mut part = [0; 8_192];
        let count = stream.read(&mut part).unwrap();
        assert!(count > 0, "the server has closed the connection");
        answer.extend_from_slice(&part[..count]);
        if let Some(head) = answer.windows(4).position(|it| it == b"\r\n\r\n") {
            let text = std::str::from_utf8(&answer[..head]).unwrap().to_ascii_lowercase();
            assert!(text.starts_with("http/1.1 200"), "{text}");
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if answer.len() >= head + 4 + length.parse::<usize>().unwrap() {
                return;
            }
        }
    }
}

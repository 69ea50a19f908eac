//! What no page can be quicker than: two lines of text, without style or script, from a server that knows them by heart.

use std::net::Ipv4Addr;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const PAGE: &str = "<!doctype html><title>Two lines</title><p>Two lines<p>of text";

/// Serves that page at all paths. Ends when dropped.
pub struct Floor {
    port: u16,
    serving: JoinHandle<()>,
}

impl Floor {
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let serving = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(async move {
                    // Whoever asked sees that there is no answer.
                    let _ = answer(connection).await;
                });
            }
        });
        Ok(Self { port, serving })
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Answers one request after the other, as long as the browser keeps the connection. None has a body.
async fn answer(mut connection: TcpStream) -> Result<()> {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\n\r\n{PAGE}",
        PAGE.len()
    );
    let mut head = Vec::new();
    let mut part = [0; 4096];
    loop {
        match connection.read(&mut part).await? {
            0 => return Ok(()),
            count => head.extend(&part[..count]),
        }
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            connection.write_all(answer.as_bytes()).await?;
        }
    }
}

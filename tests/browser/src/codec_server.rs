//! A codec server as operators run one, for browsers: small, real, over HTTP with the rules for other sites.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A question longer than that is none of ours.
const QUESTION_BYTES_MAX: usize = 1 << 20;

/// Turns payloads of the encoding `binary/backwards` round. Ends when dropped.
pub struct CodecServer {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl CodecServer {
    /// Starts one that lets the pages of a site ask it. One that `refuses` answers each question with 403.
    pub async fn start(site: &str, refuses: bool) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, site) = (Arc::clone(&asked), site.to_owned());
        let serving = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (seen, site) = (Arc::clone(&seen), site.clone());
                tokio::spawn(async move {
                    // Whoever asked sees that there is no answer.
                    let _ = answer(connection, &site, refuses, &seen).await;
                });
            }
        });
        Ok(Self {
            port,
            asked,
            serving,
        })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The heads of the requests so far.
    pub fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }
}

impl Drop for CodecServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    mut connection: TcpStream,
    site: &str,
    refuses: bool,
    seen: &Mutex<Vec<String>>,
) -> Result<()> {
    let (head, body) = read(&mut connection).await?;
    seen.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(head.clone());
    let (status, body) = match head.split(' ').next() {
        Some("OPTIONS") => ("204 No Content", String::new()),
        Some("POST") if refuses => ("403 Forbidden", String::new()),
        Some("POST") => ("200 OK", decoded(&body)?),
        _ => ("405 Method Not Allowed", String::new()),
    };
    let text = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         access-control-allow-origin: {site}\r\naccess-control-allow-methods: POST\r\n\
         access-control-allow-headers: content-type, x-namespace\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(text.as_bytes()).await?;
    Ok(connection.shutdown().await?)
}

/// The head of a request in small letters but for its first line, and its body.
async fn read(connection: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let lower = head.to_ascii_lowercase();
            let mut lengths = lower
                .lines()
                .filter_map(|line| line.strip_prefix("content-length: "));
            let length: usize = lengths.next().map_or(Ok(0), str::parse)?;
            if bytes.len() >= end + 4 + length {
                return Ok((head, bytes[end + 4..].to_vec()));
            }
        }
        if connection.read_buf(&mut bytes).await? == 0 || bytes.len() > QUESTION_BYTES_MAX {
            bail!("no whole request");
        }
    }
}

fn decoded(question: &[u8]) -> Result<String> {
    let question: Value = serde_json::from_slice(question)?;
    let payloads = question["payloads"].as_array().context("payloads")?;
    let payloads: Result<Vec<_>> = payloads.iter().map(turned).collect();
    Ok(json!({ "payloads": payloads? }).to_string())
}

fn turned(payload: &Value) -> Result<Value> {
    let part = |value: &Value| -> Result<Vec<u8>> {
        Ok(STANDARD.decode(value.as_str().context("base64")?)?)
    };
    if part(&payload["metadata"]["encoding"])? != b"binary/backwards" {
        return Ok(payload.clone());
    }
    let mut data = part(&payload["data"])?;
    data.reverse();
    Ok(json!({
        "metadata": { "encoding": STANDARD.encode("json/plain") },
        "data": STANDARD.encode(data),
    }))
}

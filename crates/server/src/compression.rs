//! Answers to clients that compress their requests, as SDKs do: large ones are compressed too. A small one would take more
//! time to compress than all the rest of its call, so it leaves as it is, which the protocol allows for each message.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderMap;

use crate::headers::{ACCEPTED_ENCODINGS, ENCODING};

/// Smaller messages are not compressed.
const BYTES_MIN: usize = 8 << 10;
/// Nor are larger ones: the thread that does it serves others too.
const BYTES_MAX: usize = 1 << 20;
/// Before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// The compression, as headers name it.
pub(crate) const GZIP: &str = "gzip";

/// Whether a client that sent these headers is answered in kind.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let is_gzip = headers.get(&ENCODING).is_some_and(|it| it == GZIP);
    is_gzip
        && headers.get(&ACCEPTED_ENCODINGS).is_some_and(|accepted| {
            let accepted = accepted.to_str().unwrap_or_default();
            accepted.split(',').any(|one| one.trim() == GZIP)
        })
}

/// The same message compressed, if it is a whole one, and that is worth while.
pub(crate) fn compressed(frame: &[u8]) -> Option<Bytes> {
    let (prefix, message) = frame.split_first_chunk::<PREFIX_BYTES>()?;
    let [flag, length @ ..] = prefix;
    let whole = u32::from_be_bytes(*length) as usize == message.len();
    if *flag != 0 || !whole || !(BYTES_MIN..=BYTES_MAX).contains(&message.len()) {
        return None;
    }
    let mut encoder = GzEncoder::new(vec![0; PREFIX_BYTES], Compression::fast());
    encoder.write_all(message).ok()?;
    let mut frame = encoder.finish().ok()?;
    let length = frame.len() - PREFIX_BYTES;
    if length >= message.len() {
        return None;
    }
    frame[0] = 1;
    frame[1..PREFIX_BYTES].copy_from_slice(&u32::try_from(length).ok()?.to_be_bytes());
    Some(frame.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::Read;

    use flate2::read::GzDecoder;

    fn frame(message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[0], &length[..], message].concat()
    }

    #[test]
    fn a_large_message_is_compressed_and_says_so() {
        let message = b"history ".repeat(BYTES_MIN);
        let compressed = compressed(&frame(&message)).unwrap();
        assert!(compressed.len() < message.len() / 10);
        let (prefix, rest) = compressed.split_at(PREFIX_BYTES);
        assert_eq!(prefix[0], 1);
        assert_eq!(
            prefix[1..],
            u32::try_from(rest.len()).unwrap().to_be_bytes()
        );
        let mut back = Vec::new();
        GzDecoder::new(rest).read_to_end(&mut back).unwrap();
        assert_eq!(back, message);
    }

    #[test]
    fn what_is_small_or_huge_or_cut_or_compressed_stays() {
        for size in [0, BYTES_MIN - 1, BYTES_MAX + 1] {
            assert_eq!(compressed(&frame(&vec![b'x'; size])), None);
        }
        let mut whole = frame(&vec![b'x'; BYTES_MIN]);
        assert_eq!(compressed(&whole[..whole.len() - 1]), None);
        whole[0] = 1;
        assert_eq!(compressed(&whole), None);
        assert_eq!(compressed(&[]), None);
    }

    #[test]
    fn those_who_compress_and_can_read_it_are_answered_in_kind() {
        let wanted = |encoding: &str, accepted: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(&ENCODING, encoding.parse().unwrap());
            headers.insert(&ACCEPTED_ENCODINGS, accepted.parse().unwrap());
            is_wanted(&headers)
        };
        assert!(wanted("gzip", "gzip") && wanted("gzip", "identity, gzip"));
        assert!(!wanted("identity", "gzip") && !wanted("gzip", "identity"));
        assert!(!is_wanted(&HeaderMap::new()));
    }
}

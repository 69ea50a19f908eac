//! The end of the journal after a crash.
//!
//! fjall replays its journals when it is opened. A batch that was cut off in the middle it drops, as it must. Two
//! other things it does not tell apart: a last batch with a hole in it (its pages reached the disk out of order, it
//! was never acknowledged, and fjall refuses to open), and damage in the middle of the file (fjall may take that for
//! the end, and cut off acknowledged batches that follow). Here they are told apart before fjall looks: every batch
//! is synced before the next one is written, so an invalid batch with a valid one after it is damage, and without is
//! an end.
//!
//! The format, from fjall 3.1, all numbers little endian:
//! ```text
//! batch = start item* end
//! start = 1u8, number of items u32, sequence number u64
//! item  = 2u8, type u8, compression u8, keyspace u64, key length u16, value length u32, stored length u32, key, value
//!       | 4u8, keyspace u64
//! end   = 3u8, xxh3 of all items u64, "FJL" 3u8
//! ```
//! Zeros follow the last batch, to the preallocated length of the file.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::directory::{OpenError, io_error};

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const TRAILER: [u8; 4] = *b"FJL\x03";

/// The bytes of a start: tag, number of items, sequence number.
const START_BYTES: usize = 1 + 4 + 8;

const BUFFER_BYTES: usize = 256 << 10;

/// How a journal ends.
#[derive(Debug, PartialEq, Eq)]
enum Tail {
    /// With its last batch, or with zeros after it.
    Clean,
    /// With bytes that are no batch, from this offset on.
    Torn(u64),
    /// It does not end: there are valid batches after the invalid bytes at this offset.
    Damaged(u64),
}

/// Cuts off what was being written to the journal when the process or the machine died.
///
/// # Errors
/// [`OpenError::Damaged`] if acknowledged batches cannot be read, and then nothing was changed; [`OpenError::Io`].
pub(crate) fn repair(primary: &Path) -> Result<(), OpenError> {
    let journals = journals(primary)?;
    for (index, path) in journals.iter().enumerate() {
        let tail = tail(path).map_err(io_error("reading", path))?;
        // A journal is synced before the next one is begun, so only the last one can be torn.
        let is_last = index + 1 == journals.len();
        match tail {
            Tail::Clean => {}
            Tail::Torn(offset) if is_last => {
                tracing::info!(journal = %path.display(), offset, "dropping a write that a crash cut off");
                let file = File::options()
                    .write(true)
                    .open(path)
                    .map_err(io_error("opening", path))?;
                file.set_len(offset)
                    .and_then(|()| file.sync_all())
                    .map_err(io_error("truncating", path))?;
            }
            Tail::Torn(offset) | Tail::Damaged(offset) => {
                let path = path.display();
                return Err(OpenError::Damaged(format!(
                    "{path} is unreadable at byte {offset}, before intact writes"
                )));
            }
        }
    }
    Ok(())
}

/// The journals, oldest first.
fn journals(primary: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(primary).map_err(io_error("listing", primary))? {
        let path = entry.map_err(io_error("listing", primary))?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            let number: Option<u64> = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.parse().ok());
            let Some(number) = number else {
                return Err(OpenError::Damaged(format!(
                    "{} is no name of a journal",
                    path.display()
                )));
            };
            journals.push((number, path));
        }
    }
    journals.sort();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

fn tail(path: &Path) -> io::Result<Tail> {
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
    let mut end = 0;
    let mut sequence = None;
    while let Some(batch) = read_batch(&mut reader)? {
        end += batch.length;
        sequence = Some(batch.sequence);
    }
    if is_zero_from(reader.get_ref(), end)? {
        return Ok(Tail::Clean);
    }
    let is_damaged = is_batch_after(&mut reader, end, sequence)?;
    Ok(if is_damaged {
        Tail::Damaged(end)
    } else {
        Tail::Torn(end)
    })
}

/// A batch that is whole.
struct BatchHeader {
    /// The bytes from its start to its end.
    length: u64,
    sequence: u64,
}

/// Reads a batch; `None` if there is no whole and valid one.
fn read_batch(reader: &mut impl BufRead) -> io::Result<Option<BatchHeader>> {
    match try_read_batch(reader) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        result => result,
    }
}

fn try_read_batch(reader: &mut impl BufRead) -> io::Result<Option<BatchHeader>> {
    let [START] = read_array(reader)? else {
        return Ok(None);
    };
    let item_count = u32::from_le_bytes(read_array(reader)?);
    let sequence = u64::from_le_bytes(read_array(reader)?);
    let mut length = START_BYTES as u64;
    let mut hash = Xxh3::new();
    for _ in 0..item_count {
        match read_item(reader, &mut hash)? {
            Some(item_length) => length += item_length,
            None => return Ok(None),
        }
    }
    let [END] = read_array(reader)? else {
        return Ok(None);
    };
    let checksum = u64::from_le_bytes(read_array(reader)?);
    let trailer: [u8; 4] = read_array(reader)?;
    length += 1 + 8 + 4;
    let is_valid = checksum == hash.digest() && trailer == TRAILER;
    Ok(is_valid.then_some(BatchHeader { length, sequence }))
}

/// Reads an item and returns its length; `None` if it is none.
fn read_item(reader: &mut impl BufRead, hash: &mut Xxh3) -> io::Result<Option<u64>> {
    let [tag] = read_array(reader)?;
    hash.update(&[tag]);
    match tag {
        ITEM => {
            let header: [u8; 20] = read_array(reader)?;
            hash.update(&header);
            let key_length = u16::from_le_bytes([header[10], header[11]]);
            let stored_length =
                u32::from_le_bytes([header[16], header[17], header[18], header[19]]);
            let body_length = u64::from(key_length) + u64::from(stored_length);
            hash_exact(reader, body_length, hash)?;
            Ok(Some(1 + 20 + body_length))
        }
        CLEAR => {
            let keyspace: [u8; 8] = read_array(reader)?;
            hash.update(&keyspace);
            Ok(Some(1 + 8))
        }
        _ => Ok(None),
    }
}

fn read_array<const N: usize>(reader: &mut impl BufRead) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn hash_exact(reader: &mut impl BufRead, length: u64, hash: &mut Xxh3) -> io::Result<()> {
    let mut left = length;
    while 0 < left {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let taken = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        hash.update(&buffer[..taken]);
        reader.consume(taken);
        left -= taken as u64;
    }
    Ok(())
}

/// Whether only zeros follow. The file system knows where nothing was ever written, which is most of a young journal.
fn is_zero_from(file: &File, mut offset: u64) -> io::Result<bool> {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Some(data) = next_data(file, offset)? {
        let length = file.read_at(&mut buffer, data)?;
        if length == 0 {
            break;
        }
        if buffer[..length].iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        offset = data + length as u64;
    }
    Ok(true)
}

/// Where the next bytes are that were written, from `offset` on; `None` if there are none.
fn next_data(file: &File, offset: u64) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(offset)) {
        Ok(data) => Ok(Some(data)),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        // A file system that does not know.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::OPNOTSUPP) => Ok(Some(offset)),
        Err(error) => Err(error.into()),
    }
}

/// Whether a valid batch that is newer than `sequence`, if there is one, begins anywhere after `offset`.
fn is_batch_after(
    reader: &mut BufReader<File>,
    offset: u64,
    sequence: Option<u64>,
) -> io::Result<bool> {
    // Sequence numbers are counted one by one; a journal cannot hold more batches than this.
    const SEQUENCES_MAX: u64 = 1 << 24;
    let newer = sequence.map_or(0..=u64::MAX, |last| {
        last..=last.saturating_add(SEQUENCES_MAX)
    });
    let mut window = Vec::new();
    let mut window_offset = offset + 1;
    loop {
        reader.seek(SeekFrom::Start(window_offset))?;
        window.clear();
        reader
            .by_ref()
            .take(BUFFER_BYTES as u64)
            .read_to_end(&mut window)?;
        for (index, start) in window
            .windows(START_BYTES)
            .enumerate()
            .filter(|(_, start)| start[0] == START)
        {
            let mut start_sequence = [0; 8];
            start_sequence.copy_from_slice(&start[5..]);
            if newer.contains(&u64::from_le_bytes(start_sequence)) {
                reader.seek(SeekFrom::Start(window_offset + index as u64))?;
                // An empty batch proves nothing: fjall writes none, and it is easily found in anything.
                if start[1..5] != [0; 4] && read_batch(reader)?.is_some() {
                    return Ok(true);
                }
            }
        }
        if window.len() < BUFFER_BYTES {
            return Ok(false);
        }
        window_offset += (BUFFER_BYTES - START_BYTES + 1) as u64;
    }
}

//! Bytes as people read them: offset, sixteen bytes, the printable ones.

use std::fmt::Write;

const PER_LINE: usize = 16;

/// A dump of `bytes`, one line for sixteen of them.
pub(super) fn dump(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 5);
    for (line, chunk) in bytes.chunks(PER_LINE).enumerate() {
        if line > 0 {
            out.push('\n');
        }
        let _ = write!(out, "{:08x} ", line * PER_LINE);
        for at in 0..PER_LINE {
            match chunk.get(at) {
                Some(byte) => {
                    let _ = write!(out, " {byte:02x}");
                }
                None => out.push_str("   "),
            }
        }
        out.push_str("  ");
        out.extend(chunk.iter().map(|&byte| match byte {
            b' '..=b'~' => byte as char,
            _ => '.',
        }));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_sixteen() {
        let bytes: Vec<u8> = (0x30..0x42).collect();
        assert_eq!(
            dump(&bytes),
            "00000000  30 31 32 33 34 35 36 37 38 39 3a 3b 3c 3d 3e 3f  0123456789:;<=>?\n\
             00000010  40 41                                            @A"
        );
        assert_eq!(dump(&[]), "");
    }
}

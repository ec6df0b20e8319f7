//! Whether a JPEG file was cut off.

/// True unless the JPEG file ends in the middle of its picture data.
///
/// The decoder paints what is missing grey and reports no error, which would teach a network that the lower
/// half of a broken download is grey. A complete file has an end-of-image marker (`FF D9`) after its first
/// start-of-scan marker (`FF DA`): inside the picture data every `FF` byte is followed by `00` or by a restart
/// marker, so the pair cannot occur there by chance. Files that are malformed before the picture data are
/// left to the decoder, which refuses them with a better reason.
pub(crate) fn is_complete(bytes: &[u8]) -> bool {
    match start_of_scan(bytes) {
        // From the end, where the marker mostly is.
        Some(start) => bytes[start..].windows(2).rev().any(|pair| pair == [0xff, END_OF_IMAGE]),
        None => true,
    }
}

const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

/// The first byte after the marker of the first scan.
fn start_of_scan(bytes: &[u8]) -> Option<usize> {
    let mut at = 2; // after the start-of-image marker
    loop {
        let marker = *bytes.get(at + 1)?;
        match (bytes[at], marker) {
            (0xff, 0xff) => at += 1, // a fill byte
            (0xff, START_OF_SCAN) => return Some(at + 2),
            (0xff, 0x01 | 0xd0..=0xd7) => at += 2, // markers without a segment
            (0xff, _) => {
                let length = u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]);
                at += 2 + usize::from(length);
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A comment that contains an end marker, a fill byte, then a scan with an escaped `FF`.
    const FILE: &[u8] = b"\xff\xd8\xff\xfe\x00\x04\xff\xd9\xff\xff\xda\x00\x02\x12\xff\x00\x34\xff\xd9";

    #[test]
    fn an_end_marker_counts_only_after_the_scan_began() {
        assert!(is_complete(FILE));
        assert!(is_complete(&[FILE, b"trailing bytes"].concat()));
        for cut in 11..FILE.len() {
            assert!(!is_complete(&FILE[..cut]), "cut after {cut} bytes");
        }
    }

    #[test]
    fn a_file_without_a_scan_is_left_to_the_decoder() {
        assert!(is_complete(b""));
        assert!(is_complete(&FILE[..9]));
        assert!(is_complete(b"\xff\xd8nothing like a segment"));
        assert!(is_complete(b"\xff\xd8\xff\xe0\xff\xff short"));
    }
}

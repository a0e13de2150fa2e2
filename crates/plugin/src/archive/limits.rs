//! How much of an archive is taken.

/// What an archive may hold at most. Each is checked while the archive streams in: the first byte too many ends it.
///
/// The numbers of [`Limits::default`] are those of the platform, where it has any: it packs at most 100 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that are read from the body, gzip'd. 100 MiB.
    pub compressed_bytes: u64,
    /// Bytes of all files together. 100 MiB. What tar puts around the files has a bound of its own, which follows from
    /// this and [`entries`](Self::entries).
    pub unpacked_bytes: u64,
    /// Bytes of one file. 100 MiB.
    pub file_bytes: u64,
    /// Unpacked bytes for each compressed one. It is asked from 16 MiB on: a small archive of small files packs as well as
    /// a bomb does, and harms nobody. 200.
    pub ratio: u64,
    /// Entries, the skipped ones and global headers included. 9,999. As many folders again may come into being because
    /// an entry lies in them that have no entry of their own.
    pub entries: u64,
    /// Components of a path. 128: the vector `ustar_prefix` has 71 and is to be taken, so 64 would be too few.
    pub depth: usize,
    /// Bytes of one component of a path. 255, what file systems take.
    pub name_bytes: usize,
    /// Bytes of a whole path. 2,048: half of what Linux takes, so that there is room for the folder it lies in.
    pub path_bytes: usize,
    /// Bytes of the headers that stand before an entry and say more of it: PAX, and GNU's long names. 64 KiB each.
    pub header_bytes: u64,
}

const MIB: u64 = 1024 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            compressed_bytes: 100 * MIB,
            unpacked_bytes: 100 * MIB,
            file_bytes: 100 * MIB,
            ratio: 200,
            entries: 9_999,
            depth: 128,
            name_bytes: 255,
            path_bytes: 2_048,
            header_bytes: 64 * 1024,
        }
    }
}

impl Limits {
    /// Below this many bytes nobody asks for the ratio.
    pub(super) const RATIO_FROM: u64 = 16 * MIB;

    /// How long the tar itself may be: the files, 4 KiB of headers and padding for each entry, and 1 MiB of zeros at the
    /// end.
    pub(super) fn tar_bytes(&self) -> u64 {
        let around = self.entries.saturating_mul(4_096).saturating_add(MIB);
        self.unpacked_bytes.saturating_add(around)
    }
}

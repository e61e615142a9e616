//! The front of a file: header and permission block, read and replaced without the rest of the file.

use super::{
    Geometry, HEADER_LEN, Header, Picture, SLOT_LEN, Slot, TAIL_LEN,
    geometry::{FRONT_AT, ZLIB_HEADER},
    picture::banded,
    write::{append_tail, embed_front, front_sum, seal_front},
};
use crate::stego::{
    StegoError,
    lsb::Density,
    png::{adler::Part, chunk},
};

/// How many bytes at the beginning of a file tell how long its front is; see [`Front::len_of`].
pub const START_LEN: usize = FRONT_AT + chunk::BEFORE_DATA + ZLIB_HEADER.len();

/// Bytes to be written over those of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Where they begin.
    pub at: u64,
    /// The new bytes.
    pub bytes: Vec<u8>,
}

/// The front of a picture: what is hidden in it, and the slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Front {
    geometry: Geometry,
    /// The header.
    pub header: Header,
    slots: [Slot; 2],
    /// Which slot holds the present block.
    present: usize,
}

impl Front {
    fn new(geometry: Geometry, header: Header, slots: [Slot; 2]) -> Result<Self, StegoError> {
        let present = usize::from(slots[1].generation() > slots[0].generation());
        match slots[present] {
            Slot::Holds { .. } => Ok(Self { geometry, header, slots, present }),
            _ => Err(StegoError::Damaged { part: "the permission block" }),
        }
    }

    /// How many bytes at the beginning of a file hold its front, told from its first [`START_LEN`]; `None`
    /// for a PNG that Veil did not write like that.
    ///
    /// # Errors
    /// For what is no PNG.
    pub fn len_of(start: &[u8]) -> Result<Option<usize>, StegoError> {
        Ok(banded(start)?.map(Geometry::front_len))
    }

    /// Reads the front of a file as Veil writes it, from its beginning, which may go on after the front, and
    /// its last [`TAIL_LEN`] bytes.
    ///
    /// # Errors
    /// [`StegoError::Interrupted`] when a block is whole and a checksum is wrong, else what is wrong.
    pub fn read(file: &[u8], tail: &[u8]) -> Result<Self, StegoError> {
        let front = Self::recover(file, tail)?;
        let consistent = !front.slots.contains(&Slot::Torn)
            && chunk::read(&file[FRONT_AT..], FRONT_AT).is_ok()
            && tail == front.tail(front_sum(file, front.geometry));
        if consistent { Ok(front) } else { Err(StegoError::Interrupted) }
    }

    /// The same of a file whose permission block was being rewritten when the writing stopped: what was
    /// there before, or what was to be written.
    ///
    /// # Errors
    /// Those of [`Self::read`] but the first; [`StegoError::CutOff`].
    pub fn recover(file: &[u8], tail: &[u8]) -> Result<Self, StegoError> {
        let Some(geometry) = banded(file)? else { return Err(StegoError::NothingHidden) };
        if file.len() < geometry.front_len() || tail.len() != TAIL_LEN {
            return Err(StegoError::CutOff { bytes: file.len() });
        }
        match Self::extract(&Picture::Banded { file, geometry }) {
            // The mark is there.
            Err(StegoError::NothingHidden) => Err(StegoError::Recompressed),
            front => front,
        }
    }

    /// The front of a picture that was decoded, or of a file as Veil writes it, whatever its checksums.
    ///
    /// # Errors
    /// Those of [`Header::from_bytes`]; [`StegoError::TooLarge`] for a body beyond the picture;
    /// [`StegoError::Damaged`] when no slot holds a block.
    pub(super) fn extract(picture: &Picture<'_>) -> Result<Self, StegoError> {
        let geometry = picture.geometry();
        let mut first = [0; HEADER_LEN + SLOT_LEN];
        let mut second = [0; SLOT_LEN];
        picture.extract(0, Density::One, &mut first)?;
        picture.extract(geometry.slot_rows()[1].start, Density::One, &mut second)?;
        let (header, first) = first.split_at(HEADER_LEN);
        let mut bytes = [0; HEADER_LEN];
        bytes.copy_from_slice(header);
        let header = Header::from_bytes(&bytes)?;
        let (value, limit) = (u64::from(header.body_len), geometry.capacity(header.density));
        if value > limit {
            return Err(StegoError::TooLarge { field: "the hidden data", value, limit, unit: "bytes" });
        }
        let mut slot = [0; SLOT_LEN];
        slot.copy_from_slice(first);
        Self::new(geometry, header, [Slot::from_bytes(&slot), Slot::from_bytes(&second)])
    }

    /// The present permission block.
    pub fn block(&self) -> &[u8] {
        match &self.slots[self.present] {
            Slot::Holds { block, .. } => block,
            // Checked when it was made.
            _ => &[],
        }
    }

    /// The present permission block.
    pub fn into_block(self) -> Vec<u8> {
        let [first, second] = self.slots;
        match if self.present == 0 { first } else { second } {
            Slot::Holds { block, .. } => block,
            _ => Vec::new(),
        }
    }

    /// The picture's dimensions.
    pub(super) fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// What to write into a file of `file_len` bytes, in this order, so that it holds `block` instead of
    /// the present one: the rows of the other slot, the checksum of their chunk, and the end of the file.
    /// Whenever the writing stops, [`Self::recover`] finds the old block or the new one.
    ///
    /// # Errors
    /// [`StegoError::TooLarge`] for a block beyond its slot, or one too many.
    pub fn replace(&self, file: &[u8], file_len: u64, block: &[u8]) -> Result<[Patch; 3], StegoError> {
        let geometry = self.geometry;
        let slot = 1 - self.present;
        // Generations grow by one a rewrite: only a file that was made to runs out of them.
        let generation = self.slots[self.present].generation();
        let generation = generation.checked_add(1).ok_or(StegoError::TooLarge {
            field: "number of permission blocks so far",
            value: u64::from(generation) + 1,
            limit: u32::MAX.into(),
            unit: "blocks",
        })?;
        let bytes = Slot::bytes(generation, block)?;
        let mut front = file[..geometry.front_len()].to_vec();
        let rows = geometry.slot_rows()[slot].clone();
        match slot {
            0 => embed_front(&mut front, geometry, &[&self.header.to_bytes()[..], &bytes].concat(), 0)?,
            _ => embed_front(&mut front, geometry, &bytes, rows.start)?,
        }
        let sum = seal_front(&mut front, geometry);
        let changed = geometry.row_at(rows.start)..geometry.channels_at(rows.end - 1).end;
        let crc = geometry.front_len() - 4;
        Ok([
            Patch { at: changed.start as u64, bytes: front[changed].to_vec() },
            Patch { at: crc as u64, bytes: front[crc..].to_vec() },
            Patch { at: file_len - TAIL_LEN as u64, bytes: self.tail(sum) },
        ])
    }

    /// The end of a file whose front has this checksum.
    fn tail(&self, front: Part) -> Vec<u8> {
        let rest = Part { sum: self.header.rest_adler, len: self.geometry.rest_len() };
        let mut tail = Vec::with_capacity(TAIL_LEN);
        append_tail(&mut tail, front.then(rest));
        tail
    }
}

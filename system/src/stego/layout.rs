//! Where the hidden bytes lie.
//!
//! | channels | bits a channel | what |
//! | --- | --- | --- |
//! | [`HEADER_LEN`] x 8 | 1 | the header |
//! | [`BLOCK_CAPACITY`] x 8 | 1 | the permission block, zeros after it |
//! | as many as needed | 1, 2 or 4 | the ciphertext |
//!
//! Channels are counted in row order from the top left, R, G, B. A reader needs to be told nothing: the
//! header is found at one bit a channel and says how dense the ciphertext lies. The block has its region
//! to itself, so that it can change without moving the ciphertext.

use super::{Cover, MAX_PIXELS, Raster, StegoError, lsb, lsb::Density};

/// What every header begins with.
pub const MAGIC: [u8; 4] = *b"VEIL";
/// The version of the format that this build writes, and the newest it reads.
pub const VERSION: u8 = 1;
/// Length of the header, in bytes.
pub const HEADER_LEN: usize = 32;
/// Room for the permission block, in bytes.
pub const BLOCK_CAPACITY: usize = 4096;

/// Channels before the permission block.
const BLOCK_START: usize = HEADER_LEN * 8;
/// Channels before the ciphertext.
const CIPHERTEXT_START: usize = BLOCK_START + BLOCK_CAPACITY * 8;

/// The fixed header. As bytes: magic, version, bits a channel, two zeros, then little-endian 32-bit
/// words: block length, ciphertext length, CRC-32 of the block's whole region, CRC-32 of the ciphertext,
/// a zero, CRC-32 of the 28 bytes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// How dense the ciphertext lies.
    pub density: Density,
    /// Length of the permission block, in bytes.
    pub block_len: u32,
    /// Length of the ciphertext, in bytes.
    pub ciphertext_len: u32,
    /// CRC-32 of the block and the zeros that fill its region.
    pub block_crc: u32,
    /// CRC-32 of the ciphertext.
    pub ciphertext_crc: u32,
}

impl Header {
    /// The header as it is hidden.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = VERSION;
        bytes[5] = self.density.bits();
        bytes[8..12].copy_from_slice(&self.block_len.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.ciphertext_len.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.block_crc.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.ciphertext_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..28]);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header. Its lengths are not yet held against any picture.
    ///
    /// # Errors
    /// [`StegoError::NothingHidden`] without the magic, [`StegoError::NewerVersion`],
    /// [`StegoError::Damaged`] when the checksum is wrong, [`StegoError::BadField`] for a version or
    /// density that never was.
    pub fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Result<Self, StegoError> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let [version, bits] = [bytes[4], bytes[5]];
        if bytes[..4] != MAGIC {
            return Err(StegoError::NothingHidden);
        }
        // Before the checksum: a later version may keep it elsewhere.
        if version > VERSION {
            return Err(StegoError::NewerVersion { found: version, newest: VERSION });
        }
        if crc32fast::hash(&bytes[..28]) != word(28) {
            return Err(StegoError::Damaged { part: "the header" });
        }
        let bad = |field, value, expected| StegoError::BadField { field, value, expected };
        if version != VERSION {
            return Err(bad("the format version", u64::from(version), "1"));
        }
        let density =
            Density::from_bits(bits).ok_or_else(|| bad("bits a channel", u64::from(bits), "1, 2 or 4"))?;
        Ok(Self {
            density,
            block_len: word(8),
            ciphertext_len: word(12),
            block_crc: word(16),
            ciphertext_crc: word(20),
        })
    }
}

/// How many bytes of ciphertext a picture of so many pixels holds.
pub fn capacity(pixels: u64, density: Density) -> u64 {
    let channels = (pixels * 3).saturating_sub(CIPHERTEXT_START as u64);
    channels / density.channels_per_byte() as u64
}

/// What will be written, stated before work begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Width of the picture, in pixels: the cover's, unless it has to grow.
    pub width: u32,
    /// Height of the picture, in pixels.
    pub height: u32,
    /// Density of the ciphertext.
    pub density: Density,
}

impl Plan {
    /// Chooses the lowest density at which `ciphertext_len` bytes fit a cover of `width` x `height`
    /// pixels, and when even the highest is too low, the smallest larger picture of about that shape.
    ///
    /// # Errors
    /// [`StegoError::DoesNotFit`] when the picture would exceed [`MAX_PIXELS`].
    pub fn new(width: u32, height: u32, ciphertext_len: usize) -> Result<Self, StegoError> {
        let pixels = u64::from(width) * u64::from(height);
        let needed = ciphertext_len as u64;
        let fits =
            |density: &Density| pixels * 3 >= CIPHERTEXT_START as u64 && needed <= capacity(pixels, *density);
        if let Some(density) = Density::ALL.into_iter().find(fits) {
            return Ok(Self { width, height, density });
        }
        let density = Density::Four;
        let available = capacity(MAX_PIXELS, density);
        if needed > available || pixels == 0 {
            return Err(StegoError::DoesNotFit { needed, available });
        }
        let channels = CIPHERTEXT_START as u64 + needed * density.channels_per_byte() as u64;
        let least = channels.div_ceil(3);
        let wider = (f64::from(width) * (least as f64 / pixels as f64).sqrt()).ceil() as u64;
        let wider = wider.clamp(1, MAX_PIXELS);
        let higher = least.div_ceil(wider);
        if wider * higher > MAX_PIXELS {
            let available = capacity(MAX_PIXELS / wider * wider, density);
            return Err(StegoError::DoesNotFit { needed, available });
        }
        Ok(Self { width: wider as u32, height: higher as u32, density })
    }
}

/// What a picture was found to hide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden {
    /// The permission block's bytes.
    pub block: Vec<u8>,
    /// The ciphertext.
    pub ciphertext: Vec<u8>,
}

/// Hides a permission block and a ciphertext in a copy of the cover, as [`Plan`] chooses.
///
/// # Errors
/// [`StegoError::TooLarge`] for a block beyond [`BLOCK_CAPACITY`], [`StegoError::DoesNotFit`] for a
/// ciphertext beyond every plan.
pub fn write(cover: &Cover, block: &[u8], ciphertext: &[u8]) -> Result<Raster, StegoError> {
    let region = block_region(block)?;
    let cover = cover.raster();
    let plan = Plan::new(cover.width(), cover.height(), ciphertext.len())?;
    let mut raster = if (plan.width, plan.height) == (cover.width(), cover.height()) {
        cover.clone()
    } else {
        cover.resized(plan.width, plan.height)?
    };
    let header = Header {
        density: plan.density,
        block_len: block.len() as u32,
        // A plan exists, so the length is below MAX_PIXELS x 3 / 2.
        ciphertext_len: ciphertext.len() as u32,
        block_crc: crc32fast::hash(&region),
        ciphertext_crc: crc32fast::hash(ciphertext),
    };
    let (front, back) = raster.channels_mut().split_at_mut(CIPHERTEXT_START);
    write_front(front, &header, &region)?;
    lsb::embed(plan.density, back, ciphertext)?;
    Ok(raster)
}

/// Reads back what [`write()`] has hidden.
///
/// # Errors
/// [`StegoError::NothingHidden`], [`StegoError::NewerVersion`], [`StegoError::Damaged`],
/// [`StegoError::BadField`], and [`StegoError::TooLarge`] when the header announces more than the picture
/// can hold; nothing is allocated on its word.
pub fn read(raster: &Raster) -> Result<Hidden, StegoError> {
    let header = read_header(raster)?;
    let block = read_block(raster, &header)?;
    // The header was checked: all of its channels are there.
    let back = &raster.channels()[CIPHERTEXT_START..];
    let mut ciphertext = vec![0; header.ciphertext_len as usize];
    lsb::extract(header.density, back, &mut ciphertext)?;
    if crc32fast::hash(&ciphertext) != header.ciphertext_crc {
        return Err(StegoError::Damaged { part: "the encrypted image" });
    }
    Ok(Hidden { block, ciphertext })
}

/// The permission block alone, of a picture that hides one.
///
/// # Errors
/// Those of [`read()`], except for damage to the ciphertext, which is not looked at.
pub fn read_block_only(raster: &Raster) -> Result<Vec<u8>, StegoError> {
    read_block(raster, &read_header(raster)?)
}

/// Puts another permission block in the place of the one that is there. The ciphertext stays.
///
/// # Errors
/// Those of [`read_block_only`], and [`StegoError::TooLarge`] for a block beyond [`BLOCK_CAPACITY`];
/// the picture is unchanged then.
pub fn replace_block(raster: &mut Raster, block: &[u8]) -> Result<(), StegoError> {
    let region = block_region(block)?;
    let header =
        Header { block_len: block.len() as u32, block_crc: crc32fast::hash(&region), ..read_header(raster)? };
    write_front(raster.channels_mut(), &header, &region)
}

/// The block and zeros after it: no remains of a longer, older block stay in the file.
fn block_region(block: &[u8]) -> Result<[u8; BLOCK_CAPACITY], StegoError> {
    let mut region = [0; BLOCK_CAPACITY];
    let room = region
        .get_mut(..block.len())
        .ok_or_else(|| too_large("permission block", block.len() as u64, BLOCK_CAPACITY as u64))?;
    room.copy_from_slice(block);
    Ok(region)
}

fn write_front(
    channels: &mut [u8],
    header: &Header,
    region: &[u8; BLOCK_CAPACITY],
) -> Result<(), StegoError> {
    lsb::embed(Density::One, channels, &header.to_bytes())?;
    lsb::embed(Density::One, &mut channels[BLOCK_START..], region)
}

/// What a picture says about what it hides. Its lengths fit the picture; nothing else was looked at.
///
/// # Errors
/// [`StegoError::NothingHidden`], [`StegoError::NewerVersion`], [`StegoError::Damaged`],
/// [`StegoError::BadField`] and [`StegoError::TooLarge`].
pub fn read_header(raster: &Raster) -> Result<Header, StegoError> {
    let channels = raster.channels();
    // Every picture that Veil writes has at least the header's and the block's channels.
    if channels.len() < CIPHERTEXT_START {
        return Err(StegoError::NothingHidden);
    }
    let mut bytes = [0; HEADER_LEN];
    lsb::extract(Density::One, channels, &mut bytes)?;
    let header = Header::from_bytes(&bytes)?;
    let limits = [
        ("permission block", header.block_len, BLOCK_CAPACITY as u64),
        ("encrypted image", header.ciphertext_len, capacity(channels.len() as u64 / 3, header.density)),
    ];
    for (field, value, limit) in limits {
        if u64::from(value) > limit {
            return Err(too_large(field, u64::from(value), limit));
        }
    }
    Ok(header)
}

fn read_block(raster: &Raster, header: &Header) -> Result<Vec<u8>, StegoError> {
    let mut region = [0; BLOCK_CAPACITY];
    lsb::extract(Density::One, &raster.channels()[BLOCK_START..], &mut region)?;
    if crc32fast::hash(&region) != header.block_crc {
        return Err(StegoError::Damaged { part: "the permission block" });
    }
    Ok(region[..header.block_len as usize].to_vec())
}

fn too_large(field: &'static str, value: u64, limit: u64) -> StegoError {
    StegoError::TooLarge { field, value, limit, unit: "bytes" }
}

#[cfg(test)]
mod tests;

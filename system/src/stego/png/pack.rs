//! Bands of rows into deflate data, each band by itself.
//!
//! What [`Packer::pack`] makes of a band refers to nothing outside it and ends on a whole byte. So bands can
//! be packed in any order, kept, and replaced one by one. `78 01`, the bands from top to bottom, an empty last
//! block and the checksum of all are the zlib stream of a PNG, wherever it is cut into IDAT chunks.
//!
//! Bytes are Huffman coded (RFC 1951), and runs of zeros are the only repetitions looked for: what the filter
//! leaves of a photograph, or of hidden bytes, holds no others worth a search. Measured on both, against it:
//! zlib-rs kept to Huffman coding, six times slower, 1 % smaller; miniz_oxide kept to it, nine times slower.

use std::iter;

use super::adler::Part;

/// Bytes a pixel.
const PIXEL: usize = 3;
/// Zeros are looked for in words of so many bytes.
const WORD: usize = 16;
/// Of so many words one is counted where speed matters.
const SAMPLE: usize = 8;
/// Symbols of a block: 256 bytes, its end, 29 lengths of repeats.
const SYMBOLS: usize = 286;
const END: usize = 256;
const LONGEST_REPEAT: usize = 258;
/// No code has more bits: four of them and seven bits left over fit into 64.
const LONGEST_CODE: usize = 14;
/// The most bytes that the header of a block takes, and its end: 287 lengths of up to 14 bits.
const MARGIN: usize = 1024;
/// The most bytes in a block without any coding.
const STORED: usize = 0xffff;

/// What to spend on a band.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// One filter and a code that fits a sample: 1.3 ns a byte.
    Fast,
    /// Every filter, and the smallest of what they give: five times slower.
    Small,
}

impl Effort {
    /// Filters to try, and one of how many words to count.
    fn settings(self) -> (&'static [Filter], usize) {
        match self {
            Self::Fast => (&[Filter::Average], SAMPLE),
            Self::Small => (&[Filter::Sub, Filter::Up, Filter::Average, Filter::Paeth], 1),
        }
    }
}

/// Packs bands, keeping its buffers from one to the next.
#[derive(Debug, Default)]
pub struct Packer {
    filtered: Vec<u8>,
    packed: Vec<u8>,
}

impl Packer {
    /// Appends the deflate data of `rows` to `out`: 8-bit RGB, `stride` bytes a row. The checksum is that of
    /// what a decoder unpacks, the filtered rows.
    ///
    /// # Panics
    /// When `stride` is 0.
    pub fn pack(&mut self, rows: &[u8], stride: usize, effort: Effort, out: &mut Vec<u8>) -> Part {
        let (filters, step) = effort.settings();
        let start = out.len();
        let mut checksum = Part::EMPTY;
        for filter in filters {
            filter_rows(rows, stride, *filter, &mut self.filtered);
            self.packed.resize(self.filtered.len() * 2 + MARGIN, 0);
            let mut length = deflate(&self.filtered, step, &mut self.packed);
            if length > stored_length(self.filtered.len()) {
                // Noise, or a sample that told nothing of the rest.
                length = store(&self.filtered, &mut self.packed);
            }
            if out.len() == start || length < out.len() - start {
                out.truncate(start);
                out.extend_from_slice(&self.packed[..length]);
                checksum = Part::of(&self.filtered);
            }
        }
        checksum
    }
}

/// The filters of PNG, by their number.
#[derive(Debug, Clone, Copy)]
enum Filter {
    Sub = 1,
    Up = 2,
    Average = 3,
    Paeth = 4,
}

/// Rows less what is foretold from the pixels on the left (`a`), above (`b`) and above left (`c`), each row
/// after the number of its filter. The first row knows of none above it.
fn filter_rows(rows: &[u8], stride: usize, filter: Filter, out: &mut Vec<u8>) {
    out.clear();
    let mut above: &[u8] = &[];
    for row in rows.chunks(stride) {
        let filter = if above.is_empty() { Filter::Sub } else { filter };
        out.push(filter as u8);
        let (first, rest) = row.split_at(row.len().min(PIXEL));
        let above_rest = above.get(PIXEL..).unwrap_or_default();
        let left = iter::zip(rest, row);
        match filter {
            Filter::Sub => {
                out.extend_from_slice(first);
                out.extend(left.map(|(x, a)| x.wrapping_sub(*a)));
            }
            Filter::Up => out.extend(iter::zip(row, above).map(|(x, b)| x.wrapping_sub(*b))),
            Filter::Average => {
                out.extend(iter::zip(first, above).map(|(x, b)| x.wrapping_sub(b / 2)));
                out.extend(iter::zip(left, above_rest).map(|((x, a), b)| x.wrapping_sub(a.midpoint(*b))));
            }
            Filter::Paeth => {
                out.extend(iter::zip(first, above).map(|(x, b)| x.wrapping_sub(*b)));
                let neighbours = iter::zip(iter::zip(left, above_rest), above);
                out.extend(neighbours.map(|(((x, a), b), c)| x.wrapping_sub(paeth(*a, *b, *c))));
            }
        }
        above = row;
    }
}

/// The one of three neighbours nearest to `a + b - c`.
fn paeth(a: u8, b: u8, c: u8) -> u8 {
    let [a_to_c, b_to_c] = [a, b].map(|x| i16::from(x) - i16::from(c));
    let [to_a, to_b, to_c] = [b_to_c, a_to_c, a_to_c + b_to_c].map(i16::abs);
    let b_or_c = if to_b <= to_c { b } else { c };
    if to_a <= to_b && to_a <= to_c { a } else { b_or_c }
}

fn stored_length(length: usize) -> usize {
    length + 5 * (length.div_ceil(STORED) + 1)
}

/// Writes `data` in blocks without any coding, the last one empty. Answers how many bytes these are.
fn store(data: &[u8], out: &mut Vec<u8>) -> usize {
    out.clear();
    for part in data.chunks(STORED).chain([&[][..]]) {
        let length = part.len() as u16;
        out.push(0);
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend_from_slice(part);
    }
    out.len()
}

/// Writes `data` as one coded block, and an empty one without any coding. Answers how many bytes these are.
fn deflate(data: &[u8], step: usize, out: &mut [u8]) -> usize {
    let (words, rest) = data.as_chunks();
    let lengths = code_lengths(&count(words, rest, step), LONGEST_CODE);
    let codes = codes(&lengths);
    let mut bits = Bits { out, at: 0, held: 0, count: 0 };
    write_lengths(&lengths, &mut bits);
    write_words(words, &codes, &mut bits);
    for symbol in rest.iter().map(|byte| usize::from(*byte)).chain([END]) {
        bits.write_code(codes[symbol], 0, 0);
    }
    bits.write(0, 3);
    bits.write(0, bits.count.wrapping_neg() % 8);
    bits.write(0xffff_0000, 32);
    bits.at
}

/// How often each symbol will be written. Where few words are zeros, one of `step` words stands for all, and
/// every byte is taken for possible.
fn count(words: &[[u8; WORD]], rest: &[u8], step: usize) -> [u32; SYMBOLS] {
    let zeros = words.iter().filter(|word| is_zero(word)).count();
    let (step, least) = if zeros * 8 > words.len() || step == 1 { (1, 0) } else { (step, 1) };
    // Four tables, because adding to the same number twice in a row takes long.
    let mut tables = [[0u32; 256]; 4];
    for word in words.iter().step_by(step).filter(|word| !is_zero(word)) {
        for four in word.as_chunks::<4>().0 {
            for (table, byte) in iter::zip(&mut tables, four) {
                table[usize::from(*byte)] += 1;
            }
        }
    }
    for byte in rest {
        tables[0][usize::from(*byte)] += 1;
    }
    let mut counts = [0; SYMBOLS];
    for (byte, count) in counts[..END].iter_mut().enumerate() {
        *count = tables.iter().map(|table| table[byte]).sum::<u32>() * step as u32 + least;
    }
    counts[END] = 1;
    if zeros > 0 {
        for run in words.chunk_by(|a, b| is_zero(a) && is_zero(b)).filter(|run| is_zero(&run[0])) {
            for (symbol, _, _) in run_symbols(run.len() * WORD) {
                counts[symbol] += 1;
            }
        }
    }
    counts
}

fn is_zero(word: &[u8; WORD]) -> bool {
    *word == [0; WORD]
}

/// The symbols of a run of zeros, a first one and its repeats, with what follows the code of each: extra bits
/// and their number. The last of them is the distance, for which there is but one code.
fn run_symbols(run: usize) -> impl Iterator<Item = (usize, u64, u32)> {
    let (longest, left) = ((run - 1) / LONGEST_REPEAT, (run - 1) % LONGEST_REPEAT);
    let last = match left {
        0..3 => iter::repeat_n((0, 0, 0), left),
        _ => iter::repeat_n(repeat(left), 1),
    };
    iter::once((0, 0, 0)).chain(iter::repeat_n((SYMBOLS - 1, 0, 1), longest)).chain(last)
}

/// A repeat of 3 to 257 bytes. The first 8 symbols are of one length each, the next 4 of two, then 4 of four.
fn repeat(length: usize) -> (usize, u64, u32) {
    let over = length - 3;
    let extra = over.max(4).ilog2() - 2;
    (END + 1 + 4 * extra as usize + (over >> extra), (over & ((1 << extra) - 1)) as u64, extra + 1)
}

/// The lengths of Huffman's codes, of at most `limit` bits, 0 for symbols that do not occur.
fn code_lengths<const N: usize>(counts: &[u32; N], limit: usize) -> [u8; N] {
    // A count above its symbol in one number: that sorts twice as fast as a pair.
    let mut rarest = [0; N];
    let mut leaves = 0;
    for (symbol, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        rarest[leaves] = u64::from(*count) << 16 | symbol as u64;
        leaves += 1;
    }
    let rarest = &mut rarest[..leaves];
    rarest.sort_unstable();

    // A tree of the leaves, then nodes, each made of the two lightest without a parent; the root comes last.
    let mut weights = [0; 2 * SYMBOLS];
    let mut parents = [0; 2 * SYMBOLS];
    for (weight, leaf) in iter::zip(&mut weights, &*rarest) {
        *weight = leaf >> 16;
    }
    let (mut leaf, mut node) = (0, leaves);
    for parent in leaves..2 * leaves - 1 {
        for _ in 0..2 {
            let next = if leaf < leaves && (node == parent || weights[leaf] <= weights[node]) {
                &mut leaf
            } else {
                &mut node
            };
            weights[parent] += weights[*next];
            parents[*next] = parent as u16;
            *next += 1;
        }
    }
    let mut depths = [0; 2 * SYMBOLS];
    for child in (0..2 * leaves - 2).rev() {
        depths[child] = depths[usize::from(parents[child])] + 1u8;
    }

    // How many codes there are of each length. Cut to the limit they are too many: for each that is, another
    // one is lengthened, and one of the longest put beside it.
    let mut of_length = [0usize; LONGEST_CODE + 1];
    for depth in &depths[..leaves] {
        of_length[usize::from(*depth).clamp(1, limit)] += 1;
    }
    let taken: usize = (1..=limit).map(|length| of_length[length] << (limit - length)).sum();
    for _ in 1 << limit..taken {
        if let Some(length) = (1..limit).rev().find(|length| of_length[*length] > 0) {
            of_length[length] -= 1;
            of_length[length + 1] += 2;
            of_length[limit] -= 1;
        }
    }
    let mut lengths = [0; N];
    let longest = (1..=limit).rev().flat_map(|length| iter::repeat_n(length, of_length[length]));
    for (length, leaf) in iter::zip(longest, &*rarest) {
        lengths[(leaf & 0xffff) as usize] = length as u8;
    }
    lengths
}

/// A code, first bit lowest, in the highest bits; its length in the lowest six.
#[derive(Debug, Clone, Copy, Default)]
struct Code(u64);

/// The codes that RFC 1951 has for these lengths.
fn codes<const N: usize>(lengths: &[u8; N]) -> [Code; N] {
    let mut of_length = [0u64; LONGEST_CODE + 1];
    for length in lengths.iter().filter(|length| **length > 0) {
        of_length[usize::from(*length)] += 1;
    }
    let mut next = [0; LONGEST_CODE + 1];
    for length in 1..=LONGEST_CODE {
        next[length] = (next[length - 1] + of_length[length - 1]) << 1;
    }
    lengths.map(|length| {
        let code = &mut next[usize::from(length)];
        *code += 1;
        if length == 0 { Code(0) } else { Code((*code - 1).reverse_bits() | u64::from(length)) }
    })
}

/// Writes the beginning of a block: the lengths of its codes, themselves coded.
fn write_lengths(lengths: &[u8; SYMBOLS], bits: &mut Bits) {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let symbols = SYMBOLS - lengths.iter().rev().take_while(|length| **length == 0).count();
    // The one distance there is has a code of one bit.
    let mut all = [1; SYMBOLS + 1];
    all[..symbols].copy_from_slice(&lengths[..symbols]);

    // Lengths, and marks (16: the last one again; 17 and 18: zeros) with how often, from the least on.
    let mut marks = Vec::with_capacity(all.len());
    for run in all[..=symbols].chunk_by(u8::eq) {
        let length = usize::from(run[0]);
        let mut left = run.len();
        if length > 0 {
            marks.push((length, 0));
            left -= 1;
        }
        while left >= 3 {
            let (mark, least, most) = match length {
                0 if left > 10 => (18, 11, 138),
                0 => (17, 3, 10),
                _ => (16, 3, 6),
            };
            let times = left.min(most);
            marks.push((mark, times - least));
            left -= times;
        }
        marks.extend(iter::repeat_n((length, 0), left));
    }
    let mut counts = [0; ORDER.len()];
    for (mark, _) in &marks {
        counts[*mark] += 1;
    }
    let mark_lengths = code_lengths(&counts, 7);
    let mark_codes = codes(&mark_lengths);

    let sent = ORDER.len() - ORDER.iter().rev().take_while(|mark| mark_lengths[**mark] == 0).count();
    bits.write(0b100, 3);
    bits.write((symbols - END - 1) as u64, 5);
    bits.write(0, 5);
    bits.write((sent - 4) as u64, 4);
    for mark in &ORDER[..sent] {
        bits.write(mark_lengths[*mark].into(), 3);
    }
    for (mark, times) in marks {
        let extra = [2, 3, 7].get(mark.wrapping_sub(16)).copied().unwrap_or_default();
        bits.write_code(mark_codes[mark], times as u64, extra);
    }
}

/// Writes `words`, their zeros as runs.
fn write_words(mut words: &[[u8; WORD]], codes: &[Code; SYMBOLS], bits: &mut Bits) {
    while !words.is_empty() {
        let zeros = words.iter().take_while(|word| is_zero(word)).count();
        if zeros > 0 {
            for (symbol, extra, count) in run_symbols(zeros * WORD) {
                bits.write_code(codes[symbol], extra, count);
            }
        }
        let written = write_literals(&words[zeros..], codes, bits);
        words = &words[zeros + written..];
    }
}

/// Writes `words` up to the first that is zero; answers how many. Nearly all the time goes in here, so the
/// state of `bits` is kept at hand and four codes are joined before they meet it.
#[inline(never)]
fn write_literals(words: &[[u8; WORD]], codes: &[Code; SYMBOLS], bits: &mut Bits) -> usize {
    let Bits { mut at, mut held, mut count, .. } = *bits;
    let mut written = 0;
    for word in words.iter().take_while(|word| !is_zero(word)) {
        let room = &mut bits.out[at..at + 2 * WORD + 8];
        let mut taken = 0;
        for four in word.as_chunks::<4>().0 {
            let four = four.map(|byte| codes[usize::from(byte)].0);
            // Each code comes in at the top and moves the others down by its length, which is in its lowest
            // bits. Lengths at the bottom are moved out in the end.
            let joined = four.into_iter().reduce(|joined, code| joined.wrapping_shr(code as u32) | code);
            let length = u32::from(four.iter().fold(0, |sum: u8, code| sum.wrapping_add(*code as u8)));
            held |= joined.unwrap_or_default().wrapping_shr(64 - length) << count;
            count += length;
            room[taken..taken + 8].copy_from_slice(&held.to_le_bytes());
            taken += (count / 8) as usize % 8;
            held = held.wrapping_shr(count & !7);
            count %= 8;
        }
        at += taken;
        written += 1;
    }
    (bits.at, bits.held, bits.count) = (at, held, count);
    written
}

/// Writes bits, the first one lowest. Up to seven are held back until their byte is full.
struct Bits<'a> {
    out: &'a mut [u8],
    at: usize,
    held: u64,
    count: u32,
}

impl Bits<'_> {
    /// Writes the lowest `count` bits of `bits`, up to 56; the others are 0.
    fn write(&mut self, bits: u64, count: u32) {
        self.held |= bits << self.count;
        self.count += count;
        self.out[self.at..self.at + 8].copy_from_slice(&self.held.to_le_bytes());
        self.at += (self.count / 8) as usize;
        self.held >>= self.count & !7;
        self.count %= 8;
    }

    /// Writes a code, and `count` bits after it.
    fn write_code(&mut self, code: Code, extra: u64, count: u32) {
        let length = code.0 as u32 % 64;
        self.write(code.0.wrapping_shr(64 - length) | extra << length, length + count);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use ::png::Decoder;
    use proptest::prelude::*;

    use super::*;
    use crate::stego::png::{SIGNATURE, chunk, header_data};

    const EFFORTS: [Effort; 2] = [Effort::Fast, Effort::Small];

    /// A whole PNG, a chunk for each band, each band packed as its turn in `efforts` says.
    fn file(rows: &[u8], stride: usize, band: usize, efforts: &[Effort]) -> Vec<u8> {
        let mut file = SIGNATURE.to_vec();
        let header = header_data((stride / PIXEL) as u32, (rows.len() / stride) as u32);
        chunk::append(&mut file, *b"IHDR", &header);
        chunk::append(&mut file, *b"IDAT", &[0x78, 1]);
        let mut checksum = Part::EMPTY;
        let mut packer = Packer::default();
        for (rows, effort) in iter::zip(rows.chunks(band * stride), efforts.iter().cycle()) {
            let mut packed = Vec::new();
            checksum = checksum.then(packer.pack(rows, stride, *effort, &mut packed));
            assert!(packed.ends_with(&[0, 0, 0xff, 0xff]));
            chunk::append(&mut file, *b"IDAT", &packed);
        }
        let end = [&[1, 0, 0, 0xff, 0xff], &checksum.sum.to_be_bytes()[..]].concat();
        chunk::append(&mut file, *b"IDAT", &end);
        chunk::append(&mut file, *b"IEND", &[]);
        file
    }

    /// Decodes a file twice: its zlib stream by itself, because the PNG decoder leaves the checksum unread.
    fn decode(file: &[u8]) -> Vec<u8> {
        let (mut stream, mut rest) = (Vec::new(), &file[8..]);
        while let Some((length, after)) = rest.split_first_chunk() {
            let (chunk, after) = after.split_at(u32::from_be_bytes(*length) as usize + 8);
            if let Some(data) = chunk[..chunk.len() - 4].strip_prefix(b"IDAT") {
                stream.extend_from_slice(data);
            }
            rest = after;
        }
        let filtered = fdeflate::decompress_to_vec(&stream).unwrap();
        let mut reader = Decoder::new(Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        reader.finish().unwrap();
        assert_eq!(filtered.len(), pixels.len() + reader.info().height as usize);
        pixels
    }

    /// Bytes without any pattern.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        iter::repeat_with(next).take(length).collect()
    }

    #[test]
    fn runs_of_every_length_survive() {
        // Rows of zeros but for one byte, whose place makes every length of run before and after it.
        let stride = 600 * PIXEL;
        let mut rows = vec![0; 600 * stride];
        for (i, row) in rows.chunks_mut(stride).enumerate() {
            row[i] = 1;
        }
        for effort in EFFORTS {
            assert_eq!(decode(&file(&rows, stride, 8, &[effort])), rows, "{effort:?}");
        }
    }

    #[test]
    fn flat_rows_take_next_to_nothing_and_noise_hardly_more_than_it_is() {
        let (flat, noise) = (vec![77; 8 * 2400], noise(8 * 2400));
        for effort in EFFORTS {
            let mut packed = Vec::new();
            Packer::default().pack(&flat, 2400, effort, &mut packed);
            assert!(packed.len() < 100, "{effort:?}: {}", packed.len());
            packed.clear();
            Packer::default().pack(&noise, 2400, effort, &mut packed);
            assert!(packed.len() <= stored_length(8 * 2401), "{effort:?}: {}", packed.len());
        }
    }

    #[test]
    fn a_sample_that_misleads_costs_no_more_than_the_bytes_themselves() {
        // One half of the values in the words that are sampled, the other half in the others; and more bytes
        // than one block without coding takes.
        let stride = 99_999;
        let mut differences = noise(stride);
        for (i, byte) in differences.iter_mut().enumerate() {
            *byte = if (i / WORD).is_multiple_of(SAMPLE) { *byte & 0x7f } else { *byte | 0x80 };
        }
        let mut row = differences.clone();
        row.rotate_left(1); // The number of the filter stands before them.
        for i in PIXEL..row.len() {
            row[i] = row[i].wrapping_add(row[i - PIXEL]);
        }
        let mut packed = Vec::new();
        Packer::default().pack(&row, stride, Effort::Fast, &mut packed);
        assert_eq!(packed.len(), stored_length(stride + 1));
        assert_eq!(decode(&file(&row, stride, 1, &[Effort::Fast])), row);
    }

    #[test]
    fn codes_are_complete_and_no_longer_than_they_may_be() {
        // Fibonacci's numbers make the deepest tree.
        let mut counts = [1; SYMBOLS];
        for i in 2..40 {
            counts[i] = counts[i - 1] + counts[i - 2];
        }
        for limit in [9, LONGEST_CODE] {
            let lengths = code_lengths(&counts, limit);
            assert!(lengths.iter().all(|length| (1..=limit).contains(&usize::from(*length))));
            let taken: usize = lengths.iter().map(|length| 1 << (limit - usize::from(*length))).sum();
            assert_eq!(taken, 1 << limit);
        }
        assert_eq!(code_lengths(&[0, 5, 0], 7), [0, 1, 0]);
        assert_eq!(code_lengths(&[3, 5, 9], 7), [2, 2, 1]);
    }

    /// Rows of all kinds, from nearly flat to noise, by the mask laid over noise; with their stride.
    fn any_rows() -> impl Strategy<Value = (Vec<u8>, usize)> {
        let kinds = prop_oneof![Just(0u8), Just(1), Just(3), Just(0x0f), Just(0x80), any::<u8>()];
        (1usize..200, 1usize..20).prop_flat_map(move |(width, height)| {
            let stride = width * PIXEL;
            let rows =
                prop::collection::vec((kinds.clone(), any::<u8>()), height).prop_flat_map(move |rows| {
                    prop::collection::vec(any::<u8>(), rows.len() * stride).prop_map(move |mut bytes| {
                        for (row, (mask, base)) in iter::zip(bytes.chunks_mut(stride), &rows) {
                            row.iter_mut().for_each(|byte| *byte = base.wrapping_add(*byte & mask));
                        }
                        bytes
                    })
                });
            (rows, Just(stride))
        })
    }

    proptest! {
        #[test]
        fn any_rows_come_back(
            (rows, stride) in any_rows(),
            band in 1usize..10,
            efforts in prop::sample::subsequence(EFFORTS.to_vec(), 1..=2),
        ) {
            prop_assert_eq!(decode(&file(&rows, stride, band, &efforts)), rows);
        }

        #[test]
        fn a_band_is_packed_the_same_whatever_was_packed_before((rows, stride) in any_rows()) {
            for effort in EFFORTS {
                let (mut first, mut later) = (Vec::new(), b"before".to_vec());
                let checksum = Packer::default().pack(&rows, stride, effort, &mut first);
                let mut packer = Packer::default();
                packer.pack(&noise(9 * stride), stride, Effort::Small, &mut Vec::new());
                prop_assert_eq!(packer.pack(&rows, stride, effort, &mut later), checksum);
                prop_assert_eq!(&later[6..], &first);
            }
        }
    }
}

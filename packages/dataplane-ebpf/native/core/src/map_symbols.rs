//! Names of the symbols in the section `.maps` of an ELF file, read by hand: the loader wants to know pins before it tells names.

type Found<T> = std::result::Result<T, String>;

fn octets<const N: usize>(bytes: &[u8], at: usize) -> Found<[u8; N]> {
    bytes.get(at..at + N).and_then(|slice| slice.try_into().ok()).ok_or_else(|| format!("the file ends before octet {}", at + N))
}

fn u64_at(bytes: &[u8], at: usize) -> Found<usize> {
    Ok(u64::from_le_bytes(octets(bytes, at)?) as usize)
}

fn u32_at(bytes: &[u8], at: usize) -> Found<usize> {
    Ok(u32::from_le_bytes(octets(bytes, at)?) as usize)
}

fn u16_at(bytes: &[u8], at: usize) -> Found<usize> {
    Ok(u16::from_le_bytes(octets(bytes, at)?) as usize)
}

fn text(bytes: &[u8], at: usize) -> Found<String> {
    let rest = bytes.get(at..).ok_or("a name lies outside the file")?;
    Ok(rest.iter().take_while(|octet| **octet != 0).map(|octet| *octet as char).collect())
}

pub fn of(bytes: &[u8]) -> Found<Vec<String>> {
    if octets::<4>(bytes, 0)? != *b"\x7fELF" {
        return Err("not an ELF file".into());
    }
    let (sections, size, count, strings) = (u64_at(bytes, 0x28)?, u16_at(bytes, 0x3a)?, u16_at(bytes, 0x3c)?, u16_at(bytes, 0x3e)?);
    let header = |index: usize| sections + index * size;
    let section_names = u64_at(bytes, header(strings) + 0x18)?;
    let (mut maps, mut symbols) = (None, None);
    for index in 0..count {
        if text(bytes, section_names + u32_at(bytes, header(index))?)? == ".maps" {
            maps = Some(index);
        }
        // SHT_SYMTAB
        if u32_at(bytes, header(index) + 4)? == 2 {
            symbols = Some(header(index));
        }
    }
    let (Some(maps), Some(symbols)) = (maps, symbols) else { return Err("no maps or no symbols".into()) };
    let (start, length) = (u64_at(bytes, symbols + 0x18)?, u64_at(bytes, symbols + 0x20)?);
    let names = u64_at(bytes, header(u32_at(bytes, symbols + 0x28)?) + 0x18)?;
    let mut found = Vec::new();
    for symbol in (start..start + length).step_by(24) {
        if u16_at(bytes, symbol + 6)? == maps {
            found.push(text(bytes, names + u32_at(bytes, symbol)?)?);
        }
    }
    found.retain(|name| !name.is_empty());
    Ok(found)
}

//! A table whose keys are never used twice: a place and how often it was taken before.

#[derive(Debug)]
pub(super) struct Table<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Place<T> {
    /// Counts the values that lived here.
    taken: u32,
    value: Option<T>,
}

fn split(key: u64) -> (u32, usize) {
    ((key >> 32) as u32, (key & 0xffff_ffff) as usize)
}

impl<T> Table<T> {
    pub fn new() -> Table<T> {
        Table { places: Vec::new(), free: Vec::new(), len: 0 }
    }
    pub fn len(&self) -> usize {
        self.len
    }
    pub fn insert(&mut self, value: T) -> u64 {
        self.len += 1;
        if let Some(at) = self.free.pop()
            && let Some(place) = self.places.get_mut(at as usize)
        {
            place.value = Some(value);
            return u64::from(place.taken) << 32 | u64::from(at);
        }
        // Tables are bounded far below 2^32 by the configuration's limits.
        let at = self.places.len() as u64;
        self.places.push(Place { taken: 1, value: Some(value) });
        1 << 32 | at
    }
    pub fn get(&self, key: u64) -> Option<&T> {
        let (taken, at) = split(key);
        self.places.get(at).filter(|p| p.taken == taken)?.value.as_ref()
    }
    pub fn get_mut(&mut self, key: u64) -> Option<&mut T> {
        let (taken, at) = split(key);
        self.places.get_mut(at).filter(|p| p.taken == taken)?.value.as_mut()
    }
    pub fn remove(&mut self, key: u64) -> Option<T> {
        let (taken, at) = split(key);
        let place = self.places.get_mut(at).filter(|p| p.taken == taken)?;
        let value = place.value.take()?;
        self.len -= 1;
        // A place that was taken 2^32 times retires, so that no key ever comes back.
        if let Some(next) = place.taken.checked_add(1) {
            place.taken = next;
            self.free.push(at as u32);
        }
        Some(value)
    }
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.places.iter().enumerate().filter_map(|(at, place)| {
            let value = place.value.as_ref()?;
            Some((u64::from(place.taken) << 32 | at as u64, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_dies_with_its_value() {
        let mut table = Table::new();
        let a = table.insert("a");
        assert_eq!(table.remove(a), Some("a"));
        let b = table.insert("b");
        assert_ne!(a, b);
        assert_eq!(table.remove(a), None);
        assert_eq!((table.get(a), table.get(b), table.len()), (None, Some(&"b"), 1));
    }
}

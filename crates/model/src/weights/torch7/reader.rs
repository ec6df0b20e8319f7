//! Torch 7's binary serialization: numbers, strings, tables, tensors and objects, which may refer to each
//! other. Lua functions are refused.

use std::{collections::HashMap, ops::Range};

/// Deepest nesting of tables and objects. Networks here have about ten levels.
const MAX_DEPTH: usize = 200;

/// Kinds of values, as the format numbers them.
const NIL: i32 = 0;
const NUMBER: i32 = 1;
const TEXT: i32 = 2;
const TABLE: i32 = 3;
const OBJECT: i32 = 4;
const BOOLEAN: i32 = 5;
const FUNCTIONS: [i32; 3] = [6, 7, 8];

/// A value; tables and objects are places in [`File::items`], since several values may be the same one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Nil,
    Number(f64),
    Text(String),
    Boolean(bool),
    Item(usize),
}

#[derive(Clone, Debug)]
pub(super) enum Item {
    /// Keys and values, in the file's order.
    Table(Vec<(Value, Value)>),
    /// An object of a class other than tensors and storages: its fields.
    Object {
        class: String,
        fields: Value,
    },
    Tensor(Tensor),
    Storage {
        element: Element,
        bytes: Range<usize>,
    },
}

/// A view of a storage.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    sizes: Vec<usize>,
    strides: Vec<usize>,
    /// Of the first element, counted from 0.
    offset: usize,
    storage: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F32,
    F64,
    /// Of so many bytes; never part of a network.
    Other(usize),
}

impl Element {
    /// Of the storage or tensor class `torch.KINDStorage`, `torch.KINDTensor`.
    fn of(kind: &str) -> Option<Self> {
        Some(match kind {
            "Float" | "Cuda" => Self::F32,
            "Double" | "CudaDouble" => Self::F64,
            "Long" | "CudaLong" => Self::Other(8),
            "Int" | "CudaInt" => Self::Other(4),
            "Short" | "CudaShort" | "Half" | "CudaHalf" => Self::Other(2),
            "Byte" | "Char" | "CudaByte" | "CudaChar" => Self::Other(1),
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Other(size) => size,
        }
    }
}

/// A file that was read.
pub(super) struct File {
    bytes: Vec<u8>,
    items: Vec<Item>,
    pub(super) root: Value,
}

impl File {
    /// # Errors
    /// What is wrong with the file, in words.
    pub(super) fn parse(bytes: Vec<u8>) -> Result<Self, String> {
        let mut reader = Reader { bytes: &bytes, at: 0, items: Vec::new(), places: HashMap::new() };
        let root = reader.value(0)?;
        let items = reader.items;
        Ok(Self { bytes, items, root })
    }

    pub(super) fn item(&self, value: &Value) -> Option<&Item> {
        if let Value::Item(index) = value { self.items.get(*index) } else { None }
    }

    /// The class of an object, `table` and the like for everything else.
    pub(super) fn kind(&self, value: &Value) -> &str {
        match (value, self.item(value)) {
            (_, Some(Item::Object { class, .. })) => class,
            (_, Some(Item::Table(_))) => "a table",
            (_, Some(Item::Tensor(_))) => "a tensor",
            (_, Some(Item::Storage { .. })) => "a storage",
            (Value::Number(_), _) => "a number",
            (Value::Text(_), _) => "a string",
            (Value::Boolean(_), _) => "a boolean",
            _ => "nil",
        }
    }

    fn entries(&self, value: &Value) -> &[(Value, Value)] {
        match self.item(value) {
            Some(Item::Table(entries)) => entries,
            Some(Item::Object { fields, .. }) => match self.item(fields) {
                Some(Item::Table(entries)) => entries,
                _ => &[],
            },
            _ => &[],
        }
    }

    /// A field of an object or table; nil if there is none.
    pub(super) fn field(&self, value: &Value, name: &str) -> &Value {
        let named = |key: &Value| matches!(key, Value::Text(text) if text == name);
        self.entries(value).iter().find(|(key, _)| named(key)).map_or(&Value::Nil, |(_, value)| value)
    }

    /// Names of a table's fields.
    pub(super) fn names(&self, value: &Value) -> Vec<&str> {
        let mut names = Vec::new();
        for (key, _) in self.entries(value) {
            if let Value::Text(text) = key {
                names.push(text.as_str());
            }
        }
        names
    }

    /// The entries 1, 2, 3, ... of a table.
    pub(super) fn list(&self, value: &Value) -> Vec<&Value> {
        let mut values = HashMap::new();
        for (key, value) in self.entries(value) {
            if let Value::Number(number) = key
                && number.fract() == 0.0
            {
                values.entry(*number as usize).or_insert(value);
            }
        }
        (1..).map_while(|index: usize| values.get(&index).copied()).collect()
    }

    /// Sizes and values of a tensor of floats, row by row.
    pub(super) fn tensor(&self, value: &Value) -> Result<(Vec<usize>, Vec<f32>), String> {
        let Some(Item::Tensor(Tensor { sizes, strides, offset, storage })) = self.item(value) else {
            return Err(format!("{} where a tensor is expected", self.kind(value)));
        };
        let Some(Item::Storage { element, bytes }) = self.item(storage) else {
            return Err("a tensor without values".to_owned());
        };
        let bytes = &self.bytes[bytes.clone()];
        let read = |index: usize| {
            let bytes = bytes.get(index.checked_mul(element.size())?..)?;
            match element {
                Element::F32 => bytes.first_chunk().map(|&bytes| f32::from_le_bytes(bytes)),
                Element::F64 => bytes.first_chunk().map(|&bytes| f64::from_le_bytes(bytes) as f32),
                Element::Other(_) => None,
            }
        };
        let count = sizes.iter().try_fold(1_usize, |count, &size| count.checked_mul(size));
        let most = bytes.len() / element.size();
        let count = count.filter(|&count| count <= most).ok_or("a tensor larger than its storage")?;
        let mut values = Vec::with_capacity(count);
        let mut place = vec![0_usize; sizes.len()];
        for _ in 0..count {
            let index = place
                .iter()
                .zip(strides)
                .try_fold(*offset, |index, (&place, &stride)| index.checked_add(place.checked_mul(stride)?));
            values.push(index.and_then(read).ok_or("a tensor that is no view of floats in the file")?);
            for (place, &size) in place.iter_mut().zip(sizes).rev() {
                *place += 1;
                if *place < size {
                    break;
                }
                *place = 0;
            }
        }
        Ok((sizes.clone(), values))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    items: Vec<Item>,
    /// Places of items by the file's numbers of them.
    places: HashMap<i32, usize>,
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Result<Range<usize>, String> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len());
        let range = self.at..end.ok_or("it is cut short, or no file of Torch 7")?;
        self.at = range.end;
        Ok(range)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let range = self.take(N)?;
        self.bytes[range].try_into().map_err(|_| "it is cut short".to_owned())
    }

    fn int(&mut self) -> Result<i32, String> {
        self.array().map(i32::from_le_bytes)
    }

    /// A C `long` of a 64-bit system that counts something.
    fn count(&mut self) -> Result<usize, String> {
        let number = self.array().map(i64::from_le_bytes)?;
        usize::try_from(number).map_err(|_| format!("{number} where a size is expected"))
    }

    fn text(&mut self) -> Result<String, String> {
        let length = self.int()?;
        let length = usize::try_from(length).map_err(|_| format!("a string of length {length}"))?;
        let range = self.take(length)?;
        Ok(String::from_utf8_lossy(&self.bytes[range]).into_owned())
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err(format!("tables within tables, more than {MAX_DEPTH} deep"));
        }
        match self.int()? {
            NIL => Ok(Value::Nil),
            NUMBER => Ok(Value::Number(self.array().map(f64::from_le_bytes)?)),
            TEXT => self.text().map(Value::Text),
            BOOLEAN => Ok(Value::Boolean(self.int()? != 0)),
            kind @ (TABLE | OBJECT) => {
                let number = self.int()?;
                if let Some(&place) = self.places.get(&number) {
                    return Ok(Value::Item(place));
                }
                let place = self.items.len();
                // Known before it is read: what is inside may refer to it.
                self.places.insert(number, place);
                self.items.push(Item::Table(Vec::new()));
                let item = if kind == TABLE { self.table(depth)? } else { self.object(depth)? };
                self.items[place] = item;
                Ok(Value::Item(place))
            }
            kind if FUNCTIONS.contains(&kind) => {
                Err("it holds a Lua function, which is not read; save the network's `clearState()`"
                    .to_owned())
            }
            kind => Err(format!(
                "a value of the unknown kind {kind}; it is damaged, or no binary file of Torch 7"
            )),
        }
    }

    fn table(&mut self, depth: usize) -> Result<Item, String> {
        let count = self.int()?;
        let mut entries = Vec::new();
        for _ in 0..count {
            let key = self.value(depth + 1)?;
            entries.push((key, self.value(depth + 1)?));
        }
        Ok(Item::Table(entries))
    }

    fn object(&mut self, depth: usize) -> Result<Item, String> {
        // Since version 1 the class comes after the version, before in its place.
        let mut class = self.text()?;
        if class.starts_with("V ") {
            class = self.text()?;
        }
        let torch = class.strip_prefix("torch.");
        if let Some(element) = torch.and_then(|name| Element::of(name.strip_suffix("Storage")?)) {
            let count = self.count()?;
            let length = count.checked_mul(element.size()).ok_or("a storage larger than its file")?;
            return Ok(Item::Storage { element, bytes: self.take(length)? });
        }
        if torch.and_then(|name| Element::of(name.strip_suffix("Tensor")?)).is_some() {
            let dimensions = self.int()?;
            if !(0..=8).contains(&dimensions) {
                return Err(format!("a tensor of {dimensions} dimensions"));
            }
            let sizes = (0..dimensions).map(|_| self.count()).collect::<Result<_, _>>()?;
            let strides = (0..dimensions).map(|_| self.count()).collect::<Result<_, _>>()?;
            let offset = self.count()?.saturating_sub(1);
            return Ok(Item::Tensor(Tensor { sizes, strides, offset, storage: self.value(depth + 1)? }));
        }
        if torch.is_some() {
            return Err(format!("it holds a `{class}`, which is not read"));
        }
        Ok(Item::Object { class, fields: self.value(depth + 1)? })
    }
}

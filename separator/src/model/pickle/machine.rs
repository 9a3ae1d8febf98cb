//! The stack machine that a pickle is a program for, as far as data need it.
//!
//! Every instruction takes a byte at least and makes one value at most, so that a pickle's values
//! are never more than its bytes.

use std::collections::HashMap;

use super::LARGEST_PICKLE_BYTES;
use super::error::{Damage, Result, unknown};
use super::global::Global;
use super::object::{Id, Object, Objects, kind};
use super::rebuild::{self, Made};

/// Machine in the middle of a pickle.
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Id>,
    /// Heights of the stack at which groups begin.
    marks: Vec<usize>,
    /// Values that the pickle has numbered, in order to use them again.
    memo: HashMap<u64, Id>,
    objects: Objects<'a>,
}

/// Values that a pickle describes.
pub(super) struct Pickle<'a> {
    pub(super) objects: Objects<'a>,
    /// The outermost value.
    pub(super) root: Id,
    /// Number of bytes that the pickle takes.
    pub(super) bytes: usize,
}

impl<'a> Machine<'a> {
    /// Reads the pickle that `bytes` begin with.
    pub(super) fn run(bytes: &'a [u8]) -> Result<Pickle<'a>> {
        let mut machine = Self {
            bytes,
            at: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            objects: Objects::default(),
        };

        loop {
            if machine.at > LARGEST_PICKLE_BYTES {
                let (found, expected) = (machine.at, LARGEST_PICKLE_BYTES);
                return Err(Damage::TooLarge { found, expected }.into());
            }

            match machine.byte()? {
                b'.' => break,
                opcode => machine.step(opcode)?,
            }
        }

        let root = machine.pop()?;
        Ok(Pickle {
            objects: machine.objects,
            root,
            bytes: machine.at,
        })
    }

    fn step(&mut self, opcode: u8) -> Result<()> {
        if let Some(literal) = self.literal(opcode)? {
            self.push(literal);
            return Ok(());
        }

        let known = self.stack(opcode)? || self.container(opcode)? || self.call(opcode)?;
        match known {
            true => Ok(()),
            false => Err(unknown(format!("the pickle instruction {opcode:#04x}"))),
        }
    }

    /// Reads the value that an instruction carries with it; `None` for an instruction without one.
    fn literal(&mut self, opcode: u8) -> Result<Option<Object<'a>>> {
        Ok(Some(match opcode {
            b'N' => Object::None,
            0x88 => Object::Bool(true),
            0x89 => Object::Bool(false),
            b'J' => Object::Int(i32::from_le_bytes(self.array()?).into()),
            b'K' => Object::Int(self.byte()?.into()),
            b'M' => Object::Int(u16::from_le_bytes(self.array()?).into()),
            0x8a => {
                let length = self.length(1)?;
                self.long(length)?
            }
            b'G' => Object::Float(f64::from_be_bytes(self.array()?)),
            0x8c | b'U' => self.text(1)?,
            b'X' | b'T' => self.text(4)?,
            0x8d => self.text(8)?,
            b'C' => self.byte_string(1)?,
            b'B' => self.byte_string(4)?,
            0x8e => self.byte_string(8)?,
            b']' => Object::List(Vec::new()),
            b'}' => Object::Dict(Vec::new()),
            b')' => Object::Tuple(Vec::new()),
            0x8f => Object::Set(Vec::new()),
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                Object::Global(Global::find(module, name)?)
            }
            _ => return Ok(None),
        }))
    }

    /// Instructions that move values about. Returns whether `opcode` is one.
    fn stack(&mut self, opcode: u8) -> Result<bool> {
        match opcode {
            // The protocol's number and the lengths of frames say nothing that is needed.
            0x80 => drop(self.byte()?),
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.group()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'q' => self.remember(1)?,
            b'r' => self.remember(4)?,
            0x94 => {
                let (number, top) = (self.memo.len() as u64, self.top()?);
                self.memo.insert(number, top);
            }
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Instructions that make containers and fill them. Returns whether `opcode` is one.
    fn container(&mut self, opcode: u8) -> Result<bool> {
        match opcode {
            b't' => {
                let group = self.group()?;
                self.push(Object::Tuple(group));
            }
            0x85..=0x87 => {
                let group = self.pop_many(usize::from(opcode - 0x84))?;
                self.push(Object::Tuple(group));
            }
            b'l' => {
                let group = self.group()?;
                self.push(Object::List(group));
            }
            b'd' => {
                let group = self.group()?;
                self.push(Object::Dict(pairs(&group)));
            }
            0x91 => {
                let group = self.group()?;
                self.push(Object::Set(group));
            }
            b'a' => {
                let element = self.pop()?;
                self.extend(&[element])?;
            }
            b'e' | b'u' | 0x90 => {
                let group = self.group()?;
                self.extend(&group)?;
            }
            b's' => {
                let pair = self.pop_many(2)?;
                self.extend(&pair)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Instructions by which Python calls what the pickle names. Returns whether `opcode` is one.
    fn call(&mut self, opcode: u8) -> Result<bool> {
        let made = match opcode {
            0x93 => {
                let names = self.pop_many(2)?;
                let text = |id| self.objects.text(id, self.at);
                Made::New(Object::Global(Global::find(
                    text(names[0])?,
                    text(names[1])?,
                )?))
            }
            b'R' | 0x81 => {
                let called = self.pop_many(2)?;
                rebuild::call(&self.objects, called[0], called[1], self.at)?
            }
            b'Q' => {
                let named = self.pop()?;
                rebuild::outside(&self.objects, named, self.at)?
            }
            b'b' => return self.set_attributes(),
            _ => return Ok(false),
        };

        match made {
            Made::New(object) => self.push(object),
            Made::Same(id) => self.stack.push(id),
        }
        Ok(true)
    }

    /// Leaves attributes out. `torch.save` notes the versions of modules in those of a dictionary.
    fn set_attributes(&mut self) -> Result<bool> {
        self.pop()?;
        match self.objects.get(self.top()?) {
            Object::Dict(_) | Object::Tensor(_) => Ok(true),
            other => Err(unknown(format!("attributes of a {}", other.kind()))),
        }
    }

    fn push(&mut self, object: Object<'a>) {
        let id = self.objects.push(object);
        self.stack.push(id);
    }

    /// Returns the lowest height to which the stack may be taken down: a group's values are its
    /// own.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id> {
        let own = self.stack.get(self.floor()..).unwrap_or_default();
        own.last().copied().ok_or_else(|| self.no_value())
    }

    fn pop(&mut self) -> Result<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>> {
        let rest = self.stack.len().checked_sub(count);
        match rest.filter(|&rest| rest >= self.floor()) {
            Some(rest) => Ok(self.stack.split_off(rest)),
            None => Err(self.no_value()),
        }
    }

    /// Removes and returns the values since the last mark.
    fn group(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().ok_or_else(|| self.no_value())?;
        Ok(self.stack.split_off(mark))
    }

    /// Adds `more` to the container on top: elements, or keys and values in turn.
    fn extend(&mut self, more: &[Id]) -> Result<()> {
        let (top, at) = (self.top()?, self.at);
        match self.objects.get_mut(top) {
            Object::List(elements) | Object::Set(elements) => elements.extend(more),
            Object::Dict(known) => known.extend(pairs(more)),
            other => return Err(kind(other, at, "a list or a dictionary")),
        }
        Ok(())
    }

    fn remember(&mut self, bytes: usize) -> Result<()> {
        let (number, top) = (self.number(bytes)?, self.top()?);
        self.memo.insert(number, top);
        Ok(())
    }

    fn recall(&mut self, bytes: usize) -> Result<()> {
        let number = self.number(bytes)?;
        let known = self.memo.get(&number).copied();
        self.stack.push(known.ok_or_else(|| self.no_value())?);
        Ok(())
    }

    fn no_value(&self) -> super::super::error::ModelError {
        Damage::NoValue { at: self.at }.into()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let taken = self.bytes[self.at..].get(..count);
        let taken = taken.ok_or(Damage::Ended { at: self.at })?;
        self.at += count;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// Reads an unsigned number of `bytes` bytes.
    fn number(&mut self, bytes: usize) -> Result<u64> {
        let mut number = [0; 8];
        number[..bytes].copy_from_slice(self.take(bytes)?);
        Ok(u64::from_le_bytes(number))
    }

    fn length(&mut self, bytes: usize) -> Result<usize> {
        let length = self.number(bytes)?;
        usize::try_from(length).map_err(|_| Damage::Ended { at: self.at }.into())
    }

    /// Reads a whole number of `length` bytes with a sign.
    fn long(&mut self, length: usize) -> Result<Object<'a>> {
        let bytes = self.take(length)?;
        if length > 8 {
            return Err(unknown(format!("a whole number of {length} bytes")));
        }
        let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
        let mut number = if negative { [0xff; 8] } else { [0; 8] };
        number[..length].copy_from_slice(bytes);
        Ok(Object::Int(i64::from_le_bytes(number)))
    }

    /// Reads a text after its length in `bytes` bytes.
    fn text(&mut self, bytes: usize) -> Result<Object<'a>> {
        let length = self.length(bytes)?;
        let text = std::str::from_utf8(self.take(length)?);
        Ok(Object::Text(
            text.map_err(|_| Damage::Text { at: self.at })?,
        ))
    }

    fn byte_string(&mut self, bytes: usize) -> Result<Object<'a>> {
        let length = self.length(bytes)?;
        self.take(length)?;
        Ok(Object::Bytes)
    }

    /// Reads a text up to the end of its line.
    fn line(&mut self) -> Result<&'a str> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n');
        let line = self.take(end.ok_or(Damage::Ended { at: self.at })?)?;
        self.at += 1;
        std::str::from_utf8(line).map_err(|_| Damage::Text { at: self.at }.into())
    }
}

/// Returns `group` as pairs of keys and values. A key without a value is left out.
fn pairs(group: &[Id]) -> Vec<(Id, Id)> {
    let (pairs, _) = group.as_chunks::<2>();
    pairs.iter().map(|&[key, value]| (key, value)).collect()
}

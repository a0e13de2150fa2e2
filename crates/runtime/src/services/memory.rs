//! Acts on what the platform keeps for a workspace.

use molecule_gate::{Act, Effect, MemoryScope};

use crate::wit::memory::SetOptions;

/// Reads something that is kept.
#[derive(Debug)]
pub struct ReadMemory<T> {
    /// What.
    pub what: T,
    /// How far what is read may come from.
    pub scope: MemoryScope,
}

impl<T> Act for ReadMemory<T> {
    fn effect(&self) -> Effect<'_> {
        Effect::ReadMemory { scope: self.scope }
    }
}

/// The value of this key.
#[derive(Debug)]
pub struct Key(pub String);

/// All values.
#[derive(Debug)]
pub struct AllValues;

/// The checkpoints of this piece of work.
#[derive(Debug)]
pub struct Workflow(pub String);

/// The newest checkpoint.
#[derive(Debug)]
pub struct LatestCheckpoint;

/// Writes something that is kept, or removes it.
#[derive(Debug)]
pub struct WriteMemory<T: Kept> {
    /// What.
    pub what: T,
    /// Who will see it.
    pub scope: MemoryScope,
}

impl<T: Kept> Act for WriteMemory<T> {
    fn effect(&self) -> Effect<'_> {
        Effect::WriteMemory { scope: self.scope, bytes: self.what.bytes() }
    }
}

/// Something to be kept.
pub trait Kept {
    /// Its bytes; none where something is removed.
    fn bytes(&self) -> usize;
}

/// A value.
#[derive(Debug)]
pub struct SetValue {
    /// Its key.
    pub key: String,
    /// The value, JSON.
    pub value: String,
    /// How.
    pub options: SetOptions,
}

impl Kept for SetValue {
    fn bytes(&self) -> usize {
        self.key.len() + self.value.len()
    }
}

/// Removes the value of this key.
#[derive(Debug)]
pub struct DeleteValue(pub String);

impl Kept for DeleteValue {
    fn bytes(&self) -> usize {
        0
    }
}

/// A memory.
#[derive(Debug)]
pub struct Memory {
    /// What is remembered.
    pub content: String,
    /// Where it is filed.
    pub namespace: Option<String>,
}

impl Kept for Memory {
    fn bytes(&self) -> usize {
        self.content.len() + self.namespace.as_ref().map_or(0, String::len)
    }
}

/// Removes the memory of this id.
#[derive(Debug)]
pub struct ForgetMemory(pub String);

impl Kept for ForgetMemory {
    fn bytes(&self) -> usize {
        0
    }
}

/// A checkpoint.
#[derive(Debug)]
pub struct Checkpoint {
    /// Names the work.
    pub workflow: String,
    /// Names the step.
    pub step: String,
    /// Which step it is.
    pub index: u32,
    /// What is needed to go on, JSON.
    pub payload: Option<String>,
}

impl Kept for Checkpoint {
    fn bytes(&self) -> usize {
        self.workflow.len() + self.step.len() + self.payload.as_ref().map_or(0, String::len)
    }
}

/// Removes the checkpoints of this piece of work.
#[derive(Debug)]
pub struct ClearCheckpoints(pub String);

impl Kept for ClearCheckpoints {
    fn bytes(&self) -> usize {
        0
    }
}

//! Network that runs on a GPU.

use super::session::Session;
use crate::Result;
use crate::engine::class::EngineClass;
use crate::engine::contract::Engine;

/// Network on a GPU.
pub(super) struct TensorRt {
    session: Session,
    name: String,
    class: EngineClass,
}

impl TensorRt {
    pub(super) fn new(session: Session, name: String, class: EngineClass) -> Self {
        Self {
            session,
            name,
            class,
        }
    }
}

impl Engine for TensorRt {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn class(&self) -> EngineClass {
        self.class
    }

    fn depth(&self) -> usize {
        self.session.depth()
    }

    fn submit(&mut self, fill: &mut dyn FnMut(&mut [f32])) -> Result<()> {
        Ok(self.session.submit(fill)?)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(self.session.launch_rest()?)
    }

    fn take(&mut self) -> Result<&[f32]> {
        Ok(self.session.take()?)
    }

    fn forget(&mut self) -> Result<()> {
        Ok(self.session.forget()?)
    }
}

//! Writing of ONNX graphs: values whose shapes are known while the graph is written, and the
//! operators that Sextet uses.

mod graph;
mod ops;
mod proto;

pub(crate) use graph::{Element, Graph, Value};
pub(crate) use ops::Window;

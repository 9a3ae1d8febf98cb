//! Graph under construction. Every value knows its shape and element type, so that a mistake shows
//! where it is made.

use half::f16;
use prost::Message;

use super::proto;
use crate::model::weights::Array;

/// Version of the ONNX file format that belongs to the operator set.
const IR_VERSION: i64 = 10;
/// Operator set, the first with `Gelu`.
const OPERATOR_SET: i64 = 20;

/// Element types, with their numbers in `onnx.TensorProto.DataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F32 = 1,
    I64 = 7,
    F16 = 10,
}

/// Tensor in the graph: an input, a constant, or the output of an operator.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) element: Element,
}

impl Value {
    /// Returns the dimensions, all of which are known.
    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the size of dimension number `axis`.
    pub(crate) fn size(&self, axis: usize) -> usize {
        self.shape[axis]
    }
}

/// Attribute of a node.
pub(super) enum Attribute<'a> {
    Float(f32),
    Int(i64),
    Ints(Vec<i64>),
    Text(&'a str),
}

/// Graph as far as it is written.
pub(crate) struct Graph {
    graph: proto::Graph,
    /// Element type of the weights and of the values computed from them. Statistics stay in
    /// float32.
    compute_type: Element,
    /// Whether constants have no data: the graph is there for its shapes alone.
    is_outline: bool,
    products: u64,
}

impl Graph {
    /// Creates an empty graph called `name` whose weights are stored as `compute_type`.
    pub(crate) fn new(name: &str, compute_type: Element) -> Self {
        let graph = proto::Graph {
            name: name.to_owned(),
            ..Default::default()
        };
        Self {
            graph,
            compute_type,
            is_outline: false,
            products: 0,
        }
    }

    /// Creates an empty graph whose constants have shapes and no data. It is not for files.
    pub(crate) fn outline() -> Self {
        Self {
            is_outline: true,
            ..Self::new("outline", Element::F32)
        }
    }

    /// Returns the number of products of two numbers that the convolutions and matrix products
    /// take: most of the graph's run time.
    pub(crate) fn products(&self) -> u64 {
        self.products
    }

    /// Counts the products of an operator: `for_each` for each element of its output.
    pub(super) fn count_products(&mut self, given: &Value, for_each: usize) {
        self.products += given
            .shape
            .iter()
            .chain([&for_each])
            .map(|&size| size as u64)
            .product::<u64>();
    }

    /// Returns the element type of the weights.
    pub(crate) fn compute_type(&self) -> Element {
        self.compute_type
    }

    /// Declares a float32 input.
    pub(crate) fn input(&mut self, name: &str, shape: &[usize]) -> Value {
        let value = Value {
            name: name.to_owned(),
            shape: shape.to_vec(),
            element: Element::F32,
        };
        self.graph.input.push(info(&value));
        value
    }

    /// Makes `value` the output called `name`.
    pub(crate) fn output(&mut self, name: &str, value: &Value) {
        let output = Value {
            name: name.to_owned(),
            ..value.clone()
        };
        self.graph.output.push(info(&output));
        self.graph.node.push(proto::Node {
            input: vec![value.name.clone()],
            output: vec![output.name],
            op_type: "Identity".to_owned(),
            ..Default::default()
        });
    }

    /// Adds a weight, stored in the compute type.
    pub(crate) fn weight(&mut self, array: &Array) -> Value {
        self.weight_from(array.shape(), || array.clone())
    }

    /// Adds a weight of `shape`, stored in the compute type. It is computed by `array` if it is
    /// needed.
    pub(crate) fn weight_from(&mut self, shape: &[usize], array: impl FnOnce() -> Array) -> Value {
        match self.compute_type {
            Element::F16 => self.constant(shape, Element::F16, || {
                bytes(of_shape(shape, &array()), |x| {
                    f16::from_f32(x).to_le_bytes()
                })
            }),
            Element::F32 | Element::I64 => self.constant_from(shape, array),
        }
    }

    /// Adds a constant of `shape` that stays float32 whatever the compute type is. It is computed
    /// by `array` if it is needed.
    pub(crate) fn constant_from(
        &mut self,
        shape: &[usize],
        array: impl FnOnce() -> Array,
    ) -> Value {
        self.constant(shape, Element::F32, || {
            bytes(of_shape(shape, &array()), f32::to_le_bytes)
        })
    }

    /// Adds an array that is there already as float32, whatever the weights are stored as.
    pub(crate) fn constant_f32(&mut self, array: &Array) -> Value {
        self.constant(array.shape(), Element::F32, || {
            bytes(array.data(), f32::to_le_bytes)
        })
    }

    /// Adds a single number of `like`'s element type, which broadcasts.
    pub(crate) fn scalar(&mut self, number: f32, like: &Value) -> Value {
        self.scalar_from(|| number, like)
    }

    /// Adds a single number like [`Graph::scalar`], which is computed if it is needed.
    pub(crate) fn scalar_from(&mut self, number: impl FnOnce() -> f32, like: &Value) -> Value {
        self.constant(&[], like.element, || match like.element {
            Element::F16 => f16::from_f32(number()).to_le_bytes().to_vec(),
            Element::F32 | Element::I64 => number().to_le_bytes().to_vec(),
        })
    }

    /// Adds a constant of integers, such as axes or a shape.
    pub(super) fn integers(&mut self, numbers: &[i64]) -> Value {
        self.constant(&[numbers.len()], Element::I64, || {
            numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
        })
    }

    fn constant(
        &mut self,
        shape: &[usize],
        element: Element,
        bytes: impl FnOnce() -> Vec<u8>,
    ) -> Value {
        let raw_data = if self.is_outline { Vec::new() } else { bytes() };
        let name = format!("c{}", self.graph.initializer.len());
        let dims = shape.iter().map(|&d| d as i64).collect();
        self.graph.initializer.push(proto::Tensor {
            dims,
            data_type: element as i32,
            name: name.clone(),
            raw_data,
        });

        Value {
            name,
            shape: shape.to_vec(),
            element,
        }
    }

    /// Adds a node with one output of the given shape and element type.
    pub(super) fn node(
        &mut self,
        op_type: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute<'_>)],
        shape: Vec<usize>,
        element: Element,
    ) -> Value {
        let name = format!("v{}", self.graph.node.len());
        self.graph.node.push(proto::Node {
            input: inputs.iter().map(|v| v.name.clone()).collect(),
            output: vec![name.clone()],
            name: format!("{op_type}_{}", self.graph.node.len()),
            op_type: op_type.to_owned(),
            attribute: attributes
                .iter()
                .map(|(name, value)| attribute(name, value))
                .collect(),
        });

        Value {
            name,
            shape,
            element,
        }
    }

    /// Returns the finished graph as the bytes of an ONNX file.
    pub(crate) fn into_onnx(self, metadata: &[(&str, String)]) -> Vec<u8> {
        let entry = |(key, value): &(&str, String)| proto::Entry {
            key: (*key).to_owned(),
            value: value.clone(),
        };
        let operator_set = proto::OperatorSet {
            domain: String::new(),
            version: OPERATOR_SET,
        };
        let model = proto::Model {
            ir_version: IR_VERSION,
            producer_name: "sextet".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(self.graph),
            opset_import: vec![operator_set],
            metadata: metadata.iter().map(entry).collect(),
        };

        model.encode_to_vec()
    }
}

fn info(value: &Value) -> proto::ValueInfo {
    let dim = value
        .shape
        .iter()
        .map(|&d| proto::Dimension {
            dim_value: Some(d as i64),
        })
        .collect();

    let tensor = proto::TensorType {
        elem_type: value.element as i32,
        shape: Some(proto::Shape { dim }),
    };
    proto::ValueInfo {
        name: value.name.clone(),
        kind: Some(proto::Type {
            tensor: Some(tensor),
        }),
    }
}

/// Converts an attribute. The numbers in `kind` are those of `onnx.AttributeProto.AttributeType`.
fn attribute(name: &str, value: &Attribute<'_>) -> proto::Attribute {
    let mut attribute = proto::Attribute {
        name: name.to_owned(),
        ..Default::default()
    };
    match value {
        Attribute::Float(f) => (attribute.f, attribute.kind) = (Some(*f), 1),
        Attribute::Int(i) => (attribute.i, attribute.kind) = (Some(*i), 2),
        Attribute::Text(s) => (attribute.s, attribute.kind) = (Some(s.as_bytes().to_vec()), 3),
        Attribute::Ints(ints) => (attribute.ints, attribute.kind) = (ints.clone(), 7),
    }

    attribute
}

/// Returns the elements of `array`, which has `shape`.
fn of_shape<'a>(shape: &[usize], array: &'a Array) -> &'a [f32] {
    assert_eq!(array.shape(), shape, "shape of a constant");
    array.data()
}

/// Returns the bytes of `numbers`, each converted by `store`.
fn bytes<const N: usize>(numbers: &[f32], store: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    let mut bytes = vec![0; N * numbers.len()];
    bytes
        .as_chunks_mut()
        .0
        .iter_mut()
        .zip(numbers)
        .for_each(|(place, &number)| *place = store(number));
    bytes
}
